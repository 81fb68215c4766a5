//! Clock and timers.

use super::super::argument::Value;
use super::Line;
use vmwright_model::machine::ClockBase;

pub(super) fn clock(line: &mut Line<'_>) {
    let clock = &line.spec.clock;
    let rtc = clock.timers.iter().find(|timer| timer.name == "rtc");
    let base = match clock.base {
        ClockBase::Utc => None,
        ClockBase::Localtime => Some("localtime".to_owned()),
        ClockBase::Absolute => Some(date(clock.offset.unwrap_or(0))),
        ClockBase::Timezone => {
            let zone = clock.timezone.as_deref().unwrap_or_default();
            line.lost(
                "clock.timezone",
                format!("QEMU takes the zone of its own environment: start it with TZ={zone}"),
            );
            Some("localtime".to_owned())
        }
        ClockBase::Variable => {
            if clock.offset.is_some_and(|offset| offset != 0) {
                line.lost(
                    "clock.offset",
                    "a fixed date would be needed, and this one moves with the host's clock",
                );
            }
            None
        }
    };
    let follows = rtc.and_then(|timer| timer.track.as_deref()).and_then(|track| match track {
        "guest" => Some("vm"),
        "wall" => Some("host"),
        "realtime" => Some("rt"),
        _ => None,
    });
    let slew = rtc.is_some_and(|timer| timer.ticks.as_deref() == Some("catchup"));
    if base.is_some() || follows.is_some() || slew {
        let value = Value::bare()
            .with("base", base.unwrap_or_else(|| "utc".to_owned()))
            .maybe("clock", follows)
            .maybe("driftfix", slew.then_some("slew"));
        line.push("-rtc", value, "what the guest's hardware clock shows");
    }
    let policy = clock.timers.iter().find(|timer| timer.name == "pit").and_then(|timer| timer.ticks.clone());
    match policy.as_deref() {
        Some("delay") => {
            line.push("-global", "kvm-pit.lost_tick_policy=delay", "late ticks of the timer come late")
        }
        // `discard` is KVM's own behaviour, `catchup` that of QEMU's own timer.
        Some("discard") => {
            line.push("-global", "kvm-pit.lost_tick_policy=discard", "missed ticks of the timer are dropped");
        }
        _ => {}
    }
}

/// Seconds since 1970 as `-rtc base=` takes them: `2026-01-31T12:00:00`, by the civil calendar.
fn date(seconds: i64) -> String {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Howard Hinnant's `civil_from_days`: eras of 400 years that begin in March.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(super::date(0), "1970-01-01T00:00:00");
        assert_eq!(super::date(951_782_400), "2000-02-29T00:00:00");
        assert_eq!(super::date(1_767_225_599), "2025-12-31T23:59:59");
    }
}
