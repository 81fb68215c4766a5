//! Nodes: labs that come up together and share a network, so that machines move from one to the other.
//!
//! The network is the lab's NIC (`nic0` of [`Hardware::words`](crate::Hardware::words)) with another end: sockets in a
//! folder of the nodes, each open to the QEMU at its other end alone. A datagram finds its way or is lost, as on a wire, so
//! that a node may be reset while the others run. The first node is where all wires meet.

use crate::labs::{Lab, Labs};
use crate::template::execute;
use crate::{Hardware, LabError};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, lchown};
use std::path::{Path, PathBuf};
use vmwright_backend::qemu::Qemu;
use vmwright_backend::{Stored, Watch};

/// The most nodes of one group: each is a whole host.
pub(crate) const MOST: u32 = 8;
/// Seconds that a node may take to become one.
const BECOMING: u64 = 180;
/// Run in a node behind its variables.
const BECOME: &str = include_str!("../recipe/node.sh");

/// A lab's place among its like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// What they are called together.
    pub group: String,
    /// Which of them it is, from 1.
    pub number: u32,
    /// How many there are.
    pub count: u32,
    /// Folder of the network's sockets.
    pub wires: PathBuf,
}

impl Node {
    /// Its name, as a lab and as a host.
    #[must_use]
    pub fn name(&self) -> String {
        name(&self.group, self.number)
    }

    /// QEMU's words with the NIC at the network of the nodes instead of one of its own.
    pub(crate) fn connected(&self, mut words: Vec<String>) -> Vec<String> {
        const OWN: &str = "user,id=nic0,";
        let Some(at) = words.iter().position(|word| word.starts_with(OWN)) else { return words };
        // It stays, at nothing: what was kept of the first boot has its state.
        words[at] = words[at].replacen(OWN, "user,id=unplugged,", 1);
        let mut netdev = |what: String| words.extend(["-netdev".to_owned(), what]);
        if self.number > 1 {
            netdev(self.wire("nic0", 1));
        } else if self.count == 2 {
            netdev(self.wire("nic0", 2));
        } else {
            netdev("hubport,id=nic0,hubid=1".to_owned());
            for other in 2..=self.count {
                let wire = format!("wire{other}");
                netdev(self.wire(&wire, other));
                netdev(format!("hubport,id=port{other},hubid=1,netdev={wire}"));
            }
        }
        words
    }

    fn wire(&self, id: &str, other: u32) -> String {
        // QEMU runs in the folder of the wires, the way to which its own user does not have.
        let (own, others) = (end(self.number, other), end(other, self.number));
        format!("dgram,id={id},local.type=unix,local.path={own},remote.type=unix,remote.path={others}")
    }

    /// What makes a lab this node.
    fn script(&self) -> String {
        let mut hosts = "127.0.0.1 localhost\n".to_owned();
        for number in 1..=self.count {
            // Writing to a string cannot fail.
            let _ = writeln!(hosts, "10.30.0.{number} {}", name(&self.group, number));
        }
        format!(
            "name={}\nnumber={}\nmachine={}\nhosts='{hosts}'\n{BECOME}",
            self.name(),
            self.number,
            self.machine_id()
        )
    }

    /// Its machine-id(5), the same after each reset. Not drawn in the lab: the random numbers of all of them go on from
    /// what the same memory holds.
    fn machine_id(&self) -> String {
        let mut digest = Sha256::new();
        digest.update(self.wires.join(end(self.number, 0)).as_os_str().as_bytes());
        digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Makes a running lab this node.
    pub(crate) fn settle(&self, lab: &Lab, watch: &mut dyn Watch) -> Result<(), LabError> {
        self.open_ends(lab)?;
        let done = execute(&lab.qemu(), lab.machine(), &self.script(), BECOMING, watch)?;
        if done.status == Some(0) {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&done.errors).trim().to_owned();
        Err(LabError::Unstaged { why: format!("it cannot become the node {}", self.name()), said })
    }

    /// Lets the QEMU at the other end of each wire write to this one's: only who may write to a socket may send to it
    /// (unix(7)).
    fn open_ends(&self, lab: &Lab) -> Result<(), LabError> {
        for other in 1..=self.count {
            let at_other = Stored { name: name(&self.group, other), ..lab.machine().clone() };
            let Some(user) = Qemu::becomes(&at_other) else { continue };
            let end = self.wires.join(end(self.number, other));
            match lchown(&end, Some(user), None) {
                // All wires meet at the first.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                given => given.map_err(LabError::file("give away", &end))?,
            }
        }
        Ok(())
    }

    /// Takes its ends of the wires away, and the folder with the last of them.
    pub(crate) fn disconnect(&self) -> Result<(), LabError> {
        for other in 1..=self.count {
            let end = self.wires.join(end(self.number, other));
            match fs::remove_file(&end) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(LabError::file("remove", &end)(error));
                }
                _ => {}
            }
        }
        match rustix::fs::rmdir(&self.wires) {
            Ok(()) | Err(Errno::NOTEMPTY | Errno::NOENT) => Ok(()),
            Err(error) => Err(LabError::file("remove", &self.wires)(error.into())),
        }
    }
}

