//! A connection from the host to the guest that is open before, and has to be open behind it.

use crate::aspects::Aspects;
use crate::echo::Held;
use crate::interfaces::{self, Interface, find, specified};
use crate::quote;
use crate::scope::Session;
use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};
use vmwright_model::GateOutcome;
use vmwright_model::machine::NetworkKind;

/// What came of it once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trip {
    /// What was sent came back.
    Back,
    /// The guest's service has closed it, as it closes idle ones, and told so: the way itself is open.
    Closed,
    /// It is of no use, and why.
    Lost(String),
}

/// Where it leads, and what came of each time that it was used; or what there is to say where there is none.
pub(crate) type Line = Result<(IpAddr, Vec<Trip>), GateOutcome>;

/// How long the way to a guest is looked for: Linux asks for its hardware address for 3 s until it says that there is none
/// (arp(7): `mcast_solicit`, `retrans_time`).
const FOUND: Duration = Duration::from_secs(10);

/// A connection that is open.
pub(crate) struct Open {
    held: Held,
    line: (IpAddr, Vec<Trip>),
}

impl Open {
    /// To the echo service of the guest, over the first bridge of the host that it is on.
    pub(crate) fn of(session: &Session<'_>) -> Result<Self, GateOutcome> {
        let none = |why: &str| GateOutcome::NotApplicable(why.to_owned());
        let mut networks = session.scope.spec.networks.iter().enumerate();
        let (index, network) = networks
            .find(|(_, network)| network.kind == NetworkKind::Bridge)
            .ok_or_else(|| none("no bridge leads from the host to the guest"))?;
        let own = || {
            let mac = interfaces::expected_mac(network, index, &interfaces::macs_of_vmm(session));
            let all = interfaces::of_guest(session).ok()?;
            find(&all, mac.as_deref()).and_then(Interface::reachable)
        };
        let address = specified(network).map(|(ip, _)| ip).or_else(own);
        let address = address.ok_or_else(|| none("the guest has no address that the host could reach"))?;
        match held(session, address) {
            Ok(held) => Ok(Self { held, line: (address, Vec::new()) }),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                Err(none("the guest has no echo service on TCP port 7, to which a connection could be held"))
            }
            Err(error) => Err(GateOutcome::Unknown(format!("no connection to {address}: {error}"))),
        }
    }

    /// Uses it once more.
    pub(crate) fn ask(&mut self) {
        self.line.1.push(match self.held.trip() {
            Ok(_) => Trip::Back,
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Trip::Closed,
            Err(error) => Trip::Lost(error.to_string()),
        });
    }

    /// What came of it.
    pub(crate) fn close(self) -> (IpAddr, Vec<Trip>) {
        self.line
    }
}

/// Opens a connection. A bridge that has just got its port, or a guest that has just come up, is unreachable for a moment.
fn held(session: &Session<'_>, address: IpAddr) -> io::Result<Held> {
    let began = Instant::now();
    loop {
        match session.scope.host.hold(address) {
            Err(error) if error.kind() == ErrorKind::HostUnreachable && began.elapsed() < FOUND => {
                thread::sleep(Duration::from_millis(200));
            }
            other => return other,
        }
    }
}

/// Whether it was open before and each time afterwards, which `when` has names for.
pub(crate) fn judge(line: &Line, when: &[&str], aspects: &mut Aspects) {
    aspects.about("open connection");
    let (address, trips) = match line {
        Ok((address, trips)) => (address, trips.as_slice()),
        Err(GateOutcome::Unknown(why)) => return aspects.unknown(quote::line(why)),
        Err(other) => return aspects.none(other.why()),
    };
    let Some((Trip::Back, behind)) = trips.split_first() else {
        return aspects
            .unknown(format!("a connection from the host to {address} was of no use before it began"));
    };
    if behind.len() < when.len() {
        aspects.unknown(format!("the connection from the host to {address} was not used each time"));
    }
    for (trip, when) in behind.iter().zip(when) {
        match trip {
            Trip::Back => aspects.pass(),
            Trip::Closed => aspects.unknown(format!(
                "{when}: the guest's service has closed the connection from the host to {address}"
            )),
            Trip::Lost(why) => aspects.fail(format!(
                "{when}: the connection from the host to {address}, open before, is lost: {}",
                quote::line(why)
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(line: &Line) -> GateOutcome {
        let mut aspects = Aspects::default();
        judge(line, &["there", "back"], &mut aspects);
        aspects.conclude("").0
    }

    #[test]
    fn a_connection_has_to_be_open_each_time() {
        let to: IpAddr = "10.0.0.2".parse().expect("an address");
        let lost = || Trip::Lost("no echo within 5000 ms".to_owned());
        assert_eq!(outcome(&Ok((to, vec![Trip::Back, Trip::Back, Trip::Back]))), GateOutcome::Pass);
        let told = format!("{:?}", outcome(&Ok((to, vec![Trip::Back, Trip::Back, lost()]))));
        assert_eq!(
            told,
            "Fail(\"back: the connection from the host to 10.0.0.2, open before, is lost: no echo within 5000 ms\")"
        );
        let closed = vec![Trip::Back, Trip::Back, Trip::Closed];
        for trips in [vec![lost(), Trip::Back, Trip::Back], vec![Trip::Back, Trip::Back], closed, Vec::new()]
        {
            assert!(matches!(outcome(&Ok((to, trips))), GateOutcome::Unknown(_)));
        }
        let refused = GateOutcome::NotApplicable("no echo service".to_owned());
        assert_eq!(outcome(&Err(refused.clone())), refused);
    }
}
