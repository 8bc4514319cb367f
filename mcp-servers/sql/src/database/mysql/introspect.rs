//! What is in a database of MySQL or MariaDB, from its catalogue.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use mysql_async::prelude::{FromRow, Queryable};
use mysql_async::{Conn, Error, Row, from_row_opt, from_value_opt};

use crate::dialect::Dialect;
use crate::guard::Rules;
use crate::schema::{Column, ForeignKey, Schema, Table};

/// Rows of a table that are looked at for samples.
const SAMPLED: usize = 100;

/// Samples that are kept of a column.
const SAMPLES: usize = 5;

/// Longest sample, in characters.
const SAMPLE_LENGTH: usize = 60;

/// How long sampling may take, all tables together; those that come after it have none.
const SAMPLING: Duration = Duration::from_secs(2);

/// How long it may take for one table.
pub(super) const GLANCE: Duration = Duration::from_millis(200);

/// Tables and views that this user may know of.
const TABLES: &str = "
    SELECT TABLE_SCHEMA, TABLE_NAME, COALESCE(TABLE_TYPE LIKE '%VIEW', FALSE), TABLE_COMMENT,
           TABLE_ROWS
    FROM information_schema.TABLES
    WHERE COALESCE(TABLE_TYPE, '') <> 'SEQUENCE' AND TABLE_SCHEMA IN ";

/// Columns that it may read.
const COLUMNS: &str = "
    SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE = 'YES', COLUMN_COMMENT,
           DATA_TYPE
    FROM information_schema.COLUMNS
    WHERE FIND_IN_SET('select', LOWER(PRIVILEGES)) > 0 AND TABLE_SCHEMA IN ";

/// Primary and foreign keys, their columns in order.
const KEYS: &str = "
    SELECT TABLE_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, COLUMN_NAME, REFERENCED_TABLE_SCHEMA,
           REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME
    FROM information_schema.KEY_COLUMN_USAGE
    WHERE (CONSTRAINT_NAME = 'PRIMARY' OR REFERENCED_TABLE_NAME IS NOT NULL) AND TABLE_SCHEMA IN ";

/// A table and where it is.
type Place = (String, String);

/// Types whose values tell a reader nothing.
const UNREADABLE: [&str; 7] = [
    "bit",
    "binary",
    "varbinary",
    "tinyblob",
    "blob",
    "mediumblob",
    "longblob",
];

/// What was found, by where it is.
pub(super) struct Found {
    tables: BTreeMap<Place, Table>,
    /// The columns whose values tell something.
    readable: BTreeMap<Place, Vec<String>>,
}

impl From<Found> for Schema {
    fn from(found: Found) -> Self {
        let mut tables: Vec<Table> = found.tables.into_values().collect();
        tables.sort_by(|one, other| one.name.cmp(&other.name));
        Self { tables }
    }
}

pub(super) async fn schema(client: &mut Conn, rules: &Rules) -> Result<Found, Error> {
    let usual: Option<String> = client.query_first("SELECT DATABASE()").await?;
    let usual = usual.unwrap_or_default();
    let among = among(&usual, rules);
    let mut tables = named(client, &usual, &among, rules).await?;
    let readable = columns(client, &among, rules, &mut tables).await?;
    // Nothing of them may be read.
    tables.retain(|_, table| !table.columns.is_empty());
    keys(client, &among, &mut tables).await?;
    Ok(Found { tables, readable })
}

/// The databases that are looked at, as a list in SQL: the one of the address, and others of the
/// server only where a rule names their tables. They are other people's data and not, as schemas
/// elsewhere are, parts of the same.
fn among(usual: &str, rules: &Rules) -> String {
    let listed = rules.tables.iter().filter_map(|table| {
        let (database, _) = table.rsplit_once('.')?;
        Some(database)
    });
    let databases: BTreeSet<&str> = listed.chain([usual]).collect();
    let literals = databases
        .into_iter()
        .map(|name| Dialect::Mysql.literal(name));
    format!("({})", literals.collect::<Vec<_>>().join(", "))
}

/// Rows of the catalogue; those that are not as they should be are left out, for there are tables
/// that the server itself cannot read.
async fn told<T: FromRow>(client: &mut Conn, sql: String) -> Result<Vec<T>, Error> {
    let rows: Vec<Row> = client.query(sql).await?;
    let told = rows.into_iter().map(from_row_opt);
    Ok(told.filter_map(Result::ok).collect())
}

async fn named(
    client: &mut Conn,
    usual: &str,
    among: &str,
    rules: &Rules,
) -> Result<BTreeMap<Place, Table>, Error> {
    type Told = (String, String, bool, Option<String>, Option<u64>);
    let told: Vec<Told> = told(client, format!("{TABLES}{among}")).await?;
    let named = told
        .into_iter()
        .filter_map(|(database, name, view, comment, rows)| {
            // As rules name it where they do, for so statements must.
            let full = format!("{database}.{name}");
            let shown = if database == usual && rules.may_see(&name) {
                name.clone()
            } else if rules.may_see(&full) {
                full
            } else {
                return None;
            };
            let rows = rows.filter(|_| !view && !rules.filters(&shown));
            let table = Table {
                name: shown,
                view,
                // What the server itself says of every view.
                comment: comment
                    .filter(|comment| !(comment.is_empty() || view && comment == "VIEW")),
                columns: Vec::new(),
                primary_key: Vec::new(),
                foreign_keys: Vec::new(),
                rows,
            };
            Some(((database, name), table))
        });
    Ok(named.collect())
}

