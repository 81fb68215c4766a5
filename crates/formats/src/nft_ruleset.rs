//! Packet filter of nftables: `nft list ruleset`.

use crate::{View, lines::lines};
use vmwright_model::{Issue, Kind, Spanned};

/// A chain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NftChain {
    /// Line in the text.
    pub line: u32,
    /// Family of its table: `ip`, `ip6`, `inet`, `bridge`, `arp`, `netdev`.
    pub family: String,
    /// Its table.
    pub table: String,
    /// Its name.
    pub name: String,
    /// Where it hooks in: `forward`, `input`; none for a chain that others jump to.
    pub hook: Option<Spanned<String>>,
    /// What happens to what no rule decides.
    pub policy: Option<Spanned<String>>,
    /// Its rules, as written.
    pub rules: Vec<Spanned<String>>,
}

impl NftChain {
    /// Whether what no rule decides is dropped here.
    #[must_use]
    pub fn drops(&self) -> bool {
        self.policy.as_ref().is_some_and(|policy| policy.value == "drop")
    }
}

/// The chains.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NftRuleset {
    /// In the order of the text.
    pub chains: Vec<NftChain>,
}

impl NftRuleset {
    /// The chains at a hook.
    pub fn at<'a>(&'a self, hook: &'a str) -> impl Iterator<Item = &'a NftChain> {
        self.chains.iter().filter(move |chain| chain.hook.as_ref().is_some_and(|own| own.value == hook))
    }
}

impl View for NftRuleset {
    const KIND: Kind = Kind::new("nft_ruleset");
    const SUREST: u8 = 94;
    const MARKS: &[&str] = &["chain "];

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let mut view = Self::default();
        let mut issues = Vec::new();
        let (mut family, mut table) = (String::new(), String::new());
        // How many braces are open: 0 outside, 1 in a table, 2 in a chain, set or map.
        let (mut depth, mut in_chain) = (0_u32, false);
        for (number, line) in lines(text) {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', '$']) {
                continue;
            }
            let opens = line.ends_with('{');
            match (depth, opens) {
                (0, true) => {
                    let words: Vec<&str> = line.split_whitespace().collect();
                    match words[..] {
                        ["table", own_family, own_table, "{"] => {
                            (family, table) = (own_family.to_owned(), own_table.to_owned())
                        }
                        ["table", own_table, "{"] => {
                            (family, table) = ("ip".to_owned(), own_table.to_owned())
                        }
                        _ => issues.push(Issue::new(number, "not a table of nftables")),
                    }
                }
                (1, true) => {
                    in_chain = line.starts_with("chain ");
                    if let Some(name) =
                        line.strip_prefix("chain ").and_then(|rest| rest.split_whitespace().next())
                    {
                        view.chains.push(NftChain {
                            line: number,
                            family: family.clone(),
                            table: table.clone(),
                            name: name.to_owned(),
                            ..NftChain::default()
                        });
                    }
                }
                (0, false) if line != "}" => issues.push(Issue::new(number, "not a table of nftables")),
                (2, false) if in_chain && line != "}" => {
                    if let Some(chain) = view.chains.last_mut() {
                        in_a_chain(chain, number, line);
                    }
                }
                _ => {}
            }
            if opens {
                depth = depth.saturating_add(1);
            } else if line == "}" {
                depth = depth.saturating_sub(1);
            }
        }
        (view, issues)
    }

    fn recognise(_: &str, head: &str) -> u8 {
        const FAMILIES: [&str; 6] = ["ip", "ip6", "inet", "bridge", "arp", "netdev"];
        let table = |line: &str| {
            let mut words = line.split_whitespace();
            // First this: few lines of another text end so.
            line.ends_with('{')
                && words.next() == Some("table")
                && words.next().is_some_and(|family| FAMILIES.contains(&family))
        };
        let all = |word| crate::lines::having(head, word).map(str::trim);
        if all("chain ").any(|line| line.starts_with("chain ") && line.ends_with('{')) && all("table").any(table) {
            94
        } else {
            0
        }
    }
}

/// `type filter hook forward priority filter; policy drop;` or a rule.
fn in_a_chain(chain: &mut NftChain, number: u32, line: &str) {
    if !line.starts_with("type ") || !line.contains(" hook ") {
        return chain.rules.push(Spanned::new(line.to_owned(), number));
    }
    let word = |key: &str| {
        let value = line.split_once(key)?.1.split_whitespace().next()?;
        Some(Spanned::new(value.trim_end_matches(';').to_owned(), number))
    };
    chain.hook = word(" hook ");
    chain.policy = word("policy ");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_with_hook_policy_and_rules() {
        let (view, issues) = NftRuleset::read(include_str!("../tests/samples/nft_ruleset.txt"));
        assert_eq!(issues, []);
        let forward = view.at("forward").next().expect("it is there");
        assert_eq!(
            (forward.family.as_str(), forward.table.as_str(), forward.name.as_str()),
            ("ip", "filter", "FORWARD")
        );
        assert!(forward.drops());
        assert_eq!(forward.rules, [Spanned::new("counter packets 0 bytes 0 jump LIBVIRT_FWI".to_owned(), 7)]);
        assert_eq!(view.chains.len(), 2);
        let (_, issues) = NftRuleset::read("what\n");
        assert_eq!(issues.len(), 1);
        assert_eq!(NftRuleset::recognise("x", "a table for four {\n"), 0);
    }
}
