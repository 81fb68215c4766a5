//! The messages of the rule beside: the VM's CPU model masks a feature that the hardware has and the guest's software needs.

use super::POOR;
use crate::prelude::*;

pub(super) const SIGNS: &[Sign] = &[
    Sign::proof("CPU does not support x86-64-v"),
    Sign::strong("CPU ISA level is lower than required"),
    Sign::strong("requires AVX"),
    Sign::strong("compiled to use AVX instructions, but these aren't available"),
    Sign::strong("Instruction check fail"),
    Sign::strong("This system does not support \"{feature}\""),
    Sign::strong("SSE 4.2 is not supported"),
    Sign::strong("This kernel requires an x86-64 CPU, but only detected"),
    Sign::strong("UNSUPPORTED_PROCESSOR"),
    Sign::strong("CPU does not support long mode"),
    Sign::support("missing required CPU features"),
    Sign::support("does not support AES-NI"),
    Sign::support("lacks support for AVX"),
    Sign::support("trap invalid opcode"),
    Sign::support("Illegal instruction"),
    Sign::strong("not support AVX"),
    Sign::strong("AVX is not supported"),
    Sign::strong("lacks AVX"),
    Sign::strong("with AVX support"),
    Sign::strong("without AVX"),
    Sign::strong("requires SSE4"),
    // Go, NumPy and .NET say it in their own words.
    Sign::strong("processors with v{n} microarchitecture support"),
    Sign::strong("built with baseline optimizations"),
    Sign::strong("missing one or more of the following instruction sets"),
    Sign::strong("requires x86-64-v"),
    Sign::support("0xc000001d"),
    Sign::support("Exited (132)"),
    Sign::support("exited with code 132"),
    Sign::support("exit code 132"),
    Sign::support("QEMU Virtual CPU version").said(POOR).or_near(),
    Sign::support("Common KVM processor").said(POOR).or_near(),
    Sign::support("cpu: kvm64").said(POOR).or_near(),
    Sign::strong("UNSUPPORTED PROCESSOR"),
];
