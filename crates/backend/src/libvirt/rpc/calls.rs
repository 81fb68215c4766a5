//! The calls, typed. Their arguments and replies are the structures of `src/remote/remote_protocol.x`, their flags
//! those of `include/libvirt/libvirt-domain.h` in libvirt's source.

use super::procedure as p;
use super::stream::Stream;
use super::xdr::{Decoder, Encoder, Malformed};
use super::{Client, LibvirtError};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Most domains of one list (`REMOTE_DOMAIN_LIST_MAX`).
const DOMAINS_MAX: u32 = 16_384;
/// Most snapshots of one domain (`REMOTE_DOMAIN_SNAPSHOT_LIST_MAX`).
const SNAPSHOTS_MAX: u32 = 16_384;
/// Most figures of one domain (`REMOTE_CONNECT_GET_ALL_DOMAIN_STATS_MAX`).
const STATS_MAX: u32 = 262_144;
/// Most figures of one job (`REMOTE_DOMAIN_JOB_STATS_MAX`).
const JOB_MAX: u32 = 64;
/// Most ways to log in (`REMOTE_AUTH_TYPE_LIST_MAX`).
const LOGINS_MAX: u32 = 20;
/// `VIR_DRV_FEATURE_PROGRAM_KEEPALIVE` of `src/libvirt_internal.h`.
const FEATURE_KEEPALIVE: i32 = 10;

/// A domain as libvirt names it in every call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain {
    /// Its name.
    pub name: String,
    /// Its UUID.
    pub uuid: [u8; 16],
    /// Its number while it runs; -1 otherwise.
    pub id: i32,
}

impl Domain {
    /// The UUID as people write it.
    #[must_use]
    pub fn uuid_text(&self) -> String {
        let mut text = String::with_capacity(36);
        for (at, byte) in self.uuid.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                text.push('-');
            }
            text.push_str(&format!("{byte:02x}"));
        }
        text
    }

    pub(super) fn read(decoder: &mut Decoder<'_>) -> Result<Self, Malformed> {
        Ok(Self { name: decoder.string()?, uuid: decoder.fixed()?, id: decoder.i32()? })
    }

    fn write(&self, encoder: &mut Encoder) {
        encoder.string(&self.name).fixed(&self.uuid).i32(self.id);
    }
}

/// Where a domain stands, and why (`virDomainState`, and the `virDomain...Reason` of that state).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DomainState {
    /// 1 running, 3 paused, 5 shut off, ...
    pub state: i32,
    /// The meaning depends on the state.
    pub reason: i32,
}

/// A change of a domain's life (`virDomainEventType`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lifecycle {
    /// The domain.
    pub domain: Domain,
    /// 0 defined, 1 undefined, 2 started, 3 suspended, 4 resumed, 5 stopped, 6 shut down, 7 asleep, 8 crashed.
    pub event: i32,
    /// The meaning depends on the event.
    pub detail: i32,
}

/// One figure of a domain.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A whole number, of any of libvirt's four kinds.
    Whole(i128),
    /// A fraction.
    Fraction(f64),
    /// Yes or no.
    Flag(bool),
    /// Text.
    Text(String),
}

/// A domain's figures, by libvirt's names (`state.state`, `block.0.rd.bytes`).
#[derive(Debug, Clone, PartialEq)]
pub struct Stats {
    /// The domain.
    pub domain: Domain,
    /// The figures.
    pub figures: BTreeMap<String, Value>,
}

impl Client {
    /// Logs in: the socket's rights are enough, or polkit decides.
    pub(super) fn log_in(&mut self, deadline: Instant) -> Result<(), LibvirtError> {
        let reply = self.call_by(p::AUTH_LIST, deadline, |_| ())?;
        let ways = read(p::AUTH_LIST, &reply, |decoder| decoder.list(LOGINS_MAX, Decoder::u32))?;
        // `remote_auth_type`: 0 none, 1 SASL, 2 polkit.
        if ways.is_empty() || ways.contains(&0) {
            return Ok(());
        }
        if ways.contains(&2) {
            return self.call_by(p::AUTH_POLKIT, deadline, |_| ()).map(drop);
        }
        Err(LibvirtError::Login(if ways.contains(&1) { "SASL".to_owned() } else { format!("{ways:?}") }))
    }

