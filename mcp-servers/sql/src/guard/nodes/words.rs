//! Names and literals.

use sqlparser::ast::{Ident, ObjectName, ObjectNamePart, Value};

use crate::guard::nodes::foreign;
use crate::guard::{Refusal, text};

/// A name that can be seen for what it is, and is none of a variable.
pub(super) fn plain(ident: &Ident) -> Result<(), Refusal> {
    if ident.quote_style.is_some() {
        return Ok(());
    }
    if ident.value.starts_with('@') {
        return Err(Refusal::new(
            format!("`{}` is a variable of the session", ident.value),
            "write its value",
        ));
    }
    match ident
        .value
        .chars()
        .find(|character| text::hidden(*character))
    {
        Some(found) => Err(Refusal::new(
            format!(
                "a name holds the invisible character U+{:04X}",
                u32::from(found)
            ),
            "write it without, or quote the name",
        )),
        None => Ok(()),
    }
}

pub(super) fn literal(value: &Value) -> Result<(), Refusal> {
    match value {
        Value::Number(..)
        | Value::SingleQuotedString(_)
        | Value::DollarQuotedString(_)
        | Value::EscapedStringLiteral(_)
        | Value::UnicodeStringLiteral(_)
        | Value::NationalStringLiteral(_)
        | Value::HexStringLiteral(_)
        | Value::DoubleQuotedString(_)
        | Value::SingleQuotedByteStringLiteral(_)
        | Value::Boolean(_)
        | Value::Null => Ok(()),
        Value::Placeholder(name) => Err(Refusal::new(
            format!("`{name}` stands for a value that nobody gives"),
            "write the value",
        )),
        Value::TripleSingleQuotedString(_)
        | Value::TripleDoubleQuotedString(_)
        | Value::DoubleQuotedByteStringLiteral(_)
        | Value::TripleSingleQuotedByteStringLiteral(_)
        | Value::TripleDoubleQuotedByteStringLiteral(_)
        | Value::SingleQuotedRawStringLiteral(_)
        | Value::DoubleQuotedRawStringLiteral(_)
        | Value::TripleSingleQuotedRawStringLiteral(_)
        | Value::TripleDoubleQuotedRawStringLiteral(_)
        | Value::QuoteDelimitedStringLiteral(_)
        | Value::NationalQuoteDelimitedStringLiteral(_) => Err(Refusal::new(
            "a text is quoted in a way that the database does not know",
            "write it in single quotes",
        )),
    }
}

/// A name of plain words.
pub(super) fn named(name: &ObjectName) -> Result<(), Refusal> {
    words(name).map(drop)
}

/// The words of a name.
pub(in crate::guard) fn words(name: &ObjectName) -> Result<Vec<&Ident>, Refusal> {
    name.0
        .iter()
        .map(|part| match part {
            ObjectNamePart::Identifier(ident) => Ok(ident),
            ObjectNamePart::Function(_) => Err(foreign("a name that is computed")),
        })
        .collect()
}
