//! The calls for copies of a running domain, typed as those of `calls.rs`.

use super::calls::{Domain, read};
use super::procedure as p;
use super::{Client, LibvirtError};

impl Client {
    /// A running domain's XML as another daemon takes it.
    ///
    /// # Errors
    /// [`LibvirtError`].
    pub fn migratable_xml(&mut self, domain: &Domain) -> Result<String, LibvirtError> {
        let (secure, migratable) = (1, 1 << 3);
        let reply = self.of(p::GET_XML_DESC, domain, |args| {
            args.u32(secure | migratable);
        })?;
        read(p::GET_XML_DESC, &reply, |decoder| decoder.string())
    }

    /// Starts a domain that is never defined, and ends with this connection.
    ///
    /// # Errors
    /// [`LibvirtError`].
    pub fn start_for_now(&mut self, xml: &str) -> Result<Domain, LibvirtError> {
        let auto_destroy = 1 << 1;
        let reply = self.call(p::CREATE_XML, |args| {
            args.string(xml).u32(auto_destroy);
        })?;
        read(p::CREATE_XML, &reply, Domain::read)
    }

    /// Lets a domain go on from a state that was kept in a file, with the XML of the same devices.
    ///
    /// # Errors
    /// [`LibvirtError`].
    pub fn restore(&mut self, state: &str, xml: &str) -> Result<(), LibvirtError> {
        let running = 1 << 1;
        self.call(p::RESTORE, |args| {
            args.string(state).optional_string(Some(xml)).u32(running);
        })
        .map(drop)
    }

    /// The same, and libvirt keeps no record of it: its files are the caller's.
    ///
    /// # Errors
    /// [`LibvirtError`].
    pub fn snapshot_unrecorded(&mut self, domain: &Domain, xml: &str) -> Result<(), LibvirtError> {
        let no_metadata = 1 << 2;
        self.snapshot_as(domain, xml, no_metadata)
    }
}