    /// libvirt's version at the other end: 11003000 is 11.3.0.
    ///
    /// # Errors
    /// [`LibvirtError`].
    pub fn version(&mut self) -> Result<u64, LibvirtError> {
        let reply = self.call(p::LIB_VERSION, |_| ())?;
        read(p::LIB_VERSION, &reply, |decoder| decoder.u64())
    }

    /// Every domain, running or not.
    ///
    /// # Errors
    /// [`LibvirtError`].
    pub fn domains(&mut self) -> Result<Vec<Domain>, LibvirtError> {
        let reply = self.call(p::LIST_ALL_DOMAINS, |args| {
            args.i32(1).u32(0);
        })?;
        read(p::LIST_ALL_DOMAINS, &reply, |decoder| {
            let domains = decoder.list(DOMAINS_MAX, Domain::read)?;
            decoder.u32().map(|_| domains)
        })
    }

    /// The domain of a name.
    ///
    /// # Errors
    /// [`LibvirtError`]; [`LibvirtError::is_no_domain`] where there is none.
    pub fn domain(&mut self, name: &str) -> Result<Domain, LibvirtError> {
        let reply = self.call(p::LOOKUP_BY_NAME, |args| {
            args.string(name);
        })?;
        read(p::LOOKUP_BY_NAME, &reply, Domain::read)
    }

    /// Where a domain stands.
    ///
    /// # Errors
    /// [`LibvirtError`].
    pub fn state(&mut self, domain: &Domain) -> Result<DomainState, LibvirtError> {
        let reply = self.of(p::GET_STATE, domain, |args| {
            args.u32(0);
        })?;
        read(p::GET_STATE, &reply, |decoder| {
            Ok(DomainState { state: decoder.i32()?, reason: decoder.i32()? })
        })
    }

    /// A domain's XML: as it runs, or where it does not run or `inactive` is asked for, as it will be started next.
    /// Secrets are in it.
    ///
    /// # Errors
    /// [`LibvirtError`].
    pub fn xml(&mut self, domain: &Domain, inactive: bool) -> Result<String, LibvirtError> {
        let (secure, as_defined) = (1, 2);
        let reply = self.of(p::GET_XML_DESC, domain, |args| {
            args.u32(if inactive { secure | as_defined } else { secure });
        })?;
        read(p::GET_XML_DESC, &reply, |decoder| decoder.string())
    }

    /// A domain's XML without its secrets, as it runs or will be started.
    ///
    /// # Errors
    /// [`LibvirtError`].
    pub fn public_xml(&mut self, domain: &Domain) -> Result<String, LibvirtError> {
        let reply = self.of(p::GET_XML_DESC, domain, |args| {
            args.u32(0);
        })?;
        read(p::GET_XML_DESC, &reply, |decoder| decoder.string())
    }

    /// Defines a domain, or changes the one of the same name and UUID.
    ///
    /// # Errors
    /// [`LibvirtError`].
    pub fn define(&mut self, xml: &str) -> Result<Domain, LibvirtError> {
        let reply = self.call(p::DEFINE_XML, |args| {
            args.string(xml).u32(0);
        })?;
        read(p::DEFINE_XML, &reply, Domain::read)
    }

    /// Starts a defined domain.
    ///
    /// # Errors
    /// [`LibvirtError`].
    pub fn start(&mut self, domain: &Domain) -> Result<Domain, LibvirtError> {
        let reply = self.of(p::CREATE, domain, |args| {
            args.u32(0);
        })?;
        read(p::CREATE, &reply, Domain::read)
    }

    /// Asks the guest to power off: by its agent, or by its power button.
    ///
    /// # Errors
    /// [`LibvirtError`].
    pub fn shut_down(&mut self, domain: &Domain, by_agent: bool) -> Result<(), LibvirtError> {
        let (power_button, agent) = (1, 2);
        self.with_flags(p::SHUTDOWN, domain, if by_agent { agent } else { power_button })
    }

    /// Ends a domain; `orderly` lets its VMM write back what is not on disk yet and never kills it.
    ///
    /// # Errors
    /// [`LibvirtError`].
    pub fn destroy(&mut self, domain: &Domain, orderly: bool) -> Result<(), LibvirtError> {
        self.with_flags(p::DESTROY, domain, u32::from(orderly))
    }

