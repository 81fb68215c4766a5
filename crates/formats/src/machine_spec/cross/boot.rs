//! What is started.

use super::Book;
use vmwright_model::MachineSpec;

pub(super) fn check(book: &mut Book<'_>, spec: &MachineSpec) {
    // QEMU: "-append only allowed with -kernel option", and the same of -initrd.
    if !book.given("boot.kernel") {
        for key in ["boot.initrd", "boot.cmdline"] {
            if book.given(key) {
                book.tell(key, &["boot"], format!("`{key}` is given without `boot.kernel`"));
            }
        }
    }
    let mut orders = Vec::new();
    let places = [
        ("disk", spec.disks.iter().map(|disk| disk.boot_order).collect::<Vec<_>>()),
        ("network", spec.networks.iter().map(|network| network.boot_order).collect()),
        ("host_device", spec.host_devices.iter().map(|device| device.boot_order).collect()),
    ];
    for (list, numbers) in places {
        for (at, number) in numbers.into_iter().enumerate() {
            orders.extend(number.map(|number| (format!("{list}.{at}.boot_order"), number.to_string())));
        }
    }
    book.told_once(orders.into_iter());
    if let Some(tpm) = &spec.tpm
        && tpm.device.is_some()
        && tpm.socket.is_some()
    {
        book.tell(
            "tpm.socket",
            &[],
            "`tpm.socket` and `tpm.device` are both given; a TPM is one of them".to_owned(),
        );
    }
}
