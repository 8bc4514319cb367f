//! What tables hold, in a sentence each: made from their names, keys and sizes, or by a model, kept,
//! and made anew when a table has changed.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, params};
use thiserror::Error;

use crate::schema::{Schema, Table};

/// Columns that a description names.
const COLUMNS: usize = 6;

/// Longest description by a model, in characters.
const LONGEST: usize = 400;

/// Why descriptions are not kept.
#[derive(Debug, Error)]
#[error("the file of descriptions: {0}")]
pub struct DescriptionsError(#[from] rusqlite::Error);

/// The descriptions of the tables of one database.
pub struct Descriptions {
    database: String,
    kept: Mutex<Kept>,
}

struct Kept {
    file: Option<Connection>,
    /// How many were written since it was opened.
    learned: u64,
    /// By the names of tables: what the table looked like, and what was written of it.
    written: BTreeMap<String, (String, String)>,
}

impl Descriptions {
    /// The descriptions of a database, in a file where one is given.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn open(database: &str, file: Option<&Path>) -> Result<Self, DescriptionsError> {
        let mut kept = Kept {
            file: None,
            learned: 0,
            written: BTreeMap::new(),
        };
        if let Some(file) = file {
            let connection = Connection::open(file)?;
            connection.busy_timeout(std::time::Duration::from_secs(5))?;
            connection.execute_batch(
                "PRAGMA journal_mode = WAL;
                 CREATE TABLE IF NOT EXISTS description (
                     database TEXT NOT NULL, name TEXT NOT NULL, looks TEXT NOT NULL,
                     text TEXT NOT NULL, PRIMARY KEY (database, name));",
            )?;
            let sql = "SELECT name, looks, text FROM description WHERE database = ?1";
            let mut statement = connection.prepare(sql)?;
            let rows = statement.query_map(params![database], |row| {
                Ok((row.get(0)?, (row.get(1)?, row.get(2)?)))
            })?;
            kept.written = rows.collect::<Result<_, _>>()?;
            drop(statement);
            kept.file = Some(connection);
        }
        Ok(Self {
            database: database.to_owned(),
            kept: Mutex::new(kept),
        })
    }

    /// The tables that nobody has described as they look now, neither a model nor the database.
    #[must_use]
    pub fn missing<'a>(&self, schema: &'a Schema) -> Vec<&'a Table> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let tables = schema.tables.iter();
        let missing = tables.filter(|table| table.comment.is_none() && kept.of(table).is_none());
        missing.collect()
    }

    /// Keeps what a model wrote of a table.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn learn(&self, table: &Table, text: &str) -> Result<(), DescriptionsError> {
        let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let text: String = text.chars().take(LONGEST).collect();
        let looks = looks(table);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &kept.file {
            file.execute(
                "INSERT OR REPLACE INTO description VALUES (?1, ?2, ?3, ?4)",
                params![self.database, table.name, looks, text],
            )?;
        }
        kept.written.insert(table.name.clone(), (looks, text));
        kept.learned = kept.learned.saturating_add(1);
        Ok(())
    }

    /// A schema with what a model wrote where the database says nothing itself.
    #[must_use]
    pub fn told_of(&self, schema: &Schema) -> Schema {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut told = schema.clone();
        for table in told
            .tables
            .iter_mut()
            .filter(|table| table.comment.is_none())
        {
            table.comment = kept.of(table).map(str::to_owned);
        }
        told
    }

    /// How many descriptions were learned since it was opened: what was told before is as good while
    /// this is the same.
    pub(crate) fn learned(&self) -> u64 {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.learned
    }

    /// Whether a model wrote anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.written.is_empty()
    }
}

impl Kept {
    /// What was written of a table that looks as it did then.
    fn of(&self, table: &Table) -> Option<&str> {
        let (looked, text) = self.written.get(&table.name)?;
        (*looked == looks(table)).then_some(text.as_str())
    }
}

/// What a description depends on: names and types, not rows.
fn looks(table: &Table) -> String {
    let mut hasher = DefaultHasher::new();
    table.view.hash(&mut hasher);
    for column in &table.columns {
        (&column.name, &column.kind).hash(&mut hasher);
    }
    for key in &table.foreign_keys {
        (&key.columns, &key.table).hash(&mut hasher);
    }
    format!("{:016x}", hasher.finish())
}

