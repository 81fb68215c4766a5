//! A proof: a script for the lab that ends well where what it says at its head is so.

use crate::workspace;
use anyhow::{Context as _, Result, ensure};
use std::path::Path;

/// A proof. Its first lines may say what it takes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Proof {
    pub(crate) name: String,
    pub(crate) script: String,
    /// `# nodes: 2`: labs that share a network, where it is run in the first of several.
    pub(crate) nodes: Option<u32>,
    /// `# programs: firecracker`: programs of PATH that it finds in the lab's `/usr/local/bin`; `vmwright-guest` is the
    /// project's own.
    pub(crate) programs: Vec<String>,
    /// `# body: microvm`: what several proofs share, behind their own lines; `proofs/bodies/microvm.sh`.
    body: Option<String>,
}

impl Proof {
    /// Reads `proofs/NAME.sh`.
    pub(crate) fn open(name: &str) -> Result<Self> {
        let place = workspace::root().join("proofs");
        let text = |path: &Path| {
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
        };
        let path = place.join(format!("{name}.sh"));
        let mut proof = Self::read(name, text(&path)?)
            .with_context(|| format!("cannot understand {}", path.display()))?;
        if let Some(body) = &proof.body {
            proof.script.push_str(&text(&place.join("bodies").join(format!("{body}.sh")))?);
        }
        Ok(proof)
    }

    fn read(name: &str, script: String) -> Result<Self> {
        let mut proof = Self {
            name: name.to_owned(),
            script: String::new(),
            nodes: None,
            programs: Vec::new(),
            body: None,
        };
        for line in script.lines() {
            if let Some(count) = line.strip_prefix("# nodes: ") {
                let count = count.trim().parse().with_context(|| format!("`{count}` is no number"))?;
                ensure!((2..=8).contains(&count), "{count} nodes are not 2 to 8");
                proof.nodes = Some(count);
            } else if let Some(names) = line.strip_prefix("# programs: ") {
                proof.programs.extend(names.split_whitespace().map(str::to_owned));
                ensure!(proof.programs.iter().all(|name| !name.contains('/')), "`{names}` are no names");
            } else if let Some(name) = line.strip_prefix("# body: ") {
                ensure!(!name.contains(['/', '.']), "`{name}` is no name");
                proof.body = Some(name.trim().to_owned());
            } else {
                break;
            }
        }
        proof.script = script;
        Ok(proof)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_lines_tell_what_it_takes() {
        let read = |text: &str| Proof::read("a", text.to_owned());
        let nodes = |text: &str| read(text).map(|proof| proof.nodes);
        assert_eq!(nodes("true\n# nodes: 2\n").unwrap(), None);
        assert_eq!(nodes("# nodes: 3\ntrue\n").unwrap(), Some(3));
        assert!(nodes("# nodes: 1\n").is_err() && nodes("# nodes: two\n").is_err());
        let both = read("# programs: a b\n# nodes: 2\n# Says what it shows.\n# programs: c\n").unwrap();
        assert_eq!((both.programs, both.nodes), (vec!["a".to_owned(), "b".to_owned()], Some(2)));
        assert!(read("# programs: ../a\n").is_err());
        assert!(read("# body: ../a\n").is_err());
        for name in ["passthrough", "hot-plug", "migration", "firecracker", "cloud-hypervisor", "labels"] {
            Proof::open(name).unwrap();
        }
    }
}
