//! How JSON is laid out, and new JSON in the same way.

use serde_json::Value as Data;

/// How the file is laid out.
pub(super) struct Layout {
    pub(super) newline: &'static str,
    /// One step of indentation.
    pub(super) unit: String,
}

impl Layout {
    pub(super) fn of(text: &str) -> Self {
        let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
        // The first line that is indented shows how far a step goes.
        let indents = text.lines().filter_map(|line| {
            let rest = line.trim_start_matches([' ', '\t']);
            let indent = line.strip_suffix(rest)?;
            (rest.starts_with('"') && !indent.is_empty()).then_some(indent)
        });
        let unit = indents.min_by_key(|indent| indent.len());
        Self {
            newline,
            unit: unit.unwrap_or("  ").to_owned(),
        }
    }
}

/// A value that is to be written.
pub(super) enum Written {
    Table(Vec<(String, Written)>),
    /// Anything that fits on a line.
    Value(Data),
}

impl Written {
    /// Tables over several lines, the first of which stands behind `indent`.
    pub(super) fn over_lines(&self, layout: &Layout, indent: &str) -> String {
        let Self::Table(properties) = self else {
            return self.on_one_line();
        };
        let Layout { newline, unit } = layout;
        let deeper = format!("{indent}{unit}");
        let properties: Vec<String> = properties
            .iter()
            .map(|(key, value)| {
                let value = value.over_lines(layout, &deeper);
                format!("{newline}{deeper}{}: {value}", quoted(key))
            })
            .collect();
        format!("{{{}{newline}{indent}}}", properties.join(","))
    }

    pub(super) fn on_one_line(&self) -> String {
        match self {
            Self::Value(value) => on_one_line(value),
            Self::Table(properties) => {
                let properties = properties
                    .iter()
                    .map(|(key, value)| format!("{}: {}", quoted(key), value.on_one_line()));
                format!("{{{}}}", properties.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

pub(super) fn on_one_line(value: &Data) -> String {
    match value {
        Data::Array(items) => {
            let items: Vec<String> = items.iter().map(ToString::to_string).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}

pub(super) fn quoted(key: &str) -> String {
    Data::from(key).to_string()
}
