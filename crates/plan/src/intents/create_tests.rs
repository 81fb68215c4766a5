use super::*;
use crate::{canonical, lint};
use std::collections::BTreeMap;
use vmwright_formats::{MachineSpecView, View};
use vmwright_model::plan::Owner;
use vmwright_model::topology::{HostNode, HugePool};

const SPEC: &str = r#"name = "web"
accelerator = "tcg"

[memory]
size = "1GiB"
hugepages = true
hugepage_size = "2MiB"

[boot]
kernel = "/boot/vmlinuz"

[[disk]]
path = "/srv/vms/web/root.qcow2"
format = "qcow2"

[[disk]]
path = "/srv/vms/web/data.raw"
format = "raw"

[[disk]]
path = "/srv/vms/web/top.qcow2"
format = "qcow2"
backing = "/srv/base.qcow2"
backing_format = "qcow2"

[[network]]
kind = "bridge"
bridge = "vmw0"
host_address = "10.213.0.1/24"
mac = "52:54:00:00:00:07"

[[network]]
kind = "tap"
tap = "tap7"

[vsock]
cid = 7

[process]
user = "qemu"
"#;

const MIB: u64 = 1 << 20;

/// What a test changes of the host.
struct Around {
    paths: BTreeMap<String, Lies>,
    taken: Vec<Taken>,
    links: &'static str,
    free: u64,
    images: BTreeMap<usize, NewImage>,
}

impl Default for Around {
    fn default() -> Self {
        let image = |format: &str, size| Lies::Image { format: format.to_owned(), size: Some(size) };
        let paths = [
            ("/", Lies::Directory),
            ("/srv", Lies::Directory),
            ("/srv/vms", Lies::Nothing),
            ("/srv/vms/web", Lies::Nothing),
            ("/srv/vms/web/root.qcow2", Lies::Nothing),
            ("/srv/vms/web/data.raw", Lies::Nothing),
            ("/srv/vms/web/top.qcow2", Lies::Nothing),
            ("/srv/base.qcow2", image("qcow2", 64 * MIB)),
            ("/srv/cloud.raw", image("raw", 32 * MIB)),
            ("/boot/vmlinuz", image("raw", 9 * MIB)),
        ];
        let new = |size: u64, copy: Option<&str>| NewImage {
            size: Some(size * MIB).filter(|size| *size > 0),
            copy: copy.map(str::to_owned),
        };
        Self {
            paths: paths.into_iter().map(|(path, lies)| (path.to_owned(), lies)).collect(),
            taken: Vec::new(),
            links: "eth0 mtu 1500\n",
            free: 100,
            images: [(1, new(0, Some("/srv/cloud.raw"))), (2, new(16, None))].into(),
        }
    }
}

fn planned(spec: &str, around: &Around, backend: &str) -> Result<Plan, String> {
    let (view, issues) = MachineSpecView::read(spec);
    assert_eq!(issues, []);
    let parsed = view.spec.clone().expect("no issues");
    let links = Links::read(around.links).0;
    let pool = HugePool { page: 2 * MIB, total: 150, free: Some(around.free) };
    let nodes = [HostNode { id: 0, free: Some(4096 * MIB), pools: vec![pool], ..HostNode::default() }];
    let macs: Vec<String> = parsed
        .networks
        .iter()
        .map(|network| network.mac.clone().unwrap_or("52:54:00:11:11:11".into()))
        .collect();
    let site = Site {
        id: "h",
        links: &links,
        paths: &around.paths,
        nodes: &nodes,
        page: Some(2 * MIB),
        taken: &around.taken,
        macs: &macs,
        me: Owner { user: 0, group: 0 },
        owner: Some(Owner { user: 64055, group: 108 }),
    };
    let wish = Wish {
        path: "web.toml",
        text: spec,
        view: &view,
        spec: &parsed,
        backend,
        images: &around.images,
        start: true,
    };
    create(&site, &wish).map_err(|error| error.to_string())
}

fn does(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(|step| crate::describe::words(&step.action).does).collect()
}

#[test]
fn everything_that_is_not_there_is_made_in_order() {
    let plan = planned(SPEC, &Around::default(), "qemu").expect("it can be made");
    assert_eq!(lint(&plan), []);
    assert_eq!(
        does(&plan),
        [
            "makes directory /srv/vms with mode 0711",
            "makes directory /srv/vms/web with mode 0711",
            "makes /srv/vms/web/root.qcow2, a qcow2 image with the content of /srv/cloud.raw (raw)",
            "gives /srv/vms/web/root.qcow2 to user 64055 and group 108",
            "makes /srv/vms/web/data.raw, an empty raw image of 16777216 bytes",
            "gives /srv/vms/web/data.raw to user 64055 and group 108",
            "makes /srv/vms/web/top.qcow2, a qcow2 image of 67108864 bytes that builds upon /srv/base.qcow2 (qcow2)",
            "gives /srv/vms/web/top.qcow2 to user 64055 and group 108",
            "makes bridge vmw0 with address 10.213.0.1/24 and brings it up",
            "makes tap device tap7 for user 64055",
            "keeps 562 huge pages of 2048 KiB on the host, until the next boot",
            "makes machine web, which qemu runs",
            "starts web",
        ]
    );
    let again = planned(SPEC, &Around::default(), "qemu").expect("the same");
    assert_eq!(canonical(&plan), canonical(&again), "the same wish gives the same bytes");
    assert_eq!(
        crate::target::built_on_earlier(&plan),
        [false, true, true, true, true, true, true, true, false, false, false, false, true]
    );
    assert!(
        crate::preview(&plan).to_text().contains("writes    cid = 7\n"),
        "the specification is shown whole"
    );
    let libvirt = planned(SPEC, &Around::default(), "qemu:///system").expect("it can be made");
    assert!(
        does(&libvirt)
            .iter()
            .any(|step| step == "makes machine web and defines it in libvirt (qemu:///system)")
    );
}

