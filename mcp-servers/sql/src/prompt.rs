//! What a model is told to write a statement: the dialect, the tables, what is known beside, the
//! question.

use std::fmt::Write as _;

use crate::dialect::Dialect;
use crate::grammar::CANNOT;
use crate::schema::{Column, Table};
use crate::semantics::{Example, Metric};

/// Samples of a column that a model sees, and their length in characters.
const SAMPLES: usize = 3;
const SAMPLE: usize = 30;

/// Columns of a table that a model sees.
const COLUMNS: usize = 60;

/// What is known about a question.
#[derive(Debug, Clone, Default)]
pub struct Known<'a> {
    /// The tables it may be about, the likeliest first.
    pub tables: Vec<&'a Table>,
    /// Values that it names, with their columns: `'France' is in singer.country`.
    pub values: Vec<String>,
    /// Questions like it.
    pub examples: Vec<Example>,
    /// Figures it names.
    pub metrics: Vec<&'a Metric>,
    /// Statements that did not work, with the reasons.
    pub failed: Vec<(String, String)>,
}

/// A prompt for one statement.
#[must_use]
pub fn prompt(question: &str, dialect: Dialect, known: &Known<'_>) -> String {
    let mut text = format!(
        "Write one {} SELECT statement that answers the question below from these tables. Reply \
         with the statement alone: no explanation, no formatting. Select exactly what is asked \
         for, in that order, and nothing else. Use only tables and columns that are listed. If \
         they cannot answer the question, reply with {CANNOT}and the reason.\n\nTables:\n",
        dialect.name()
    );
    // Writing to a text does not fail.
    for table in &known.tables {
        write_table(&mut text, table, dialect);
    }
    if !known.values.is_empty() {
        let _ = writeln!(text, "\nValues in the database that the question names:");
        for value in &known.values {
            let _ = writeln!(text, "{value}");
        }
    }
    if !known.metrics.is_empty() {
        let _ = writeln!(text, "\nFigures, as they are defined here:");
        for metric in &known.metrics {
            let _ = write!(
                text,
                "{}: {} = {} FROM {}",
                metric.name, metric.definition, metric.formula, metric.from
            );
            if let Some(filter) = &metric.filter {
                let _ = write!(text, " WHERE {filter}");
            }
            text.push('\n');
        }
    }
    for example in &known.examples {
        let _ = write!(
            text,
            "\nQuestion: {}\nSQL: {}\n",
            example.question, example.sql
        );
    }
    for (sql, reason) in &known.failed {
        let _ = write!(text, "\nThis did not work: {sql}\nbecause: {reason}\n");
    }
    let _ = write!(text, "\nQuestion: {question}\nSQL:");
    text
}

fn write_table(text: &mut String, table: &Table, dialect: Dialect) {
    let _ = write!(text, "{}", dialect.named_path(&table.name));
    if let Some(comment) = &table.comment {
        let _ = write!(text, " -- {}", line(comment));
    }
    text.push('\n');
    for column in table.columns.iter().take(COLUMNS) {
        write_column(text, table, column, dialect);
    }
    for key in &table.foreign_keys {
        let columns: Vec<String> = key.columns.iter().map(|name| dialect.named(name)).collect();
        let targets: Vec<String> = key.targets.iter().map(|name| dialect.named(name)).collect();
        let target = dialect.named_path(&key.table);
        let _ = writeln!(
            text,
            "  {} refers to {target}({})",
            columns.join(", "),
            targets.join(", ")
        );
    }
}

fn write_column(text: &mut String, table: &Table, column: &Column, dialect: Dialect) {
    let _ = write!(text, "  {}", dialect.named(&column.name));
    if !column.kind.is_empty() {
        let _ = write!(text, " {}", column.kind);
    }
    if table.primary_key.contains(&column.name) {
        text.push_str(" key");
    }
    if let Some(comment) = &column.comment {
        let _ = write!(text, " -- {}", line(comment));
    }
    let samples = column.samples.iter().take(SAMPLES);
    let samples: Vec<String> = samples
        .map(|sample| sample.chars().take(SAMPLE).collect::<String>())
        .map(|sample| line(&sample))
        .collect();
    if !samples.is_empty() {
        let _ = write!(text, " (such as {})", samples.join(" | "));
    }
    text.push('\n');
}

/// A text on one line: what a database holds does not end a line of a prompt.
fn line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
