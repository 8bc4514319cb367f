//! Whether the first row of a table says what its columns are called.

use crate::database::files::types::{Kind, Seen, Value};

/// Rows after the first that are looked at.
pub(super) const SAMPLED: usize = 200;

/// What is known of a column from its first rows.
#[derive(Default)]
struct Column {
    seen: Seen,
    /// Whether the first row's text is among those of the others.
    repeats: bool,
}

/// Collects the first rows, to tell by them.
#[derive(Default)]
pub(super) struct First {
    row: Vec<Value<'static>>,
    columns: Vec<Column>,
    rows: usize,
}

impl First {
    /// Takes a row; `false` once they were enough.
    pub(super) fn take(&mut self, row: &[Value<'_>]) -> bool {
        if self.rows == 0 {
            self.row = row.iter().map(Value::owned).collect();
        } else {
            self.columns
                .resize_with(self.columns.len().max(row.len()), Column::default);
            for (place, (column, value)) in self.columns.iter_mut().zip(row).enumerate() {
                column.seen.see(value);
                column.repeats |= self.row.get(place).is_some_and(|first| first == value);
            }
        }
        self.rows = self.rows.saturating_add(1);
        self.rows <= SAMPLED
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The names in the first row, where it holds names.
    ///
    /// It does where it has a text over a column of something else. It does not where it has a
    /// value as its column has them, a number over numbers; but years over numbers, beside texts,
    /// are names. Of texts over texts it does unless one of them comes again in its column.
    pub(super) fn names(&self) -> Option<Vec<String>> {
        let (mut over, mut among, mut repeats) = (false, false, false);
        for (place, first) in self.row.iter().enumerate() {
            if matches!(first, Value::Null) {
                continue;
            }
            let below = self.columns.get(place).filter(|column| column.seen.any());
            let kind = below.map_or(Kind::Text, |column| column.seen.kind());
            if kind == Kind::Text {
                among |= below.is_none() && !is_text(first);
                repeats |= below.is_some_and(|column| column.repeats);
            } else if below.is_some_and(|column| column.seen.takes(first)) {
                among = true;
            } else {
                over = true;
            }
        }
        let named = over || !repeats && (!among || self.is_years());
        named.then(|| self.row.iter().map(name).collect())
    }

    /// Whether all but texts in the first row are years.
    fn is_years(&self) -> bool {
        let texts = self.row.iter().filter(|value| is_text(value)).count();
        let year = |value: &Value<'_>| {
            let name = name(value);
            name.len() == 4 && (name.starts_with("19") || name.starts_with("20"))
        };
        texts > 0 && self.row.iter().all(|value| is_text(value) || year(value))
    }
}

/// Whether a value is text, and nothing that could be a number or a time.
fn is_text(value: &Value<'_>) -> bool {
    let mut seen = Seen::default();
    seen.see(value);
    seen.any() && seen.kind() == Kind::Text
}

fn name(value: &Value<'_>) -> String {
    value.told().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(rows: &[&[&'static str]]) -> Option<Vec<String>> {
        let mut first = First::default();
        for row in rows {
            let written = |text: &&'static str| match *text {
                "" => Value::Null,
                text => Value::Written(text.into()),
            };
            first.take(&row.iter().map(written).collect::<Vec<_>>());
        }
        first.names()
    }

    #[test]
    fn names_are_told_from_values() {
        for named in [
            &[&["id", "name"][..], &["1", "Ada"]][..],
            &[&["name", "city"], &["Ada", "London"]],
            &[&["", "name"], &["1", "Ada"]],
            &[&["name", "city"]],
            &[&["Country", "1990", "2020"], &["Chad", "5", "6.5"]],
            &[&["day", "x"], &["2024-01-01", "a"]],
            &[&["a", "b"], &["", ""]],
        ] {
            let first = named[0].iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(names(named), Some(first), "{named:?}");
        }
        for unnamed in [
            &[&["1", "Ada"][..], &["2", "Grace"]][..],
            &[&["1990", "2020"], &["5", "6"]],
            &[&["yes", "Ada"], &["no", "Grace"], &["yes", "Edsger"]],
            &[&["1", "2"]],
            &[&["2024-01-01", "a"], &["2024-01-02", "b"]],
        ] {
            assert_eq!(names(unnamed), None, "{unnamed:?}");
        }
    }
}
