//! What is done in a lab to make it like a host.

use super::host::Host;
use super::like;
use super::stage::{HEAD, LAB_GRUB, LAB_GRUB_TEXT, file, word};
use crate::asks::Shown;
use vmwright_backend::{Told, Watch as _};
use vmwright_lab::{Boot, Lab, LabError};
use vmwright_model::plan::Generator;
use vmwright_model::{Action, Plan};

/// How long a boot may say nothing of its end. It takes 30 s under TCG on two quiet processors.
pub(super) const BOOT: std::time::Duration = std::time::Duration::from_secs(420);
/// Address of the lab's card to the outside.
const MAC: &str = "52:54:00:1a:b0:00";

/// A lab that is made like a host.
pub(super) struct Hands<'h, 's> {
    pub(super) lab: &'h Lab,
    pub(super) shown: &'h mut Shown<'s>,
    /// What stands for something of the host's that the lab cannot have.
    pub(super) stood_in: Vec<String>,
    /// What of the host could not be copied.
    pub(super) not_copied: Vec<String>,
}

impl<'h, 's> Hands<'h, 's> {
    pub(super) fn on(lab: &'h Lab, shown: &'h mut Shown<'s>) -> Self {
        Self { lab, shown, stood_in: Vec::new(), not_copied: Vec::new() }
    }

    pub(super) fn note(&mut self, line: impl Into<String>) {
        self.shown.tell(Told::Note(line.into()));
    }

    /// Runs a script in the lab: what it said, or why it failed.
    pub(super) fn run(&mut self, script: &str, limit: u64) -> Result<Result<String, String>, LabError> {
        let done = self.lab.script(&format!("{HEAD}{script}"), limit, &mut Quiet(self.shown))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if done.status == Some(0) {
            return Ok(Ok(text(&done.output)));
        }
        let said = text(if done.errors.trim_ascii().is_empty() { &done.output } else { &done.errors });
        let last = said.lines().last().unwrap_or("it failed without a word").to_owned();
        Ok(Err(last.chars().take(400).collect()))
    }

    /// A text file of the lab.
    pub(super) fn text(&mut self, path: &str) -> Result<Option<String>, LabError> {
        let done = self.lab.script(&format!("cat -- {}", word(path)), 60, &mut Quiet(self.shown))?;
        Ok((done.status == Some(0)).then(|| String::from_utf8_lossy(&done.output).into_owned()))
    }

    /// Restarts the lab, and waits until it is up.
    pub(super) fn reboot(&mut self) -> Result<(), LabError> {
        let before = self.lab.boot(&mut Quiet(self.shown))?;
        self.note("restarting the lab");
        // The answer may be lost with the system that gives it.
        let _ = self.run("sync\nsystemctl reboot\n", 10);
        match self.lab.restarted(&before, BOOT, &mut Quiet(self.shown))? {
            Boot::Up { .. } => Ok(()),
            Boot::Dead { why, said, .. } => Err(LabError::Unstaged { why, said: said.join("\n") }),
        }
    }

    /// Copies a host from its capture, as far as it goes.
    pub(super) fn dress(&mut self, host: &Host<'_>) -> Result<(), LabError> {
        self.note("making the lab like the host");
        for (what, script) in like::dress(host) {
            if let Err(why) = self.run(&script, 300)? {
                self.not_copied.push(format!("{what}: {why}"));
            }
        }
        if let Some(script) = like::modules(host)
            && let Ok(gone) = self.run(&script, 300)?
        {
            let gone: Vec<String> = gone.lines().map(str::to_owned).collect();
            if !gone.is_empty() {
                self.not_copied.push(format!("modules of the kernel: {}", like::listed(&gone)));
            }
        }
        let cpuinfo = self.text("/proc/cpuinfo")?.unwrap_or_default();
        let packages = self.run("dpkg -l", 60)?.unwrap_or_default();
        self.not_copied.extend(like::compared(host, &cpuinfo, &packages));
        Ok(())
    }

