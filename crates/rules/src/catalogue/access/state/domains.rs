//! Images of libvirt's domains: libvirt gives an image to the user of its VMMs before it starts one, and no folder above it.

use crate::prelude::*;
use vmwright_formats::{GroupFile, Images, Passwd};

/// Users of VMMs as distributions build libvirt: Debian's and all others'.
const USERS: [&str; 2] = ["libvirt-qemu", "qemu"];

/// The folders that bar the user of libvirt's VMMs from an image of a domain.
pub(super) fn check(cx: &Context<'_>) -> Vec<Verdict> {
    let (Some(images), Some(passwd), Some(groups)) =
        (cx.one::<Images>(), cx.one::<Passwd>(), cx.one::<GroupFile>())
    else {
        return vec![cx.draft().verdict()];
    };
    let Some((user, gid)) = user(cx, &passwd) else { return vec![cx.draft().verdict()] };
    let groups = groups.of_user(user, Some(gid));
    let mut verdicts = Vec::new();
    let mut told = Vec::new();
    for image in images.images.iter() {
        let of_domain = image.get("named-by").is_some_and(|by| by.value.starts_with("/etc/libvirt/"));
        let backs =
            images.images.iter().any(|other| other.backing().is_some_and(|back| back.value == image.path));
        for folder in image.all("folder").filter(|_| of_domain || backs) {
            let mut words = folder.value.splitn(4, ' ');
            let (Some(mode), Some(owner), Some(group), Some(path)) =
                (words.next(), words.next(), words.next(), words.next())
            else {
                continue;
            };
            let Some((bits, class)) = barred(mode, owner == user, groups.contains(&group)) else { continue };
            if told.contains(&path) {
                continue;
            }
            told.push(path);
            verdicts.push(
                cx.draft()
                    .because(Strength::Strong, images.quote(folder.line), "its bits bar the VMM's user")
                    .because(
                        Strength::Support,
                        image.get("named-by").and_then(|by| images.quote(by.line)),
                        "an image of a domain lies in it",
                    )
                    .about(Subject::new(SubjectKind::Path, path))
                    .title(format!("user {user} may not traverse {path}, which lies above {}", image.path))
                    .remedy(format!("let {user} search {path}; the names in it stay hidden"))
                    .action(Action::FileMode { path: path.to_owned(), from: bits, to: bits | class })
                    .verdict(),
            );
        }
    }
    if verdicts.is_empty() { vec![cx.draft().looked().verdict()] } else { verdicts }
}

/// Name and group of the user that libvirt's system daemon runs VMMs as; none where that is root, or not known.
fn user<'r>(cx: &'r Context<'_>, passwd: &Passwd) -> Option<(&'r str, u32)> {
    let set = match cx.file("/etc/libvirt/qemu.conf") {
        Found::Text(conf) => conf.lines().find_map(|(_, line)| {
            let (name, value) = line.split_once('=')?;
            (name.trim() == "user").then(|| value.trim().trim_matches('"'))
        }),
        _ => None,
    };
    let known = |name: &'r str| Some((name, passwd.by_name(name)?.gid));
    match set {
        Some("root" | "0" | "+0") => None,
        Some(name) => known(name),
        None => USERS.iter().find_map(|name| known(name)),
    }
}

/// The bits of a folder that this user may not search, and the one that would let it; none where it may, or where an ACL
/// may let it: the group's bits are then the most that the ACL gives.
fn barred(mode: &str, owner: bool, member: bool) -> Option<(u32, u32)> {
    let letters = mode.as_bytes();
    let searches = |at: usize| matches!(letters.get(at), Some(b'x' | b's' | b't'));
    let (own, group, other) = (searches(3), searches(6), searches(9));
    let class = match (owner, member) {
        (true, _) if own => return None,
        (true, _) => 0o100,
        (_, true) if group => return None,
        (_, true) => 0o010,
        _ if other || group => return None,
        _ => 0o001,
    };
    let mut bits = 0;
    for (at, letter) in letters.iter().skip(1).take(9).enumerate() {
        let set = matches!(letter, b'r' | b'w' | b'x' | b's' | b't');
        bits |= u32::from(set) << (8 - at);
    }
    // Set-user-ID, set-group-ID and the sticky bit stand in the places of the search bits.
    for (at, bit) in [(3, 0o4000), (6, 0o2000), (9, 0o1000)] {
        if matches!(letters.get(at), Some(b's' | b'S' | b't' | b'T')) {
            bits |= bit;
        }
    }
    Some((bits, class))
}

#[cfg(test)]
mod tests {
    use super::barred;

    #[test]
    fn the_bits_of_a_folder_and_what_is_lacking() {
        assert_eq!(barred("drwx------", false, false), Some((0o700, 0o001)));
        assert_eq!(barred("drwxr-----", false, true), Some((0o740, 0o010)));
        assert_eq!(barred("drw-r-xr-x", true, false), Some((0o655, 0o100)));
        assert_eq!(barred("drwxrwxrwt", false, false), None);
        // An ACL may be behind these.
        assert_eq!(barred("drwxr-x---", false, false), None);
        assert_eq!(barred("drwx--S--T", false, false), Some((0o3700, 0o001)));
    }
}
