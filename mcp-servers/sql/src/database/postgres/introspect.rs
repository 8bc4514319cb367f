//! What is in a PostgreSQL database, from its catalogue.

use std::collections::BTreeMap;

use tokio_postgres::{Error, Transaction};

use crate::guard::Rules;
use crate::schema::{Column, ForeignKey, Schema, Table};

/// Longest sample, in characters.
const SAMPLE_LENGTH: usize = 60;

/// Samples that are kept of a column.
const SAMPLES: usize = 5;

/// Tables, columns and comments. Samples are what the planner knows of a column's values, which it
/// learned with ANALYZE: nothing is read for them.
const COLUMNS: &str = "
    SELECT c.oid::int8, n.nspname::text, c.relname::text, c.relkind IN ('v', 'm'),
           obj_description(c.oid, 'pg_class'), greatest(c.reltuples, -1)::float8,
           a.attnum, a.attname::text, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull,
           col_description(c.oid, a.attnum),
           coalesce(s.most_common_vals::text::text[], s.histogram_bounds::text::text[])
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_stats s ON s.schemaname = n.nspname AND s.tablename = c.relname
                        AND s.attname = a.attname
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
      AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
      AND has_schema_privilege(n.oid, 'USAGE') AND has_column_privilege(c.oid, a.attnum, 'SELECT')
    ORDER BY n.nspname, c.relname, a.attnum";

/// Primary and foreign keys, their columns in order.
const KEYS: &str = "
    SELECT k.conrelid::int8, k.contype::text,
           (SELECT array_agg(a.attname::text ORDER BY p.place)
            FROM unnest(k.conkey) WITH ORDINALITY p(number, place)
            JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = p.number),
           k.confrelid::int8,
           (SELECT array_agg(a.attname::text ORDER BY p.place)
            FROM unnest(k.confkey) WITH ORDINALITY p(number, place)
            JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = p.number)
    FROM pg_constraint k WHERE k.contype IN ('p', 'f') ORDER BY k.conrelid, k.conname";

pub(super) async fn schema(client: &Transaction<'_>, rules: &Rules) -> Result<Schema, Error> {
    let usual = "SELECT coalesce(current_schema(), 'public')::text";
    let usual: String = client.query_one(usual, &[]).await?.try_get(0)?;
    let mut tables: BTreeMap<i64, Table> = BTreeMap::new();
    for row in client.query(COLUMNS, &[]).await? {
        let (schema, name): (String, String) = (row.try_get(1)?, row.try_get(2)?);
        // As rules name it where they do, for so statements must.
        let full = format!("{schema}.{name}");
        let name = if schema == usual && rules.may_see(&name) {
            name
        } else if rules.may_see(&full) {
            full
        } else {
            continue;
        };
        let column: String = row.try_get(7)?;
        if !rules.may_see_column(&name, &column) {
            continue;
        }
        let estimate: f64 = row.try_get(5)?;
        let view = row.try_get(3)?;
        let comment = row.try_get(4)?;
        let filtered = rules.filters(&name);
        let table = tables.entry(row.try_get(0)?).or_insert_with(|| Table {
            name,
            view,
            comment,
            columns: Vec::new(),
            primary_key: Vec::new(),
            foreign_keys: Vec::new(),
            rows: count(estimate).filter(|_| !filtered),
        });
        let values: Option<Vec<Option<String>>> = row.try_get(11)?;
        let values = values.filter(|_| !filtered).unwrap_or_default();
        let samples = values.into_iter().flatten().take(SAMPLES);
        table.columns.push(Column {
            name: column,
            kind: row.try_get(8)?,
            nullable: row.try_get(9)?,
            comment: row.try_get(10)?,
            samples: samples
                .map(|value| value.chars().take(SAMPLE_LENGTH).collect())
                .collect(),
        });
    }
    keys(client, &mut tables).await?;
    let mut tables: Vec<Table> = tables.into_values().collect();
    tables.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(Schema { tables })
}

async fn keys(client: &Transaction<'_>, tables: &mut BTreeMap<i64, Table>) -> Result<(), Error> {
    let names: BTreeMap<i64, String> = tables
        .iter()
        .map(|(number, table)| (*number, table.name.clone()))
        .collect();
    for row in client.query(KEYS, &[]).await? {
        let Some(table) = tables.get_mut(&row.try_get::<_, i64>(0)?) else {
            continue;
        };
        let columns: Vec<String> = row.try_get(2)?;
        if row.try_get::<_, String>(1)? == "p" {
            table.primary_key = columns;
        } else if let Some(other) = names.get(&row.try_get::<_, i64>(3)?) {
            table.foreign_keys.push(ForeignKey {
                columns,
                table: other.clone(),
                targets: row.try_get(4)?,
            });
        }
    }
    Ok(())
}

/// What the planner thinks how many rows there are; it knows nothing before ANALYZE.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an estimate, and never below zero here"
)]
fn count(estimate: f64) -> Option<u64> {
    (estimate >= 0.0).then_some(estimate as u64)
}
