//! Echo on port 7 (RFC 862), TCP and UDP, so that the host can measure its way in.

use super::complain;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

const PORT: u16 = 7;

/// Connections at once; more are closed at once.
const CONNECTIONS: usize = 32;

/// A connection that is silent for so long is closed: longer than the host's review leaves one alone while the guest moves.
const PATIENCE: Duration = Duration::from_secs(600);

/// Begins to echo, over IPv6 and IPv4 where the kernel has both.
pub(super) fn start() {
    match TcpListener::bind(("::", PORT)).or_else(|_| TcpListener::bind(("0.0.0.0", PORT))) {
        Ok(listener) => drop(thread::spawn(move || tcp(&listener))),
        Err(error) => complain(format_args!("tcp port {PORT}: {error}")),
    }
    match UdpSocket::bind(("::", PORT)).or_else(|_| UdpSocket::bind(("0.0.0.0", PORT))) {
        Ok(socket) => drop(thread::spawn(move || udp(&socket))),
        Err(error) => complain(format_args!("udp port {PORT}: {error}")),
    }
}

fn tcp(listener: &TcpListener) {
    static OPEN: AtomicUsize = AtomicUsize::new(0);
    for stream in listener.incoming() {
        let Ok(stream) = stream else {
            thread::sleep(Duration::from_millis(100));
            continue;
        };
        if OPEN.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS {
            OPEN.fetch_sub(1, Ordering::Relaxed);
            continue;
        }
        let serve = move || {
            reflect(stream);
            OPEN.fetch_sub(1, Ordering::Relaxed);
        };
        if thread::Builder::new().spawn(serve).is_err() {
            OPEN.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn reflect(mut stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let _ = stream.set_read_timeout(Some(PATIENCE));
    let _ = stream.set_write_timeout(Some(PATIENCE));
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => {
                if stream.write_all(&buffer[..count]).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

fn udp(socket: &UdpSocket) {
    // The largest datagram there is.
    let mut buffer = vec![0; 65_536];
    loop {
        match socket.recv_from(&mut buffer) {
            Ok((count, from)) => drop(socket.send_to(&buffer[..count], from)),
            Err(_) => thread::sleep(Duration::from_millis(100)),
        }
    }
}