    /// Makes the guest stand still.
    ///
    /// # Errors
    /// [`LibvirtError`].
    pub fn suspend(&mut self, domain: &Domain) -> Result<(), LibvirtError> {
        self.of(p::SUSPEND, domain, |_| ()).map(drop)
    }

    /// Lets a paused guest go on.
    ///
    /// # Errors
    /// [`LibvirtError`].
    pub fn resume(&mut self, domain: &Domain) -> Result<(), LibvirtError> {
        self.of(p::RESUME, domain, |_| ()).map(drop)
    }

    /// Forgets a domain that does not run, with what belongs to it alone: saved state, snapshots' records, firmware
    /// variables, TPM state. Its disks stay.
    ///
    /// # Errors
    /// [`LibvirtError`].
    pub fn undefine(&mut self, domain: &Domain) -> Result<(), LibvirtError> {
        let (managed_save, snapshots, nvram, checkpoints, tpm) = (1, 1 << 1, 1 << 2, 1 << 4, 1 << 5);
        let all = managed_save | snapshots | nvram | checkpoints | tpm;
        match self.with_flags(p::UNDEFINE, domain, all) {
            // The flag for the TPM's state is of libvirt 8.9; `VIR_ERR_INVALID_ARG` is 8.
            Err(LibvirtError::Refused { code: 8, .. }) => self.with_flags(p::UNDEFINE, domain, all & !tpm),
            other => other,
        }
    }

    /// Adds a device, for now and for later starts as `scope` says.
    ///
    /// # Errors
    /// [`LibvirtError`].
    pub fn attach(&mut self, domain: &Domain, xml: &str, scope: Device) -> Result<(), LibvirtError> {
        self.device(p::ATTACH_DEVICE, domain, xml, scope)
    }

    /// Takes a device away. A running guest has to let it go: it may still be there for a while.
    ///
    /// # Errors
    /// [`LibvirtError`].
    pub fn detach(&mut self, domain: &Domain, xml: &str, scope: Device) -> Result<(), LibvirtError> {
        self.device(p::DETACH_DEVICE, domain, xml, scope)
    }

    /// Changes a device: a drive's medium, a network's link.
    ///
    /// # Errors
    /// [`LibvirtError`].
    pub fn update(&mut self, domain: &Domain, xml: &str, scope: Device) -> Result<(), LibvirtError> {
        self.device(p::UPDATE_DEVICE, domain, xml, scope)
    }

    fn device(
        &mut self,
        procedure: p::Procedure,
        domain: &Domain,
        xml: &str,
        scope: Device,
    ) -> Result<(), LibvirtError> {
        let flags = scope.flags();
        self.of(procedure, domain, |args| {
            args.string(xml).u32(flags);
        })
        .map(drop)
    }

    /// Sets the number of virtual CPUs.
    ///
    /// # Errors
    /// [`LibvirtError`].
    pub fn set_vcpus(&mut self, domain: &Domain, count: u32, scope: Device) -> Result<(), LibvirtError> {
        self.of(p::SET_VCPUS, domain, |args| {
            args.u32(count).u32(scope.flags());
        })
        .map(drop)
    }

    /// Sets how much memory the guest has, in KiB; a running guest gives it back by its balloon.
    ///
    /// # Errors
    /// [`LibvirtError`].
    pub fn set_memory(&mut self, domain: &Domain, kib: u64, scope: Device) -> Result<(), LibvirtError> {
        self.of(p::SET_MEMORY, domain, |args| {
            args.u64(kib).u32(scope.flags());
        })
        .map(drop)
    }

    /// Makes a disk of a running domain larger: `disk` is its target (`vda`) or path, `bytes` its new size.
    ///
    /// # Errors
    /// [`LibvirtError`].
    pub fn resize_disk(&mut self, domain: &Domain, disk: &str, bytes: u64) -> Result<(), LibvirtError> {
        let size_in_bytes = 1;
        self.of(p::BLOCK_RESIZE, domain, |args| {
            args.string(disk).u64(bytes).u32(size_in_bytes);
        })
        .map(drop)
    }

