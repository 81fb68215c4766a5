//! # Certificates or TLS names do not fit
//!
//! ## What it is
//! The connection between the hosts is encrypted, and one side refuses the other: libvirt's own TLS (port
//! 16514, /etc/pki/libvirt) or QEMU's for the migration data (/etc/pki/qemu, /etc/pki/libvirt-migrate).
//!
//! Heard as: certificates of migration do not fit the name or address of the target.
//!
//! Known by: certificate verify failed, expired or wrong common name; /etc/pki/qemu; the TLS handshake failed; CA
//! differs; migrate_tls_x509; unable to verify server certificate; x509, GnuTLS, handshake, CN or subjectAltName, CA
//! not trusted, key unreadable, verify-peer, expired yesterday; NBD or VNC with TLS.
//!
//! ## Why it happens
//! The target is called by a name or address that its certificate does not carry (subjectAltName), a
//! certificate has expired or is not active yet (clock!), the CA files differ, a key is unreadable for the
//! daemon, the key usage lacks client or server, the client's DN is not on `tls_allowed_dn_list`, or QEMU was
//! given no credentials at all.
//!
//! ## Confirm
//! `virt-pki-validate` on both hosts; `openssl s_client -connect TARGET:16514 -CAfile /etc/pki/CA/cacert.pem`;
//! `certtool -i --infile /etc/pki/libvirt/servercert.pem` (or `openssl x509 -noout -text`): names, dates,
//! usage.
//!
//! ## Refute
//! `virsh -c qemu+tls://NAME/system hostname` answers with the very name used: libvirt's own TLS is fine, look
//! at QEMU's certificates.
//!
//! ## Fix
//! Issue certificates with every name and address that is used (subjectAltName), or call the target by the name
//! that is in it. Renew, set the clock, make keys readable (root for libvirt, the qemu user or group for QEMU),
//! set `migrate_tls_x509_cert_dir` in qemu.conf.
//!
//! ## References
//! libvirt `docs/kbase/tlscerts.rst`, `src/rpc/virnettlscert.c`, `src/rpc/virnettlscontext.c`; QEMU
//! `docs/system/tls.rst`, `crypto/tlscredsx509.c`, `crypto/tlssession.c`.

#[path = "preflight/certificates.rs"]
mod preflight;

use crate::prelude::*;

pub const RULE: Rule = Rule {
    tags: &["migration", "tls", "security"],
    rank: Rank::Specific,
    needs: &[
        Need::File("/etc/libvirt/libvirtd.conf"),
        Need::File("/etc/libvirt/qemu.conf"),
        Need::Exists("/etc/pki/libvirt-migrate/server-cert.pem"),
        Need::Exists("/etc/pki/qemu/server-cert.pem"),
    ],
    signs: &[
        Sign::proof("owner does not match the hostname"),
        Sign::proof("Certificate does not match the hostname"),
        Sign::strong("Certificate {path} owner does not match"),
        Sign::proof("Client's Distinguished Name is not on the list of allowed clients"),
        Sign::proof("TLS x509 authz check for"),
        Sign::strong("Certificate failed validation: "),
        Sign::proof("failed validation against"),
        Sign::strong("Unable to verify server certificate"),
        Sign::strong("Unable to verify client certificate"),
        Sign::strong("Failed to verify peer's certificate"),
        Sign::strong("Unable to verify TLS peer"),
        Sign::strong("server verification (of our certificate or IP address) failed"),
        Sign::strong("The certificate hasn't got a known issuer"),
        Sign::strong("The certificate is not trusted"),
        Sign::strong("The certificate has expired"),
        Sign::strong("The certificate is not yet activ"),
        Sign::strong("certificate {path} has expired"),
        Sign::strong("certificate {path} is not yet active"),
        Sign::strong("The certificate has been revoked"),
        Sign::strong("The certificate uses an insecure algorithm"),
        Sign::strong("Certificate * usage does not permit"),
        Sign::strong("Certificate * purpose does not allow use"),
        Sign::strong("basic constraints show a CA, but we need one for a"),
        Sign::strong("basic constraints do not show a CA"),
        Sign::strong("Unable to access credentials /etc/pki"),
        Sign::strong("Cannot load CA certificate"),
        Sign::strong("Cannot load certificate '"),
        Sign::strong("Cannot read CA certificate"),
        Sign::strong("Cannot read * '/etc/pki"),
        Sign::strong("Unable to import server certificate"),
        Sign::strong("Unable to import client certificate"),
        Sign::strong("Unable to set x509 CA certificate"),
        Sign::strong("Unable to set x509 key and certificate"),
        Sign::strong("host migration TLS directory not configured"),
        Sign::proof("allows migration only with VIR_MIGRATE_TLS flag"),
        Sign::strong("No TLS credentials with id"),
        Sign::strong("Expected TLS credentials for a"),
        Sign::strong("No hostname for certificate validation"),
        Sign::strong("Explicit destination hostname is required for TLS migration"),
        Sign::strong("QEMU NBD server does not support TLS transport"),
        Sign::strong("TLS handshake failed"),
        Sign::strong("Cannot read from TLS channel"),
        Sign::support("Cannot write to TLS channel"),
        Sign::support("A TLS fatal alert has been received"),
        Sign::support("The TLS connection was non-properly terminated"),
        Sign::support("x509: certificate signed by unknown authority").and(&["migrati"]),
        Sign::support("x509: certificate signed by unknown authority").and(&["migrate"]),
        Sign::support("x509: certificate has expired").and(&["migrati"]),
        Sign::support("x509: certificate has expired").and(&["migrate"]),
        Sign::strong("missing basic constraints for a CA"),
        Sign::strong("Unable to import CA certificate list"),
        Sign::support("Certificate check failed"),
        Sign::strong("Failed set TLS x509 credentials"),
        Sign::support("Failed to initialize TLS session"),
        Sign::support("Unable to set x509 certificate revocation list"),
        Sign::strong("Unable to read TLS confirmation"),
        Sign::strong("The certificate has no peers"),
        Sign::strong("cannot get cert distinguished name"),
        Sign::strong("Unable to query certificate {c} basic constraints"),
        Sign::strong("Unable to query certificate {c} key usage"),
        Sign::strong("tls_x509_cert_dir directory"),
        Sign::strong("NBD migration with TLS is not supported over UNIX socket"),
        Sign::strong("Only x509 certificates are supported"),
        Sign::strong("Failed to set TLS session priority"),
        Sign::strong("TLS connection is required"),
        Sign::strong("Missing required TLS file for"),
        Sign::strong("Failed to inspect required TLS file"),
        Sign::strong("Required TLS file for {who} is not readable"),
        Sign::strong("TLS directory does not exist or is inaccessible"),
        Sign::strong("Invalid TLS configuration for receive-migration"),
        Sign::support("Rustls protocol"),
    ],
    words: &["tls", "certificate", "qemu+tls", "16514", "migrat", "x509"],
    explains: &["migration/daemon-not-listening"],
    tells: "virt-pki-validate on both hosts",
    remedy: "issue certificates that carry the names used (subjectAltName), valid and readable, from one CA on both hosts",
    applicability: Applicability::ManualOnly,
    disruption: Disruption::ServiceRestart,
    escalation: Some(Agent::SecurityEngineer),
    preflight: Some(preflight::judge),
    ..Rule::NEW
};
