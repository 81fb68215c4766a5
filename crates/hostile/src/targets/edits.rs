//! Files that people edit: a setting is found, changed and found again, or the file is left to a person.

use super::text;
use vmwright_formats::edits::{get, set};
use vmwright_model::plan::Setting;

pub(super) fn run(bytes: &[u8]) {
    let text = text(bytes);
    for (setting, to) in settings() {
        let Ok(from) = get(&text, &setting) else { continue };
        let Ok(new) = set(&text, &setting, from.as_deref(), Some(to)) else { continue };
        assert_eq!(get(&new, &setting).ok().flatten().as_deref(), Some(to), "{setting:?}");
        if from.as_deref() != Some(to) && from.is_some() {
            // What a person wrote may be nothing that would be written here.
            let back = set(&new, &setting, Some(to), from.as_deref());
            assert!(back.as_ref().is_ok_and(|back| *back == text) || back.is_err(), "{setting:?}: {back:?}");
        }
    }
}

pub(crate) fn settings() -> [(Setting, &'static str); 8] {
    [
        (
            Setting::GrubParameter {
                variable: "GRUB_CMDLINE_LINUX_DEFAULT".into(),
                parameter: "iommu".into(),
            },
            "iommu=pt",
        ),
        (Setting::EntryParameter { parameter: "iommu".into() }, "iommu=pt"),
        (Setting::CmdlineParameter { parameter: "iommu".into() }, "iommu=pt"),
        (Setting::ModuleOption { module: "vfio-pci".into(), option: "ids".into() }, "ids=1:2"),
        (Setting::Module { module: "vfio-pci".into() }, "vfio-pci"),
        (Setting::DracutWord { list: "force_drivers".into(), word: "vfio-pci".into() }, "vfio-pci"),
        (Setting::Sysctl { key: "vm.nr_hugepages".into() }, "1"),
        (Setting::LibvirtOption { option: "security_driver".into() }, "apparmor"),
    ]
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    [
        "GRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX_DEFAULT=\"quiet \\\n iommu=on\" # c\n",
        "if true; then\n  GRUB_CMDLINE_LINUX_DEFAULT='a'\nfi\n",
        "GRUB_CMDLINE_LINUX_DEFAULT=\"$(echo \"`x`\") ${y}\"z\n",
        "title a\noptions root=/dev/sda1 iommu=on\n",
        "options vfio-pci ids=3:4 \\\n x=1\nblacklist nouveau\n",
        "# c\nvfio-pci\n",
        "force_drivers+=\" ext4 vfio-pci \"\n",
        "-vm.nr_hugepages = 7\n",
        "security_driver = \"none\" # mine\nsecurity_driver = [ \"selinux\",\n  'x' ]\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}
