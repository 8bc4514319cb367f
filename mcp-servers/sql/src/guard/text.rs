//! What no statement needs and parsers disagree on.

use crate::dialect::Dialect;
use crate::guard::Refusal;

/// Refuses characters that no text has, and comments that are code.
pub(super) fn check(sql: &str, dialect: Dialect) -> Result<(), Refusal> {
    let control = |character: &char| {
        character.is_control() && !matches!(character, '\t' | '\n' | '\r' | '\u{c}')
    };
    if let Some(found) = sql.chars().find(control) {
        return Err(Refusal::new(
            format!("it holds the control character U+{:04X}", u32::from(found)),
            "write it without",
        ));
    }
    // Wherever they stand, also inside of literals: whether it is inside is what parsers disagree
    // on.
    if dialect == Dialect::Mysql && (sql.contains("/*!") || sql.contains("/*M!")) {
        return Err(Refusal::new(
            "it holds a comment that MySQL runs as code",
            "write it without comments",
        ));
    }
    Ok(())
}

/// Whether a character cannot be seen, or changes how those beside it are seen.
pub(super) fn hidden(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
    )
}
