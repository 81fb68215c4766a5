//! What keeps VMs of libvirt's apart by labels, put back where it was switched off: SELinux or AppArmor in the kernel,
//! libvirt's driver for it, profiles that only complain, and domains that go without.
//!
//! libvirt gives a label when it starts a VM. What runs goes on as it is until then, and the plan names it.

use super::boot::{self, Boot};
use super::ground::{Ground, SERVICES, unit};
use super::{Guest, Wanted};
use crate::canonical::sha256;
use vmwright_formats::domain_xml::Domain;
use vmwright_formats::{DomainXml, View, edits};
use vmwright_model::plan::{DomainEdit, ServiceState, Setting};
use vmwright_model::{Action, Need};

const CONFIGURATION: &str = "/etc/libvirt/qemu.conf";
const SELINUX: &str = "/sys/fs/selinux/enforce";
const APPARMOR: &str = "/sys/module/apparmor/parameters/enabled";
/// The profiles that are loaded, `libvirtd (enforce)` a line.
const LOADED: &str = "/sys/kernel/security/apparmor/profiles";
/// What libvirt makes a VM's profile of.
const TEMPLATE: &str = "/etc/apparmor.d/libvirt/TEMPLATE.qemu";
/// Profiles that apparmor_parser(8) loads as only complaining, whatever they say themselves.
const FORCED: &str = "/etc/apparmor.d/force-complain/";
const PARSERS: [&str; 2] = ["/usr/sbin/apparmor_parser", "/sbin/apparmor_parser"];
/// The profiles of the daemons; without its own libvirt takes AppArmor for absent (`use_apparmor()` in libvirt's
/// `src/security/security_apparmor.c`).
const OWN: [&str; 2] = ["/etc/apparmor.d/usr.sbin.libvirtd", "/etc/apparmor.d/usr.sbin.virtqemud"];
/// The same as the kernel has them.
const OWN_LOADED: [&str; 4] = ["libvirtd", "virtqemud", "/usr/sbin/libvirtd", "/usr/sbin/virtqemud"];
const PROFILES: &str = "apparmor.service";
const PROFILES_STARTED: &str = "/etc/systemd/system/sysinit.target.wants/apparmor.service";
/// The daemons that have QEMU's domains, and read [`CONFIGURATION`] when they start.
const DAEMONS: [&str; 2] = ["libvirtd.service", "virtqemud.service"];
/// Modules of the kernel of which one alone can be on beside others (`LSM_FLAG_EXCLUSIVE` in the kernel).
const EXCLUSIVE: [&str; 3] = ["selinux", "smack", "tomoyo"];

/// What libvirt writes into a domain that wants no label, while it gives none.
const OFF: &str = "<seclabel type='none' model='none'/>";

/// What has to be read of a host for them.
pub(super) const NEEDS: &[Need] = &[
    Need::File(CONFIGURATION),
    Need::File(SELINUX),
    Need::File(APPARMOR),
    Need::File(LOADED),
    Need::Glob("/etc/apparmor.d/libvirt/*"),
    Need::Glob("/etc/apparmor.d/force-complain/*"),
    Need::Glob("/etc/libvirt/qemu/*.xml"),
    Need::Glob("/run/libvirt/qemu/*.xml"),
    Need::Exists(PARSERS[0]),
    Need::Exists(PARSERS[1]),
    Need::Exists(OWN[0]),
    Need::Exists(OWN[1]),
    Need::Exists(PROFILES_STARTED),
    SERVICES,
];

/// Steps, and what they leave and cost.
#[derive(Default)]
pub(super) struct Labels {
    /// What holds now.
    pub(super) steps: Vec<Wanted>,
    /// What holds from the next boot.
    pub(super) boot: Vec<Wanted>,
    /// What is not settled, and why.
    pub(super) left: Vec<String>,
    /// What is given up for it.
    pub(super) given_up: Vec<String>,
}

/// What a host's VMs are kept apart by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Module {
    Selinux,
    AppArmor,
}

impl Module {
    /// As libvirt names its driver.
    fn driver(self) -> &'static str {
        match self {
            Module::Selinux => "selinux",
            Module::AppArmor => "apparmor",
        }
    }
}

/// The one that the running kernel has on.
fn module(ground: &Ground<'_>) -> Option<Module> {
    if ground.values.contains_key(SELINUX) {
        return Some(Module::Selinux);
    }
    (ground.value(APPARMOR) == Some("Y")).then_some(Module::AppArmor)
}

