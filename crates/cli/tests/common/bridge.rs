//! A bridge of the host that goes with its test.

use std::process::Command;

/// A bridge by its name.
pub(crate) struct Bridge(pub(crate) String);

impl Bridge {
    /// Makes a bridge whose name begins with `prefix`, with these addresses; none where this machine cannot, which is said.
    pub(crate) fn make(test: &str, prefix: &str, addresses: &[&str]) -> Option<Self> {
        let bridge = Self(format!("{prefix}{}", std::process::id()));
        let give = |address: &&str| {
            // An address of IPv6 is of no use for its first second, unless nobody is asked whether it is taken.
            let more = if address.contains(':') { " nodad" } else { "" };
            format!("address add {address} dev {}{more}", bridge.0)
        };
        let all = [format!("link add {} type bridge", bridge.0)].into_iter();
        for words in all.chain(addresses.iter().map(give)).chain([format!("link set {} up", bridge.0)]) {
            let done = Command::new("ip").args(words.split(' ')).output();
            let why = match done {
                Ok(done) if done.status.success() => continue,
                Ok(done) => String::from_utf8_lossy(&done.stderr).trim().to_owned(),
                Err(error) => error.to_string(),
            };
            eprintln!("SKIPPED {test}: no bridge can be made: ip {words}: {why}");
            return None;
        }
        Some(bridge)
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["link", "delete", &self.0]).output();
    }
}
