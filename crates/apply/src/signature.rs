//! What a signature of ssh-keygen's tells of itself, besides that it is one: which key made it, and whether a person was
//! there. ssh-keygen has verified it by then, and with it all that is read here.

use vmwright_formats::base64;

/// A signature.
pub(crate) struct Signature {
    /// The public key, without its certificate.
    pub(crate) key: Vec<u8>,
    /// Not where a token signed without being touched. Other keys tell nothing of it.
    pub(crate) present: bool,
}

impl Signature {
    /// Reads the armoured form (PROTOCOL.sshsig of OpenSSH): behind the preamble and a version the key, the namespace,
    /// something reserved, the hash and what was made. None where it is broken or its key of an unknown kind.
    pub(crate) fn read(armoured: &[u8]) -> Option<Self> {
        let body = std::str::from_utf8(armoured).ok()?.lines().filter(|line| !line.starts_with('-'));
        let bytes = base64::decode(&body.collect::<String>())?;
        let (key, rest) = string(bytes.strip_prefix(b"SSHSIG")?.get(4..)?)?;
        let behind = |rest| string(rest).map(|(_, rest)| rest);
        let (made, _) = string(behind(behind(behind(rest)?)?)?)?;
        let (kind, made) = string(made)?;
        // Behind a token's signature stand its flags and a counter (PROTOCOL.u2f); the first flag is the touch.
        let present = !kind.starts_with(b"sk-") || behind(made)?.first()? & 1 == 1;
        let key = of_certificate(key).unwrap_or_else(|| Some(key.to_vec()))?;
        Some(Self { key, present })
    }
}

/// The key that a certificate is for, as it is written without one: a person has one key, and as many certificates of it
/// as a CA gives (PROTOCOL.certkeys of OpenSSH: kind, nonce, the fields of the plain key, and what the CA says). None where
/// it is no certificate; none inside where it is a broken one or of an unknown kind.
fn of_certificate(key: &[u8]) -> Option<Option<Vec<u8>>> {
    let (kind, rest) = string(key)?;
    let plain = std::str::from_utf8(kind).ok()?.strip_suffix("-cert-v01@openssh.com")?;
    // The name of a key on a token has the address itself; how many fields there are is in PROTOCOL.u2f and RFC 4253, 5656.
    let (name, fields) = match plain {
        "ssh-ed25519" => (plain.to_owned(), 1),
        "ssh-rsa" => (plain.to_owned(), 2),
        "sk-ssh-ed25519" => (format!("{plain}@openssh.com"), 2),
        "sk-ecdsa-sha2-nistp256" => (format!("{plain}@openssh.com"), 3),
        _ if plain.starts_with("ecdsa-sha2-") => (plain.to_owned(), 2),
        _ => return Some(None),
    };
    let mut out = u32::try_from(name.len()).ok()?.to_be_bytes().to_vec();
    out.extend_from_slice(name.as_bytes());
    let behind_nonce = |rest| string(rest).map(|(_, rest)| rest);
    let Some(start) = behind_nonce(rest) else { return Some(None) };
    let mut end = start;
    for _ in 0..fields {
        let Some(rest) = behind_nonce(end) else { return Some(None) };
        end = rest;
    }
    out.extend_from_slice(&start[..start.len() - end.len()]);
    Some(Some(out))
}

/// A string with its length before it (RFC 4251, section 5), and what follows.
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_at_checked(4)?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(length.try_into().ok()?)).ok()?)
}
