//! What lets somebody in without a password: bearer tokens, API keys, and tokens that are known by their form.

use super::{Counts, Pattern, none, replace};

/// RFC 9110, 11.6.2; RFC 6750.
static AUTHORIZATION: Pattern = Pattern::new(
    r#"(?i)authorization["']?\s{0,4}[:=]\s{0,4}["']?(?:bearer|basic|token|digest|negotiate)[ \t]+(?P<secret>[^\s"'<,]+)"#,
    &["authorization"],
);
static BEARER: Pattern = Pattern::new(r"(?i)\bbearer[ \t]+(?P<secret>[A-Za-z0-9._~+/-]{8,}=*)", &["bearer"]);
static ASSIGNED: Pattern = Pattern::new(
    r#"(?i)(?:token|api[_-]?key|access[_-]?key|secret[_-]?key|client[_-]?secret)=["']?(?P<secret>[^\s"',;<&]{6,})"#,
    &["access", "api", "client", "secret", "token"],
);
static FIELD: Pattern = Pattern::new(
    r#"(?i)(?:[a-z]+[_-]token|[a-z]+token|api[_-]?key|access[_-]?key|secret[_-]?key|client[_-]?secret|client-key-data)(?:"|&quot;|\\")?[ \t]*[:=][ \t]*(?:"|'|&quot;|\\")?(?P<secret>[^\s"',;<&\\]{6,})"#,
    &["-token", "_token", "access", "api", "client", "client-key-data", "secret", "token"],
);
static SPACED: Pattern = Pattern::new(r"(?i)--(?:[a-z-]+-)?token[ \t]+(?P<secret>[^\s-]\S{5,})", &["token"]);
/// RFC 6265, and the ticket of Proxmox VE where it stands alone.
static COOKIE: Pattern = Pattern::new(
    r#"(?i)(?:\b(?:set-)?cookie:[ \t]*|\bPVEAuthCookie=)(?P<secret>[^\r\n"'\[][^\r\n"']*)"#,
    &["cookie:", "pveauthcookie="],
);
/// The API tokens of Proxmox VE: `PVEAPIToken=USER@REALM!NAME=UUID`.
static PROXMOX: Pattern = Pattern::new(r"\bPVEAPIToken=[^\s=]+=(?P<secret>[A-Za-z0-9-]+)", &["pveapitoken="]);
/// Logins of registries in Docker's configuration.
static REGISTRY: Pattern =
    Pattern::new(r#""auth"[ \t]*:[ \t]*"(?P<secret>[A-Za-z0-9+/=_-]{8,})""#, &["\"auth\""]);
/// Environment of a container, as Kubernetes writes it.
static ENVIRONMENT: Pattern = Pattern::new(
    r#"(?i)\bname:[ \t]*["']?[a-z0-9_]*(?:password|passwd|secret|token|api_?key)[a-z0-9_]*["']?[ \t]*\r?\n[ \t]*value:[ \t]*["']?(?P<secret>[^\s"']+)"#,
    &["value:"],
);
/// As in a kubeconfig.
static LINE: Pattern =
    Pattern::new(r#"(?im)^[ \t]*(?:-[ \t]+)?["']?token["']?:[ \t]*["']?(?P<secret>[^\s"']{6,})"#, &["token"]);
/// JSON Web Tokens (RFC 7519), GitHub, GitLab, AWS, Slack, Vault, Google and npm.
static FORM: Pattern = Pattern::new(
    r"(?P<secret>\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?|\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_[A-Za-z0-9_]{20,}|\bhv[sbr]\.[A-Za-z0-9_-]{20,}|\bAIza[A-Za-z0-9_-]{30,}|\bnpm_[A-Za-z0-9]{20,}|\bglpat-[A-Za-z0-9_-]{20,}|\bA[KS]IA[0-9A-Z]{16}\b|\bxox[abprs]-[A-Za-z0-9-]{10,})",
    &[
        "aiza",
        "akia",
        "asia",
        "eyj",
        "gho_",
        "ghp_",
        "ghr_",
        "ghs_",
        "ghu_",
        "github_pat_",
        "glpat-",
        "hvb.",
        "hvr.",
        "hvs.",
        "npm_",
        "xoxa-",
        "xoxb-",
        "xoxp-",
        "xoxr-",
        "xoxs-",
    ],
);

pub(super) fn redact(text: &[u8], counts: &mut Counts) -> Option<Vec<u8>> {
    let patterns = [
        &AUTHORIZATION,
        &PROXMOX,
        &COOKIE,
        &BEARER,
        &ASSIGNED,
        &SPACED,
        &FIELD,
        &REGISTRY,
        &ENVIRONMENT,
        &LINE,
        &FORM,
    ];
    replace(&patterns, "token", none, text, counts)
}
