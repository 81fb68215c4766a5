//! What drives a PCI function.

use super::{Facts, Fault, Phase, change, quoted};
use crate::describe::Words;
use crate::target::Target;
use vmwright_model::plan::Binding;
use vmwright_model::{Action, Disruption};

/// See [`Action::DriverBind`].
pub(super) struct DriverBind<'a> {
    pub(super) device: &'a str,
    pub(super) from: &'a Binding,
    pub(super) to: &'a Binding,
}

impl Facts for DriverBind<'_> {
    fn target(&self) -> Target {
        Target::Device(self.device.to_owned())
    }

    fn words(&self) -> Words {
        let (device, from, to) = (self.device, told(self.from), told(self.to));
        Words {
            expects: format!("{device} {from}"),
            does: format!("makes {device} {to}"),
            undone_by: format!("makes {device} {from}, if it is still {to}"),
        }
    }

    fn phase(&self) -> Phase {
        Phase::Device
    }

    /// Whatever used the device through its old driver loses it.
    fn least_disruption(&self) -> Disruption {
        if self.from.driver.is_some() { Disruption::ServiceRestart } else { Disruption::None }
    }

    fn may_lock_out(&self) -> bool {
        // It may be a network card, below a bridge or a bond.
        self.from.driver.is_some()
    }

    fn follows(&self, earlier: &Action) -> bool {
        matches!(earlier, Action::DriverBind { to, .. } if to == self.from)
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = change(&self.from, &self.to);
        if !is_pci_address(self.device) {
            faults.push(Fault::Value(format!(
                "{} is not a PCI address like 0000:01:00.0",
                quoted(self.device)
            )));
        }
        let names = [self.from, self.to].into_iter().flat_map(|binding| [&binding.driver, &binding.only]);
        for name in names.flatten().filter(|name| !is_name(name)) {
            faults.push(Fault::Value(format!("{} is not the name of a driver", quoted(name))));
        }
        if let Binding { driver: Some(driver), only: Some(only) } = self.to
            && driver != only
        {
            faults.push(Fault::Value(format!("it cannot be driven by {driver} where only {only} may")));
        }
        faults
    }
}

fn told(binding: &Binding) -> String {
    let driver = match &binding.driver {
        Some(driver) => format!("driven by {driver}"),
        None => "without a driver".to_owned(),
    };
    match &binding.only {
        Some(only) => format!("{driver}, kept for {only}"),
        None => driver,
    }
}

/// Whether a text is a PCI address with its domain, lower case: `0000:01:00.0`.
fn is_pci_address(text: &str) -> bool {
    let hex = |text: &str, lengths: std::ops::RangeInclusive<usize>| {
        lengths.contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let parts: Vec<&str> = text.split([':', '.']).collect();
    let [domain, bus, device, function] = parts[..] else { return false };
    text.matches(':').count() == 2
        && hex(domain, 4..=8)
        && hex(bus, 2..=2)
        && hex(device, 2..=2)
        && matches!(function.as_bytes(), [b'0'..=b'7'])
}

/// A driver's or module's name.
pub(super) fn is_name(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        && !name.starts_with(['-', '.'])
}
