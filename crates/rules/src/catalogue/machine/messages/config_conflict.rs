//! The messages of the rule beside: two parts of the VM's configuration contradict each other.

use crate::prelude::*;
use crate::sign::{joined, total};

#[path = "config_conflict/backends.rs"]
mod backends;
#[path = "config_conflict/definitions.rs"]
mod definitions;
#[path = "config_conflict/devices.rs"]
mod devices;
#[path = "config_conflict/processors_and_memory.rs"]
mod processors_and_memory;

const LISTS: &[&[Sign]] =
    &[processors_and_memory::SIGNS, devices::SIGNS, backends::SIGNS, definitions::SIGNS];

pub(super) const SIGNS: &[Sign] = &joined::<_, { total(LISTS) }>(Sign::hint(""), LISTS);
