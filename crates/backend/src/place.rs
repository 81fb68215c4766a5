//! Where guests go and come from: addresses in words, and what the kernel knows of them.

use crate::request::Place;
use std::fs;
use std::os::unix::fs::FileTypeExt as _;

/// Longest path of a UNIX socket, in bytes (`sun_path` of unix(7), without the final NUL).
const SOCKET_MAX: usize = 107;
/// The kernel's words for a socket's state: of a UNIX socket (`SS_CONNECTED` of `include/uapi/linux/net.h`), and of TCP
/// (`TCP_ESTABLISHED` of `include/net/tcp_states.h`).
const CONNECTED: (&str, &str) = ("03", "01");

/// An address as QEMU and Cloud Hypervisor write it.
pub(crate) fn address(place: &Place) -> Result<String, String> {
    match place {
        Place::Unix(path) => {
            let text = path.to_str().filter(|_| path.is_absolute());
            let text = text.ok_or_else(|| format!("the socket `{}` has no absolute path", path.display()))?;
            if text.len() > SOCKET_MAX {
                return Err(format!(
                    "the path of the socket has {} bytes, and {SOCKET_MAX} is the most that a socket can have",
                    text.len()
                ));
            }
            Ok(format!("unix:{text}"))
        }
        Place::Tcp { host, port } => {
            let word = !host.is_empty()
                && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:%".contains(&byte));
            if !word || *port == 0 {
                return Err(format!("`{}:{port}` is no host and port", host.escape_debug()));
            }
            if host.contains(':') {
                Ok(format!("tcp:[{host}]:{port}"))
            } else {
                Ok(format!("tcp:{host}:{port}"))
            }
        }
        Place::File(path) => Err(format!("the file `{}` is no address", path.display())),
        Place::Libvirt(_) => {
            Err("a VMM itself knows no libvirt; name a socket, or a host and port".to_owned())
        }
    }
}

/// Removes the socket of an earlier try, or the link to it. Only one that nobody listens at.
pub(crate) fn clear(place: &Place) {
    let Place::Unix(path) = place else { return };
    // A link that leads nowhere any more is one to a socket.
    let is_socket = |meta: fs::Metadata| meta.file_type().is_socket();
    let is_link = path.symlink_metadata().is_ok_and(|meta| meta.file_type().is_symlink());
    let was_socket = path.metadata().map_or(is_link, is_socket);
    if was_socket && std::os::unix::net::UnixStream::connect(path).is_err() {
        // What cannot be removed the VMM tells of.
        let _ = fs::remove_file(path);
    }
}

/// Whether somebody has come to this place, as the kernel lists its sockets. For who may not connect to find out, because
/// the one that listens would take it for its guest.
pub(crate) fn somebody_came(place: &Place) -> bool {
    let listed = |name: &str| fs::read_to_string(format!("/proc/net/{name}")).unwrap_or_default();
    match place {
        Place::Unix(path) => came_to_path(&listed("unix"), &path.to_string_lossy()),
        Place::Tcp { port, .. } => {
            came_to_port(&listed("tcp"), *port) || came_to_port(&listed("tcp6"), *port)
        }
        Place::File(_) | Place::Libvirt(_) => false,
    }
}

/// `Num RefCount Protocol Flags Type St Inode Path`: an accepted connection has the path of who listens.
fn came_to_path(list: &str, path: &str) -> bool {
    list.lines().skip(1).any(|line| {
        let mut words = line.splitn(8, ' ').skip(5);
        words.next() == Some(CONNECTED.0)
            && line.split_once(path).is_some_and(|(before, rest)| rest.is_empty() && before.ends_with(' '))
    })
}

/// `sl local_address rem_address st ...`, addresses as `0100007F:C000`: hexadecimal, the port behind the colon.
fn came_to_port(list: &str, port: u16) -> bool {
    list.lines().skip(1).any(|line| {
        let mut words = line.split_ascii_whitespace().skip(1);
        let local = words.next().and_then(|address| address.rsplit_once(':')).map(|(_, port)| port);
        let local = local.and_then(|port| u16::from_str_radix(port, 16).ok());
        words.nth(1) == Some(CONNECTED.1) && local == Some(port)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::{UnixListener, UnixStream};

    #[test]
    fn addresses() {
        let tcp = |host: &str, port| address(&Place::Tcp { host: host.to_owned(), port });
        assert_eq!(tcp("hv2.example", 49152), Ok("tcp:hv2.example:49152".to_owned()));
        assert_eq!(tcp("fe80::1%eth0", 1), Ok("tcp:[fe80::1%eth0]:1".to_owned()));
        assert!(tcp("a,b", 1).is_err() && tcp("", 1).is_err() && tcp("a", 0).is_err());
        assert_eq!(address(&Place::Unix("/run/m".into())), Ok("unix:/run/m".to_owned()));
        assert!(address(&Place::Unix("m".into())).is_err());
        let long = format!("/{}", "x".repeat(200));
        assert!(address(&Place::Unix(long.into())).is_err_and(|why| why.contains("201 bytes")));
    }

    #[test]
    fn who_comes_is_seen_and_who_listens_is_not() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let path = folder.path().join("a socket");
        let listener = UnixListener::bind(&path).expect("bound");
        let place = Place::Unix(path.clone());
        assert!(!somebody_came(&place));
        let client = UnixStream::connect(&path).expect("it listens");
        let (mut served, _) = listener.accept().expect("it came");
        assert!(somebody_came(&place) && !somebody_came(&Place::Unix(folder.path().join("socket"))));
        drop(client);
        assert_eq!(served.read(&mut [0]).expect("ended"), 0);
        drop((served, listener));
        clear(&place);
        assert!(!path.exists());

        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let port = listener.local_addr().expect("it has one").port();
        let place = Place::Tcp { host: "0.0.0.0".to_owned(), port };
        assert!(!somebody_came(&place));
        let client = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
        let (served, _) = listener.accept().expect("it came");
        assert!(somebody_came(&place));
        drop((client, served));
    }
}