/// What is done on the host.
pub(super) fn host(ground: &Ground<'_>, boot: &Boot<'_>) -> Labels {
    let mut labels = Labels::default();
    match module(ground) {
        None => labels.switch_on(ground, boot),
        Some(module) => {
            if ground.value(SELINUX) == Some("0") {
                labels.enforce(ground);
            }
            labels.configuration(ground, module);
        }
    }
    labels.template(ground);
    labels.opted_out(ground);
    labels
}

impl Labels {
    /// SELinux only complains.
    fn enforce(&mut self, ground: &Ground<'_>) {
        let why = "what SELinux denies is denied, and not only written down";
        self.steps.extend(ground.sysfs(SELINUX, "1", why));
        self.given_up.push("for security: whatever runs without a rule of SELinux's for it stops working; `ausearch -m avc -ts boot` shows what was let through so far".to_owned());
        self.left.push("SELinux enforces until the next boot: put `SELINUX=enforcing` into /etc/selinux/config once nothing was denied that is needed, since a host whose files have no labels does not come up with it (security-engineer)".to_owned());
    }

    /// libvirt's own settings.
    fn configuration(&mut self, ground: &Ground<'_>, module: Module) {
        let Some(text) = ground.values.get(CONFIGURATION) else { return };
        let wanted = [
            (
                "security_driver",
                "none",
                module.driver(),
                "libvirt gives each VM a label that keeps it from others",
            ),
            ("security_default_confined", "0", "1", "a domain that says nothing of labels gets one"),
        ];
        let mut steps: Vec<Wanted> = Vec::new();
        for (option, weak, to, why) in wanted {
            let setting = Setting::LibvirtOption { option: option.to_owned() };
            let set = edits::get(text, &setting).and_then(|found| match found.as_deref() {
                // That it can be written is known now.
                Some(found) if found == weak => {
                    edits::set(text, &setting, Some(weak), Some(to)).map(|_| true)
                }
                _ => Ok(false),
            });
            match set {
                Ok(false) => {}
                Ok(true) if to == "apparmor" && !own_profile(ground) => self.left.push(format!(
                    "libvirt gives VMs no labels (`{option} = \"{weak}\"` in {CONFIGURATION}), and would not start with AppArmor: no profile of the daemon itself is loaded (aa-status); load it and plan again (security-engineer)"
                )),
                Ok(true) => {
                    let (from, to) = (Some(weak.to_owned()), Some(to.to_owned()));
                    let edit = Action::EditSetting { path: CONFIGURATION.to_owned(), setting, from, to };
                    steps.push((edit, why.to_owned()));
                }
                Err(error) => {
                    self.left.push(format!("{CONFIGURATION} cannot be edited: {error} (security-engineer)"));
                }
            }
        }
        if steps.is_empty() {
            return;
        }
        self.steps.append(&mut steps);
        self.daemon(ground);
        // They would not start any more: libvirt knows no such driver beside another.
        let off =
            domains(ground).into_iter().filter(|(_, domain)| unlabelled(domain).as_deref() == Some(OFF));
        self.steps.extend(off.map(|(name, _)| without(&name, OFF.to_owned())));
        self.given_up.push(
            "for security: a VM gets at nothing that its definition does not name, as a script or a hand may have given it"
                .to_owned(),
        );
        let running = running(ground);
        if !running.is_empty() {
            self.left.push(format!(
                "VMs that run on as they are: {}; libvirt gives a label when it starts a VM, so start them anew when it suits",
                running.join(", ")
            ));
        }
    }

    /// The daemon stops before and starts behind, also where the run is taken back. VMs do not notice.
    fn daemon(&mut self, ground: &Ground<'_>) {
        let mut runs = false;
        for name in DAEMONS {
            let Some((true, enabled)) = unit(ground, name) else { continue };
            runs = true;
            let state = |active| ServiceState { active, enabled };
            let turn = |from, to| Action::Service { unit: name.to_owned(), from: state(from), to: state(to) };
            let why = "libvirt's daemon reads its file when it starts; VMs run on meanwhile".to_owned();
            self.steps.extend([(turn(true, false), why.clone()), (turn(false, true), why)]);
        }
        if !runs {
            self.left
                .push(format!("libvirt's daemon does not run, and reads {CONFIGURATION} when it starts"));
        }
    }

