//! Lists of access, as people write them and as the kernel keeps them: what is read comes back, in either form.

use super::text;
use vmwright_formats::acl::Acl;

pub(super) fn run(bytes: &[u8]) {
    for acl in [Acl::read(&text(bytes)), Acl::of_bytes(bytes)].into_iter().flatten() {
        assert_eq!(Acl::read(&acl.to_string()), Ok(acl.clone()));
        assert_eq!(Acl::of_bytes(&acl.bytes()), Ok(acl));
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let text = "user::rwx,user:107:r-x,group::r-x,group:0:--x,mask::r-x,other::---";
    let bytes = Acl::read(text).map(|acl| acl.bytes()).unwrap_or_default();
    vec![text.as_bytes().to_vec(), b"other::---,user::rw-,group::r--".to_vec(), bytes]
}