/// Adds the columns; the names of those whose values tell something.
async fn columns(
    client: &mut Conn,
    among: &str,
    rules: &Rules,
    tables: &mut BTreeMap<Place, Table>,
) -> Result<BTreeMap<Place, Vec<String>>, Error> {
    type Told = (String, String, String, String, bool, Option<String>, String);
    let order = "ORDER BY TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION";
    let told: Vec<Told> = told(client, format!("{COLUMNS}{among} {order}")).await?;
    let mut readable: BTreeMap<Place, Vec<String>> = BTreeMap::new();
    for (database, name, column, kind, nullable, comment, plain) in told {
        let place = (database, name);
        let Some(table) = tables.get_mut(&place) else {
            continue;
        };
        if !rules.may_see_column(&table.name, &column) {
            continue;
        }
        let spatial =
            kind.contains("geometry") || kind.contains("point") || kind.contains("polygon");
        if !UNREADABLE.contains(&plain.to_lowercase().as_str()) && !spatial {
            readable.entry(place).or_default().push(column.clone());
        }
        table.columns.push(Column {
            name: column,
            kind,
            nullable,
            comment: comment.filter(|comment| !comment.is_empty()),
            samples: Vec::new(),
        });
    }
    Ok(readable)
}

async fn keys(
    client: &mut Conn,
    among: &str,
    tables: &mut BTreeMap<Place, Table>,
) -> Result<(), Error> {
    type Told = (
        String,
        String,
        String,
        String,
        Option<String>,
        Option<String>,
        Option<String>,
    );
    let order = "ORDER BY TABLE_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, ORDINAL_POSITION";
    let told: Vec<Told> = told(client, format!("{KEYS}{among} {order}")).await?;
    let names: BTreeMap<Place, String> = tables
        .iter()
        .map(|(place, table)| (place.clone(), table.name.clone()))
        .collect();
    let mut before: Option<(Place, String)> = None;
    for (database, name, constraint, column, other, other_name, target) in told {
        let place = (database, name);
        let Some(table) = tables.get_mut(&place) else {
            continue;
        };
        let (Some(other), Some(other_name), Some(target)) = (other, other_name, target) else {
            table.primary_key.push(column);
            continue;
        };
        let Some(other) = names.get(&(other, other_name)) else {
            continue;
        };
        let this = Some((place, constraint));
        match table.foreign_keys.last_mut() {
            Some(key) if before == this => {
                key.columns.push(column);
                key.targets.push(target);
            }
            _ => table.foreign_keys.push(ForeignKey {
                columns: vec![column],
                table: other.clone(),
                targets: vec![target],
            }),
        }
        before = this;
    }
    Ok(())
}

/// Adds a few values of each column from the first rows of each table, while there is time for it.
/// Views are left out: what one of them reads for its first row nobody knows.
pub(super) async fn sample(client: &mut Conn, rules: &Rules, found: &mut Found) {
    let began = Instant::now();
    for (place, columns) in &found.readable {
        let Some(table) = found.tables.get_mut(place) else {
            continue;
        };
        if table.view || rules.filters(&table.name) {
            continue;
        }
        if began.elapsed() > SAMPLING {
            tracing::debug!(table = table.name, "no time for samples from here on");
            return;
        }
        // A table that cannot be read is no reason to have no schema.
        let Ok(rows) = client.query::<Row, _>(first_rows(place, columns)).await else {
            continue;
        };
        let rows: Vec<Vec<Option<String>>> = rows.into_iter().map(texts).collect();
        for (number, name) in columns.iter().enumerate() {
            let mut samples: Vec<String> = Vec::new();
            for value in rows.iter().filter_map(|row| row.get(number)?.as_ref()) {
                if samples.len() < SAMPLES && !samples.contains(value) {
                    samples.push(value.clone());
                }
            }
            let mut seen = table.columns.iter_mut();
            if let Some(column) = seen.find(|seen| seen.name == *name) {
                column.samples = samples;
            }
        }
    }
}

fn first_rows((database, name): &Place, columns: &[String]) -> String {
    let quoted = |name: &str| Dialect::Mysql.quoted(name);
    let cut = columns
        .iter()
        .map(|column| format!("LEFT({}, {SAMPLE_LENGTH})", quoted(column)));
    format!(
        "SELECT {} FROM {}.{} LIMIT {SAMPLED}",
        cut.collect::<Vec<_>>().join(", "),
        quoted(database),
        quoted(name)
    )
}

fn texts(row: Row) -> Vec<Option<String>> {
    let values = row.unwrap_raw().into_iter();
    values.map(|value| from_value_opt(value?).ok()).collect()
}
