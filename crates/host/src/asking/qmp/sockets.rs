//! Which monitors a QEMU's command line names (qemu(1): `-qmp`, `-mon`, `-chardev socket`). A socket that a QEMU inherits
//! is that of its manager, and has no path there; the one that vmwright makes for analyses says in its id which directory
//! it lies in, and the kernel's list of sockets tells the rest.

use crate::file::read_words;
use crate::processes::{Process, user_of};
use crate::root::is_plain;
use std::path::{Path, PathBuf};
use vmwright_formats::qemu_args::{Opts, QUERIES, opts};

/// Most monitors of one VM that are tried.
const MOST: usize = 4;

/// A running QEMU that names a monitor.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Machine {
    pub(crate) pid: u32,
    /// Its user.
    pub(crate) user: u32,
    /// The VM's name where it has one that fits into the name of a record, else `pid-NUMBER`.
    pub(crate) name: String,
    pub(crate) sockets: Vec<Socket>,
}

/// A monitor's socket.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Socket {
    pub(crate) path: PathBuf,
    /// The address that it was bound to, where that is another: the kernel knows it and its connections by that.
    pub(crate) address: Option<String>,
    /// Why asking would do more than ask.
    pub(crate) not_asked: Option<String>,
}

impl Machine {
    /// The machine of a process; none where it is no QEMU, or names no monitor on a path of its own.
    pub(super) fn of(process: &Process) -> Option<Self> {
        let Process { pid, name, first } = process;
        let first = String::from_utf8_lossy(first);
        let program = first.rsplit('/').next().unwrap_or_default();
        if ![name.as_str(), program].iter().any(|name| is_qemu(name)) {
            return None;
        }
        let (pid, words) = (*pid, read_words(*pid).ok()?);
        let words: Vec<String> =
            words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        let (name, mut sockets, made) = of_words(&words);
        // Ahead of the others: nobody else needs it.
        let made = made.and_then(|directory| inherited(&super::monitor::unix_sockets(pid)?, &directory));
        sockets.splice(0..0, made);
        let name = name.unwrap_or_else(|| format!("pid-{pid}"));
        (!sockets.is_empty()).then_some(())?;
        Some(Self { pid, user: user_of(pid)?, name, sockets })
    }
}

fn is_qemu(name: &str) -> bool {
    name.starts_with("qemu-system-") || matches!(name, "qemu-kvm" | "kvm")
}

/// The VM's name and its monitors, and the directory of the socket that vmwright made for analyses.
fn of_words(words: &[String]) -> (Option<String>, Vec<Socket>, Option<String>) {
    let (mut name, mut made) = (None, None);
    let (mut sockets, mut devices, mut controls): (Vec<Socket>, Vec<(String, Opts)>, Vec<String>) =
        Default::default();
    let mut drops_descriptors = false;
    for pair in words.windows(2) {
        let Some(option) = pair[0].strip_prefix("--").or_else(|| pair[0].strip_prefix('-')) else { continue };
        let value = pair[1].as_str();
        match option {
            "name" => {
                let guest = opts(value, Some("guest")).get("guest").map(str::to_owned);
                name = guest.filter(|name| is_plain(name));
            }
            "qmp" | "qmp-pretty" => {
                let options = value.strip_prefix("unix:").map(|rest| opts(rest, Some("path")));
                sockets.extend(options.and_then(|options| socket(&options)));
            }
            "chardev" => {
                let options = opts(value, Some("backend"));
                if options.get("backend") == Some("socket")
                    && let Some(id) = options.get("id")
                {
                    devices.push((id.to_owned(), options));
                }
            }
            "mon" => {
                let options = opts(value, Some("chardev"));
                if options.get("mode") == Some("control") {
                    let id = options.get("chardev");
                    made = made.or_else(|| {
                        id?.strip_prefix(QUERIES).filter(|rest| is_directory(rest)).map(str::to_owned)
                    });
                    controls.extend(id.map(str::to_owned));
                }
            }
            // monitor/fds.c, monitor_fdsets_cleanup(): what nobody has opened yet is closed behind the last client.
            "add-fd" => drops_descriptors = true,
            _ => {}
        }
    }
    let monitors = devices.iter().filter(|(id, _)| controls.contains(id));
    sockets.extend(monitors.filter_map(|(_, options)| socket(options)));
    sockets.truncate(MOST);
    if drops_descriptors {
        for socket in &mut sockets {
            let why = "`-add-fd` hands over descriptors, which a monitor's last client takes with it";
            socket.not_asked.get_or_insert_with(|| why.to_owned());
        }
    }
    (name, sockets, made)
}

