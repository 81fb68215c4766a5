use super::*;

fn grub(parameter: &str) -> Setting {
    Setting::GrubParameter { variable: "GRUB_CMDLINE_LINUX_DEFAULT".into(), parameter: parameter.into() }
}

fn said(text: &str, setting: &Setting, from: Option<&str>, to: Option<&str>) -> String {
    match set(text, setting, from, to) {
        Ok(text) => text,
        Err(error) => format!("error: {error}"),
    }
}

fn check(setting: &Setting, from: Option<&str>, to: Option<&str>, cases: &[(&str, &str)]) {
    for (text, expect) in cases {
        assert_eq!(&said(text, setting, from, to), expect, "{text:?}");
        if !expect.starts_with("error") {
            assert_eq!(get(expect, setting).expect("it can be told").as_deref(), to, "{expect:?}");
        }
    }
}

#[test]
fn a_parameter_is_added_in_every_way_of_quoting() {
    let add = |cases: &[(&str, &str)]| check(&grub("iommu"), None, Some("iommu=pt"), cases);
    add(&[
        ("GRUB_CMDLINE_LINUX_DEFAULT=\"quiet\" # c\n", "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet iommu=pt\" # c\n"),
        ("GRUB_CMDLINE_LINUX_DEFAULT='quiet'\n", "GRUB_CMDLINE_LINUX_DEFAULT='quiet iommu=pt'\n"),
        ("GRUB_CMDLINE_LINUX_DEFAULT=\"\"\n", "GRUB_CMDLINE_LINUX_DEFAULT=\"iommu=pt\"\n"),
        ("GRUB_CMDLINE_LINUX_DEFAULT=\n", "GRUB_CMDLINE_LINUX_DEFAULT=\"iommu=pt\"\n"),
        ("GRUB_CMDLINE_LINUX_DEFAULT=quiet\n", "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet iommu=pt\"\n"),
        ("export GRUB_CMDLINE_LINUX_DEFAULT=\"a \"", "export GRUB_CMDLINE_LINUX_DEFAULT=\"a iommu=pt\""),
        (
            "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet \\\n  splash\"\nB=1\n",
            "GRUB_CMDLINE_LINUX_DEFAULT=\"quiet \\\n  splash iommu=pt\"\nB=1\n",
        ),
        // A drop-in that adds to what the main file has.
        (
            "GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT crash\"\n",
            "GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT crash iommu=pt\"\n",
        ),
        // The last assignment counts, and comments and other variables do not.
        (
            "# GRUB_CMDLINE_LINUX_DEFAULT=\"x\"\nGRUB_CMDLINE_LINUX=\"y\"\nGRUB_CMDLINE_LINUX_DEFAULT=a\nGRUB_CMDLINE_LINUX_DEFAULT='b'\n",
            "# GRUB_CMDLINE_LINUX_DEFAULT=\"x\"\nGRUB_CMDLINE_LINUX=\"y\"\nGRUB_CMDLINE_LINUX_DEFAULT=a\nGRUB_CMDLINE_LINUX_DEFAULT='b iommu=pt'\n",
        ),
        ("GRUB_TIMEOUT=5", "GRUB_TIMEOUT=5\nGRUB_CMDLINE_LINUX_DEFAULT=\"iommu=pt\"\n"),
        // Before a command it holds for that command alone.
        (
            "GRUB_CMDLINE_LINUX_DEFAULT=x echo hi\n",
            "GRUB_CMDLINE_LINUX_DEFAULT=x echo hi\nGRUB_CMDLINE_LINUX_DEFAULT=\"iommu=pt\"\n",
        ),
        (
            "GRUB_CMDLINE_LINUX_DEFAULT=a\\ b\n",
            "error: line 1 is written with escapes or substitutions outside of quotes; edit by hand",
        ),
        (
            "\nif true; then\n  GRUB_CMDLINE_LINUX_DEFAULT=a\nfi\n",
            "error: line 3 sets it inside a condition or a loop of the shell; edit by hand",
        ),
        ("A=1\nGRUB_CMDLINE_LINUX_DEFAULT=\"a\n", "error: the quote that begins on line 2 does not end"),
        (
            "GRUB_CMDLINE_LINUX_DEFAULT=\"iommu=on\"\n",
            "error: the kernel's parameter `iommu` in GRUB_CMDLINE_LINUX_DEFAULT is `iommu=on`; expected absent",
        ),
        (
            "GRUB_CMDLINE_LINUX_DEFAULT=\"iommu=on quiet iommu=pt\"\n",
            "error: the kernel's parameter `iommu` in GRUB_CMDLINE_LINUX_DEFAULT stands 2 times, on the lines 1, 1; edit by hand",
        ),
    ]);
}

