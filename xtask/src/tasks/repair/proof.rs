//! A proof: a script for the lab that ends well where what it says at its head is so.

use crate::workspace;
use anyhow::{Context as _, Result, ensure};

/// A proof.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Proof {
    pub(crate) name: String,
    pub(crate) script: String,
    /// Labs that share a network, where it is run in the first of several: `# nodes: 2` is its first line.
    pub(crate) nodes: Option<u32>,
}

impl Proof {
    /// Reads `proofs/NAME.sh`.
    pub(crate) fn open(name: &str) -> Result<Self> {
        let path = workspace::root().join("proofs").join(format!("{name}.sh"));
        let script =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::read(name, script).with_context(|| format!("cannot understand {}", path.display()))
    }

    fn read(name: &str, script: String) -> Result<Self> {
        let nodes = match script.lines().next().and_then(|line| line.strip_prefix("# nodes: ")) {
            Some(count) => {
                let count = count.trim().parse().with_context(|| format!("`{count}` is no number"))?;
                ensure!((2..=8).contains(&count), "{count} nodes are not 2 to 8");
                Some(count)
            }
            None => None,
        };
        Ok(Self { name: name.to_owned(), script, nodes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_tells_how_many_nodes_it_takes() {
        let nodes = |text: &str| Proof::read("a", text.to_owned()).map(|proof| proof.nodes);
        assert_eq!(nodes("true\n# nodes: 2\n").unwrap(), None);
        assert_eq!(nodes("# nodes: 3\ntrue\n").unwrap(), Some(3));
        assert!(nodes("# nodes: 1\n").is_err() && nodes("# nodes: two\n").is_err());
        for name in ["passthrough", "migration"] {
            Proof::open(name).unwrap();
        }
    }
}