/// Whether it can be the name of a directory of sockets: 48 bits, hexadecimal.
fn is_directory(name: &str) -> bool {
    name.len() == 12 && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The socket for analyses, by the kernel's list. What stands before its path, where its VMM runs as another user, is a
/// way to the root directory that only its maker could go.
fn inherited(list: &str, directory: &str) -> Option<Socket> {
    let end = format!("/{directory}/query");
    let address = list
        .lines()
        .find_map(|line| Some(&line[line.find(" /")? + 1..]).filter(|path| path.ends_with(&end)))?;
    let behind = address.strip_prefix("/proc/self/task/").and_then(|rest| rest.split_once("/root/"));
    let path = behind.map(|(_, path)| PathBuf::from(format!("/{path}")));
    let own = path.is_some().then(|| address.to_owned());
    Some(Socket { path: path.unwrap_or_else(|| address.into()), address: own, not_asked: None })
}

/// A socket on which QEMU listens. None where it has no path, is the client itself, or is libvirt's: that has one client
/// for good, and a second one waits for ever.
fn socket(options: &Opts) -> Option<Socket> {
    let path = options.get("path")?;
    let listens = options.switch("server") == Some(true);
    if !listens || is_libvirts(path) || options.switch("abstract") == Some(true) {
        return None;
    }
    let waits = options.switch("nowait") != Some(true) && options.switch("wait") != Some(false);
    let not_asked = if !Path::new(path).is_absolute() {
        Some("its path is not absolute".to_owned())
    } else if waits {
        Some("its first client starts the VM (`wait=on`)".to_owned())
    } else {
        None
    };
    Some(Socket { path: path.into(), address: None, not_asked })
}

/// `/var/lib/libvirt/qemu/domain-7-web/monitor.sock`, and the same below a user's configuration.
fn is_libvirts(path: &str) -> bool {
    let Some((folder, "monitor.sock")) = path.rsplit_once('/') else { return false };
    path.contains("/libvirt/") || folder.rsplit('/').next().is_some_and(|name| name.starts_with("domain-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> (Option<String>, Vec<(String, bool)>) {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let (name, sockets, _) = of_words(&words);
        let told = |socket: Socket| (socket.path.display().to_string(), socket.not_asked.is_none());
        (name, sockets.into_iter().map(told).collect())
    }

    #[test]
    fn monitors_of_command_lines() {
        let one = |path: &str, asked| vec![(path.to_owned(), asked)];
        assert_eq!(
            of("qemu-system-x86_64 -name web -qmp unix:/run/q.sock,server=on,wait=off"),
            (Some("web".to_owned()), one("/run/q.sock", true))
        );
        assert_eq!(of("kvm --qmp unix:/q,server,nowait").1, one("/q", true));
        assert_eq!(of("kvm -qmp-pretty unix:/q,server=on").1, one("/q", false), "its client would start it");
        assert_eq!(of("kvm -qmp unix:q.sock,server,nowait").1, one("q.sock", false));
        // Proxmox: one that it listens on, and one over which it calls.
        let proxmox = "kvm -id 100 -name db,debug-threads=on -chardev socket,id=qmp,path=/var/run/qemu-server/100.qmp,server=on,wait=off \
            -mon chardev=qmp,mode=control -chardev socket,id=qmp-event,path=/var/run/qmeventd.sock,reconnect=5 -mon chardev=qmp-event,mode=control";
        assert_eq!(of(proxmox), (Some("db".to_owned()), one("/var/run/qemu-server/100.qmp", true)));
        // A console is no monitor; a human monitor does not speak QMP.
        let others = "kvm -chardev socket,id=s,path=/s,server=on,wait=off -serial chardev:s \
            -chardev socket,id=h,path=/h,server=on,wait=off -mon chardev=h,mode=readline -qmp tcp:127.0.0.1:4,server,nowait";
        assert_eq!(of(others).1, []);
        assert_eq!(of("kvm -add-fd fd=3,set=1 -qmp unix:/q,server,nowait").1, one("/q", false));
    }

    #[test]
    fn the_socket_for_analyses_is_found_by_its_directory() {
        let words = |id: &str| {
            let line = format!(
                "qemu-system-x86_64 -name guest=a -add-fd set=1,fd=3 -chardev socket,id=qmp,fd=4,server=on,wait=off -mon chardev=qmp,mode=control \
                 -chardev socket,id={id},fd=6,server=on,wait=off -mon chardev={id},mode=control"
            );
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let (_, sockets, made) = of_words(&words);
            assert_eq!(sockets, []);
            made
        };
        assert_eq!(words("query-0123456789ab").as_deref(), Some("0123456789ab"));
        assert_eq!(words("query-../../../run"), None);
        assert_eq!(words("query-0123456789AB"), None);
        let list = "Num       RefCount Protocol Flags    Type St Inode Path\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 77 /s/run/0123456789ab/qmp\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 78 /s/a b/run/0123456789ab/query\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 79 /proc/self/task/7/root/var/run/ba9876543210/query\n";
        let own = inherited(list, "0123456789ab").expect("listed");
        assert_eq!((own.path.as_path(), own.address), (Path::new("/s/a b/run/0123456789ab/query"), None));
        let foreign = inherited(list, "ba9876543210").expect("listed");
        assert_eq!(foreign.path, Path::new("/var/run/ba9876543210/query"));
        assert!(foreign.address.is_some_and(|address| address.starts_with("/proc/self/task/7/root/")));
        assert_eq!(inherited(list, "000000000000"), None);
    }

    #[test]
    fn libvirts_monitors_are_left_alone() {
        let monitor = |path: &str| {
            of(&format!(
                "qemu-system-x86_64 -name guest=a,debug-threads=on -chardev socket,id=charmonitor,{path},server=on,wait=off \
                 -mon chardev=charmonitor,id=monitor,mode=control"
            ))
            .1
        };
        assert_eq!(monitor("fd=23"), []);
        assert_eq!(monitor("path=/var/lib/libvirt/qemu/domain-7-a/monitor.sock"), []);
        assert_eq!(monitor("path=/home/u/.config/libvirt/qemu/lib/domain-1-a/monitor.sock"), []);
        assert_eq!(monitor("path=/srv/x/domain-1-a/monitor.sock"), []);
        assert_eq!(monitor("path=/srv/x/monitor.sock").len(), 1);
    }

    #[test]
    fn a_name_becomes_part_of_a_records_name() {
        for (name, kept) in [("guest=web-1", true), ("../x", false), ("a b", false), ("guest=", false)] {
            let words = ["kvm", "-name", name].map(str::to_owned);
            assert_eq!(of_words(&words).0.is_some(), kept, "{name}");
        }
    }
}
