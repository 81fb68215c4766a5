//! Limits of the process, its extra arguments, memory that the host cannot read.

use super::port::{Port, TEXT, spec_word};
use vmwright_formats::machine_spec::check;
use vmwright_model::MachineSpec;
use vmwright_model::machine::{Blkio, Confidential, Limits, Technology};

/// libvirt's namespace for words of QEMU's command line.
const QEMU: &str = "http://libvirt.org/schemas/domain/qemu/1.0";

pub(super) fn block_limits(port: &mut Port<'_>, limits: &mut Limits) {
    port.child("blkiotune", |port| {
        port.child("weight", |port| port.number(TEXT, 1..=10_000, &mut limits.io_weight));
        let device = || Blkio {
            path: String::new(),
            weight: None,
            read_bytes: None,
            write_bytes: None,
            read_iops: None,
            write_iops: None,
        };
        port.list("device", &mut limits.devices, device, |port, device| {
            port.child("path", |port| port.string(TEXT, "path", &mut device.path));
            port.child("weight", |port| port.number(TEXT, 1..=10_000, &mut device.weight));
            let mut one = |name: &str, field: &mut Option<u64>| {
                port.child(name, |port| port.number(TEXT, 0..=i64::MAX as u64, field));
            };
            one("read_bytes_sec", &mut device.read_bytes);
            one("write_bytes_sec", &mut device.write_bytes);
            one("read_iops_sec", &mut device.read_iops);
            one("write_iops_sec", &mut device.write_iops);
            check("path", &device.path).is_ok()
        });
    });
}

pub(super) fn partition(port: &mut Port<'_>, limits: &mut Limits) {
    port.child("resource", |port| {
        port.child("partition", |port| port.text(TEXT, "path", &mut limits.partition));
    });
}

pub(super) fn arguments(port: &mut Port<'_>, spec: &mut MachineSpec) {
    if !spec.process.arguments.is_empty() {
        port.put("xmlns:qemu", QEMU);
    }
    port.child("qemu:commandline", |port| {
        port.list("qemu:arg", &mut spec.process.arguments, String::new, |port, word| {
            port.string("value", "line", word);
            !port.reading() || port.raw("value").is_some_and(|value| value == *word)
        });
    });
}

pub(super) fn confidential(port: &mut Port<'_>, field: &mut Option<Confidential>) {
    if port.reading() {
        let kind = port.node().child("launchSecurity").and_then(|node| node.attribute("type"));
        let Some(technology) = kind.and_then(spec_word::<Technology>) else { return };
        *field = Some(Confidential::by(technology));
    }
    let Some(confidential) = field else { return };
    port.child("launchSecurity", |port| {
        // What makes SEV to SEV-ES is a bit of the policy, to libvirt.
        let sev = matches!(confidential.technology, Technology::Sev | Technology::SevEs);
        if sev {
            port.put("type", "sev");
        } else {
            let mut technology = Some(confidential.technology);
            port.same("type", &mut technology);
        }
        port.yes_no("kernelHashes", &mut confidential.kernel_hashes);
        let es = confidential.technology == Technology::SevEs;
        if !port.reading() && confidential.policy.is_none() && sev {
            // No debugging, no sharing of keys; with encrypted registers (AMD SEV API, guest policy).
            confidential.policy = Some(if es { 0x7 } else { 0x3 });
        }
        let digits = if sev { 4 } else { 1 };
        port.child("cbitpos", |port| port.number(TEXT, 32..=63, &mut confidential.cbitpos));
        port.child("reducedPhysBits", |port| port.number(TEXT, 0..=63, &mut confidential.reduced_phys_bits));
        port.child("policy", |port| {
            port.by(
                TEXT,
                &mut confidential.policy,
                |text| {
                    let policy = match text.strip_prefix("0x") {
                        Some(hex) => u64::from_str_radix(hex, 16).ok(),
                        None => text.parse().ok(),
                    };
                    // TOML has no larger numbers.
                    policy.filter(|policy| i64::try_from(*policy).is_ok())
                },
                |policy| Some(format!("0x{policy:0digits$x}")),
            );
        });
        if port.reading() && sev && confidential.policy.is_some_and(|policy| policy & 0x4 != 0) {
            confidential.technology = Technology::SevEs;
        }
        let mut text = |name: &str, field: &mut Option<String>| {
            port.child(name, |port| port.text(TEXT, "base64", field));
        };
        text("dhCert", &mut confidential.dh_cert);
        text("session", &mut confidential.session);
        text("idBlock", &mut confidential.id_block);
        text("idAuth", &mut confidential.id_auth);
        let name = if confidential.technology == Technology::Tdx { "mrConfigId" } else { "hostData" };
        text(name, &mut confidential.host_data);
        port.child("quoteGenerationService", |port| {
            port.by(
                "path",
                &mut confidential.quote_service,
                |path| Some(format!("unix:{path}")).filter(|text| check("line", text).is_ok()),
                |service| service.strip_prefix("unix:").map(ToOwned::to_owned),
            );
        });
    });
}
