//! Schemas of databases from the files of public sets.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::measure::folder::{FolderError, failed};
use crate::schema::{Column, ForeignKey, Schema, Table};

/// The schemas of a folder; empty where there is no file of them.
pub(super) fn read(folder: &Path) -> Result<BTreeMap<String, Schema>, FolderError> {
    let tables = folder.join("tables.json");
    if tables.is_file() {
        let spider: Vec<SpiderSchema> = json(&tables)?;
        let named = |schema: SpiderSchema| (schema.db_id.clone(), schema.schema());
        return Ok(spider.into_iter().map(named).collect());
    }
    let schemas = folder.join("schemas.json");
    if schemas.is_file() {
        let bird: BTreeMap<String, BirdSchema> = json(&schemas)?;
        let named = |(name, schema): (String, BirdSchema)| (name, schema.schema());
        return Ok(bird.into_iter().map(named).collect());
    }
    Ok(BTreeMap::new())
}

fn json<T: DeserializeOwned>(file: &Path) -> Result<T, FolderError> {
    let text = std::fs::read(file).map_err(|error| failed(file, error))?;
    serde_json::from_slice(&text).map_err(|error| failed(file, error))
}

/// A schema as Spider writes it: columns in one list, each with the number of its table.
#[derive(Deserialize)]
struct SpiderSchema {
    db_id: String,
    table_names_original: Vec<String>,
    table_names: Vec<String>,
    column_names_original: Vec<(i64, String)>,
    column_names: Vec<(i64, String)>,
    column_types: Vec<String>,
    primary_keys: Vec<Value>,
    foreign_keys: Vec<(usize, usize)>,
}

impl SpiderSchema {
    fn schema(&self) -> Schema {
        let tables = self.table_names_original.iter().enumerate();
        let tables = tables.map(|(number, name)| self.table(number, name));
        Schema {
            tables: tables.collect(),
        }
    }

    fn table(&self, number: usize, name: &str) -> Table {
        let mut table = Table {
            name: name.to_owned(),
            view: false,
            comment: told(name, self.table_names.get(number)),
            columns: Vec::new(),
            primary_key: Vec::new(),
            foreign_keys: Vec::new(),
            rows: None,
        };
        for (place, (of, name)) in self.column_names_original.iter().enumerate() {
            if usize::try_from(*of) != Ok(number) {
                continue;
            }
            table.columns.push(Column {
                name: name.clone(),
                kind: self.column_types.get(place).cloned().unwrap_or_default(),
                nullable: true,
                comment: told(name, self.column_names.get(place).map(|(_, told)| told)),
                samples: Vec::new(),
            });
            if self.keys().any(|key| key == place) {
                table.primary_key.push(name.clone());
            }
            for (_, target) in self.foreign_keys.iter().filter(|(key, _)| *key == place) {
                if let Some((target_table, target_column)) = self.place(*target) {
                    table.foreign_keys.push(ForeignKey {
                        columns: vec![name.clone()],
                        table: target_table,
                        targets: vec![target_column],
                    });
                }
            }
        }
        table
    }

    /// Places of key columns; a key of several columns is a list in the list.
    fn keys(&self) -> impl Iterator<Item = usize> {
        let places = self.primary_keys.iter().flat_map(|key| match key {
            Value::Array(places) => places.iter().collect(),
            place => vec![place],
        });
        places.filter_map(|place| usize::try_from(place.as_u64()?).ok())
    }

    fn place(&self, place: usize) -> Option<(String, String)> {
        let (table, column) = self.column_names_original.get(place)?;
        let table = usize::try_from(*table).ok()?;
        Some((
            self.table_names_original.get(table)?.clone(),
            column.clone(),
        ))
    }
}

/// What is told of a name, where it is more than the name.
fn told(name: &str, told: Option<&String>) -> Option<String> {
    let plain = |text: &str| text.replace(['_', ' '], "").to_lowercase();
    told.filter(|told| plain(told) != plain(name)).cloned()
}

/// A schema as BIRD's readers write it.
#[derive(Deserialize)]
struct BirdSchema {
    tables: BTreeMap<String, BirdTable>,
}

#[derive(Deserialize)]
struct BirdTable {
    name: String,
    #[serde(default)]
    description: Option<String>,
    columns: Vec<BirdColumn>,
}

#[derive(Deserialize)]
struct BirdColumn {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    primary_key: bool,
    #[serde(default)]
    foreign_keys: Vec<BirdKey>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    value_samples: Vec<Value>,
}

#[derive(Deserialize)]
struct BirdKey {
    target_table: String,
    #[serde(default)]
    target_column: Option<String>,
}

impl BirdSchema {
    fn schema(self) -> Schema {
        let tables = self.tables.into_values().map(BirdTable::table);
        let mut schema = Schema {
            tables: tables.collect(),
        };
        let read = schema.clone();
        let keys = schema
            .tables
            .iter_mut()
            .flat_map(|table| &mut table.foreign_keys);
        for key in keys.filter(|key| key.targets.is_empty()) {
            if let Some(target) = read.table(&key.table) {
                key.targets.clone_from(&target.primary_key);
            }
        }
        schema
    }
}

impl BirdTable {
    fn table(self) -> Table {
        let keys = self.columns.iter().filter(|column| column.primary_key);
        let primary_key = keys.map(|column| column.name.clone()).collect();
        let foreign_keys = self.columns.iter().flat_map(|column| {
            column.foreign_keys.iter().map(|key| ForeignKey {
                columns: vec![column.name.clone()],
                table: key.target_table.clone(),
                // None where it means the other's primary key.
                targets: key.target_column.iter().cloned().collect(),
            })
        });
        Table {
            view: false,
            comment: self.description.filter(|text| !text.is_empty()),
            primary_key,
            foreign_keys: foreign_keys.collect(),
            rows: None,
            name: self.name,
            columns: self.columns.into_iter().map(BirdColumn::column).collect(),
        }
    }
}

impl BirdColumn {
    fn column(self) -> Column {
        let samples = self.value_samples.iter().map(|value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        });
        Column {
            samples: samples.collect(),
            name: self.name,
            kind: self.kind,
            nullable: !self.primary_key,
            comment: self.description.filter(|text| !text.is_empty()),
        }
    }
}
