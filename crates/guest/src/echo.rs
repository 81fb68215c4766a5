//! Round trips to an echo service (RFC 862) in the guest, over TCP and UDP.

use rustix::net::sockopt::{self, Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

/// What to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EchoPlan {
    /// Port of the service.
    pub port: u16,
    /// Payloads, one after another; each is new, so that a late echo is not taken for the next.
    pub trips: u32,
    /// Bytes of each payload, at least 8.
    pub size: usize,
    /// How long one connection or one round trip may take. After it the trip counts as lost, and the next goes
    /// over a new connection.
    pub patience: Duration,
    /// After so many losses in a row no more is sent; what was not sent counts as lost.
    pub give_up: u32,
}

impl Default for EchoPlan {
    /// Twenty trips of 64 bytes (what `ping` sends), one second each.
    fn default() -> Self {
        Self { port: 7, trips: 20, size: 64, patience: Duration::from_secs(1), give_up: 5 }
    }
}

/// The address from which this machine would send to another; none where it has no way there. Nothing is sent.
#[must_use]
pub fn source(address: IpAddr) -> Option<IpAddr> {
    // The port says nothing: a datagram's socket that is connected has only looked for the way.
    let socket = UdpSocket::bind((any(address), 0)).ok()?;
    socket.connect((address, 7)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// All of this machine's addresses of the same family.
fn any(address: IpAddr) -> IpAddr {
    if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
}

/// What came back.
#[derive(Debug, Clone, PartialEq)]
pub enum Echoed {
    /// Somebody answered at the address: each trip's time in milliseconds, none where it was lost.
    Answered {
        /// In the order in which they were sent.
        trips: Vec<Option<f64>>,
        /// What went wrong, for the first trip that was lost.
        first_loss: Option<String>,
    },
    /// The address answers and nothing listens on the port.
    Refused,
    /// Something answers, but with other bytes than were sent.
    Garbled,
    /// No connection.
    Unreachable(String),
}

/// Sends and takes back; takes at most about `patience` times `give_up` more than the trips themselves.
#[must_use]
pub fn over_tcp(address: IpAddr, plan: &EchoPlan) -> Echoed {
    tcp_to(SocketAddr::new(address, plan.port), plan)
}

/// The same to an address that may name the interface which leads there.
#[must_use]
pub fn tcp_to(address: SocketAddr, plan: &EchoPlan) -> Echoed {
    let mut connection = None;
    let mut trips = Vec::new();
    let mut losses = 0;
    let mut first_loss = None;
    for number in 0..plan.trips {
        if losses >= plan.give_up {
            trips.push(None);
            continue;
        }
        let result = trip(&mut connection, address, plan, number);
        match result {
            Ok(milliseconds) => {
                losses = 0;
                trips.push(Some(milliseconds));
                continue;
            }
            Err(error) if error.kind() == ErrorKind::InvalidData => return Echoed::Garbled,
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => return Echoed::Refused,
            Err(error) => first_loss.get_or_insert(error.to_string()),
        };
        connection = None;
        losses += 1;
        trips.push(None);
    }
    match first_loss {
        Some(why) if trips.iter().all(Option::is_none) => Echoed::Unreachable(why),
        first_loss => Echoed::Answered { trips, first_loss },
    }
}

/// A connection to the service that stays open, however long nothing is sent over it.
#[derive(Debug)]
pub struct Held {
    stream: Option<TcpStream>,
    address: SocketAddr,
    plan: EchoPlan,
    trips: u32,
}

impl Held {
    /// Opens it. A trip over it may take as long as the patience of the plan.
    ///
    /// # Errors
    /// Of the connection; [`ErrorKind::ConnectionRefused`] where nothing listens.
    pub fn open(address: IpAddr, plan: &EchoPlan) -> io::Result<Self> {
        let address = SocketAddr::new(address, plan.port);
        let stream = Some(connected(address, plan)?);
        Ok(Self { stream, address, plan: plan.clone(), trips: 0 })
    }

    /// One round trip over it, in milliseconds.
    ///
    /// # Errors
    /// What became of the connection; [`ErrorKind::InvalidData`] where other bytes come back.
    pub fn trip(&mut self) -> io::Result<f64> {
        self.trips += 1;
        trip(&mut self.stream, self.address, &self.plan, self.trips)
    }
}

/// The same with datagrams, each of which goes as one packet or not at all (`IP_PMTUDISC_DO` of ip(7)): one that is too large
/// for the interface is not sent, and one that is too large for some way in between gets lost.
#[must_use]
pub fn over_udp(address: IpAddr, plan: &EchoPlan) -> Echoed {
    udp_to(SocketAddr::new(address, plan.port), plan)
}

/// The same to an address that may name the interface which leads there.
#[must_use]
pub fn udp_to(address: SocketAddr, plan: &EchoPlan) -> Echoed {
    let socket = match UdpSocket::bind((any(address.ip()), 0)).and_then(|socket| {
        if address.is_ipv4() {
            sockopt::set_ip_mtu_discover(&socket, Ipv4PathMtuDiscovery::DO)?;
        } else {
            sockopt::set_ipv6_mtu_discover(&socket, Ipv6PathMtuDiscovery::DO)?;
        }
        socket.connect(address)?;
        Ok(socket)
    }) {
        Ok(socket) => socket,
        Err(error) => return Echoed::Unreachable(error.to_string()),
    };
    let (mut trips, mut losses, mut first_loss) = (Vec::new(), 0, None);
    for number in 0..plan.trips {
        if losses >= plan.give_up {
            trips.push(None);
            continue;
        }
        match datagram(&socket, plan, number) {
            Ok(milliseconds) => {
                losses = 0;
                trips.push(Some(milliseconds));
                continue;
            }
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => return Echoed::Refused,
            Err(error) => first_loss.get_or_insert(error.to_string()),
        };
        losses += 1;
        trips.push(None);
    }
    match first_loss {
        Some(why) if trips.iter().all(Option::is_none) => Echoed::Unreachable(why),
        first_loss => Echoed::Answered { trips, first_loss },
    }
}

/// One datagram there and back. One that comes late, from an earlier trip, is passed over.
fn datagram(socket: &UdpSocket, plan: &EchoPlan, number: u32) -> io::Result<f64> {
    let sent = payload(number, plan.size);
    let began = Instant::now();
    socket.send(&sent)?;
    let mut back = vec![0; sent.len() + 1];
    loop {
        let left = plan.patience.saturating_sub(began.elapsed());
        if left.is_zero() {
            let what = format!("no echo of {} bytes within {} ms", plan.size, plan.patience.as_millis());
            return Err(io::Error::new(ErrorKind::TimedOut, what));
        }
        socket.set_read_timeout(Some(left))?;
        match socket.recv(&mut back) {
            Ok(count) if back[..count] == sent => return Ok(began.elapsed().as_secs_f64() * 1e3),
            Ok(_) => {}
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut
                ) => {}
            Err(error) => return Err(error),
        }
    }
}

/// One round trip, in milliseconds. A connection is made where there is none; that is not part of the time.
fn trip(
    connection: &mut Option<TcpStream>,
    address: SocketAddr,
    plan: &EchoPlan,
    number: u32,
) -> io::Result<f64> {
    let stream = match connection {
        Some(stream) => stream,
        None => connection.insert(connected(address, plan)?),
    };
    let sent = payload(number, plan.size);
    let began = Instant::now();
    stream.write_all(&sent)?;
    let mut back = vec![0; sent.len()];
    let mut filled = 0;
    // The limit is for the whole trip: a peer that sends a byte now and then does not hold the review up.
    while filled < back.len() {
        let left = plan.patience.saturating_sub(began.elapsed());
        if left.is_zero() {
            return Err(io::Error::new(
                ErrorKind::TimedOut,
                format!("no echo within {} ms", plan.patience.as_millis()),
            ));
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut back[filled..]) {
            Ok(0) => return Err(io::Error::new(ErrorKind::UnexpectedEof, "the connection was closed")),
            Ok(count) => filled += count,
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut
                ) => {}
            Err(error) => return Err(error),
        }
    }
    if back == sent { Ok(began.elapsed().as_secs_f64() * 1e3) } else { Err(ErrorKind::InvalidData.into()) }
}

