//! Lists of CPUs and of NUMA nodes: `0-3,8`.

use super::syntax::short;
use std::ops::RangeInclusive;

/// Largest number that can stand in a list: the kernel's `NR_CPUS` is at most 8192.
const NUMBER_MAX: u32 = 8191;

/// Reads a list, `0-3,8`, as sorted ranges that do not touch. `^4` takes a number out of what stands before it, as
/// libvirt writes it.
///
/// # Errors
/// What is wrong with the text, as a fragment.
pub fn parse_cpu_list(text: &str) -> Result<Vec<RangeInclusive<u32>>, String> {
    let wrong = || format!("`{}` is not a list of numbers and ranges, like `0-3,8`", short(text));
    let number = |part: &str| -> Result<u32, String> {
        if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        let number = part.parse::<u32>().ok().filter(|number| *number <= NUMBER_MAX);
        number.ok_or_else(|| format!("`{}` is more than {NUMBER_MAX}", short(part)))
    };
    let (mut ranges, mut out) = (Vec::new(), Vec::new());
    for part in text.split(',').map(str::trim) {
        if let Some(excepted) = part.strip_prefix('^') {
            out.push(number(excepted)?);
            continue;
        }
        let (first, last) = match part.split_once('-') {
            Some((first, last)) => (number(first)?, number(last)?),
            None => (number(part)?, number(part)?),
        };
        if first > last {
            return Err(format!("`{}` ends before it begins", short(part)));
        }
        ranges.push((first, last));
    }
    if ranges.is_empty() {
        return Err(wrong());
    }
    ranges.sort_unstable();
    out.sort_unstable();
    let mut out = out.into_iter().peekable();
    let mut kept: Vec<RangeInclusive<u32>> = Vec::new();
    // The next number that is not yet decided: ranges may overlap.
    let mut next = 0;
    for (first, last) in ranges {
        let mut first = first.max(next);
        while let Some(excepted) = out.next_if(|excepted| *excepted <= last) {
            if excepted < first {
                continue;
            }
            if first < excepted {
                join(&mut kept, first, excepted - 1);
            }
            first = excepted + 1;
        }
        if first <= last {
            join(&mut kept, first, last);
        }
        next = next.max(last + 1);
    }
    if kept.is_empty() { Err(format!("`{}` leaves nothing", short(text))) } else { Ok(kept) }
}

/// Adds a range behind the others, or to the last one where it touches it.
fn join(ranges: &mut Vec<RangeInclusive<u32>>, first: u32, last: u32) {
    match ranges.last_mut() {
        Some(range) if *range.end() + 1 == first => *range = *range.start()..=last,
        _ => ranges.push(first..=last),
    }
}

#[cfg(test)]
mod tests {
    use super::parse_cpu_list;

    #[test]
    fn lists_are_ranges() {
        assert_eq!(parse_cpu_list("0-3,8"), Ok(vec![0..=3, 8..=8]));
        assert_eq!(parse_cpu_list("3, 1 ,2"), Ok(vec![1..=3]));
        assert_eq!(parse_cpu_list("0-7,^3"), Ok(vec![0..=2, 4..=7]));
        assert_eq!(parse_cpu_list("0-7,4-9,^3,^8,^20,2"), Ok(vec![0..=2, 4..=7, 9..=9]));
        assert_eq!(parse_cpu_list("5,5,4-6,^4"), Ok(vec![5..=6]));
    }

    #[test]
    fn what_is_no_list_is_told() {
        for bad in ["", "a", "1-", "-1", "3-1", "1,,2", "99999", "1-2-3", "^1", "1,^1", "0x1", "+1"] {
            assert!(parse_cpu_list(bad).is_err(), "{bad}");
        }
    }
}
