//! Encrypted guests: SEV and TDX. What the CPU says of them is a probe of the processors.

use vmwright_model::Need;

pub(super) const NEEDS: &[Need] = &[
    Need::File("/sys/fs/cgroup/misc.capacity"),
    Need::File("/sys/fs/cgroup/misc.current"),
    Need::Exists("/sys/module/ccp"),
    Need::Exists("/sys/module/sev_guest"),
    Need::Exists("/sys/module/tdx_guest"),
    Need::Glob("/sys/module/kvm_amd/parameters/sev*"),
    Need::Glob("/sys/module/kvm_intel/parameters/tdx*"),
];
