//! Extended attributes of what was opened.

use super::{Handle, cannot};
use crate::actions::ActionError;
use rustix::fs::{XattrFlags, getxattr, removexattr, setxattr};
use rustix::io::Errno;
use std::os::fd::AsRawFd;

/// The kernel's own limit for a value, in bytes (`XATTR_SIZE_MAX`).
const LARGEST: usize = 64 << 10;

impl Handle {
    /// An attribute; none where it is not there, or the file system has none of its kind.
    pub(crate) fn attribute(&self, name: &str) -> Result<Option<Vec<u8>>, ActionError> {
        let mut value = vec![0_u8; LARGEST];
        match getxattr(self.own(), name, &mut value[..]) {
            Ok(length) => {
                value.truncate(length);
                Ok(Some(value))
            }
            Err(Errno::NODATA | Errno::NOTSUP) => Ok(None),
            Err(errno) => Err(cannot(&self.path, "read an attribute of", errno)),
        }
    }

    /// Gives it an attribute, or takes one away.
    pub(crate) fn set_attribute(&self, name: &str, value: Option<&[u8]>) -> Result<(), ActionError> {
        let set = match value {
            Some(value) => setxattr(self.own(), name, value, XattrFlags::empty()),
            None => removexattr(self.own(), name),
        };
        set.map_err(|errno| ActionError::Attribute {
            path: self.path.clone(),
            name: name.to_owned(),
            source: errno.into(),
        })
    }

    /// A name of what was opened that needs no right to read it.
    fn own(&self) -> String {
        format!("/proc/self/fd/{}", self.fd.as_raw_fd())
    }
}
