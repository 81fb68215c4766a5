//! Token buckets, as Firecracker and Cloud Hypervisor have them.

use super::Port;

/// A token bucket as a number in a second. Written, it holds what comes in a second and fills within one; a bucket of
/// another size that lets through as much is kept as a spelling.
pub(crate) fn bucket(port: &mut Port<'_>, key: &str, field: &mut Option<u64>) {
    if !port.reading() && field.is_none() {
        return;
    }
    port.child(key, |port| {
        let (mut size, mut refill) = (*field, Some(1000));
        port.number("size", 1..=u64::MAX, &mut size);
        port.number("refill_time", 1..=u64::MAX, &mut refill);
        if port.reading() {
            let (size, refill) = (u128::from(size.unwrap_or(0)), u128::from(refill.unwrap_or(1000)));
            let rate = u64::try_from(size * 1000 / refill).unwrap_or(u64::MAX);
            *field = Some(rate).filter(|rate| *rate > 0 && i64::try_from(*rate).is_ok());
        }
    });
}
