//! Commands whose whole answer the kernel gives to one question of our own, over netlink: to start a program for each
//! takes several times as long as everything that they say.
//!
//! What is said is, byte for byte, what the program says. Only what is usual is said here: where an answer has anything
//! that this module does not know how the program would show, it says nothing, and the program is asked. Each question
//! is a constant that lists ([`QUESTIONS`]), so that no more can be changed by it than by the program.

mod addresses;
mod interfaces;
mod neighbours;
mod netlink;
mod routes;
mod rules;

use interfaces::interfaces;
use netlink::{Links, Question, Said, dump};
use vmwright_model::Missing;

/// Every question, by the words of the command that it stands for.
const QUESTIONS: &[(&[&str], Question)] = &[
    (&["bridge", "-d", "link", "show"], netlink::BRIDGE_PORTS),
    (&["bridge", "-d", "vlan", "show"], netlink::BRIDGE_VLANS),
    (&["ip", "-4", "rule", "list"], netlink::RULES),
    (&["ip", "-6", "route", "show", "table", "all"], netlink::ROUTES_V6),
    (&["ip", "-d", "address"], netlink::ADDRESSES),
    (&["ip", "-s", "-d", "link"], netlink::COUNTED_LINKS),
    (&["ip", "neigh", "show"], netlink::NEIGHBOURS),
    (&["ip", "route", "show", "table", "all"], netlink::ROUTES),
    (&["nft", "list", "ruleset"], netlink::TABLES),
];

/// What `bridge vlan show` says before it lists anything.
const VLAN_HEADING: &str = "port              vlan-id  \n";

/// How `bridge vlan show` fails where the kernel's bridges have none.
const NO_VLANS: &str = "status 1: RTNETLINK answers: Operation not supported";

/// Whether there is a question for this command.
pub(super) fn knows(words: &[&str]) -> bool {
    question(words).is_some()
}

fn question(words: &[&str]) -> Option<&'static Question> {
    QUESTIONS.iter().find(|(command, _)| *command == words).map(|(_, question)| question)
}

/// The kernel, with what was learned of it by earlier questions.
#[derive(Debug, Default)]
pub(crate) struct Kernel {
    links: Option<Links>,
}

impl Kernel {
    /// What this command would say; none where the program must be asked.
    pub(super) fn answer(&mut self, words: &[&str]) -> Option<Result<String, Missing>> {
        let told = match dump(question(words)?)? {
            Said::List(told) => told,
            // A kernel whose bridges have no VLANs.
            Said::Refused(libc::EOPNOTSUPP) if words.contains(&"vlan") => {
                return Some(Err(Missing::Failed(NO_VLANS.to_owned())));
            }
            Said::Refused(_) => return None,
        };
        let said = match words {
            ["bridge", .., "link", "show"] | ["nft", ..] => told.is_empty().then(String::new),
            ["bridge", .., "vlan", "show"] => told.is_empty().then(|| VLAN_HEADING.to_owned()),
            ["ip", .., "link"] => {
                interfaces(&told, true).map(|all| all.into_iter().map(|interface| interface.lines).collect())
            }
            ["ip", .., "address"] => {
                let Said::List(links) = dump(&netlink::LINKS)? else { return None };
                addresses::all(interfaces(&links, false)?, &told)
            }
            ["ip", .., "rule", "list"] => lines(&told, rules::line),
            ["ip", "neigh", ..] => lines(&told, |entry| neighbours::line(entry, self.links()?)),
            _ => lines(&told, |entry| routes::line(entry, self.links()?)),
        };
        said.map(Ok)
    }

    fn links(&mut self) -> Option<&Links> {
        if self.links.is_none() {
            self.links = Some(Links::all()?);
        }
        self.links.as_ref()
    }
}

/// The lines of all entries; none where one of them is not known.
fn lines(told: &[Vec<u8>], mut line: impl FnMut(&[u8]) -> Option<String>) -> Option<String> {
    told.iter().map(|entry| line(entry)).collect()
}

#[cfg(test)]
mod tests;