    /// Gives the lab's card the name of the host's, below a bridge where that has one. The address stays the lab's.
    pub(super) fn network(&mut self, host: &Host<'_>) -> Result<(), LabError> {
        let Some(uplink) = host.uplink() else {
            self.not_copied.push("how the host is reached: it was not read".to_owned());
            return Ok(());
        };
        self.not_copied.extend(uplink.otherwise.clone());
        let (card, top) = (word(&uplink.card), word(&uplink.top));
        // A bridge above it has the same address, and a name of its own.
        let link = format!(
            "[Match]\nMACAddress={MAC}\nDriver=virtio_net\n\n[Link]\nName={}\nMACAddressPolicy=persistent\n",
            uplink.card
        );
        let dhcp = "[Network]\nDHCP=ipv4\n";
        let mut script = format!(
            "old=$(for one in /sys/class/net/*; do grep -qx {MAC} \"$one/address\" && basename \"$one\"; done | head -1)\n\
             test \"$old\" = {card} || {{ ip link set \"$old\" down; ip link set \"$old\" name {card}; }}\n\
             rm -f /etc/systemd/network/20-uplink.network /etc/systemd/network/10-br0.*\nip link delete br0 2>/dev/null || true\n{}",
            file("/etc/systemd/network/10-uplink.link", &link)
        );
        if uplink.card == uplink.top {
            let text = format!("[Match]\nName={}\n\n{dhcp}", uplink.card);
            script.push_str(&file("/etc/systemd/network/20-uplink.network", &text));
        } else {
            let port = format!("[Match]\nName={}\n\n[Network]\nBridge={}\n", uplink.card, uplink.top);
            let bridge = format!("[NetDev]\nName={}\nKind=bridge\nMACAddress={MAC}\n", uplink.top);
            let text = format!("[Match]\nName={}\n\n{dhcp}", uplink.top);
            script.push_str(&file("/etc/systemd/network/20-uplink.network", &port));
            script.push_str(&file("/etc/systemd/network/21-uplink.netdev", &bridge));
            script.push_str(&file("/etc/systemd/network/21-uplink.network", &text));
        }
        script.push_str(&format!("ip link set {card} up\nnetworkctl reload\nsystemctl restart systemd-networkd\nip link show {top} >/dev/null 2>&1 || sleep 3\nip link show {top} >/dev/null\n"));
        match self.run(&script, 60)? {
            Ok(_) => self.stood_in.push(format!(
                "the lab's own card and address stand for those of {}",
                if uplink.card == uplink.top {
                    uplink.top
                } else {
                    format!("{} over {}", uplink.top, uplink.card)
                }
            )),
            Err(why) => self.not_copied.push(format!("how the host is reached: {why}")),
        }
        Ok(())
    }

    /// Has the lab's programs make what the host boots with, of the host's settings.
    pub(super) fn made_for_boot(&mut self, plan: &Plan, host: &Host<'_>) -> Result<(), LabError> {
        let makes = |wanted: fn(&Generator) -> bool| {
            plan.steps
                .iter()
                .any(|step| matches!(&step.action, Action::Regenerate { generator, .. } if wanted(generator)))
        };
        let grub = makes(|one| matches!(one, Generator::UpdateGrub | Generator::GrubMkconfig));
        let initramfs = makes(|one| matches!(one, Generator::UpdateInitramfs { .. }));
        if grub {
            // A lab that was dressed like a host has more in it.
            let mut script =
                format!("test -e {} || {{\n{}}}\n", word(LAB_GRUB), file(LAB_GRUB, LAB_GRUB_TEXT));
            if let Some(text) = host.text("/etc/default/grub") {
                script = format!("{}{script}", file("/etc/default/grub", text));
            }
            script.push_str("update-grub >/dev/null 2>&1\n");
            if let Err(why) = self.run(&script, 300)? {
                self.not_copied.push(format!("the host's settings of GRUB: {why}"));
            }
        }
        if initramfs && let Err(why) = self.run("update-initramfs -u -k all >/dev/null 2>&1\n", 600)? {
            self.not_copied.push(format!("what the host's initramfs is made of: {why}"));
        }
        Ok(())
    }
}

/// Lets a watcher stop what is done, and shows nothing: each script would be a line.
pub(super) struct Quiet<'q, 's>(pub(super) &'q Shown<'s>);

impl vmwright_backend::Watch for Quiet<'_, '_> {
    fn tell(&mut self, _: Told) {}

    fn stopped(&self) -> bool {
        self.0.stopped()
    }
}
