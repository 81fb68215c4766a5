//! Users: `/etc/passwd` or `getent passwd` (passwd(5)).

use crate::{View, lines::lines};
use vmwright_model::{Issue, Kind};

/// One user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Line in the text.
    pub line: u32,
    /// Login name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Primary group's id.
    pub gid: u32,
    /// Home directory.
    pub home: String,
}

/// The users.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Passwd {
    /// In the order of the text.
    pub users: Vec<User>,
}

impl Passwd {
    /// The first user of this name, as getpwnam(3) finds it.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|user| user.name == name)
    }

    /// The first user of this id.
    #[must_use]
    pub fn by_uid(&self, uid: u32) -> Option<&User> {
        self.users.iter().find(|user| user.uid == uid)
    }
}

impl View for Passwd {
    const KIND: Kind = Kind::new("passwd");
    const SUREST: u8 = 90;

    fn read(text: &str) -> (Self, Vec<Issue>) {
        let mut view = Self::default();
        let mut issues = Vec::new();
        for (number, line) in lines(text) {
            // `+` and `-` lines are NIS inclusions.
            if line.trim().is_empty() || line.starts_with(['#', '+', '-']) {
                continue;
            }
            match user(number, line) {
                Some(user) => view.users.push(user),
                None => issues.push(Issue::new(number, "not a line of passwd(5)")),
            }
        }
        (view, issues)
    }

    fn recognise(name: &str, head: &str) -> u8 {
        let (mut users, mut others) = (0, 0);
        for line in head.lines().take(20) {
            match user(1, line) {
                Some(_) => users += 1,
                None => others += 1,
            }
        }
        match users {
            1.. if users > others => 90,
            _ if name == "passwd" => 30,
            _ => 0,
        }
    }
}

fn user(line: u32, text: &str) -> Option<User> {
    if memchr::memchr_iter(b':', text.as_bytes()).count() != 6 {
        return None;
    }
    let fields: Vec<&str> = text.splitn(8, ':').collect();
    let [name, _, uid, gid, _, home, _] = fields[..] else { return None };
    if name.is_empty() || name.contains(char::is_whitespace) {
        return None;
    }
    Some(User {
        line,
        name: name.to_owned(),
        uid: uid.parse().ok()?,
        gid: gid.parse().ok()?,
        home: home.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_read() {
        let text = "root:x:0:0:root:/root:/bin/bash\nlibvirt-qemu:x:64055:994:Libvirt Qemu,,,:/var/lib/libvirt:/usr/sbin/nologin\nodd\n";
        let (view, issues) = Passwd::read(text);
        assert_eq!(issues, [Issue::new(3, "not a line of passwd(5)")]);
        let user = view.by_name("libvirt-qemu").expect("it is there");
        assert_eq!((user.line, user.uid, user.gid), (2, 64055, 994));
        assert_eq!(view.by_uid(0).map(|user| user.name.as_str()), Some("root"));
        assert_eq!(Passwd::recognise("x", text), 90);
        assert_eq!(Passwd::recognise("x", "a:b:c:d:e:f:g\n"), 0);
    }
}
