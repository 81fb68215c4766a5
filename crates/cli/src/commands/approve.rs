use anyhow::bail;
use std::path::PathBuf;
use vmwright_engine::{Approve, Operation};
use vmwright_model::Disruption;

/// Sign a plan with your SSH key, so that it may be applied on this host.
///
/// `ssh-keygen -Y sign` asks for the key's passphrase or touch; a FIDO token that signed untouched does not count. The
/// key must be among the allowed signers: `/etc/vmwright/allowed_signers`, in the format of ssh-keygen(1). The signature
/// covers the plan's id, the host, the highest disruption allowed and the time at which it becomes void.
///
/// With --check nothing is signed: it is told whether a signature allows the plan now.
///
/// What `/etc/vmwright/two-persons` names, `disruption LEVEL` or `vm NAME` a line, two people have to sign, each with a
/// name and a key of their own: plans that disturb at least so much, and those for a VM.
///
/// What `/etc/vmwright/rehearsal` names in the same words is signed and applied once its rehearsal has passed
/// ('vmwright rehearse').
///
/// What `/etc/vmwright/protected` names, `vm NAME` or `host` a line, no plan may disturb: it is neither signed nor applied.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Id of a plan, the beginning of one, or the path of a plan file.
    plan: String,
    /// Only tell whether a signature allows the plan on this host, now.
    #[arg(long, conflicts_with_all = ["key", "ceiling"])]
    check: bool,
    /// Your SSH key.
    #[arg(long, value_name = "FILE", required_unless_present = "check")]
    key: Option<PathBuf>,
    /// Who you are, as the allowed signers name you.
    #[arg(long, value_name = "NAME", env = "USER", required_unless_present = "check")]
    principal: Option<String>,
    /// The highest disruption that you allow: none, guest-pause, guest-restart, service-restart, host-reboot
    /// [default: the plan's own].
    #[arg(long, value_name = "LEVEL", value_parser = disruption)]
    ceiling: Option<Disruption>,
    /// How long it holds: a number with s, m, h or d.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = seconds)]
    valid_for: i64,
}

impl Args {
    pub(crate) fn operation(self) -> anyhow::Result<Operation> {
        let Args { plan, check, key, principal, ceiling, valid_for } = self;
        let (Some(key), Some(principal), false) = (key, principal, check) else {
            return Ok(Operation::Approval { plan });
        };
        Ok(Operation::Approve(Approve { plan, key, principal, ceiling, valid_for }))
    }
}

fn disruption(text: &str) -> anyhow::Result<Disruption> {
    use Disruption::{GuestPause, GuestRestart, HostReboot, None, ServiceRestart};
    let levels = [None, GuestPause, GuestRestart, ServiceRestart, HostReboot];
    match levels.into_iter().find(|level| level.to_string() == text) {
        Some(level) => Ok(level),
        Option::None => bail!("not one of {}", levels.map(|level| level.to_string()).join(", ")),
    }
}

/// At most ten years, so that no sum with a time of day can overflow.
fn seconds(text: &str) -> anyhow::Result<i64> {
    let Some((number, unit)) = text.char_indices().last().map(|(at, unit)| (&text[..at], unit)) else {
        bail!("empty");
    };
    let factor = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86400,
        _ => bail!("no unit: write 30m, 1h or 2d"),
    };
    let number: i64 = number.parse()?;
    match number.checked_mul(factor) {
        Some(seconds @ 1..=315_360_000) => Ok(seconds),
        _ => bail!("out of range: 1s to 3650d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units_and_bounds() {
        assert_eq!(seconds("90s").ok(), Some(90));
        assert_eq!(seconds("2d").ok(), Some(172_800));
        for wrong in ["", "5", "h", "-1h", "0s", "9999999999999999999d", "99999d", "é"] {
            assert!(seconds(wrong).is_err(), "{wrong:?}");
        }
    }
}
