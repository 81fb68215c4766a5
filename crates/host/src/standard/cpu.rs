//! Processors: what they can do, what protects them, how they are clocked.

use vmwright_model::{Need, Probe};

pub(super) const NEEDS: &[Need] = &[
    Need::File("/proc/cpuinfo"),
    Need::File("/proc/pressure/cpu"),
    Need::File("/sys/devices/system/clocksource/clocksource0/available_clocksource"),
    Need::File("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
    Need::File("/sys/devices/system/cpu/cpu0/cpufreq/scaling_driver"),
    Need::File("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
    Need::File("/sys/devices/system/cpu/cpu0/microcode/version"),
    Need::File("/sys/devices/system/cpu/cpuidle/current_driver"),
    Need::File("/sys/devices/system/cpu/intel_pstate/no_turbo"),
    Need::File("/sys/devices/system/cpu/intel_pstate/status"),
    Need::File("/sys/devices/system/cpu/isolated"),
    Need::File("/sys/devices/system/cpu/nohz_full"),
    Need::File("/sys/devices/system/cpu/offline"),
    Need::File("/sys/devices/system/cpu/online"),
    Need::File("/sys/devices/system/cpu/possible"),
    Need::File("/sys/devices/system/cpu/smt/active"),
    Need::File("/sys/devices/system/cpu/smt/control"),
    Need::Glob("/sys/devices/system/cpu/vulnerabilities/*"),
    Need::Probe(Probe::Cpuid),
];
