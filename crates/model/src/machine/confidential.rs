//! Memory that the host cannot read.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with_macros::skip_serializing_none;

/// Confidential computing.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Confidential {
    /// By which means of the processor.
    pub technology: Technology,
    /// Guest policy: bits as AMD's SEV API, SEV-SNP firmware ABI and Intel's TDX module specification (attributes)
    /// define them; strict (no debugging, no migration) where absent.
    pub policy: Option<u64>,
    /// Bit of a physical address that says encrypted (CPUID 8000001f EBX 5:0); the processor's own where absent.
    #[schemars(range(min = 32, max = 63))]
    pub cbitpos: Option<u32>,
    /// Physical address bits that encryption takes away (CPUID 8000001f EBX 11:6).
    #[schemars(range(min = 0, max = 63))]
    pub reduced_phys_bits: Option<u32>,
    /// The guest owner's Diffie-Hellman certificate, base64 (SEV, SEV-ES).
    #[schemars(extend("format" = "base64"))]
    pub dh_cert: Option<String>,
    /// The launch session, base64 (SEV, SEV-ES).
    #[schemars(extend("format" = "base64"))]
    pub session: Option<String>,
    /// Whether hashes of kernel, initramfs and command line are measured too.
    pub kernel_hashes: Option<bool>,
    /// Data of the guest owner in every report, base64: 32 bytes (SNP host data), 48 bytes (TDX `mrconfigid`).
    #[schemars(extend("format" = "base64"))]
    pub host_data: Option<String>,
    /// Identity block, base64, 96 bytes (SNP).
    #[schemars(extend("format" = "base64"))]
    pub id_block: Option<String>,
    /// Authentication of the identity block, base64, 4096 bytes (SNP).
    #[schemars(extend("format" = "base64"))]
    pub id_auth: Option<String>,
    /// Address of the quote generation service: `vsock:2:4050`, `unix:/run/tdx-qgs/qgs.socket` (TDX).
    #[schemars(extend("format" = "line"))]
    pub quote_service: Option<String>,
}

impl Confidential {
    /// By this technology, strictly.
    #[must_use]
    pub fn by(technology: Technology) -> Self {
        Self {
            technology,
            policy: None,
            cbitpos: None,
            reduced_phys_bits: None,
            dh_cert: None,
            session: None,
            kernel_hashes: None,
            host_data: None,
            id_block: None,
            id_auth: None,
            quote_service: None,
        }
    }
}

/// A means to keep memory from the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Technology {
    /// AMD SEV: memory.
    Sev,
    /// AMD SEV-ES: memory and registers.
    SevEs,
    /// AMD SEV-SNP: memory, registers, integrity.
    SevSnp,
    /// Intel TDX.
    Tdx,
}
