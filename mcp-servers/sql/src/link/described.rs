//! What is read of tables, columns and databases.

use ropewalk_embed::{terms, words};

use crate::schema::{Column, Schema, Table};

/// Samples of a column that count.
const SAMPLES: usize = 5;

/// Longest part of a comment or of a table's text that is read, in bytes.
const LONG: usize = 300;
const LONGEST: usize = 2 << 10;

/// The stems of a name, and those that its comment has beside.
fn words_of(text: &str, comment: Option<&str>) -> Vec<String> {
    let mut all = terms(text);
    for term in terms(comment.map(short).unwrap_or_default()) {
        if !all.contains(&term) {
            all.push(term);
        }
    }
    all
}

/// The stems of a table: of its name, its columns, its samples.
pub(super) fn words_in(table: &Table) -> [Vec<String>; 3] {
    let columns = table.columns.iter();
    let samples = columns.clone().flat_map(|column| {
        let samples = column.samples.iter().take(SAMPLES);
        samples.flat_map(|sample| terms(short(sample)))
    });
    let samples = samples.collect();
    let columns = columns.flat_map(|column| words_of(&column.name, column.comment.as_deref()));
    [
        words_of(&table.name, table.comment.as_deref()),
        columns.collect(),
        samples,
    ]
}

/// The stems of a column with its samples.
pub(super) fn column_words(column: &Column) -> [Vec<String>; 1] {
    let mut all = words_of(&column.name, column.comment.as_deref());
    for sample in column.samples.iter().take(SAMPLES) {
        all.extend(terms(short(sample)));
    }
    [all]
}

/// A table as a text: its name and its columns.
pub(super) fn table(table: &Table) -> String {
    let columns: Vec<String> = table.columns.iter().map(readable_column).collect();
    let name = readable(&table.name, table.comment.as_deref());
    let mut text = format!("{name}: {}", columns.join(", "));
    text.truncate(text.floor_char_boundary(LONGEST));
    text
}

/// The columns of a table as texts, each with the table's name; the name alone where it has none.
pub(super) fn columns(table: &Table) -> impl Iterator<Item = String> {
    let name = words(&table.name).join(" ");
    let alone = table.columns.is_empty().then(|| name.clone());
    let columns = table.columns.iter();
    let columns = columns.map(move |column| format!("{name} {}", readable_column(column)));
    columns.chain(alone)
}

/// A database as a text: its name and its tables.
pub(super) fn database(name: &str, schema: &Schema) -> String {
    let tables = schema.tables.iter();
    let tables: Vec<String> = tables.map(|table| words(&table.name).join(" ")).collect();
    let mut text = format!("{}: {}", words(name).join(" "), tables.join(", "));
    text.truncate(text.floor_char_boundary(LONGEST));
    text
}

fn readable_column(column: &Column) -> String {
    readable(&column.name, column.comment.as_deref())
}

fn readable(name: &str, comment: Option<&str>) -> String {
    let name = words(name).join(" ");
    match comment {
        Some(comment) => format!("{name} ({})", short(comment)),
        None => name,
    }
}

fn short(text: &str) -> &str {
    text.get(..text.floor_char_boundary(LONG)).unwrap_or(text)
}
