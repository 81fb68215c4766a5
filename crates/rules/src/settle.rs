//! Typed actions that settle findings, made of what was read: each expects the value that stands there, so that a plan
//! stops where the host is another one by then. Where what has to be expected was not read, there is no action.

use crate::{Found, Reading};
use vmwright_model::plan::{Binding, ServiceState, Setting};
use vmwright_model::{Action, Evidence};

/// A service as the record `services` tells it.
#[derive(Debug, Clone)]
pub(crate) struct Unit {
    /// Its name, `libvirtd.service`.
    pub(crate) name: String,
    /// Whether it runs.
    pub(crate) active: bool,
    /// `enabled`, `disabled` or `masked`.
    boot: String,
    /// Where that stands.
    pub(crate) quote: Option<Evidence>,
}

impl Unit {
    /// What starts it, and at boot too where `at_boot`; none where it runs, or nobody may start it.
    pub(crate) fn start(&self, at_boot: bool) -> Option<Action> {
        if self.active || self.boot == "masked" {
            return None;
        }
        let enabled = self.boot == "enabled";
        Some(Action::Service {
            unit: self.name.clone(),
            from: ServiceState { active: false, enabled },
            to: ServiceState { active: true, enabled: enabled || at_boot },
        })
    }
}

/// The first of these services that is installed.
pub(crate) fn unit(cx: &Reading<'_>, names: &[&str]) -> Option<Unit> {
    let text = cx.texts_named(|source| source == "services").next()?;
    names.iter().find_map(|name| {
        let (number, line) = text.lines().find(|(_, line)| line.split(' ').next() == Some(*name))?;
        let mut words = line.split(' ').skip(1);
        Some(Unit {
            name: (*name).to_owned(),
            active: words.next()? == "active",
            boot: words.next()?.to_owned(),
            quote: text.quote(number),
        })
    })
}

/// What gives a parameter of the kernel (`net/ipv4/ip_forward`) another value, now and in the files that set it at boot.
pub(crate) fn sysctl(cx: &Reading<'_>, key: &str, to: &str) -> Vec<Action> {
    let Found::Text(text) = cx.file(&format!("/proc/sys/{key}")) else { return Vec::new() };
    let from = text.as_str().split_whitespace().collect::<Vec<_>>().join(" ");
    let mut actions = Vec::new();
    if from != to {
        actions.push(Action::Sysctl { key: key.to_owned(), from, to: to.to_owned() });
    }
    let dotted = key.replace('/', ".");
    // Debian's 99-sysctl.conf is a link to the other one.
    let files = cx.texts_named(|source| {
        source == "/etc/sysctl.conf"
            || source.starts_with("/etc/sysctl.d/") && source != "/etc/sysctl.d/99-sysctl.conf"
    });
    for file in files {
        let set = file.lines().find_map(|(_, line)| {
            let (name, value) = line.trim().split_once('=')?;
            (name.trim().replace('/', ".") == dotted).then(|| value.trim().to_owned())
        });
        if let Some(from) = set.filter(|from| from != to) {
            actions.push(Action::EditSetting {
                path: file.source.to_owned(),
                setting: Setting::Sysctl { key: dotted.clone() },
                from: Some(from),
                to: Some(to.to_owned()),
            });
        }
    }
    actions
}

/// What gives a function that `driver` has to VMs (kernel, `Documentation/driver-api/vfio.rst`).
pub(crate) fn to_vfio(device: &str, driver: Option<&str>, only: Option<&str>) -> Action {
    let vfio = Some("vfio-pci".to_owned());
    Action::DriverBind {
        device: device.to_owned(),
        from: Binding { driver: driver.map(str::to_owned), only: only.map(str::to_owned) },
        to: Binding { driver: vfio.clone(), only: vfio },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vmwright_model::{Kind, Record, Snapshot};

    fn read(records: &[(&str, &str)]) -> Snapshot {
        let record = |(source, text): &(&str, &str)| Record::new(*source, Kind::TEXT, *text);
        Snapshot { live: true, records: records.iter().map(record).collect(), ..Snapshot::default() }
    }

    #[test]
    fn a_service_is_started_as_it_was_found() {
        let snapshot = read(&[(
            "services",
            "libvirtd.service inactive disabled\novs-vswitchd.service active disabled\nvirtlogd.service inactive masked\n",
        )]);
        let cx = Reading::new(&snapshot, "");
        let found = |name: &str| unit(&cx, &["none.service", name]).expect("it is installed");
        let state = |active, enabled| ServiceState { active, enabled };
        assert_eq!(
            found("libvirtd.service").start(true),
            Some(Action::Service {
                unit: "libvirtd.service".into(),
                from: state(false, false),
                to: state(true, true)
            })
        );
        assert_eq!(found("ovs-vswitchd.service").start(true), None);
        assert_eq!(found("virtlogd.service").start(false), None);
        assert!(unit(&cx, &["virtqemud.service"]).is_none());
    }

    #[test]
    fn a_parameter_is_set_now_and_where_it_is_kept() {
        let snapshot = read(&[
            ("/proc/sys/net/ipv4/ip_forward", "0\n"),
            ("/etc/sysctl.d/99-hardening.conf", "# net.ipv4.ip_forward = 1\nnet.ipv4.ip_forward = 0\n"),
            ("/etc/sysctl.d/99-sysctl.conf", "net.ipv4.ip_forward=0\n"),
            ("/etc/sysctl.conf", "net/ipv4/ip_forward=1\n"),
        ]);
        let cx = Reading::new(&snapshot, "");
        let actions = sysctl(&cx, "net/ipv4/ip_forward", "1");
        assert_eq!(actions.len(), 2, "{actions:?}");
        assert!(matches!(&actions[0], Action::Sysctl { from, to, .. } if from == "0" && to == "1"));
        assert!(matches!(&actions[1], Action::EditSetting { path, from: Some(from), .. }
            if path == "/etc/sysctl.d/99-hardening.conf" && from == "0"));
        assert!(sysctl(&cx, "net/ipv4/none", "1").is_empty());
    }
}
