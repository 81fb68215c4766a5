//! Lines as people and editors count them.

/// The lines of a text with their numbers, counted from 1. A line ends at `\n`, `\r\n` or a lone `\r` (serial
/// consoles write those); the ending is not part of it.
pub fn lines(text: &str) -> impl Iterator<Item = (u32, &str)> {
    let mut rest = Some(text);
    let mut number = 0;
    std::iter::from_fn(move || {
        let current = rest.filter(|text| !text.is_empty())?;
        number += 1;
        let Some(end) = current.bytes().position(|byte| byte == b'\n' || byte == b'\r') else {
            rest = None;
            return Some((number, current));
        };
        let ending = if current.as_bytes()[end..].starts_with(b"\r\n") { 2 } else { 1 };
        rest = Some(&current[end + ending..]);
        Some((number, &current[..end]))
    })
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn every_ending_counts_once() {
        let found: Vec<_> = lines("a\nb\r\nc\rd\n\ne").collect();
        assert_eq!(found, [(1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, ""), (6, "e")]);
        assert_eq!(lines("").count(), 0);
        assert_eq!(lines("\n").collect::<Vec<_>>(), [(1, "")]);
    }
}