/// What is seen of a table without a model, in a sentence.
#[must_use]
pub fn seen(table: &Table, schema: &Schema) -> String {
    let kind = if table.view { "View" } else { "Table" };
    let is_key = |name: &String| {
        let mut keys = table.foreign_keys.iter().flat_map(|key| &key.columns);
        table.primary_key.contains(name) || keys.any(|key| key == name)
    };
    let plain: Vec<String> = table
        .columns
        .iter()
        .filter(|column| !is_key(&column.name))
        .map(|column| ropewalk_embed::words(&column.name).join(" "))
        .collect();
    let mut text = match plain.len() {
        0 => format!("{kind} without columns of its own"),
        count if count > COLUMNS => {
            let named: Vec<&str> = plain.iter().take(COLUMNS).map(String::as_str).collect();
            format!(
                "{kind} of {} and {} more",
                named.join(", "),
                count.saturating_sub(COLUMNS)
            )
        }
        _ => format!("{kind} of {}", plain.join(", ")),
    };
    let mut targets: Vec<&str> = table
        .foreign_keys
        .iter()
        .map(|key| key.table.as_str())
        .collect();
    targets.sort_unstable();
    targets.dedup();
    if !targets.is_empty() {
        text.push_str(&format!("; belongs to {}", targets.join(", ")));
    }
    let points = |other: &&Table| {
        let mut keys = other.foreign_keys.iter();
        other.name != table.name && keys.any(|key| key.table.eq_ignore_ascii_case(&table.name))
    };
    let from: Vec<&str> = schema
        .tables
        .iter()
        .filter(points)
        .take(COLUMNS)
        .map(|table| table.name.as_str())
        .collect();
    if !from.is_empty() {
        text.push_str(&format!("; {} belong to it", from.join(", ")));
    }
    text
}

/// What a model is told to describe tables: it replies with a line `name: sentence` for each.
#[must_use]
pub fn prompt(tables: &[&Table]) -> String {
    let mut text =
        "For each table below, write one line: the table's name, a colon, and one short \
                    sentence that says what a row of it is and what it is good for. Nothing else.\n"
            .to_owned();
    for table in tables {
        let columns: Vec<String> = table
            .columns
            .iter()
            .map(|column| {
                let sample = column.samples.first().map(|sample| {
                    let short: String = sample.chars().take(30).collect();
                    format!(
                        " ({})",
                        short.split_whitespace().collect::<Vec<_>>().join(" ")
                    )
                });
                format!("{}{}", column.name, sample.unwrap_or_default())
            })
            .collect();
        text.push_str(&format!("\n{}: {}", table.name, columns.join(", ")));
    }
    text
}

/// The lines of a reply that are about these tables.
#[must_use]
pub fn read<'a>(reply: &str, tables: &[&'a Table]) -> Vec<(&'a Table, String)> {
    let lines = reply.lines().filter_map(|line| line.split_once(':'));
    let found = lines.filter_map(|(name, text)| {
        let name = name.trim().trim_matches(['`', '"', '*', '-', ' ']);
        let table = tables
            .iter()
            .find(|table| table.name.eq_ignore_ascii_case(name))?;
        let text = text.trim();
        (!text.is_empty()).then(|| (*table, text.to_owned()))
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::{Descriptions, prompt, read, seen};
    use crate::schema::Schema;
    use crate::schema::made::table;

    fn schema() -> Schema {
        let mut schema = Schema {
            tables: vec![
                table("singer", &["id", "fullName", "country"], &[]),
                table("song", &["id", "title", "singer_id"], &["singer"]),
            ],
        };
        for column in schema
            .tables
            .iter_mut()
            .flat_map(|table| &mut table.columns)
        {
            column.samples.push("a\nsample".to_owned());
        }
        schema
    }

    #[test]
    fn what_is_seen_of_a_table_is_said() {
        let schema = schema();
        let said = |place: usize| seen(&schema.tables[place], &schema);
        assert_eq!(said(0), "Table of full name, country; song belong to it");
        assert_eq!(said(1), "Table of title; belongs to singer");
    }

    #[test]
    fn what_a_model_wrote_is_kept_until_the_table_changes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("descriptions.db");
        let mut schema = schema();
        let open = || Descriptions::open("music", Some(&file)).unwrap();
        let one = open();
        let missing = one.missing(&schema);
        assert_eq!(missing.len(), 2);
        assert!(prompt(&missing).contains("singer: id (a sample), fullName"));
        let reply = "Here they are:\n- `Singer`: Somebody\n who sings.\nsong: One song.\nother: x";
        for (table, text) in read(reply, &missing) {
            one.learn(table, &text).unwrap();
        }
        drop(one);
        let again = open();
        assert!(again.missing(&schema).is_empty());
        assert_eq!(
            again.told_of(&schema).tables[1].comment.as_deref(),
            Some("One song.")
        );
        schema.tables[1].columns.pop();
        assert_eq!(again.missing(&schema)[0].name, "song");
        assert_eq!(again.told_of(&schema).tables[1].comment, None);
        assert!(Descriptions::open("shop", Some(&file)).unwrap().is_empty());
    }
}
