//! Parquet files.
//!
//! Days, times and moments are text in ISO form, moments of a known zone in UTC; decimals are real
//! where that loses nothing of any of them, and text where it does; what is nested is JSON; bytes
//! are blobs. NaN is NULL, since SQLite has none.

mod flat;
mod kinds;
mod nested;

use std::fs::File;
use std::sync::Arc;

use ::parquet::errors::ParquetError;
use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::schema::types::Type;

use crate::database::files::FileError;
use crate::database::files::find::Source;
use crate::database::files::load::{MAX_COLUMNS, Rows, Take};
use crate::database::files::parquet::flat::Flat;
use crate::database::files::parquet::kinds::Leaf;
use crate::database::files::parquet::nested::Nested;
use crate::database::files::types::{Kind, Value};
use crate::database::files::watch::Watch;

const KIND: &str = "Parquet";

/// Rows that are read at a time, and where some of them are nested, each of which is held.
const BATCH: usize = 1_024;
const NESTED_BATCH: usize = 64;

pub(super) struct Parquet<'a> {
    source: &'a Source,
    watch: &'a Watch<'a>,
    reader: SerializedFileReader<File>,
    columns: Vec<Column>,
}

/// A column of the table.
struct Column {
    name: String,
    content: Content,
}

/// What is in it.
enum Content {
    /// Values, in this column of the file, which is full at this level.
    Leaf(usize, i16, Leaf),
    /// Objects and lists.
    Nested(Arc<Type>),
}

impl<'a> Parquet<'a> {
    pub(super) fn open(source: &'a Source, watch: &'a Watch<'a>) -> Result<Self, FileError> {
        if source.bytes == 0 {
            return Err(FileError::Empty {
                path: source.path.clone(),
            });
        }
        let reader = SerializedFileReader::new(source.open()?);
        let reader = reader.map_err(|error| failed(source, &error))?;
        let about = reader.metadata().file_metadata();
        let rows = u64::try_from(about.num_rows()).unwrap_or_default();
        if rows > watch.limits.rows {
            return Err(FileError::Rows {
                path: source.path.clone(),
                limit: watch.limits.rows,
            });
        }
        let described = about.schema_descr();
        if described.root_schema().get_fields().len() > MAX_COLUMNS {
            return Err(FileError::Columns {
                path: source.path.clone(),
                limit: MAX_COLUMNS,
            });
        }
        let mut columns = Vec::new();
        for (place, field) in described.root_schema().get_fields().iter().enumerate() {
            let mut leaves = described.columns().iter().enumerate();
            let leaf = leaves.find(|(leaf, _)| described.get_column_root_idx(*leaf) == place);
            let content = match leaf {
                Some((leaf, about)) if field.is_primitive() && about.max_rep_level() == 0 => {
                    Content::Leaf(leaf, about.max_def_level(), Leaf::of(about))
                }
                _ => Content::Nested(Arc::clone(field)),
            };
            columns.push(Column {
                name: field.name().to_owned(),
                content,
            });
        }
        Ok(Self {
            source,
            watch,
            reader,
            columns,
        })
    }

    fn group(&self, group: usize, all: u64, take: &mut Take<'_>) -> Result<bool, FileError> {
        let failed = |error: ParquetError| failed(self.source, &error);
        let reader = self.reader.get_row_group(group).map_err(failed)?;
        let mut left = usize::try_from(reader.metadata().num_rows()).unwrap_or_default();
        let mut columns = Vec::new();
        for column in &self.columns {
            columns.push(match &column.content {
                Content::Leaf(place, full, leaf) => {
                    let column = reader.get_column_reader(*place).map_err(failed)?;
                    Reading::Flat(Box::new(Flat::new(*leaf, *full, column)))
                }
                Content::Nested(field) => {
                    let schema = self.reader.metadata().file_metadata().schema();
                    Reading::Nested(Nested::new(schema, field, reader.as_ref()).map_err(failed)?)
                }
            });
        }
        let nested = |column: &Reading| matches!(column, Reading::Nested(_));
        let batch = match columns.iter().any(nested) {
            true => NESTED_BATCH,
            false => BATCH,
        };
        while left > 0 {
            let wanted = left.min(batch);
            for column in &mut columns {
                match column {
                    Reading::Flat(flat) => flat.read(wanted),
                    Reading::Nested(nested) => nested.read(wanted),
                }
                .map_err(failed)?;
            }
            for at in 0..wanted {
                let row: Vec<Value<'_>> = columns.iter().map(|column| column.value(at)).collect();
                if !take(&row)? {
                    return Ok(false);
                }
            }
            left = left.saturating_sub(wanted);
            // As if the bytes were spread over the rows evenly.
            let share = u128::from(self.source.bytes).saturating_mul(wanted as u128);
            let bytes = share.checked_div(u128::from(all)).unwrap_or_default();
            let bytes = u64::try_from(bytes).unwrap_or_default();
            let read = self.watch.read(bytes);
            read.map_err(|stop| self.watch.error(&stop, 0))?;
        }
        Ok(true)
    }
}

impl Rows for Parquet<'_> {
    fn each(&mut self, take: &mut Take<'_>) -> Result<(), FileError> {
        let about = self.reader.metadata();
        let all = u64::try_from(about.file_metadata().num_rows()).unwrap_or_default();
        for group in 0..about.num_row_groups() {
            if !self.group(group, all, take)? {
                break;
            }
        }
        Ok(())
    }

    fn names(&self) -> Vec<String> {
        let names = self.columns.iter().map(|column| column.name.clone());
        names.collect()
    }

    fn kinds(&self) -> Vec<Option<Kind>> {
        let kind = |column: &Column| match &column.content {
            Content::Leaf(_, _, leaf) => leaf.kind(),
            Content::Nested(_) => Some(Kind::Json),
        };
        self.columns.iter().map(kind).collect()
    }
}

/// A column while it is read.
enum Reading {
    Flat(Box<Flat>),
    Nested(Nested),
}

impl Reading {
    fn value(&self, at: usize) -> Value<'_> {
        match self {
            Self::Flat(flat) => flat.value(at),
            Self::Nested(nested) => nested.value(at),
        }
    }
}

fn failed(source: &Source, error: &ParquetError) -> FileError {
    source.is_no(KIND, format!("{error}; make it again"))
}
