//! A checked statement written down.
//!
//! The parser's own way of writing texts cannot be used for it: to keep what was escaped as it was,
//! it leaves a quote alone that follows a backslash or another quote, so that a text which holds
//! `\'` ends early and what follows it becomes code. Texts and quoted names are therefore written
//! here, and what was written is read again: only if that gives the same tree it is sent.

use std::ops::ControlFlow;

use sqlparser::ast::{Ident, Query, Value, ValueWithSpan, VisitMut, VisitorMut};

use crate::dialect::Dialect;
use crate::guard::{Guard, Refusal};

/// The statement as it is sent.
pub(super) fn write(query: &Query, guard: &Guard) -> Result<String, Refusal> {
    let dialect = guard.dialect;
    let mut plain = query.clone();
    visit(&mut plain, &mut Plain)?;
    let mut held = plain.clone();
    let mut holes = Holes {
        dialect,
        mark: mark(&plain.to_string()),
        texts: Vec::new(),
    };
    visit(&mut held, &mut holes)?;
    let sql = holes.filled(&held.to_string());
    let mut again = guard.parsed(&sql).map_err(|_| ambiguous())?;
    visit(&mut again, &mut Plain)?;
    if again == plain {
        Ok(sql)
    } else {
        Err(ambiguous())
    }
}

fn ambiguous() -> Refusal {
    Refusal::new(
        "the statement cannot be written down so that it means the same",
        "write it more simply",
    )
}

fn visit(query: &mut Query, visitor: &mut impl VisitorMut<Break = Refusal>) -> Result<(), Refusal> {
    match query.visit(visitor) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(refusal) => Err(refusal),
    }
}

/// Makes all texts texts in single quotes.
struct Plain;

impl VisitorMut for Plain {
    type Break = Refusal;

    fn pre_visit_value(&mut self, value: &mut ValueWithSpan) -> ControlFlow<Refusal> {
        let text = match &value.value {
            Value::DoubleQuotedString(text)
            | Value::EscapedStringLiteral(text)
            | Value::UnicodeStringLiteral(text)
            | Value::NationalStringLiteral(text) => text.clone(),
            Value::DollarQuotedString(text) => text.value.clone(),
            Value::HexStringLiteral(digits) | Value::SingleQuotedByteStringLiteral(digits) => {
                let fine = digits.chars().all(|digit| digit.is_ascii_hexdigit());
                return if fine {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(Refusal::new(
                        "a row of bytes holds something else than digits",
                        "write X'…' with hexadecimal digits",
                    ))
                };
            }
            _ => return ControlFlow::Continue(()),
        };
        value.value = Value::SingleQuotedString(text);
        ControlFlow::Continue(())
    }
}

/// Takes texts and quoted names out, and leaves marks in their places.
struct Holes {
    dialect: Dialect,
    mark: String,
    texts: Vec<String>,
}

impl Holes {
    fn hole(&mut self, text: String) -> String {
        let number = self.texts.len();
        self.texts.push(text);
        format!("{}_{number}_", self.mark)
    }

    /// With what was taken out in the places of the marks, quotes and all.
    fn filled(&self, written: &str) -> String {
        let mut filled = written.to_owned();
        for (number, text) in self.texts.iter().enumerate() {
            let mark = format!("{}_{number}_", self.mark);
            filled = filled
                .replace(&format!("'{mark}'"), text)
                .replace(&self.dialect.quoted(&mark), text);
        }
        filled
    }
}

impl VisitorMut for Holes {
    type Break = Refusal;

    fn pre_visit_value(&mut self, value: &mut ValueWithSpan) -> ControlFlow<Refusal> {
        if let Value::SingleQuotedString(text) = &value.value
            && !is_plain(text)
        {
            let literal = self.dialect.literal(text);
            value.value = Value::SingleQuotedString(self.hole(literal));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_ident(&mut self, ident: &mut Ident) -> ControlFlow<Refusal> {
        if ident.quote_style.is_some() && !is_plain(&ident.value) {
            let quoted = self.dialect.quoted(&ident.value);
            ident.value = self.hole(quoted);
            ident.quote_style = Some(self.dialect.quote());
        }
        ControlFlow::Continue(())
    }
}

/// Whether a text is written the same by everybody.
fn is_plain(text: &str) -> bool {
    !text.contains(['\'', '"', '`', '\\', ']', '['])
}

/// A word that the statement does not hold.
fn mark(statement: &str) -> String {
    let mut mark = "hole".to_owned();
    while statement.contains(&mark) {
        mark.push('x');
    }
    mark
}
