//! What is in a SQLite file.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::database::sqlite::connection;
use crate::database::{DatabaseError, keys};
use crate::guard::{Rules, may_read};
use crate::schema::{Column, ForeignKey, Schema, Table};

/// Rows of a table that are looked at for samples.
const SAMPLED: usize = 200;

/// Samples that are kept of a column.
const SAMPLES: usize = 5;

/// Longest sample, in characters.
const SAMPLE_LENGTH: usize = 60;

/// Largest value that is looked at for samples, in bytes: larger ones are not read at all.
const SAMPLED_BYTES: usize = 64 << 10;

/// How long sampling and counting one table may take; what takes longer is left out.
const PATIENCE: Duration = Duration::from_millis(200);

/// How long it may take for all of them.
const LOOKING: Duration = Duration::from_secs(5);

pub(super) fn schema(path: &Path, rules: &Arc<Rules>) -> Result<Schema, DatabaseError> {
    let mut connection = connection::open(path)?;
    // A connection of its own, without rules: SQLite tells what is in a file by reading tables
    // that no statement may read.
    let until = Arc::new(Mutex::new(None::<Instant>));
    let seen = Arc::clone(&until);
    let failed = |error: rusqlite::Error| match connection::statement(&error) {
        DatabaseError::Statement { reason } => DatabaseError::Statement {
            reason: format!("its schema cannot be read: {reason}"),
        },
        other => other,
    };
    connection
        .progress_handler(
            1_000,
            Some(move || {
                let until = seen.lock().unwrap_or_else(PoisonError::into_inner);
                until.is_some_and(|until| until <= Instant::now())
            }),
        )
        .map_err(failed)?;
    let mut tables = named(&connection).map_err(failed)?;
    tables.retain(|(name, _)| may_read(name, rules));
    let end = Instant::now().checked_add(LOOKING);
    let set = |instant| *until.lock().unwrap_or_else(PoisonError::into_inner) = instant;
    let tables = tables
        .into_iter()
        .map(|(name, view)| {
            let mut table = described(&connection, name, view)?;
            let name = table.name.clone();
            let seen = |column: &Column| rules.may_see_column(&name, &column.name);
            table.columns.retain(seen);
            set(Instant::now().checked_add(PATIENCE).min(end));
            // Both may fail: a view that no longer fits its tables is still there.
            // Of tables whose rows are not all to be seen, not even how many there are.
            if !rules.filters(&table.name) {
                let _ = sample(&connection, &mut table);
                table.rows = count(&connection, &table).ok();
            }
            set(None);
            Ok(table)
        })
        .collect::<rusqlite::Result<Vec<Table>>>()
        .map_err(failed)?;
    let mut schema = Schema { tables };
    keys::hide(&mut schema, rules);
    Ok(schema)
}

/// The tables and views, without what SQLite and its extensions keep for themselves.
fn named(connection: &Connection) -> rusqlite::Result<Vec<(String, bool)>> {
    let mut listed = connection.prepare(
        "SELECT name, type FROM pragma_table_list WHERE schema = 'main' \
         AND type IN ('table', 'view', 'virtual') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
         ORDER BY name",
    )?;
    let rows = listed.query_map([], |row| {
        let kind: String = row.get(1)?;
        Ok((row.get(0)?, kind == "view"))
    })?;
    rows.collect()
}

fn described(connection: &Connection, name: String, view: bool) -> rusqlite::Result<Table> {
    let mut listed = connection.prepare(
        "SELECT name, type, \"notnull\", pk FROM pragma_table_xinfo(?1) WHERE hidden <> 1 \
         ORDER BY cid",
    )?;
    let mut keys = BTreeMap::new();
    let mut columns = Vec::new();
    let mut rows = listed.query([&name])?;
    while let Some(row) = rows.next()? {
        let column: String = row.get(0)?;
        let key: i64 = row.get(3)?;
        if key > 0 {
            keys.insert(key, column.clone());
        }
        columns.push(Column {
            name: column,
            kind: row.get(1)?,
            nullable: !row.get::<_, bool>(2)? && key == 0,
            comment: None,
            samples: Vec::new(),
        });
    }
    let foreign_keys = foreign_keys(connection, &name)?;
    Ok(Table {
        name,
        view,
        comment: None,
        columns,
        primary_key: keys.into_values().collect(),
        foreign_keys,
        rows: None,
    })
}

fn foreign_keys(connection: &Connection, name: &str) -> rusqlite::Result<Vec<ForeignKey>> {
    let mut listed = connection.prepare(
        "SELECT id, \"table\", \"from\", \"to\" FROM pragma_foreign_key_list(?1) ORDER BY id, seq",
    )?;
    let mut keys: BTreeMap<i64, ForeignKey> = BTreeMap::new();
    let mut rows = listed.query([name])?;
    while let Some(row) = rows.next()? {
        let table: String = row.get(1)?;
        let column: String = row.get(2)?;
        let target: Option<String> = row.get(3)?;
        let key = keys.entry(row.get(0)?).or_insert_with(|| ForeignKey {
            columns: Vec::new(),
            table: table.clone(),
            targets: Vec::new(),
        });
        key.columns.push(column);
        // Without a name the key of the other table is meant.
        let target = match target {
            Some(target) => Some(target),
            None => primary_key(connection, &table, key.targets.len())?,
        };
        key.targets.extend(target);
    }
    Ok(keys.into_values().collect())
}

fn primary_key(
    connection: &Connection,
    table: &str,
    place: usize,
) -> rusqlite::Result<Option<String>> {
    let mut listed =
        connection.prepare("SELECT name FROM pragma_table_xinfo(?1) WHERE pk > 0 ORDER BY pk")?;
    let mut rows = listed.query_map([table], |row| row.get(0))?;
    rows.nth(place).transpose()
}

fn count(connection: &Connection, table: &Table) -> rusqlite::Result<u64> {
    let name = crate::Dialect::Sqlite.quoted(&table.name);
    let sql = format!("SELECT count(*) FROM {name}");
    let count: i64 = connection.query_row(&sql, [], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

/// A few different values of each column, from the first rows.
fn sample(connection: &Connection, table: &mut Table) -> rusqlite::Result<()> {
    let dialect = crate::Dialect::Sqlite;
    let values = table.columns.iter().map(|column| {
        let name = dialect.quoted(&column.name);
        format!("CASE WHEN octet_length({name}) <= {SAMPLED_BYTES} THEN {name} END")
    });
    let values: Vec<String> = values.collect();
    let sql = format!(
        "SELECT {} FROM {} LIMIT {SAMPLED}",
        values.join(", "),
        dialect.quoted(&table.name)
    );
    let mut prepared = connection.prepare(&sql)?;
    let mut rows = prepared.query([])?;
    while let Some(row) = rows.next()? {
        for (place, column) in table.columns.iter_mut().enumerate() {
            let value = match row.get_ref(place)? {
                rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                rusqlite::types::ValueRef::Real(number) => number.to_string(),
                rusqlite::types::ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
                _ => continue,
            };
            let value: String = value.chars().take(SAMPLE_LENGTH).collect();
            if column.samples.len() < SAMPLES && !column.samples.contains(&value) {
                column.samples.push(value);
            }
        }
    }
    Ok(())
}