#[test]
fn a_parameter_is_replaced_and_taken_away() {
    check(
        &grub("intel-iommu"),
        Some("intel_iommu=off"),
        Some("intel_iommu=on"),
        &[
            (
                "GRUB_CMDLINE_LINUX_DEFAULT='a intel_iommu=off b'\n",
                "GRUB_CMDLINE_LINUX_DEFAULT='a intel_iommu=on b'\n",
            ),
            (
                "GRUB_CMDLINE_LINUX_DEFAULT=\"a \\\nintel_iommu=off\"\n",
                "GRUB_CMDLINE_LINUX_DEFAULT=\"a \\\nintel_iommu=on\"\n",
            ),
            (
                "GRUB_CMDLINE_LINUX_DEFAULT=\"x=\\\"a intel_iommu=off b\\\" intel_iommu=off\"\n",
                "GRUB_CMDLINE_LINUX_DEFAULT=\"x=\\\"a intel_iommu=off b\\\" intel_iommu=on\"\n",
            ),
            (
                "GRUB_CMDLINE_LINUX_DEFAULT=\"intel_iommu=\"off\n",
                "error: line 1 is written with several quotes in one word; edit by hand",
            ),
            (
                "GRUB_CMDLINE_LINUX_DEFAULT=\"intel_iommu=$MODE\"\n",
                "error: line 1 is written with escapes or substitutions; edit by hand",
            ),
        ],
    );
    check(
        &grub("quiet"),
        Some("quiet"),
        None,
        &[
            ("GRUB_CMDLINE_LINUX_DEFAULT=\"quiet splash\"\n", "GRUB_CMDLINE_LINUX_DEFAULT=\"splash\"\n"),
            ("GRUB_CMDLINE_LINUX_DEFAULT=\"a quiet b\"\n", "GRUB_CMDLINE_LINUX_DEFAULT=\"a b\"\n"),
            ("GRUB_CMDLINE_LINUX_DEFAULT=quiet\n", "GRUB_CMDLINE_LINUX_DEFAULT=\n"),
        ],
    );
}

#[test]
fn entries_and_kernel_install_have_words() {
    let entry = Setting::EntryParameter { parameter: "iommu".into() };
    check(
        &entry,
        None,
        Some("iommu=pt"),
        &[
            (
                "title a\noptions  root=/dev/a ro\ninitrd /i\n",
                "title a\noptions  root=/dev/a ro iommu=pt\ninitrd /i\n",
            ),
            ("title a\n", "title a\noptions iommu=pt\n"),
            ("options a\noptions b\n", "options a\noptions b iommu=pt\n"),
        ],
    );
    let cmdline = Setting::CmdlineParameter { parameter: "iommu".into() };
    check(
        &cmdline,
        None,
        Some("iommu=pt"),
        &[
            ("root=a ro\n", "root=a ro iommu=pt\n"),
            ("", "iommu=pt\n"),
            ("# why\nro \n\n", "# why\nro iommu=pt \n\n"),
        ],
    );
    check(&cmdline, Some("iommu=on"), None, &[("iommu=on ro", "ro"), ("ro iommu=on\n", "ro\n")]);
}

#[test]
fn modules_and_their_options() {
    let ids = Setting::ModuleOption { module: "vfio-pci".into(), option: "ids".into() };
    check(
        &ids,
        None,
        Some("ids=1:2"),
        &[
            ("# why\n", "# why\noptions vfio-pci ids=1:2\n"),
            ("options vfio_pci a=1\nblacklist x\n", "options vfio_pci a=1 ids=1:2\nblacklist x\n"),
            (
                "options vfio-pci a=1 \\\n  b=2\nalias a b\n",
                "options vfio-pci a=1 \\\n  b=2 ids=1:2\nalias a b\n",
            ),
            ("options nvidia ids=3:4\r\n", "options nvidia ids=3:4\r\noptions vfio-pci ids=1:2\r\n"),
        ],
    );
    check(
        &ids,
        Some("ids=3:4"),
        None,
        &[
            ("a\noptions vfio-pci ids=3:4\n# b\n", "a\n# b\n"),
            ("options vfio-pci ids=3:4 x=1\n", "options vfio-pci x=1\n"),
        ],
    );
    let module = Setting::Module { module: "vfio-pci".into() };
    check(
        &module,
        None,
        Some("vfio-pci"),
        &[
            ("# List of modules\n; or so\next4", "# List of modules\n; or so\next4\nvfio-pci\n"),
            ("#vfio-pci\n", "#vfio-pci\nvfio-pci\n"),
        ],
    );
    check(&module, Some("vfio-pci"), None, &[("a\n vfio_pci x=1\nb\n", "a\nb\n")]);
}

