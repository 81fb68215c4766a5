//! Memory that the host cannot read.

use super::super::argument::{Value, on_off};
use super::Line;
use vmwright_model::machine::{Confidential, Technology};

/// SEV: no debugging, no key sharing, no sending, same domain (AMD SEV API, table "guest policy", bits 0 to 4).
const SEV_STRICT: u64 = 0x1f;
/// SEV-ES besides (bit 2 is its own).
const SEV_ES: u64 = 0x4;
/// SEV-SNP: SMT allowed, reserved bit set, no debugging, no migration agent (SNP firmware ABI, table "guest policy").
const SNP_STRICT: u64 = 0x30000;
/// TDX: not debuggable, SEPT_VE_DISABLE (TDX module specification, ATTRIBUTES bit 28).
const TDX_STRICT: u64 = 1 << 28;

pub(super) fn confidential(line: &mut Line<'_>) {
    let Some(confidential) = &line.spec.confidential else { return };
    let value = match confidential.technology {
        Technology::Sev => sev(confidential, SEV_STRICT & !SEV_ES),
        Technology::SevEs => sev(confidential, SEV_STRICT),
        Technology::SevSnp => snp(confidential),
        Technology::Tdx => tdx(confidential),
    };
    let file = |item: &str| line.handles.secrets.get(item).cloned();
    let value = value
        .maybe("dh-cert-file", file("confidential.dh_cert"))
        .maybe("session-file", file("confidential.session"))
        .raw(&line.extra("confidential"));
    line.push("-object", value, "memory that the host cannot read: by which means, under which policy");
    let text = "kept in a file; give QEMU a path to it";
    for (said, item) in
        [(&confidential.dh_cert, "confidential.dh_cert"), (&confidential.session, "confidential.session")]
    {
        if said.is_some() && !line.handles.secrets.contains_key(item) {
            line.lost(item, text);
        }
    }
}

fn sev(confidential: &Confidential, strict: u64) -> Value {
    let mut value = Value::new("sev-guest").with("id", "confidential");
    value.push("policy", format!("{:#x}", confidential.policy.unwrap_or(strict)));
    // The processor's own where absent: 51 and 1 are those of EPYC 7003 and later, 47 those of the first.
    value = bits(value, confidential);
    value.maybe("kernel-hashes", confidential.kernel_hashes.map(on_off))
}

fn bits(value: Value, confidential: &Confidential) -> Value {
    value
        .with("cbitpos", confidential.cbitpos.unwrap_or(51))
        .with("reduced-phys-bits", confidential.reduced_phys_bits.unwrap_or(1))
}

fn snp(confidential: &Confidential) -> Value {
    let mut value = Value::new("sev-snp-guest").with("id", "confidential");
    value.push("policy", format!("{:#x}", confidential.policy.unwrap_or(SNP_STRICT)));
    bits(value, confidential)
        .maybe("kernel-hashes", confidential.kernel_hashes.map(on_off))
        .maybe("host-data", confidential.host_data.as_ref())
        .maybe("id-block", confidential.id_block.as_ref())
        .maybe("id-auth", confidential.id_auth.as_ref())
}

fn tdx(confidential: &Confidential) -> Value {
    let attributes = confidential.policy.unwrap_or(TDX_STRICT);
    let mut value = Value::new("tdx-guest").with("id", "confidential").with("attributes", attributes);
    value = value.maybe("mrconfigid", confidential.host_data.as_ref());
    if let Some(service) = &confidential.quote_service {
        let parts: Vec<&str> = service.splitn(3, ':').collect();
        match parts[..] {
            ["vsock", cid, port] => {
                value.push("quote-generation-socket.type", "vsock");
                value.push("quote-generation-socket.cid", cid);
                value.push("quote-generation-socket.port", port);
            }
            _ => {
                value.push("quote-generation-socket.type", "unix");
                value.push("quote-generation-socket.path", service.strip_prefix("unix:").unwrap_or(service));
            }
        }
    }
    value
}
