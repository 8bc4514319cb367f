//! The tool that looks at what there is: schema.

use std::collections::BTreeSet;
use std::sync::Arc;

use ropewalk_mcp_kit::{Cursors, ToolError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{SqlServer, failed};
use crate::catalogue::{Entry, beside};
use crate::descriptions::seen;
use crate::link::Linker;
use crate::schema::{Column, Table};

/// Tables shown for a question when the caller says nothing.
const TABLES: usize = 6;
const MOST_TABLES: usize = 50;

/// Columns of a table shown for a question, beside its keys.
const COLUMNS: usize = 15;

/// Characters of tables in one result.
const ROOM: usize = 16_000;

/// Samples of a column that are shown, and their length.
const SAMPLES: usize = 3;
const SAMPLE: usize = 40;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(super) struct SchemaArguments {
    question: Option<String>,
    table: Option<String>,
    database: Option<String>,
    #[schemars(range(min = 1, max = 50))]
    limit: Option<usize>,
    cursor: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct SchemaResult {
    databases: Vec<DatabaseShown>,
    tables: Vec<TableShown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct DatabaseShown {
    name: String,
    /// The SQL it speaks.
    dialect: String,
    tables: usize,
}

#[derive(Debug, Serialize, JsonSchema)]
struct TableShown {
    database: String,
    table: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// How many rows, about.
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    key: Vec<String>,
    columns: Vec<ColumnShown>,
    /// Columns that are not shown here.
    #[serde(skip_serializing_if = "Option::is_none")]
    more_columns: Option<usize>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ColumnShown {
    name: String,
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// The column whose key it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    references: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    samples: Vec<String>,
}

impl SqlServer {
    pub(super) async fn schema(
        &self,
        arguments: SchemaArguments,
    ) -> Result<SchemaResult, ToolError> {
        let cursors = Cursors::about(&json!(SchemaArguments {
            cursor: None,
            ..arguments.clone()
        }));
        let start = cursors.start(arguments.cursor.as_deref())?;
        let question = arguments.question.as_deref().map(str::trim);
        let question = question.filter(|question| !question.is_empty());
        let named = arguments
            .database
            .as_deref()
            .filter(|name| !name.is_empty());
        let entries = match named {
            Some(name) => vec![Arc::clone(self.entry(Some(name))?)],
            None => self.catalogue.entries().to_vec(),
        };
        let databases = databases(&entries).await;
        if let Some(table) = &arguments.table {
            return Ok(SchemaResult {
                tables: vec![self.one(&entries, table).await?],
                databases,
                next_cursor: None,
            });
        }
        let limit = arguments.limit.unwrap_or(match question {
            Some(_) => TABLES,
            None => MOST_TABLES,
        });
        let limit = limit.clamp(1, MOST_TABLES);
        let (tables, more) = match question {
            Some(question) => self.about(question, &entries, start, limit).await?,
            None => all(&entries, start, limit).await?,
        };
        Ok(SchemaResult {
            next_cursor: more.then(|| cursors.at(start.saturating_add(tables.len()))),
            databases,
            tables,
        })
    }

    /// One table in full.
    async fn one(&self, entries: &[Arc<Entry>], name: &str) -> Result<TableShown, ToolError> {
        let mut near = Vec::new();
        for entry in entries {
            let schema = entry.schema().await.map_err(failed)?;
            let own = entry.source.name();
            let plain = name.strip_prefix(&format!("{own}.")).unwrap_or(name);
            if let Some(table) = schema.table(plain) {
                let columns: BTreeSet<&str> = table
                    .columns
                    .iter()
                    .map(|column| column.name.as_str())
                    .collect();
                let mut shown = shown(own, table, Some(&columns));
                shown
                    .description
                    .get_or_insert_with(|| seen(table, &schema));
                return Ok(shown);
            }
            near.extend(schema.nearest(plain, 3));
        }
        let fix = if near.is_empty() {
            "leave `table` out to see all".to_owned()
        } else {
            format!("there are: {}", near.join(", "))
        };
        Err(ToolError::new(format!("there is no table `{name}`"), fix))
    }

    /// Tables for a question, and whether there are more.
    async fn about(
        &self,
        question: &str,
        entries: &[Arc<Entry>],
        start: usize,
        limit: usize,
    ) -> Result<(Vec<TableShown>, bool), ToolError> {
        let all = usize::MAX;
        let mut linked = self.catalogue.tables(question, all).await.map_err(failed)?;
        linked.retain(|linked| {
            let mut asked = entries.iter();
            asked.any(|entry| entry.source.name() == linked.database)
        });
        let linker = self.catalogue.linker().await;
        let mut tables = Vec::new();
        let mut room = ROOM;
        let count = linked.len();
        for linked in linked.into_iter().skip(start).take(limit) {
            let Some(entry) = self.catalogue.named(&linked.database) else {
                continue;
            };
            let schema = entry.schema().await.map_err(failed)?;
            let Some(table) = schema.table(&linked.table).cloned() else {
                continue;
            };
            let shown = relevant(&linker, question, entry.source.name(), table).await?;
            let size = json!(shown).to_string().len();
            if size > room && !tables.is_empty() {
                break;
            }
            room = room.saturating_sub(size);
            tables.push(shown);
        }
        let more = start.saturating_add(tables.len()) < count;
        Ok((tables, more))
    }
}

async fn databases(entries: &[Arc<Entry>]) -> Vec<DatabaseShown> {
    let mut databases = Vec::new();
    for entry in entries {
        let tables = entry.schema().await.map_or(0, |schema| schema.tables.len());
        databases.push(DatabaseShown {
            name: entry.source.name().to_owned(),
            dialect: entry.source.dialect().name().to_owned(),
            tables,
        });
    }
    databases
}

/// All tables in the order of their names, with their columns' names, and whether there are more.
async fn all(
    entries: &[Arc<Entry>],
    start: usize,
    limit: usize,
) -> Result<(Vec<TableShown>, bool), ToolError> {
    let mut tables = Vec::new();
    let (mut place, mut room) = (0_usize, ROOM);
    for entry in entries {
        let schema = entry.schema().await.map_err(failed)?;
        for table in &schema.tables {
            place = place.saturating_add(1);
            if place <= start {
                continue;
            }
            let mut shown = shown(entry.source.name(), table, None);
            shown.columns.truncate(COLUMNS);
            let more = table.columns.len().saturating_sub(shown.columns.len());
            shown.more_columns = (more > 0).then_some(more);
            let size = json!(shown).to_string().len();
            if tables.len() == limit || (size > room && !tables.is_empty()) {
                return Ok((tables, true));
            }
            room = room.saturating_sub(size);
            tables.push(shown);
        }
    }
    Ok((tables, false))
}

/// A table with its keys and the columns that a question is about.
async fn relevant(
    linker: &Arc<Linker>,
    question: &str,
    database: &str,
    table: Table,
) -> Result<TableShown, ToolError> {
    let (linker, question, database) =
        (Arc::clone(linker), question.to_owned(), database.to_owned());
    beside(move || {
        let ranked = if table.columns.len() > COLUMNS {
            linker.columns(&question, &table, COLUMNS)?
        } else {
            table
                .columns
                .iter()
                .map(|column| (column.name.clone(), 0.0))
                .collect()
        };
        let mut chosen: BTreeSet<&str> = ranked.iter().map(|(name, _)| name.as_str()).collect();
        chosen.extend(table.primary_key.iter().map(String::as_str));
        let keys = table.foreign_keys.iter().flat_map(|key| &key.columns);
        chosen.extend(keys.map(String::as_str));
        Ok(shown(&database, &table, Some(&chosen)))
    })
    .await
    .map_err(|error: ropewalk_embed::EmbedError| failed(error))
}

/// A table with these columns in full; all by their names where `columns` is `None`.
fn shown(database: &str, table: &Table, columns: Option<&BTreeSet<&str>>) -> TableShown {
    let listed = table.columns.iter();
    let listed: Vec<ColumnShown> = listed
        .filter(|column| columns.is_none_or(|chosen| chosen.contains(column.name.as_str())))
        .map(|column| match columns {
            Some(_) => column_shown(table, column),
            None => ColumnShown {
                name: column.name.clone(),
                kind: column.kind.clone(),
                description: None,
                references: None,
                samples: Vec::new(),
            },
        })
        .collect();
    let more = table.columns.len().saturating_sub(listed.len());
    TableShown {
        database: database.to_owned(),
        table: table.name.clone(),
        description: table.comment.clone(),
        rows: table.rows,
        key: table.primary_key.clone(),
        columns: listed,
        more_columns: (more > 0).then_some(more),
    }
}

fn column_shown(table: &Table, column: &Column) -> ColumnShown {
    let references = table.foreign_keys.iter().find_map(|key| {
        let place = key.columns.iter().position(|name| *name == column.name)?;
        Some(match key.targets.get(place) {
            Some(target) => format!("{}.{target}", key.table),
            None => key.table.clone(),
        })
    });
    ColumnShown {
        name: column.name.clone(),
        kind: column.kind.clone(),
        description: column.comment.clone(),
        references,
        samples: column
            .samples
            .iter()
            .take(SAMPLES)
            .map(|sample| cut(sample))
            .collect(),
    }
}

fn cut(sample: &str) -> String {
    if sample.chars().count() <= SAMPLE {
        return sample.to_owned();
    }
    let shown: String = sample.chars().take(SAMPLE).collect();
    format!("{shown}…")
}
