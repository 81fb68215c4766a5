//! What every backend promises. Each case of [`cases`] runs over the fake, over QEMU with its own translator, which
//! needs no KVM and, since the guest is a boot sector of the tests' own, no kernel; over libvirt, by a daemon of the
//! tests' own; and over Firecracker and Cloud Hypervisor, on KVM, where the guest is a kernel of a few instructions.

mod cases;
mod cloud_hypervisor;
mod console;
mod copies;
mod daemon;
mod firecracker;
mod guest;
mod killed;
mod libvirt;
mod placement;
mod qemu;
mod random;
mod rig;
mod vsock;

/// Makes one test of each case for each backend.
macro_rules! contract {
    ($($case:ident),* $(,)?) => {
        mod fake_backend {
            $(#[test] fn $case() { super::cases::$case(&super::rig::fake()); })*
        }
        mod qemu_backend {
            $(#[test] fn $case() {
                if let Some(rig) = super::rig::qemu(stringify!($case)) { super::cases::$case(&rig); }
            })*
        }
        mod firecracker_backend {
            $(#[test] fn $case() {
                if let Some(rig) = super::rig::firecracker(stringify!($case)) { super::cases::$case(&rig); }
            })*
        }
        mod cloud_hypervisor_backend {
            $(#[test] fn $case() {
                if let Some(rig) = super::rig::cloud_hypervisor(stringify!($case)) { super::cases::$case(&rig); }
            })*
        }
        mod libvirt_backend {
            $(#[test] fn $case() {
                if let Some(rig) = super::rig::libvirt(stringify!($case)) { super::cases::$case(&rig); }
            })*
        }
    };
}

contract! {
    starts_and_stops,
    a_second_start_is_refused,
    of_many_starts_at_once_one_wins,
    pauses_and_resumes,
    a_killed_vmm_is_seen_and_started_again,
    obeys_the_table,
    says_what_it_cannot_do,
    a_refusal_is_told_and_leaves_nothing,
    a_missing_bridge_is_named,
    an_unknown_user_is_named,
    a_state_directory_of_200_characters,
    a_running_machine_is_not_deleted,
    a_kill_comes_between_an_orderly_stop,
    moves_and_stays_where_nobody_waits,
    a_damaged_record_is_not_taken_for_absence,
    behind_a_restart_of_the_host_nothing_runs,
    a_killed_vmwright_leaves_a_machine_that_can_be_found,
    vmwright_killed_at_any_moment_of_a_start_loses_nothing,
}
