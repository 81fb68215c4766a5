//! What CPU models and features ask of a host.

/// Beginnings of model names with the flag (as /proc/cpuinfo writes it) that their definition in QEMU has.
pub(crate) const MODELS: [(&str, &str); 15] = [
    ("Skylake-Server", "avx512f"),
    ("Cascadelake", "avx512f"),
    ("Cooperlake", "avx512f"),
    ("Icelake-Server", "avx512f"),
    ("SapphireRapids", "avx512f"),
    ("GraniteRapids", "avx512f"),
    ("EPYC-Genoa", "avx512f"),
    ("EPYC-Turin", "avx512f"),
    ("EPYC", "sha_ni"),
    ("Haswell", "avx2"),
    ("Broadwell", "avx2"),
    ("Skylake-Client", "avx2"),
    ("SandyBridge", "avx"),
    ("IvyBridge", "f16c"),
    ("Westmere", "aes"),
];

/// Features whose names are the same in QEMU, libvirt and /proc/cpuinfo, and which KVM cannot add by itself.
pub(crate) const PLAIN: [&str; 18] = [
    "avx", "avx2", "avx512f", "avx512vl", "avx512bw", "avx512dq", "aes", "bmi1", "bmi2", "fma", "f16c",
    "rdrand", "rdseed", "rtm", "hle", "vmx", "svm", "pdpe1gb",
];