impl Labs {
    /// Brings nodes up, one after the other: NAME-1 to NAME-`count`.
    ///
    /// # Errors
    /// [`LabError`]; nothing of the nodes is left then.
    pub fn up_nodes(
        &self,
        group: &str,
        count: u32,
        hardware: &Hardware,
        mirror: Option<&str>,
        watch: &mut dyn Watch,
    ) -> Result<Vec<Lab>, LabError> {
        if !(2..=MOST).contains(&count) {
            return Err(LabError::Image(format!("{count} nodes are not 2 to {MOST}")));
        }
        let place = self.make()?;
        for number in 1..=count {
            Self::must_be_free(&place, &name(group, number))?;
        }
        let wires = place.join("wires").join(group);
        let mut labs: Vec<Lab> = Vec::new();
        for number in 1..=count {
            let node = Node { group: group.to_owned(), number, count, wires: wires.clone() };
            let lab =
                lay(&wires).and_then(|()| self.bring(&node.name(), Some(node), hardware, mirror, watch));
            match lab {
                Ok(lab) => labs.push(lab),
                Err(error) => {
                    // The first error is the one to tell.
                    for lab in &labs {
                        let _ = self.remove(lab);
                    }
                    return Err(error);
                }
            }
        }
        Ok(labs)
    }
}

/// The socket of one end of a wire.
fn end(from: u32, to: u32) -> String {
    format!("{from}-{to}")
}

fn name(group: &str, number: u32) -> String {
    format!("{group}-{number}")
}

/// Makes the folder of the wires, where it is not there. The users of QEMUs may search it, who find themselves in it.
fn lay(wires: &Path) -> Result<(), LabError> {
    DirBuilder::new().recursive(true).mode(0o711).create(wires).map_err(LabError::file("make", wires))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: u32, count: u32) -> Node {
        Node { group: "lab".into(), number, count, wires: "/s/a".into() }
    }

    #[test]
    fn every_wire_has_two_ends_and_the_nic_is_at_one() {
        for count in 2..=MOST {
            let mut ends: Vec<(String, String)> = Vec::new();
            for number in 1..=count {
                let node = node(number, count);
                let words = node.connected(Hardware::default().words(true));
                assert_eq!(words.iter().filter(|word| word.contains(",id=nic0")).count(), 1, "{words:?}");
                let own = |words: &[String]| words.iter().filter(|word| word.starts_with("user,")).count();
                assert_eq!(
                    own(&words),
                    own(&Hardware::default().words(true)),
                    "each has a state that was kept"
                );
                for word in words.iter().filter(|word| word.starts_with("dgram,")) {
                    let path = |key: &str| {
                        let rest = word.split_once(&format!("{key}.path=")).expect("a path").1;
                        rest.split(',').next().unwrap_or_default().to_owned()
                    };
                    ends.push((path("local"), path("remote")));
                }
            }
            assert_eq!(ends.len() as u32, 2 * (count - 1), "{ends:?}");
            for (local, remote) in &ends {
                assert!(ends.contains(&(remote.clone(), local.clone())), "{ends:?}");
            }
        }
    }

    #[test]
    fn a_node_knows_its_like_by_name() {
        let script = node(2, 3).script();
        for line in ["name=lab-2\n", "number=2\n", "10.30.0.1 lab-1\n10.30.0.2 lab-2\n10.30.0.3 lab-3\n'"] {
            assert!(script.contains(line), "{script}");
        }
    }

    #[test]
    fn each_node_is_a_host_of_its_own() {
        let id = |node: &Node| {
            let script = node.script();
            let id =
                script.lines().find_map(|line| line.strip_prefix("machine=")).expect("it has one").to_owned();
            assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
            id
        };
        let elsewhere = Node { wires: "/s/b".into(), ..node(1, 2) };
        let ids = std::collections::BTreeSet::from([&node(1, 2), &node(2, 2), &elsewhere].map(id));
        assert_eq!(ids.len(), 3, "another number, and the same number of other nodes");
        assert!(ids.contains(&id(&node(1, 2))), "a reset changes nothing");
    }

    #[test]
    fn the_last_node_takes_the_folder_of_the_wires_along() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let wires = place.path().join("wires/lab");
        lay(&wires).expect("made");
        let nodes = [1, 2].map(|number| Node { wires: wires.clone(), ..node(number, 2) });
        for (from, to) in [(1, 2), (2, 1)] {
            fs::write(wires.join(end(from, to)), "").expect("written");
        }
        nodes[0].disconnect().expect("removed");
        assert!(wires.is_dir(), "the other node has its end there");
        nodes[1].disconnect().expect("removed");
        assert!(!wires.exists());
        nodes[1].disconnect().expect("nothing is left to do");
    }
}
