//! Rows of a file into a table.
//!
//! A file is gone through twice: once to see what its columns are, over all rows, and once to fill
//! the table. That way no more of it than a row is ever held.

use rusqlite::Connection;
use rusqlite::types::{ToSqlOutput, Value as Owned, ValueRef};

use crate::Dialect;
use crate::database::files::FileError;
use crate::database::files::find::Source;
use crate::database::files::names::Names;
use crate::database::files::types::{Kind, Seen, Value, kept};
use crate::database::files::watch::Watch;

/// Most columns that SQLite has in a table.
pub(super) const MAX_COLUMNS: usize = 2_000;

/// Takes a row, and says whether more are wanted.
pub(super) type Take<'a> = dyn FnMut(&[Value<'_>]) -> Result<bool, FileError> + 'a;

/// The rows of one table in a file.
pub(super) trait Rows {
    /// Goes through the rows from the first to the last. A row may be shorter than others.
    fn each(&mut self, take: &mut Take<'_>) -> Result<(), FileError>;

    /// What the columns are called, once the rows were gone through; a column without a name has
    /// an empty one, or is beyond the last.
    fn names(&self) -> Vec<String>;

    /// What the columns are, as far as the file itself says it.
    fn kinds(&self) -> Vec<Option<Kind>> {
        Vec::new()
    }
}

/// A column of a table, and where it is in the rows.
struct Column {
    place: usize,
    name: String,
    kind: Kind,
}

/// Makes a table of rows.
pub(super) fn table(
    connection: &Connection,
    name: &str,
    source: &Source,
    rows: &mut dyn Rows,
    watch: &Watch<'_>,
) -> Result<(), FileError> {
    watch.pass(1);
    let columns = columns(source, rows, watch)?;
    let failed = |error: rusqlite::Error| keeping(connection, &error);
    let quoted = |name: &str| Dialect::Sqlite.quoted(name);
    let declared: Vec<String> = columns
        .iter()
        .map(|column| format!("{} {}", quoted(&column.name), column.kind.declared()))
        .collect();
    let name = quoted(name);
    let create = format!("CREATE TABLE {name} ({})", declared.join(", "));
    connection.execute_batch(&create).map_err(failed)?;
    let marks = vec!["?"; columns.len()].join(", ");
    let insert = format!("INSERT INTO {name} VALUES ({marks})");
    let mut insert = connection.prepare(&insert).map_err(failed)?;
    watch.pass(2);
    rows.each(&mut |row| {
        watch.row()?;
        let mut bytes = 0_u64;
        for (at, column) in columns.iter().enumerate() {
            let value = row.get(column.place).unwrap_or(&Value::Null);
            // What was seen of the file no longer holds.
            let changed = || FileError::Changed {
                path: source.path.clone(),
            };
            let value = kept(value, column.kind).ok_or_else(changed)?;
            bytes = bytes.saturating_add(size(&value));
            let bound = insert.raw_bind_parameter(at.saturating_add(1), value);
            bound.map_err(failed)?;
        }
        watch.kept(bytes)?;
        insert.raw_execute().map_err(failed)?;
        Ok(true)
    })
}

/// The bytes of a text or a blob; numbers have few.
fn size(value: &ToSqlOutput<'_>) -> u64 {
    let bytes = match value {
        ToSqlOutput::Borrowed(ValueRef::Text(bytes) | ValueRef::Blob(bytes)) => bytes.len(),
        ToSqlOutput::Owned(Owned::Text(text)) => text.len(),
        _ => 0,
    };
    bytes as u64
}

fn columns(
    source: &Source,
    rows: &mut dyn Rows,
    watch: &Watch<'_>,
) -> Result<Vec<Column>, FileError> {
    let mut seen: Vec<Seen> = Vec::new();
    let known = rows.kinds();
    if known.is_empty() || known.contains(&None) {
        rows.each(&mut |row| {
            watch.row()?;
            if row.len() > seen.len() {
                seen.resize(row.len(), Seen::default());
            }
            for (seen, value) in seen.iter_mut().zip(row) {
                seen.see(value);
            }
            Ok(true)
        })?;
    }
    let named = rows.names();
    let width = named.len().max(seen.len());
    let nameless = named.iter().all(String::is_empty);
    let mut names = Names::default();
    let mut columns = Vec::new();
    for place in 0..width {
        let name = named.get(place).map(String::as_str).unwrap_or_default();
        let seen = seen.get(place).copied().unwrap_or_default();
        let kind = known.get(place).copied().flatten();
        // Nothing is in it, and nothing above it: marks at the ends of lines, blanks beside a
        // table.
        if name.is_empty() && !nameless && !seen.any() && known.is_empty() {
            continue;
        }
        columns.push(Column {
            place,
            name: names.column(name, place),
            kind: kind.unwrap_or_else(|| seen.kind()),
        });
    }
    let path = source.path.clone();
    match columns.len() {
        0 => Err(FileError::Empty { path }),
        1..=MAX_COLUMNS => Ok(columns),
        _ => Err(FileError::Columns {
            path,
            limit: MAX_COLUMNS,
        }),
    }
}

/// What went wrong when something was written to the database.
pub(super) fn keeping(connection: &Connection, error: &rusqlite::Error) -> FileError {
    FileError::Keep {
        path: connection.path().unwrap_or_default().into(),
        reason: error.to_string(),
    }
}