    /// What a disk of a domain may move in a second, in bytes and in requests; none stays as it is, 0 takes a limit away.
    /// `disk` is its target (`vda`).
    ///
    /// # Errors
    /// [`LibvirtError`].
    pub fn limit_disk(
        &mut self,
        domain: &Domain,
        disk: &str,
        (bytes, operations): (Option<u64>, Option<u64>),
        scope: Device,
    ) -> Result<(), LibvirtError> {
        self.of(p::BLOCK_IO_TUNE, domain, |args| {
            args.string(disk);
            let bytes = bytes.map(|most| ("total_bytes_sec", Parameter::Long(most)));
            let operations = operations.map(|most| ("total_iops_sec", Parameter::Long(most)));
            write_parameters(args, bytes.into_iter().chain(operations));
            args.u32(scope.flags());
        })
        .map(drop)
    }

    /// What an interface of a domain, by its MAC address, may move in a second in each direction, in KiB; 0 takes a limit
    /// away.
    ///
    /// # Errors
    /// [`LibvirtError`].
    pub fn limit_interface(
        &mut self,
        domain: &Domain,
        mac: &str,
        kib: u32,
        scope: Device,
    ) -> Result<(), LibvirtError> {
        self.of(p::INTERFACE_PARAMETERS, domain, |args| {
            args.string(mac);
            let each = ["inbound.average", "outbound.average"];
            write_parameters(args, each.into_iter().map(|name| (name, Parameter::Unsigned(kib))));
            args.u32(scope.flags());
        })
        .map(drop)
    }

    /// Saves a running domain's memory; the next start goes on from there.
    ///
    /// # Errors
    /// [`LibvirtError`].
    pub fn managed_save(&mut self, domain: &Domain) -> Result<(), LibvirtError> {
        self.with_flags(p::MANAGED_SAVE, domain, 0)
    }

    /// Whether a saved state is there.
    ///
    /// # Errors
    /// [`LibvirtError`].
    pub fn has_managed_save(&mut self, domain: &Domain) -> Result<bool, LibvirtError> {
        let reply = self.of(p::HAS_MANAGED_SAVE, domain, |args| {
            args.u32(0);
        })?;
        read(p::HAS_MANAGED_SAVE, &reply, |decoder| decoder.i32()).map(|found| found == 1)
    }

    /// Throws a saved state away.
    ///
    /// # Errors
    /// [`LibvirtError`].
    pub fn discard_managed_save(&mut self, domain: &Domain) -> Result<(), LibvirtError> {
        self.with_flags(p::MANAGED_SAVE_REMOVE, domain, 0)
    }

    /// Makes a snapshot from its XML (`<domainsnapshot>`).
    ///
    /// # Errors
    /// [`LibvirtError`].
    pub fn snapshot(&mut self, domain: &Domain, xml: &str) -> Result<(), LibvirtError> {
        self.snapshot_as(domain, xml, 0)
    }

    pub(super) fn snapshot_as(&mut self, domain: &Domain, xml: &str, flags: u32) -> Result<(), LibvirtError> {
        self.of(p::SNAPSHOT_CREATE, domain, |args| {
            args.string(xml).u32(flags);
        })
        .map(drop)
    }

    /// The names of a domain's snapshots, by name.
    ///
    /// # Errors
    /// [`LibvirtError`].
    pub fn snapshots(&mut self, domain: &Domain) -> Result<Vec<String>, LibvirtError> {
        let reply = self.of(p::LIST_SNAPSHOTS, domain, |args| {
            args.i32(1).u32(0);
        })?;
        let mut names = read(p::LIST_SNAPSHOTS, &reply, |decoder| {
            let names = decoder.list(SNAPSHOTS_MAX, |decoder| {
                let name = decoder.string()?;
                Domain::read(decoder).map(|_| name)
            })?;
            decoder.i32().map(|_| names)
        })?;
        names.sort();
        Ok(names)
    }

    /// Goes back to a snapshot.
    ///
    /// # Errors
    /// [`LibvirtError`].
    pub fn revert(&mut self, domain: &Domain, snapshot: &str) -> Result<(), LibvirtError> {
        self.of_snapshot(p::SNAPSHOT_REVERT, domain, snapshot)
    }

    /// Deletes a snapshot.
    ///
    /// # Errors
    /// [`LibvirtError`].
    pub fn delete_snapshot(&mut self, domain: &Domain, snapshot: &str) -> Result<(), LibvirtError> {
        self.of_snapshot(p::SNAPSHOT_DELETE, domain, snapshot)
    }

