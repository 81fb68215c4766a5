//! Characters that hide.

/// A character that a reader would obey and not see: controls, those that turn or hide text, and those that no
/// XML document may have (XML 1.0, section 2.2).
#[must_use]
pub fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(character, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
        || matches!(character, '\u{fffe}'..='\u{ffff}' | '\u{e0000}'..='\u{e007f}')
}