#[test]
fn dracut_has_lists_with_blanks_at_both_ends() {
    let word = Setting::DracutWord { list: "force_drivers".into(), word: "vfio-pci".into() };
    check(
        &word,
        None,
        Some("vfio-pci"),
        &[
            ("", "force_drivers+=\" vfio-pci \"\n"),
            ("force_drivers+=\" ext4 \" # c\n", "force_drivers+=\" ext4 vfio-pci \" # c\n"),
            ("add_drivers+=\" a \"\n", "add_drivers+=\" a \"\nforce_drivers+=\" vfio-pci \"\n"),
            ("force_drivers+=\"\"\n", "force_drivers+=\" vfio-pci \"\n"),
        ],
    );
    check(
        &word,
        Some("vfio-pci"),
        None,
        &[("force_drivers+=\" vfio-pci a \"\n", "force_drivers+=\" a \"\n")],
    );
}

#[test]
fn sysctl_keys_are_found_however_they_are_written() {
    let key = Setting::Sysctl { key: "net.ipv4.conf.eth0/1.rp_filter".into() };
    check(
        &key,
        Some("1"),
        Some("2"),
        &[
            ("net/ipv4/conf/eth0.1/rp_filter=1\n", "net/ipv4/conf/eth0.1/rp_filter=2\n"),
            ("-net.ipv4.conf.eth0/1.rp_filter  =  1 \n", "-net.ipv4.conf.eth0/1.rp_filter  =  2 \n"),
        ],
    );
    let key = Setting::Sysctl { key: "kernel.numa_balancing".into() };
    check(
        &key,
        None,
        Some("0"),
        &[("# kernel.numa_balancing = 1\n", "# kernel.numa_balancing = 1\nkernel.numa_balancing = 0\n")],
    );
}

#[test]
fn options_of_libvirts_daemons_change_within_their_quotes() {
    let driver = Setting::LibvirtOption { option: "security_driver".into() };
    check(
        &driver,
        Some("none"),
        Some("apparmor"),
        &[
            (
                "#security_driver = \"selinux\"\n  security_driver=\"none\" # \"mine\"\n\n",
                "#security_driver = \"selinux\"\n  security_driver=\"apparmor\" # \"mine\"\n\n",
            ),
            (
                "user = \"a\"\r\nsecurity_driver = 'none'\r\n",
                "user = \"a\"\r\nsecurity_driver = 'apparmor'\r\n",
            ),
        ],
    );
    check(&driver, Some("none"), None, &[("a = 1\nsecurity_driver = \"none\" # x\nb = 2", "a = 1\nb = 2")]);
    check(&driver, None, Some("selinux"), &[("a = 1", "a = 1\nsecurity_driver = \"selinux\"\n")]);
    let confined = Setting::LibvirtOption { option: "security_default_confined".into() };
    check(
        &confined,
        Some("0"),
        Some("1"),
        &[("security_default_confined = 0# x\n", "security_default_confined = 1# x\n")],
    );
    check(&confined, None, Some("1"), &[("", "security_default_confined = 1\n")]);
    for (text, line) in [
        ("a = 1\nsecurity_driver = [ \"none\" ]\n", 2),
        ("security_driver = \"none\n", 1),
        ("security_driver =\n", 1),
        ("security_driver = \"none\" \"x\"\n", 1),
        ("a = \"\"\"\nsecurity_driver = \"none\"\n\"\"\"\n", 1),
    ] {
        let found = get(text, &driver);
        assert!(
            matches!(found, Err(EditError::Written { line: found, .. }) if found == line),
            "{text}: {found:?}"
        );
    }
    let twice = get("security_driver = \"none\"\nsecurity_driver = \"selinux\"\n", &driver);
    assert!(matches!(twice, Err(EditError::Several { times: 2, .. })), "{twice:?}");
}

#[test]
fn what_a_shell_acts_on_is_not_written() {
    for bad in [
        "iommu=$(reboot)",
        "iommu=a b",
        "iommu='",
        "iommu=`x`",
        "iommu=a\\",
        "iommu=\u{e9}",
        "quiet",
        "",
        "iommu=a\nb",
    ] {
        assert!(
            matches!(set("", &grub("iommu"), None, Some(bad)), Err(EditError::BadValue { .. })),
            "{bad:?}"
        );
    }
}