    fn of_snapshot(
        &mut self,
        procedure: p::Procedure,
        domain: &Domain,
        snapshot: &str,
    ) -> Result<(), LibvirtError> {
        // The name is looked up first: a wrong one is told as such.
        self.of(p::SNAPSHOT_LOOKUP, domain, |args| {
            args.string(snapshot).u32(0);
        })?;
        self.call(procedure, |args| {
            args.string(snapshot);
            domain.write(args);
            args.u32(0);
        })
        .map(drop)
    }

    /// Moves a running domain to another host, whose libvirt (`destination`, a URI) this host's libvirt reaches by
    /// itself. It stays defined there, and here it is gone from the running ones. `patience` is for the whole of it.
    ///
    /// # Errors
    /// [`LibvirtError`].
    pub fn migrate(
        &mut self,
        domain: &Domain,
        destination: &str,
        how: &Migration,
        patience: Duration,
    ) -> Result<(), LibvirtError> {
        let (live, peer_to_peer, persist, abort_on_error) = (1, 1 << 1, 1 << 3, 1 << 12);
        let (unsafe_caches, auto_converge, parallel) = (1 << 9, 1 << 13, 1 << 17);
        let mut flags = live | peer_to_peer | persist | abort_on_error;
        flags |= if how.same_files { unsafe_caches } else { 0 };
        flags |= if how.auto_converge { auto_converge } else { 0 };
        flags |= if how.connections > 0 { parallel } else { 0 };
        let deadline = Instant::now() + patience;
        self.call_by(p::MIGRATE_PERFORM, deadline, |args| {
            domain.write(args);
            args.optional_string(Some(destination));
            let uri = how.uri.iter().map(|uri| ("migrate_uri", Parameter::Text(uri)));
            let bandwidth =
                (how.bandwidth > 0).then_some(("bandwidth", Parameter::Long(how.bandwidth))).into_iter();
            let connections = (how.connections > 0)
                .then_some(("parallel.connections", Parameter::Int(how.connections.into())))
                .into_iter();
            write_parameters(args, uri.chain(bandwidth).chain(connections));
            // No cookie.
            args.u32(0).u32(flags);
        })
        .map(drop)
    }

    /// How long the guest may stand still at the end of a migration, in milliseconds.
    ///
    /// # Errors
    /// [`LibvirtError`].
    pub fn set_max_downtime(&mut self, domain: &Domain, milliseconds: u64) -> Result<(), LibvirtError> {
        self.of(p::SET_MAX_DOWNTIME, domain, |args| {
            args.u64(milliseconds).u32(0);
        })
        .map(drop)
    }

    /// Figures of the job that a domain is in (a migration), or of its last one that ended well (`completed`), by
    /// libvirt's names (`memory_remaining`).
    ///
    /// # Errors
    /// [`LibvirtError`].
    pub fn job(&mut self, domain: &Domain, completed: bool) -> Result<BTreeMap<String, Value>, LibvirtError> {
        let reply = self.of(p::GET_JOB_STATS, domain, |args| {
            args.u32(u32::from(completed));
        })?;
        read(p::GET_JOB_STATS, &reply, |decoder| {
            let _kind = decoder.i32()?;
            Ok(decoder.list(JOB_MAX, figure)?.into_iter().collect())
        })
    }

    /// Ends the job that a domain is in.
    ///
    /// # Errors
    /// [`LibvirtError`].
    pub fn abort_job(&mut self, domain: &Domain) -> Result<(), LibvirtError> {
        self.of(p::ABORT_JOB, domain, |_| ()).map(drop)
    }

    /// Asks a guest's agent: `command` is JSON of its protocol, and so is the answer.
    ///
    /// # Errors
    /// [`LibvirtError`].
    pub fn agent(
        &mut self,
        domain: &Domain,
        command: &str,
        patience: Duration,
    ) -> Result<String, LibvirtError> {
        // In whole seconds, and before our own time is up: its error is the better one.
        let seconds = i32::try_from(patience.as_secs()).unwrap_or(i32::MAX).max(1);
        let deadline = Instant::now() + patience.max(Duration::from_secs(1)) + Duration::from_secs(2);
        let reply = self.call_by(p::AGENT_COMMAND, deadline, |args| {
            domain.write(args);
            args.string(command).i32(seconds).u32(0);
        })?;
        let answer = read(p::AGENT_COMMAND, &reply, |decoder| decoder.optional(Decoder::string))?;
        Ok(answer.unwrap_or_default())
    }

