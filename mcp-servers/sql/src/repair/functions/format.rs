//! How dates are to be written: in the marks of `strftime`, of `date_format`, or of `to_char`.

use crate::dialect::Dialect;

/// A part of a format.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// A mark of `strftime`.
    Mark(char),
}

/// The marks that all three have: of `strftime`, of `date_format`, of `to_char`.
const MARKS: [(char, &[char], &str); 7] = [
    ('Y', &['Y'], "YYYY"),
    ('m', &['m'], "MM"),
    ('d', &['d'], "DD"),
    ('H', &['H'], "HH24"),
    ('M', &['i'], "MI"),
    ('S', &['S', 's'], "SS"),
    ('j', &['j'], "DDD"),
];

/// A format, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Format(Vec<Part>);

impl Format {
    /// A literal as `strftime` takes it; `None` where not all of it is known.
    pub(super) fn of_strftime(literal: &str) -> Option<Self> {
        Self::of(literal, |mark| {
            let mut marks = MARKS.iter();
            marks.find(|(own, ..)| *own == mark).map(|(own, ..)| *own)
        })
    }

    /// A literal as `date_format` takes it; `None` where not all of it is known.
    pub(super) fn of_date_format(literal: &str) -> Option<Self> {
        Self::of(literal, |mark| {
            let mut marks = MARKS.iter();
            let known = marks.find(|(_, names, _)| names.contains(&mark));
            known.map(|(own, ..)| *own)
        })
    }

    fn of(literal: &str, known: impl Fn(char) -> Option<char>) -> Option<Self> {
        let text = literal.strip_prefix('\'')?.strip_suffix('\'')?;
        let mut parts = Vec::new();
        let mut said = String::new();
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            if letter != '%' {
                said.push(letter);
                continue;
            }
            if !said.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut said)));
            }
            parts.push(Part::Mark(known(letters.next()?)?));
        }
        if !said.is_empty() {
            parts.push(Part::Text(said));
        }
        Some(Self(parts))
    }

    /// As a literal of a dialect's own function.
    pub(super) fn said(&self, dialect: Dialect) -> Option<String> {
        let mut said = String::new();
        for part in &self.0 {
            match (part, dialect) {
                // Letters in it would be taken for marks.
                (Part::Text(text), Dialect::Postgres)
                    if text.contains(|letter: char| letter.is_alphanumeric()) =>
                {
                    if text.contains(['"', '\\']) {
                        return None;
                    }
                    said.push_str(&format!("\"{text}\""));
                }
                (Part::Text(text), _) => said.push_str(text),
                (Part::Mark(mark), _) => {
                    let mut marks = MARKS.iter();
                    let (own, names, letters) = marks.find(|(own, ..)| own == mark)?;
                    match dialect {
                        Dialect::Sqlite => said.extend(['%', *own]),
                        Dialect::Mysql => said.extend(['%', *names.first()?]),
                        Dialect::Postgres => said.push_str(letters),
                    }
                }
            }
        }
        Some(format!("'{said}'"))
    }
}
