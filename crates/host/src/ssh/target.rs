//! `ssh://user@host:port`.

use std::fmt;
use std::str::FromStr;

/// Where to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    user: Option<String>,
    host: String,
    port: Option<u16>,
}

/// Why a text is no target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no host to connect to: {why}; like ssh://user@host or ssh://user@host:port")]
pub struct TargetError {
    text: String,
    why: &'static str,
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let fail = |why| TargetError { text: text.escape_default().take(120).collect(), why };
        let rest = text.strip_prefix("ssh://").ok_or(fail("it does not begin with ssh://"))?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (user, place) = match rest.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, rest),
        };
        if user.is_some_and(|user| user.contains(':')) {
            return Err(fail("a password has no place in it"));
        }
        let (host, port) = match place.strip_prefix('[') {
            Some(address) => {
                let (host, after) = address.split_once(']').ok_or(fail("`[` is not closed"))?;
                (host, after.strip_prefix(':').or((!after.is_empty()).then_some("")))
            }
            None => match place.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (place, None),
            },
        };
        let port = match port {
            Some(port) => {
                Some(port.parse().ok().filter(|port| *port > 0).ok_or(fail("the port is no port"))?)
            }
            None => None,
        };
        // What begins with a dash would be an option of `ssh`; ssh itself refuses shell letters in names.
        let clean = |word: &str| {
            let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:%".contains(&byte);
            !word.is_empty() && word.len() <= 255 && !word.starts_with('-') && word.bytes().all(letter)
        };
        if !clean(host) {
            return Err(fail("the host's name has letters that no name has"));
        }
        if !user.is_none_or(clean) {
            return Err(fail("the user's name has letters that no name has"));
        }
        Ok(Self { user: user.map(str::to_owned), host: host.to_owned(), port })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ssh://")?;
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?
        } else {
            f.write_str(&self.host)?
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl Target {
    /// The words for `ssh`, the remote command with them.
    pub(super) fn arguments(&self) -> Vec<String> {
        let mut words = Vec::new();
        if let Some(user) = &self.user {
            words.extend(["-l".to_owned(), user.clone()]);
        }
        if let Some(port) = self.port {
            words.extend(["-p".to_owned(), port.to_string()]);
        }
        words.extend(["--", &self.host, "/bin/sh", "-s"].map(str::to_owned));
        words
    }
}

#[cfg(test)]
mod tests {
    use super::Target;

    fn check(text: &str, arguments: &[&str]) {
        let target: Target = text.parse().unwrap_or_else(|error| panic!("{error}"));
        let tail = ["/bin/sh", "-s"];
        assert_eq!(target.arguments(), [arguments, &tail].concat(), "{text}");
        assert_eq!(target.to_string(), text.trim_end_matches('/'));
    }

    #[test]
    fn targets() {
        check("ssh://hv1", &["--", "hv1"]);
        check("ssh://root@hv1.example.org:2222/", &["-l", "root", "-p", "2222", "--", "hv1.example.org"]);
        check("ssh://a@[2001:db8::1]:22", &["-l", "a", "-p", "22", "--", "2001:db8::1"]);
        check("ssh://[fe80::1%eth0]", &["--", "fe80::1%eth0"]);
    }

    #[test]
    fn what_could_be_something_else_is_refused() {
        for bad in [
            "hv1",
            "ssh://",
            "ssh://-oProxyCommand=x",
            "ssh://a b",
            "ssh://u:secret@h",
            "ssh://h:0",
            "ssh://h:x",
            "ssh://h:",
            "ssh://[::1",
            "ssh://[::1]x",
            "ssh://-l@h",
            "ssh://$(x)",
            "ssh://h/p",
            "ssh://h\n",
        ] {
            let error = bad.parse::<Target>().expect_err(bad).to_string();
            assert!(!error.contains('\n') && error.contains("ssh://user@host"), "{error}");
        }
    }
}
