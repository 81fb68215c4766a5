//! What the guest reads at 169.254.169.254 (Firecracker's `docs/mmds/mmds-user-guide.md`).

use super::Firecracker;
use crate::microvm::{api_of, done, unusable};
use crate::request::{Answer, Metadata};
use crate::{ControlError, Stored};

pub(super) fn metadata(
    firecracker: &Firecracker,
    machine: &Stored,
    change: Option<Metadata>,
) -> Result<Answer, ControlError> {
    let api = api_of(firecracker, machine)?;
    if let Some(Metadata { data, merge }) = change {
        let changed = if merge { api.patch("/mmds", &data) } else { api.put("/mmds", Some(&data)) };
        done(machine, changed)?;
    }
    api.get("/mmds").map(Answer::Metadata).map_err(|source| unusable(machine, source))
}
