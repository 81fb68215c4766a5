//! What is changed of a domain of libvirt's.

use serde::{Deserialize, Serialize};

/// A place of a domain that is changed. Its path names elements from the root's children on, each with what it is known
/// by: the target of a disk, the MAC address of an interface, else its number among those of its name;
/// `devices[1]/disk[vda]/driver[1]`. The empty path is the root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "place", deny_unknown_fields)]
pub enum DomainEdit {
    /// An attribute.
    Attribute {
        /// The element.
        path: String,
        /// Its name.
        name: String,
        /// What must stand there; none where it must be absent.
        from: Option<String>,
        /// What to write; none to take it away.
        to: Option<String>,
    },
    /// The text of an element that holds nothing else.
    Text {
        /// The element.
        path: String,
        /// What must stand there.
        from: String,
        /// What to write.
        to: String,
    },
    /// An element with all in it.
    Element {
        /// The element that it is in.
        path: String,
        /// The element that must be there; none where one like `to` must be absent.
        from: Option<String>,
        /// The element to put in; none to take one like `from` out.
        to: Option<String>,
    },
}