fn connected(address: SocketAddr, plan: &EchoPlan) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, plan.patience)?;
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(plan.patience))?;
    Ok(stream)
}

/// A payload that differs from all others of this plan.
fn payload(number: u32, size: usize) -> Vec<u8> {
    let mut bytes = b"vmwr".to_vec();
    bytes.extend_from_slice(&number.to_be_bytes());
    let mut next = number as u8;
    while bytes.len() < size {
        bytes.push(next);
        next = next.wrapping_mul(5).wrapping_add(1);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// A server that treats its connections one after another with `serve`.
    fn server(serve: impl Fn(usize, TcpStream) + Send + 'static) -> EchoPlan {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                serve(number, stream.unwrap());
            }
        });
        EchoPlan { port, patience: Duration::from_millis(200), give_up: 2, ..EchoPlan::default() }
    }

    fn reflect(mut stream: TcpStream, trips: usize) {
        let mut buffer = [0; 64];
        for _ in 0..trips {
            if stream.read_exact(&mut buffer).and_then(|()| stream.write_all(&buffer)).is_err() {
                return;
            }
        }
    }

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn what_is_here_is_reached_from_here() {
        assert_eq!(source(HERE), Some(HERE));
        // Multicast of the whole link without a link: no way.
        assert_eq!(source("ff02::1".parse().unwrap()).filter(|ip| !ip.is_ipv6()), None);
    }

    #[test]
    fn an_echo_is_timed() {
        let plan = server(|_, stream| reflect(stream, 1000));
        let Echoed::Answered { trips, first_loss } = over_tcp(HERE, &plan) else { panic!("no answer") };
        assert_eq!((trips.len(), first_loss), (20, None));
        assert!(trips.iter().all(|trip| trip.is_some_and(|ms| ms > 0.0 && ms < 200.0)), "{trips:?}");
    }

    #[test]
    fn a_lost_trip_is_counted_and_the_rest_goes_on() {
        let plan = server(|number, stream| reflect(stream, if number == 0 { 5 } else { 1000 }));
        let Echoed::Answered { trips, first_loss } = over_tcp(HERE, &plan) else { panic!("no answer") };
        assert_eq!(trips.iter().filter(|trip| trip.is_none()).count(), 1);
        assert_eq!(trips.iter().position(Option::is_none), Some(5));
        assert!(first_loss.is_some());
    }

    #[test]
    fn a_connection_that_is_held_is_not_made_anew() {
        let plan = server(|_, stream| reflect(stream, 2));
        let mut held = Held::open(HERE, &plan).unwrap();
        assert!(held.trip().is_ok());
        std::thread::sleep(plan.patience * 2);
        assert!(held.trip().is_ok(), "silence does not end it");
        // The other end has gone; there is somebody else who would answer.
        assert!(held.trip().is_err() && held.trip().is_err());
        assert!(matches!(over_tcp(HERE, &EchoPlan { trips: 1, ..plan }), Echoed::Answered { .. }));
    }

    #[test]
    fn silence_trickle_and_nonsense_are_told_apart() {
        let silent = server(|_, stream| {
            drop(std::thread::spawn(move || (std::thread::sleep(Duration::from_secs(5)), stream)))
        });
        let began = Instant::now();
        let echoed = over_tcp(HERE, &silent);
        assert!(
            matches!(&echoed, Echoed::Unreachable(why) if why.contains("no echo within 200 ms")),
            "{echoed:?}"
        );
        assert!(began.elapsed() < Duration::from_secs(3), "gives up after two losses");

        let trickle = server(|_, mut stream| {
            for _ in 0..20 {
                std::thread::sleep(Duration::from_millis(50));
                if stream.write_all(b"v").is_err() {
                    return;
                }
            }
        });
        assert!(matches!(over_tcp(HERE, &trickle), Echoed::Unreachable(_)));

        let other = server(|_, mut stream| drop(stream.write_all(&[b'x'; 64])));
        assert_eq!(over_tcp(HERE, &other), Echoed::Garbled);
    }

    #[test]
    fn datagrams_come_back_whole_or_count_as_lost() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let mut buffer = vec![0; 65_536];
            // As a way through which no large packet fits.
            while let Ok((count, from)) = socket.recv_from(&mut buffer) {
                if count <= 1400 {
                    drop(socket.send_to(&buffer[..count], from));
                }
            }
        });
        let plan = |size| EchoPlan { port, size, trips: 5, give_up: 2, patience: Duration::from_millis(200) };
        assert!(
            matches!(over_udp(HERE, &plan(1400)), Echoed::Answered { first_loss: None, trips } if trips.len() == 5)
        );
        let lost = over_udp(HERE, &plan(1472));
        assert!(
            matches!(&lost, Echoed::Unreachable(why) if why.contains("no echo of 1472 bytes")),
            "{lost:?}"
        );
    }

    #[test]
    fn a_closed_port_is_refused() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        assert_eq!(over_tcp(HERE, &EchoPlan { port, ..EchoPlan::default() }), Echoed::Refused);
    }
}