#[test]
fn what_is_there_is_used_as_it_is() {
    let mut around = Around::default();
    for path in ["/srv/vms", "/srv/vms/web"] {
        around.paths.insert(path.into(), Lies::Directory);
    }
    let image = |format: &str| Lies::Image { format: format.into(), size: Some(MIB) };
    for (path, format) in [("root.qcow2", "qcow2"), ("data.raw", "raw"), ("top.qcow2", "qcow2")] {
        around.paths.insert(format!("/srv/vms/web/{path}"), image(format));
    }
    around.images.clear();
    around.links = "vmw0 devtype bridge\ntap7 tun_flags 0x1002\n";
    around.free = 512;
    let plan = planned(SPEC, &around, "firecracker").expect("it can be made");
    assert_eq!(does(&plan), ["makes machine web, which firecracker runs", "starts web"]);
}

#[test]
fn every_conflict_is_told_with_its_place() {
    let taken = |what: Thing, by: &str| Taken { what, by: by.to_owned() };
    let around = Around {
        taken: vec![
            taken(Thing::Name("web".into()), "domain web of libvirt"),
            taken(Thing::Disk("/srv/vms/web/data.raw".into()), "vm old"),
            taken(Thing::Disk("/srv/vms/web/data.raw".into()), "process 812"),
            taken(Thing::Disk("/srv/base.qcow2".into()), "vm other"),
            taken(Thing::Mac("52:54:00:00:00:07".into()), "vm old"),
            taken(Thing::Tap("tap7".into()), "vm old"),
            taken(Thing::Cid(7), "process 812"),
        ],
        ..Around::default()
    };
    assert_eq!(
        planned(SPEC, &around, "qemu").expect_err("all is taken"),
        "web.toml cannot become a machine of this host:\
         \n  line 1: the name web is taken by domain web of libvirt\
         \n  line 17: the disk /srv/vms/web/data.raw is taken by vm old and process 812\
         \n  line 30: the hardware address 52:54:00:00:00:07 is taken by vm old\
         \n  line 34: the tap device tap7 is taken by vm old\
         \n  line 37: the vsock context id 7 is taken by process 812"
    );
}

#[test]
fn what_cannot_be_made_is_told_with_its_place() {
    let images = [
        (2, NewImage { size: Some(1000), copy: None }),
        (3, NewImage { size: Some(MIB), copy: None }),
        (9, NewImage { size: Some(MIB), copy: None }),
    ];
    let mut around = Around { images: images.into(), ..Around::default() };
    around.paths.insert("/boot/vmlinuz".into(), Lies::Nothing);
    around.links = "vmw0 mtu 1500\ntap7 mtu 1500\n";
    let said = planned(SPEC, &around, "qemu").expect_err("much is wrong");
    for place in [
        "line 13: disk 1: /srv/vms/web/root.qcow2 does not exist; say how large it is to be (--size 1=20GiB) or what it is a copy of (--copy 1=IMAGE)",
        "line 17: disk 2: 1000 bytes are no size of a disk: a multiple of 512",
        "line 23: disk 3: /srv/base.qcow2 has 67108864 bytes, more than the 1048576 that are wanted",
        "there is no disk 9 in the specification",
        "line 10: `boot.kernel`: /boot/vmlinuz does not exist",
        "line 28: network 1: vmw0 is no bridge",
        "line 34: network 2: tap7 is no tap device",
    ] {
        assert!(said.contains(place), "{place:?} is not in {said}");
    }
    let mut around = Around::default();
    around.paths.insert("/srv/base.qcow2".into(), Lies::Image { format: "vmdk".into(), size: None });
    around.paths.insert("/srv/cloud.raw".into(), Lies::Nothing);
    around
        .paths
        .insert("/srv/vms/web/data.raw".into(), Lies::Image { format: "qcow2".into(), size: Some(MIB) });
    let said = planned(SPEC, &around, "qemu").expect_err("much is wrong");
    for place in [
        "line 13: disk 1: /srv/cloud.raw does not exist",
        "line 17: disk 2: /srv/vms/web/data.raw is there already, and stays as it is",
        "line 23: disk 3: /srv/base.qcow2 is vmdk, and the specification says qcow2",
    ] {
        assert!(said.contains(place), "{place:?} is not in {said}");
    }
    around.images.remove(&2);
    let said = planned(SPEC, &around, "qemu").expect_err("much is wrong");
    assert!(
        said.contains("line 18: disk 2: /srv/vms/web/data.raw is qcow2, and the specification says raw"),
        "{said}"
    );
    let huge = SPEC.replace("1GiB", "64GiB");
    let said = planned(&huge, &Around::default(), "qemu").expect_err("too much");
    assert!(
        said.contains("line 6: 32668 more huge pages of 2048 KiB are needed, and the host has 4096 MiB free"),
        "{said}"
    );
}

#[test]
fn a_copy_grows_to_the_size_that_is_wanted() {
    let mut around = Around::default();
    around.images.insert(1, NewImage { size: Some(40 * MIB), copy: Some("/srv/cloud.raw".into()) });
    let plan = planned(SPEC, &around, "qemu").expect("it can be made");
    assert_eq!(lint(&plan), []);
    assert_eq!(does(&plan)[3], "gives /srv/vms/web/root.qcow2 41943040 bytes");
    around.images.insert(1, NewImage { size: Some(MIB), copy: Some("/srv/cloud.raw".into()) });
    let said = planned(SPEC, &around, "qemu").expect_err("too small");
    assert!(said.contains("/srv/cloud.raw has 33554432 bytes, which do not fit into 1048576"), "{said}");
}