    /// Neither is on: AppArmor can be, where the kernel has it and all else is there.
    fn switch_on(&mut self, ground: &Ground<'_>, boot: &Boot<'_>) {
        let none = "neither SELinux nor AppArmor is on, so nothing but users keeps VMs apart";
        let lacks = [
            (
                ground.value(APPARMOR) == Some("N"),
                "the running kernel has no AppArmor that could be switched on",
            ),
            (PARSERS.iter().any(|path| ground.values.contains_key(path)), "apparmor_parser is not installed"),
            (
                ground.values.contains_key(TEMPLATE)
                    && OWN.iter().any(|path| ground.values.contains_key(path)),
                "libvirt has no profiles for AppArmor in /etc/apparmor.d",
            ),
        ];
        if let Some((_, why)) = lacks.into_iter().find(|(there, _)| !there) {
            self.left.push(format!("{none}: {why}; switch one of them on (security-engineer)"));
            return;
        }
        let why = "the kernel has AppArmor on, by which libvirt keeps VMs apart";
        let words = match words(boot) {
            Ok(words) => words,
            Err(why) => return self.left.push(format!("{none}: {why} (security-engineer)")),
        };
        let wanted: Vec<_> = words.into_iter().map(|word| (word, why.to_owned())).collect();
        match boot.parameters(&wanted) {
            Err(error) => self.left.push(format!("{none}: {error}")),
            Ok(steps) if steps.is_empty() => {
                self.left
                    .push(format!("{none}: AppArmor is on from the next boot, as it is written already"));
            }
            Ok(steps) => {
                boot::join(&mut self.boot, steps);
                if !ground.values.contains_key(PROFILES_STARTED) {
                    let state = |enabled| ServiceState { active: false, enabled };
                    let (from, to) = (state(false), state(true));
                    let load = Action::Service { unit: PROFILES.to_owned(), from, to };
                    self.boot.push((load, "AppArmor's profiles are loaded at boot".to_owned()));
                }
                self.given_up.push("for security: programs of this host that have a profile of AppArmor's are held to it too, from the next boot".to_owned());
                self.left.push("VMs have a label of AppArmor's from their first start behind that boot; `vmwright plan harden` says then what of libvirt's settings stands against it".to_owned());
            }
        }
    }

    /// A template that only complains makes profiles that do.
    fn template(&mut self, ground: &Ground<'_>) {
        let new = ground.values.get(TEMPLATE).and_then(|text| Some((text, enforced(text)?)));
        let Some((text, new)) = new else { return };
        let why = "profiles that libvirt makes for VMs are enforced".to_owned();
        self.steps.push((write(TEMPLATE, text, new), why));
    }

    /// Domains that go without, each by its name: what is done to one of them is a plan of its own.
    fn opted_out(&mut self, ground: &Ground<'_>) {
        let open = domains(ground).into_iter().filter(|(_, domain)| {
            unlabelled(domain).is_some_and(|element| element != OFF) || complains(ground, domain).is_some()
        });
        let names: Vec<String> = open.map(|(name, _)| name).collect();
        if !names.is_empty() {
            self.left.push(format!(
                "domains without a label, or with one that only complains: {}; `vmwright plan harden NAME` mends it for each",
                names.join(", ")
            ));
        }
    }
}

/// What is done to a domain of libvirt's system daemon; nothing for other VMs, which libvirt gives no labels.
pub(super) fn domain(ground: &Ground<'_>, guest: &Guest<'_>) -> Labels {
    let mut labels = Labels::default();
    let xml = ground.values.get(guest.path).filter(|_| !guest.path.contains("/.config/libvirt/"));
    let Some(read) = xml.map(|xml| DomainXml::read(xml).0) else { return labels };
    let Some(domain) = read.first() else { return labels };
    if let Some(element) = unlabelled(domain) {
        labels.steps.push(without(guest.name, element));
    }
    if let Some((path, text)) = complains(ground, domain) {
        match enforced(text) {
            Some(new) => {
                let why = "what its profile denies is denied, and not only written down".to_owned();
                labels.steps.push((write(&path, text, new), why));
            }
            None => labels.left.push(format!(
                "its profile only complains, as {FORCED} says: take its name out of there (security-engineer)"
            )),
        }
    }
    if labels.steps.is_empty() {
        return labels;
    }
    labels.given_up.push(
        "for security: what its definition does not name is refused to it from its next start, whatever it was opened for".to_owned(),
    );
    if running(ground).iter().any(|name| name == guest.name) {
        labels.left.push(format!(
            "{} runs on as it is: libvirt gives a label when it starts a VM, so start it anew when it suits",
            guest.name
        ));
    }
    if module(ground).is_none() {
        labels.left.push(
            "neither SELinux nor AppArmor is on, so that no VM has a label here: `vmwright plan harden` for the host"
                .to_owned(),
        );
    }
    labels
}