    /// Every domain with its state, in one call.
    ///
    /// # Errors
    /// [`LibvirtError`].
    pub fn all_states(&mut self) -> Result<Vec<(Domain, DomainState)>, LibvirtError> {
        let state_alone = 1;
        let whole = |stats: &Stats, name: &str| match stats.figures.get(name) {
            Some(Value::Whole(value)) => i32::try_from(*value).unwrap_or(-1),
            _ => -1,
        };
        let told = self.stats(state_alone, 0)?;
        let states = told.into_iter().map(|stats| {
            let state =
                DomainState { state: whole(&stats, "state.state"), reason: whole(&stats, "state.reason") };
            (stats.domain, state)
        });
        Ok(states.collect())
    }

    /// Every domain's figures, in one call. Those that would have to wait for a busy domain are left out.
    ///
    /// # Errors
    /// [`LibvirtError`].
    pub fn all_stats(&mut self) -> Result<Vec<Stats>, LibvirtError> {
        let (every_kind, no_wait) = (0, 1 << 29);
        self.stats(every_kind, no_wait)
    }

    fn stats(&mut self, kinds: u32, flags: u32) -> Result<Vec<Stats>, LibvirtError> {
        let reply = self.call(p::ALL_STATS, |args| {
            // No domain named: all.
            args.u32(0).u32(kinds).u32(flags);
        })?;
        read(p::ALL_STATS, &reply, |decoder| {
            decoder.list(DOMAINS_MAX, |decoder| {
                let domain = Domain::read(decoder)?;
                let figures = decoder.list(STATS_MAX, figure)?.into_iter().collect();
                Ok(Stats { domain, figures })
            })
        })
    }

    /// A picture of a domain's first screen, and its media type.
    ///
    /// # Errors
    /// [`LibvirtError`].
    pub fn screenshot(&mut self, domain: &Domain) -> Result<(String, Vec<u8>), LibvirtError> {
        let patience = self.patience;
        let deadline = Instant::now() + patience;
        let serial = self.send_call(p::SCREENSHOT, deadline, |args| {
            domain.write(args);
            args.u32(0).u32(0);
        })?;
        let reply = self.reply(p::SCREENSHOT, serial, deadline)?;
        let kind = read(p::SCREENSHOT, &reply, |decoder| decoder.optional(Decoder::string))?;
        let mut stream = Stream::new(self, p::SCREENSHOT, serial);
        let mut picture = Vec::new();
        while let Some(piece) = stream.read(patience)? {
            if picture.len() + piece.len() > PICTURE_MAX {
                let said = u32::try_from(picture.len() + piece.len()).unwrap_or(u32::MAX);
                return Err(LibvirtError::Malformed {
                    what: p::SCREENSHOT.name,
                    source: Malformed::Long(said),
                });
            }
            picture.extend_from_slice(&piece);
        }
        Ok((kind.unwrap_or_default(), picture))
    }

    /// Opens a domain's console: its first one, or that with this alias (`serial0`).
    ///
    /// # Errors
    /// [`LibvirtError`].
    pub fn console(&mut self, domain: &Domain, alias: Option<&str>) -> Result<Stream<'_>, LibvirtError> {
        let deadline = Instant::now() + self.patience;
        let serial = self.send_call(p::OPEN_CONSOLE, deadline, |args| {
            domain.write(args);
            args.optional_string(alias).u32(0);
        })?;
        self.reply(p::OPEN_CONSOLE, serial, deadline)?;
        Ok(Stream::new(self, p::OPEN_CONSOLE, serial))
    }

    /// Asks to be told of every domain's changes ([`Client::next_event`]), and tells the daemon that we answer its
    /// questions for a sign of life.
    ///
    /// # Errors
    /// [`LibvirtError`].
    pub fn watch(&mut self) -> Result<(), LibvirtError> {
        self.call(p::SUPPORTS_FEATURE, |args| {
            args.i32(FEATURE_KEEPALIVE);
        })?;
        let lifecycle = 0;
        self.call(p::EVENT_REGISTER, |args| {
            args.i32(lifecycle).u32(0);
        })
        .map(drop)
    }

    fn with_flags(
        &mut self,
        procedure: p::Procedure,
        domain: &Domain,
        flags: u32,
    ) -> Result<(), LibvirtError> {
        self.of(procedure, domain, |args| {
            args.u32(flags);
        })
        .map(drop)
    }

    /// A call whose first argument is a domain.
    pub(super) fn of(
        &mut self,
        procedure: p::Procedure,
        domain: &Domain,
        more: impl FnOnce(&mut Encoder),
    ) -> Result<Vec<u8>, LibvirtError> {
        self.call(procedure, |args| {
            domain.write(args);
            more(args);
        })
    }
}

