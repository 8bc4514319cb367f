//! Values as Python writes them: `json.dumps` and `str`. Templates were written for Jinja2, and
//! models were trained on what Python prints.

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Error, ErrorKind, State, Value};

/// How deep a value may be.
const MAX_DEPTH: usize = 200;

/// The layout of `json.dumps`.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    ensure_ascii: bool,
    /// What one level is indented by; all on one line when `None`.
    indent: Option<String>,
    item_separator: String,
    key_separator: String,
    sort_keys: bool,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            ensure_ascii: false,
            indent: None,
            item_separator: ", ".to_owned(),
            key_separator: ": ".to_owned(),
            sort_keys: false,
        }
    }
}

impl Layout {
    /// What a template asks for: `tojson(indent=4)`, `separators`, `ensure_ascii`, `sort_keys`.
    pub(crate) fn from_arguments(indent: Option<Value>, kwargs: &Kwargs) -> Result<Self, Error> {
        let mut layout = Self::default();
        let indent = match indent {
            Some(indent) => Some(indent),
            None => kwargs.get::<Option<Value>>("indent")?,
        };
        match indent {
            Some(value) if value.is_none() || value.is_undefined() => {}
            Some(value) => {
                layout.indent = Some(match value.as_str() {
                    Some(text) => text.to_owned(),
                    None => " ".repeat(value.as_usize().unwrap_or(0).min(16)),
                });
                layout.item_separator = ",".to_owned();
            }
            None => {}
        }
        if let Some(ascii) = kwargs.get::<Option<bool>>("ensure_ascii")? {
            layout.ensure_ascii = ascii;
        }
        if let Some(sort) = kwargs.get::<Option<bool>>("sort_keys")? {
            layout.sort_keys = sort;
        }
        if let Some(pair) = kwargs.get::<Option<Vec<String>>>("separators")?
            && let [item, key] = pair.as_slice()
        {
            layout.item_separator.clone_from(item);
            layout.key_separator.clone_from(key);
        }
        kwargs.assert_all_used()?;
        Ok(layout)
    }
}

/// `json.dumps(value)`. The work is charged to the fuel of `state`, where there is one: a few
/// lines of a template make a value that would take forever to write out.
pub(crate) fn dumps(
    value: &Value,
    layout: &Layout,
    state: Option<&State>,
) -> Result<String, Error> {
    let mut sink = Sink::new(state);
    sink.dump(value, layout, 0)?;
    Ok(sink.out)
}

/// `str(value)`: what `{{ value }}` prints.
pub(crate) fn python_str(value: &Value, state: Option<&State>) -> Result<String, Error> {
    if let Some(text) = value.as_str() {
        return Ok(text.to_owned());
    }
    let mut sink = Sink::new(state);
    sink.repr(value, 0)?;
    Ok(sink.out)
}

/// Text that is paid for while it grows.
struct Sink<'a> {
    out: String,
    state: Option<&'a State<'a, 'a>>,
    paid: usize,
}

impl<'a> Sink<'a> {
    fn new(state: Option<&'a State>) -> Self {
        Self {
            out: String::new(),
            state,
            paid: 0,
        }
    }

    /// Called once for each value.
    fn step(&mut self, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH {
            return Err(Error::new(
                ErrorKind::InvalidOperation,
                "a value is nested too deeply to be written out",
            ));
        }
        if let Some(state) = self.state {
            let new = self.out.len().saturating_sub(self.paid) / 64 + 1;
            self.paid = self.out.len();
            state.consume_fuel(u64::try_from(new).unwrap_or(u64::MAX))?;
        }
        Ok(())
    }

    fn dump(&mut self, value: &Value, layout: &Layout, depth: usize) -> Result<(), Error> {
        self.step(depth)?;
        match value.kind() {
            ValueKind::None => self.out.push_str("null"),
            ValueKind::Bool => self
                .out
                .push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => number(&mut self.out, value),
            ValueKind::String => {
                quoted(&mut self.out, value.as_str().unwrap_or_default(), layout);
            }
            ValueKind::Map => {
                let mut keys: Vec<Value> = value.try_iter()?.collect();
                if layout.sort_keys {
                    keys.sort();
                }
                let members = keys.into_iter().map(|key| {
                    let member = value.get_item(&key)?;
                    Ok((Some(key), member))
                });
                self.block(('{', '}'), members, layout, depth)?;
            }
            ValueKind::Seq | ValueKind::Iterable => {
                let items = value.try_iter()?.map(|item| Ok((None, item)));
                self.block(('[', ']'), items, layout, depth)?;
            }
            other => {
                return Err(Error::new(
                    ErrorKind::InvalidOperation,
                    format!("a value of the kind {other} cannot be written as JSON"),
                ));
            }
        }
        Ok(())
    }

    fn block(
        &mut self,
        brackets: (char, char),
        items: impl Iterator<Item = Result<(Option<Value>, Value), Error>>,
        layout: &Layout,
        depth: usize,
    ) -> Result<(), Error> {
        self.out.push(brackets.0);
        let mut empty = true;
        for item in items {
            let (key, item) = item?;
            if !empty {
                self.out.push_str(&layout.item_separator);
            }
            empty = false;
            self.line(layout, depth + 1);
            if let Some(key) = key {
                if key.as_str().is_some() {
                    self.dump(&key, layout, depth + 1)?;
                } else {
                    self.out.push('"');
                    self.dump(&key, layout, depth + 1)?;
                    self.out.push('"');
                }
                self.out.push_str(&layout.key_separator);
            }
            self.dump(&item, layout, depth + 1)?;
        }
        if !empty {
            self.line(layout, depth);
        }
        self.out.push(brackets.1);
        Ok(())
    }

