//! Grammars in llguidance's Lark dialect, whose inline schemas are held to what all schemas are.

use serde_json::{Deserializer, Value};

use super::schema::{self, Budget};

/// Deepest nesting of brackets outside schemas.
const DEEPEST: usize = 64;

/// The grammar with its inline schemas prepared, and how many bytes of it are not schemas.
pub(super) fn prepared(grammar: &str) -> Result<(String, usize), String> {
    let mut budget = Budget::default();
    let mut out = String::with_capacity(grammar.len());
    let mut own = 0;
    let mut rest = grammar;
    let mut depth = 0_usize;
    while let Some(first) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("%json") {
            let (schema, len) = inline(after)?;
            let schema = schema::prepared(&schema, &mut budget)?;
            out.push_str("%json ");
            out.push_str(&schema.to_string());
            rest = after.get(len..).unwrap_or_default();
            continue;
        }
        let len = match first {
            '"' => quoted(rest, '"'),
            '#' => line(rest),
            '/' if rest.starts_with("//") => line(rest),
            '/' => quoted(rest, '/'),
            _ => first.len_utf8(),
        };
        match first {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST {
            return Err(format!("its brackets nest deeper than {DEEPEST}"));
        }
        let (token, after) = rest.split_at_checked(len).unwrap_or((rest, ""));
        out.push_str(token);
        own += token.len();
        rest = after;
    }
    Ok((out, own))
}

/// A schema at the start of a text, and how long it is.
fn inline(text: &str) -> Result<(Value, usize), String> {
    let mut values = Deserializer::from_str(text).into_iter::<Value>();
    match values.next() {
        Some(Ok(schema)) => Ok((schema, values.byte_offset())),
        Some(Err(error)) => Err(format!("what follows `%json` is no JSON: {error}")),
        None => Err("nothing follows `%json`".to_owned()),
    }
}

/// Bytes up to and with the closing mark.
fn quoted(text: &str, mark: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == mark => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

fn line(text: &str) -> usize {
    text.find('\n').unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_schemas_are_touched() {
        let grammar = r##"
            start: "%json {" /a\/%json/ obj // %json nothing
            # %json nothing "
            obj: %json {"x-guidance": {"lenient": true}, "type": "boolean"} | "\"%json"
        "##;
        let (out, own) = prepared(grammar).unwrap();
        assert!(!out.contains("lenient"));
        let before = |text: &str| text[..text.find("obj:").unwrap()].to_owned();
        assert_eq!(before(&out), before(grammar));
        assert!(out.trim_end().ends_with(r#"| "\"%json""#));
        assert!(own < grammar.len());
    }

    #[test]
    fn a_schema_that_is_cut_off_is_an_error() {
        assert!(prepared("start: %json {\"type\": ").is_err());
        assert!(prepared("start: %json").is_err());
        assert!(prepared(&format!("start: {}", "(".repeat(100_000))).is_err());
    }
}
