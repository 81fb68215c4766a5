//! Whole flows of the writer: on real files, with real signatures, real processes that die, and real bridges.

mod approvals;
mod based_images;
mod commits;
mod common;
mod executor;
mod faults;
mod generated;
mod generated_links;
mod images;
mod keepers;
mod namespaces;
mod real_boot;
mod reboot;
mod system;
mod uplinks;
