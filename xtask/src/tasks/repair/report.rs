//! What the bench found, as a table.

use super::bench::Tried;
use std::fmt::Write as _;
use std::time::Duration;

/// One fault.
pub(crate) fn line(tried: &Tried) -> String {
    if !tried.broken {
        return format!(
            "{:32} {:58} {:>4.0} s",
            tried.name,
            "COULD NOT BE BROKEN",
            tried.whole.as_secs_f64()
        );
    }
    let named = match (tried.is_named(), tried.named.first()) {
        (true, _) => "named".to_owned(),
        (false, Some(first)) => format!("{first} for {}", tried.cause),
        (false, None) => format!("nothing for {}", tried.cause),
    };
    let works = match (tried.repairable, tried.works) {
        (_, None) => "-",
        (_, Some(true)) => "repaired",
        (true, Some(false)) => "NOT REPAIRED",
        (false, Some(false)) => "left",
    };
    let more = match tried.collateral.as_slice() {
        [] => String::new(),
        keys => format!("  CHANGED TOO: {}", keys.join(", ")),
    };
    format!("{:32} {named:44} {works:13} {:>4.0} s{more}", tried.name, tried.whole.as_secs_f64())
}

/// What the time of one fault went to.
pub(crate) fn times(tried: &Tried) -> String {
    let each = tried.phases.iter().map(|(phase, time)| format!("{phase} {:.0} s", time.as_secs_f64()));
    each.collect::<Vec<_>>().join(", ")
}

/// All of them, and how often.
pub(crate) fn text(all: &[Tried]) -> String {
    let mut out: String = all.iter().map(|tried| line(tried) + "\n").collect();
    let of = |count: usize, all: usize, what: &str| format!("{what} {count} of {all}");
    // Of what could not be broken nothing can be told.
    let (all, unbroken): (Vec<&Tried>, Vec<&Tried>) = all.iter().partition(|tried| tried.broken);
    let repairable: Vec<&&Tried> = all.iter().filter(|tried| tried.repairable).collect();
    let mut times: Vec<Duration> = all.iter().map(|tried| tried.whole).collect();
    times.sort_unstable();
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "\n{}, {}, {}; {:.0} s in the median",
        of(all.iter().filter(|tried| tried.is_named()).count(), all.len(), "named"),
        of(repairable.iter().filter(|tried| tried.works == Some(true)).count(), repairable.len(), "repaired"),
        of(
            all.iter().filter(|tried| !tried.collateral.is_empty()).count(),
            all.len(),
            "something else changed in"
        ),
        times.get(times.len() / 2).map_or(0.0, Duration::as_secs_f64)
    );
    if !unbroken.is_empty() {
        let names: Vec<&str> = unbroken.iter().map(|tried| tried.name.as_str()).collect();
        let _ = writeln!(out, "{} could not be broken, and count nowhere: {}", names.len(), names.join(", "));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_stands_out() {
        let good = Tried {
            name: "kvm/gone".to_owned(),
            cause: "kvm/device-missing".to_owned(),
            named: vec!["kvm/device-missing".to_owned()],
            repairable: true,
            works: Some(true),
            broken: true,
            ..Tried::default()
        };
        let bad = Tried {
            named: vec!["kvm/silent-tcg".to_owned()],
            works: Some(false),
            collateral: vec!["module kvm".to_owned()],
            ..good.clone()
        };
        let unbroken = Tried { name: "lvm/full".to_owned(), ..Tried::default() };
        assert!(good.good() && !bad.good());
        let text = text(&[good, bad, unbroken]);
        for words in [
            "1 could not be broken, and count nowhere: lvm/full",
            "named 1 of 2, repaired 1 of 2, something else changed in 1 of 2",
            "NOT REPAIRED",
            "CHANGED TOO: module kvm",
        ] {
            assert!(text.contains(words), "{text}");
        }
    }
}