    fn line(&mut self, layout: &Layout, depth: usize) {
        if let Some(indent) = &layout.indent {
            self.out.push('\n');
            self.out.extend(std::iter::repeat_n(indent.as_str(), depth));
        }
    }

    fn repr(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        self.step(depth)?;
        match value.kind() {
            ValueKind::None => self.out.push_str("None"),
            ValueKind::Bool => self
                .out
                .push_str(if value.is_true() { "True" } else { "False" }),
            ValueKind::Number => number(&mut self.out, value),
            ValueKind::String => repr_text(&mut self.out, value.as_str().unwrap_or_default()),
            ValueKind::Map => {
                self.out.push('{');
                for (at, key) in value.try_iter()?.enumerate() {
                    if at > 0 {
                        self.out.push_str(", ");
                    }
                    self.repr(&key, depth + 1)?;
                    self.out.push_str(": ");
                    self.repr(&value.get_item(&key)?, depth + 1)?;
                }
                self.out.push('}');
            }
            ValueKind::Seq | ValueKind::Iterable => {
                self.out.push('[');
                for (at, item) in value.try_iter()?.enumerate() {
                    if at > 0 {
                        self.out.push_str(", ");
                    }
                    self.repr(&item, depth + 1)?;
                }
                self.out.push(']');
            }
            _ => self.out.push_str(&value.to_string()),
        }
        Ok(())
    }
}

fn quoted(out: &mut String, text: &str, layout: &Layout) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            control if u32::from(control) < 0x20 => {
                out.push_str(&format!("\\u{:04x}", u32::from(control)));
            }
            wide if layout.ensure_ascii && !wide.is_ascii() && !super::guard::is_private(wide) => {
                let mut units = [0u16; 2];
                for unit in wide.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

fn number(out: &mut String, value: &Value) {
    if value.is_integer() {
        out.push_str(&value.to_string());
    } else {
        match f64::try_from(value.clone()) {
            Ok(float) => out.push_str(&python_float(float)),
            Err(_) => out.push_str(&value.to_string()),
        }
    }
}

/// A float as Python's `repr` writes it: plain between 1e-4 and 1e16, with at least one digit
/// after the point, and a signed exponent of two digits elsewhere.
fn python_float(float: f64) -> String {
    if float.is_nan() {
        return "NaN".to_owned();
    }
    if float.is_infinite() {
        return if float > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    let size = float.abs();
    if size != 0.0 && !(1e-4..1e16).contains(&size) {
        let text = format!("{float:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, digits) = match exponent.strip_prefix('-') {
            Some(digits) => ('-', digits),
            None => ('+', exponent),
        };
        return format!("{mantissa}e{sign}{digits:0>2}");
    }
    let text = float.to_string();
    if text.contains('.') {
        text
    } else {
        format!("{text}.0")
    }
}

/// Single quotes, unless the text has some and no double ones.
fn repr_text(out: &mut String, text: &str) {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    out.push(quote);
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            same if same == quote => {
                out.push('\\');
                out.push(same);
            }
            control if control.is_control() => {
                out.push_str(&format!("\\x{:02x}", u32::from(control)));
            }
            other => out.push(other),
        }
    }
    out.push(quote);
}

#[cfg(test)]
mod tests {
    use minijinja::value::Serde;

    use super::*;

    fn value(json: &str) -> Value {
        Value::from(Serde(
            serde_json::from_str::<serde_json::Value>(json).unwrap(),
        ))
    }

    #[test]
    fn json_is_written_as_python_writes_it() {
        let value =
            value(r#"{"b": [1, 1.0, 1e-7, 1e16, true, null], "a": "<é>&'\"\u0001", "e": {}}"#);
        assert_eq!(
            dumps(&value, &Layout::default(), None).unwrap(),
            r#"{"b": [1, 1.0, 1e-07, 1e+16, true, null], "a": "<é>&'\"\u0001", "e": {}}"#
        );
        let layout = Layout {
            indent: Some("  ".to_owned()),
            item_separator: ",".to_owned(),
            ensure_ascii: true,
            sort_keys: true,
            ..Layout::default()
        };
        assert_eq!(
            dumps(&value, &layout, None).unwrap(),
            "{\n  \"a\": \"<\\u00e9>&'\\\"\\u0001\",\n  \"b\": [\n    1,\n    1.0,\n    1e-07,\n    1e+16,\n    true,\n    null\n  ],\n  \"e\": {}\n}"
        );
    }

    #[test]
    fn values_are_printed_as_python_prints_them() {
        let value = value(r#"{"a": [true, null, 2.5], "b": "it's", "c": "x\n"}"#);
        assert_eq!(
            python_str(&value, None).unwrap(),
            r#"{'a': [True, None, 2.5], 'b': "it's", 'c': 'x\n'}"#
        );
    }

    #[test]
    fn a_value_without_an_end_to_its_depth_is_an_error() {
        let mut value = Value::from(1);
        for _ in 0..1_000 {
            value = Value::from(vec![value]);
        }
        assert!(dumps(&value, &Layout::default(), None).is_err());
        assert!(python_str(&value, None).is_err());
        // Dropping a deep value recurses too; it is let go level by level.
        while let Ok(inner) = value.get_item_by_index(0) {
            if inner.is_undefined() {
                break;
            }
            value = inner;
        }
    }
}
