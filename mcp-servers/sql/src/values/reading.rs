//! Values read from a database, within bounds and through its guard.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::database::{Cell, DatabaseError, Limits};
use crate::schema::{Holds, Schema};
use crate::source::{Source, SourceError};
use crate::values::{Found, IndexedColumn, ValueIndex};

/// How much of a database an index holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Bounds {
    /// Most values of a column.
    pub of_column: usize,
    /// Most values of all columns.
    pub in_total: usize,
    /// Longest value, in characters.
    pub characters: usize,
    /// Most different values of a column of numbers: where there are more, they are measures and
    /// name nothing.
    pub numbers: usize,
    /// How long a column may take.
    pub column_time: Duration,
    /// How long all columns may take.
    pub time: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            of_column: 5_000,
            in_total: 200_000,
            characters: 80,
            numbers: 200,
            column_time: Duration::from_secs(2),
            time: Duration::from_secs(60),
        }
    }
}

impl ValueIndex {
    /// Reads the values of the columns that a caller may see, as the guard lets the caller see them:
    /// an index read for one caller is not for another who may see less. A column that cannot be
    /// read in time has none, and is not complete; the tables are read in the order of the schema.
    ///
    /// # Errors
    /// When the caller gave up.
    pub async fn read(
        source: &Source,
        schema: &Schema,
        bounds: &Bounds,
        cancel: &CancellationToken,
    ) -> Result<Self, SourceError> {
        let (mut columns, mut values) = (Vec::new(), Vec::new());
        let mut cut_short = false;
        let began = Instant::now();
        for table in &schema.tables {
            for column in &table.columns {
                if cancel.is_cancelled() {
                    return Err(DatabaseError::Cancelled.into());
                }
                let room = bounds.in_total.saturating_sub(values.len());
                let most = match column.holds() {
                    Holds::Text | Holds::NumberAsText => bounds.of_column.min(room),
                    Holds::Number | Holds::Truth => bounds.numbers.min(room),
                    Holds::Date | Holds::Other => continue,
                };
                let place = u32::try_from(columns.len()).unwrap_or(u32::MAX);
                let mut indexed = IndexedColumn {
                    table: table.name.clone(),
                    column: column.name.clone(),
                    complete: false,
                };
                let late = began.elapsed() >= bounds.time;
                cut_short |= late && most > 0;
                if most > 0 && !late {
                    let read = distinct(source, &indexed, most, bounds, cancel).await;
                    match read {
                        Ok(read) => {
                            let many = read.len() > most;
                            indexed.complete = !many;
                            if !(many && column.holds() == Holds::Number) {
                                let kept = read.into_iter().take(most);
                                let short =
                                    |value: &String| value.chars().count() <= bounds.characters;
                                let before = values.len();
                                let mut all = 0_usize;
                                values.extend(
                                    kept.inspect(|_| all = all.saturating_add(1))
                                        .filter(short)
                                        .map(|value| (place, value)),
                                );
                                let taken = values.len().saturating_sub(before);
                                indexed.complete &= taken == all;
                            }
                        }
                        Err(error) if error.is_cancelled() => return Err(error),
                        Err(error) => {
                            // Another time the database may be there again.
                            cut_short |= gone(&error);
                            tracing::debug!(table = table.name, column = column.name, %error,
                                "the values of a column are not in the index");
                        }
                    }
                }
                columns.push(indexed);
            }
        }
        Ok(Self {
            cut_short,
            ..Self::of(schema, columns, values)
        })
    }
}

/// Whether it was not about the column that it could not be read.
fn gone(error: &SourceError) -> bool {
    let SourceError::Database { error, .. } = error else {
        return false;
    };
    matches!(error, DatabaseError::Open { .. } | DatabaseError::Locked)
}

/// Up to one value more than `most`.
async fn distinct(
    source: &Source,
    of: &IndexedColumn,
    most: usize,
    bounds: &Bounds,
    cancel: &CancellationToken,
) -> Result<Vec<String>, SourceError> {
    let dialect = source.dialect();
    let column = dialect.quoted(&of.column);
    let rows = most.saturating_add(1);
    let sql = format!(
        "SELECT DISTINCT {column} FROM {} WHERE {column} IS NOT NULL LIMIT {rows}",
        dialect.quoted_path(&of.table)
    );
    ask(source, &sql, rows, bounds, cancel).await
}

/// Values of a column whose index is not complete that a text names, whatever its capitals.
///
/// # Errors
/// When the database does not answer, or may not be asked.
pub async fn lookup(
    source: &Source,
    table: &str,
    column: &str,
    text: &str,
    bounds: &Bounds,
    cancel: &CancellationToken,
) -> Result<Vec<Found>, SourceError> {
    const MOST: usize = 20;
    let dialect = source.dialect();
    let quoted = dialect.quoted(column);
    let literal = dialect.literal(text);
    let sql = format!(
        "SELECT DISTINCT {quoted} FROM {} WHERE LOWER({quoted}) = LOWER({literal}) LIMIT {MOST}",
        dialect.quoted_path(table)
    );
    let values = ask(source, &sql, MOST, bounds, cancel).await?;
    let found = values.into_iter().map(|value| Found {
        table: table.to_owned(),
        column: column.to_owned(),
        score: if value == text { 1.0 } else { 0.98 },
        value,
    });
    Ok(found.collect())
}

async fn ask(
    source: &Source,
    sql: &str,
    rows: usize,
    bounds: &Bounds,
    cancel: &CancellationToken,
) -> Result<Vec<String>, SourceError> {
    let limits = Limits {
        rows,
        bytes: 16 << 20,
        // Enough to see that a value is too long.
        cell_bytes: bounds.characters.saturating_mul(4).saturating_add(4),
        time: bounds.column_time,
    };
    let answer = source.rows(sql, &limits, cancel).await?.rows;
    let text = |cell: &Cell| match cell {
        Cell::Null => None,
        Cell::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    let cells = answer.rows.iter().filter_map(|row| text(row.first()?));
    Ok(cells.collect())
}