/// How a domain moves to another host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Migration {
    /// Where its memory goes, where that is not libvirt's choice: `tcp://host:port`, `unix:///path`.
    pub uri: Option<String>,
    /// MiB in a second at most; libvirt's own default where 0.
    pub bandwidth: u64,
    /// Slow the guest down where it writes faster than its memory goes over.
    pub auto_converge: bool,
    /// Connections side by side; one where 0.
    pub connections: u8,
    /// Both ends have the same files of one host, so that no cache of another host is out of date.
    pub same_files: bool,
}

enum Parameter<'a> {
    Text(&'a str),
    Long(u64),
    Unsigned(u32),
    Int(i32),
}

/// Named values (`remote_typed_param`), each with its type (`virTypedParameterType`).
fn write_parameters<'a>(args: &mut Encoder, all: impl Iterator<Item = (&'a str, Parameter<'a>)>) {
    let all: Vec<_> = all.collect();
    args.u32(u32::try_from(all.len()).unwrap_or(0));
    for (name, value) in all {
        args.string(name);
        match value {
            Parameter::Int(number) => args.u32(1).i32(number),
            Parameter::Unsigned(number) => args.u32(2).u32(number),
            Parameter::Long(number) => args.u32(4).u64(number),
            Parameter::Text(text) => args.u32(7).string(text),
        };
    }
}

/// Largest picture that is taken, in bytes: 8192 by 8192 with three bytes each, as PPM.
const PICTURE_MAX: usize = 256 << 20;

/// What a change of a device or of a size is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// The running domain alone.
    Live,
    /// Later starts alone.
    Config,
    /// Both.
    Both,
}

impl Device {
    /// `virDomainModificationImpact`.
    fn flags(self) -> u32 {
        match self {
            Self::Live => 1,
            Self::Config => 2,
            Self::Both => 3,
        }
    }
}

/// An event's payload (`remote_domain_event_callback_lifecycle_msg`).
pub(super) fn lifecycle(payload: &[u8]) -> Result<Lifecycle, Malformed> {
    let mut decoder = Decoder::new(payload);
    let _callback = decoder.i32()?;
    let domain = Domain::read(&mut decoder)?;
    let event = Lifecycle { domain, event: decoder.i32()?, detail: decoder.i32()? };
    decoder.end().map(|()| event)
}

/// A named value (`remote_typed_param`).
fn figure(decoder: &mut Decoder<'_>) -> Result<(String, Value), Malformed> {
    let name = decoder.string()?;
    // `virTypedParameterType`.
    let value = match decoder.u32()? {
        1 => Value::Whole(decoder.i32()?.into()),
        2 => Value::Whole(decoder.u32()?.into()),
        3 => Value::Whole(decoder.i64()?.into()),
        4 => Value::Whole(decoder.u64()?.into()),
        5 => Value::Fraction(decoder.f64()?),
        6 => Value::Flag(decoder.i32()? != 0),
        7 => Value::Text(decoder.string()?),
        other => return Err(Malformed::Value(other)),
    };
    Ok((name, value))
}

/// The whole of a reply.
pub(super) fn read<T>(
    procedure: p::Procedure,
    reply: &[u8],
    value: impl FnOnce(&mut Decoder<'_>) -> Result<T, Malformed>,
) -> Result<T, LibvirtError> {
    let mut decoder = Decoder::new(reply);
    let value = value(&mut decoder).and_then(|value| decoder.end().map(|()| value));
    value.map_err(|source| LibvirtError::Malformed { what: procedure.name, source })
}
