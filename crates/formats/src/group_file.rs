//! Groups and their members: `/etc/group` or `getent group` (group(5)).

use crate::{View, lines::lines};
use vmwright_model::{Issue, Kind};

/// One group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Line in the text.
    pub line: u32,
    /// Its name.
    pub name: String,
    /// Its id.
    pub gid: u32,
    /// Users for whom it is a supplementary group. Those with it as primary group are in passwd(5) only.
    pub members: Vec<String>,
}

/// The groups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupFile {
    /// In the order of the text.
    pub groups: Vec<Group>,
}

impl GroupFile {
    /// The first group of this name, as getgrnam(3) finds it.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.name == name)
    }

    /// The first group of this id.
    #[must_use]
    pub fn by_gid(&self, gid: u32) -> Option<&Group> {
        self.groups.iter().find(|group| group.gid == gid)
    }

    /// Names of the groups that a user is in: the one of its primary `gid`, if known, and those that list it.
    #[must_use]
    pub fn of_user(&self, user: &str, gid: Option<u32>) -> Vec<&str> {
        let is_in =
            |group: &&Group| Some(group.gid) == gid || group.members.iter().any(|member| member == user);
        self.groups.iter().filter(is_in).map(|group| group.name.as_str()).collect()
    }
}

impl View for GroupFile {
    const KIND: Kind = Kind::new("group_file");
    const SUREST: u8 = 85;

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let mut view = Self::default();
        let mut issues = Vec::new();
        for (number, line) in lines(text) {
            if line.trim().is_empty() || line.starts_with(['#', '+', '-']) {
                continue;
            }
            match group(number, line) {
                Some(group) => view.groups.push(group),
                None => issues.push(Issue::new(number, "not a line of group(5)")),
            }
        }
        (view, issues)
    }

    fn recognise(name: &str, head: &str) -> u8 {
        let (mut groups, mut others) = (0, 0);
        for line in head.lines().take(20) {
            match group(1, line) {
                Some(_) => groups += 1,
                None => others += 1,
            }
        }
        match groups {
            1.. if groups > others => 85,
            _ if name == "group" => 30,
            _ => 0,
        }
    }
}

fn group(line: u32, text: &str) -> Option<Group> {
    if memchr::memchr_iter(b':', text.as_bytes()).count() != 3 {
        return None;
    }
    let fields: Vec<&str> = text.splitn(5, ':').collect();
    let [name, _, gid, members] = fields[..] else { return None };
    if name.is_empty() || name.contains(char::is_whitespace) || members.contains(char::is_whitespace) {
        return None;
    }
    let members = members.split(',').filter(|member| !member.is_empty()).map(str::to_owned).collect();
    Some(Group { line, name: name.to_owned(), gid: gid.parse().ok()?, members })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_read() {
        let text = "root:x:0:\nkvm:x:994:alice,bob\nusers:x:100:alice\nodd line\n";
        let (view, issues) = GroupFile::read(text);
        assert_eq!(issues, [Issue::new(4, "not a line of group(5)")]);
        let kvm = view.by_name("kvm").expect("it is there");
        assert_eq!((kvm.line, kvm.gid, kvm.members.len()), (2, 994, 2));
        assert_eq!(view.by_gid(0).map(|group| group.name.as_str()), Some("root"));
        assert_eq!(view.of_user("alice", Some(0)), ["root", "kvm", "users"]);
        assert_eq!(view.of_user("eve", None), [] as [&str; 0]);
        assert_eq!(GroupFile::recognise("x", text), 85);
        assert_eq!(GroupFile::recognise("x", "12:30:45: something\n"), 0);
    }
}