/// The element by which a domain goes without a label; that of the owner of its files is another matter. libvirt itself
/// writes the model down as `none` where it gives no labels.
fn unlabelled(domain: &Domain) -> Option<String> {
    domain.seclabels.iter().find_map(|(model, kind)| {
        let none = kind.as_ref().is_some_and(|kind| kind.value == "none");
        match model.as_ref().map(|model| model.value.as_str()).filter(|_| none) {
            None if none => Some("<seclabel type='none'/>".to_owned()),
            Some(model @ ("apparmor" | "selinux" | "none")) => {
                Some(format!("<seclabel type='none' model='{model}'/>"))
            }
            _ => None,
        }
    })
}

/// The step that takes the element out.
fn without(domain: &str, element: String) -> Wanted {
    let edit = DomainEdit::Element { path: String::new(), from: Some(element), to: None };
    let action = Action::EditDomain {
        connection: "qemu:///system".to_owned(),
        domain: domain.to_owned(),
        edits: vec![edit],
    };
    (action, "libvirt gives it a label that keeps it from others".to_owned())
}

/// The domains of the system's libvirt, by their names.
fn domains(ground: &Ground<'_>) -> Vec<(String, Domain)> {
    let of_system = |path: &str| path.starts_with("/etc/libvirt/qemu/") && path.ends_with(".xml");
    let texts = ground.values.iter().filter(|(path, _)| of_system(path));
    let read = texts.filter_map(|(_, xml)| DomainXml::read(xml).0.domains.into_iter().next());
    read.filter_map(|domain| Some((domain.name.as_ref()?.value.clone(), domain))).collect()
}

/// The profile of a domain that only complains, by its path and text.
fn complains<'h>(ground: &Ground<'h>, domain: &Domain) -> Option<(String, &'h str)> {
    let name = format!("libvirt-{}", domain.uuid.as_ref()?.value);
    let path = format!("/etc/apparmor.d/libvirt/{name}");
    let text = *ground.values.get(path.as_str())?;
    let forced = ground.values.contains_key(format!("{FORCED}{name}").as_str());
    (forced || enforced(text).is_some()).then_some((path, text))
}

/// A text of profiles without the flag by which they only complain (apparmor.d(5)); none where it has none.
fn enforced(text: &str) -> Option<String> {
    let mut new = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let flags = line.split_once("flags=(").and_then(|(front, rest)| {
            let (flags, behind) = rest.split_once(')')?;
            (!front.trim_start().starts_with('#')).then_some((front, flags, behind))
        });
        let Some((front, flags, behind)) = flags else {
            new.push_str(line);
            continue;
        };
        let words = || flags.split([',', ' ']).filter(|word| !word.is_empty());
        let kept: Vec<&str> = words().filter(|word| *word != "complain").collect();
        match kept.len() {
            count if count == words().count() => new.push_str(line),
            0 => new.push_str(&format!("{}{behind}", front.trim_end())),
            _ => new.push_str(&format!("{front}flags=({}){behind}", kept.join(", "))),
        }
    }
    (new != text).then_some(new)
}

fn write(path: &str, text: &str, new: String) -> Action {
    Action::FileWrite { path: path.to_owned(), from_sha256: sha256(text.as_bytes()), text: new }
}

/// Whether libvirt's daemon finds a profile of its own.
fn own_profile(ground: &Ground<'_>) -> bool {
    let loaded = ground.values.get(LOADED).into_iter().flat_map(|text| text.lines());
    loaded.filter_map(|line| line.split(' ').next()).any(|name| OWN_LOADED.contains(&name))
}

/// Domains of the system's libvirt that run: each has a file of its state as long as it does.
fn running(ground: &Ground<'_>) -> Vec<String> {
    let names =
        ground.values.keys().filter_map(|path| path.strip_prefix("/run/libvirt/qemu/")?.strip_suffix(".xml"));
    names.map(str::to_owned).collect()
}

/// The parameters by which the kernel has AppArmor on besides what it has (kernel,
/// Documentation/admin-guide/kernel-parameters.txt): `lsm=` names all modules, and where it is there `security=` counts no
/// more.
fn words(boot: &Boot<'_>) -> Result<Vec<String>, String> {
    let mut given = boot.cmdline.split_ascii_whitespace().filter_map(|word| word.strip_prefix("lsm="));
    let on = "apparmor=1".to_owned();
    let Some(list) = given.next_back() else { return Ok(vec![on, "security=apparmor".to_owned()]) };
    let mut named = list.split(',');
    if let Some(other) = named.clone().find(|name| EXCLUSIVE.contains(name)) {
        return Err(format!(
            "`lsm={list}` on the kernel's command line names {other}, beside which AppArmor is not switched on"
        ));
    }
    match named.any(|name| name == "apparmor") {
        true => Ok(vec![on]),
        false => Ok(vec![on, format!("lsm={list},apparmor")]),
    }
}
