//! A column of objects and lists, a batch of rows at a time, as JSON.

use std::borrow::Cow;
use std::sync::Arc;

use ::parquet::errors::{ParquetError, Result};
use ::parquet::file::reader::RowGroupReader;
use ::parquet::record::reader::{ReaderIter, TreeBuilder};
use ::parquet::record::{Field, Row};
use ::parquet::schema::types::{SchemaDescriptor, Type};
use serde_json::{Map, Value as Tree};

use crate::database::files::parquet::kinds::{day, moment, time};
use crate::database::files::types::Value;

pub(super) struct Nested {
    rows: ReaderIter,
    values: Vec<Option<String>>,
}

impl Nested {
    /// Reads one column of a file whose schema is `schema`.
    pub(super) fn new(
        schema: &Type,
        column: &Arc<Type>,
        group: &dyn RowGroupReader,
    ) -> Result<Self> {
        let alone = Type::group_type_builder(schema.name())
            .with_fields(vec![Arc::clone(column)])
            .build()?;
        let alone = Arc::new(SchemaDescriptor::new(Arc::new(alone)));
        Ok(Self {
            rows: TreeBuilder::new().as_iter(alone, group)?,
            values: Vec::new(),
        })
    }

    /// Reads the values of some rows.
    pub(super) fn read(&mut self, rows: usize) -> Result<()> {
        self.values.clear();
        for _ in 0..rows {
            let row = self.rows.next().ok_or_else(|| {
                let reason = "a column has fewer values than there are rows".to_owned();
                ParquetError::General(reason)
            })??;
            let field = row.get_column_iter().next().map(|(_, field)| field);
            let field = field.filter(|field| **field != Field::Null);
            self.values.push(field.map(|field| tree(field).to_string()));
        }
        Ok(())
    }

    pub(super) fn value(&self, row: usize) -> Value<'_> {
        let value = self.values.get(row).and_then(Option::as_deref);
        value.map_or(Value::Null, |json| Value::Json(Cow::Borrowed(json)))
    }
}

fn tree(field: &Field) -> Tree {
    let nanos = |number: i64, unit: i128| i128::from(number).saturating_mul(unit);
    match field {
        Field::Null => Tree::Null,
        Field::Bool(truth) => (*truth).into(),
        Field::Byte(number) => (*number).into(),
        Field::Short(number) => (*number).into(),
        Field::Int(number) => (*number).into(),
        Field::Long(number) => (*number).into(),
        Field::UByte(number) => (*number).into(),
        Field::UShort(number) => (*number).into(),
        Field::UInt(number) => (*number).into(),
        Field::ULong(number) => (*number).into(),
        Field::Float16(number) => real(f64::from(number.to_f32()), &number.to_string()),
        Field::Float(number) => {
            let told = number.to_string();
            real(told.parse().unwrap_or(f64::NAN), &told)
        }
        Field::Double(number) => real(*number, &number.to_string()),
        Field::Decimal(_) => field.to_string().trim_end_matches('.').into(),
        Field::Str(text) => text.as_str().into(),
        Field::Bytes(bytes) => {
            let digits = bytes.data().iter().map(|byte| format!("{byte:02x}"));
            format!("0x{}", digits.collect::<String>()).into()
        }
        Field::Date(days) => told(day(i64::from(*days)), *days),
        Field::TimeMillis(millis) => told(time(nanos(i64::from(*millis), 1_000_000)), *millis),
        Field::TimeMicros(micros) => told(time(nanos(*micros, 1_000)), *micros),
        Field::TimestampMillis(millis) => told(moment(nanos(*millis, 1_000_000)), *millis),
        Field::TimestampMicros(micros) => told(moment(nanos(*micros, 1_000)), *micros),
        Field::Group(row) => object(row),
        Field::ListInternal(list) => list.elements().iter().map(tree).collect(),
        Field::MapInternal(map) => {
            let entries = map.entries().iter();
            let entries = entries.map(|(key, value)| (name(key), tree(value)));
            Tree::Object(entries.collect())
        }
    }
}

fn object(row: &Row) -> Tree {
    let fields = row.get_column_iter();
    let fields: Map<String, Tree> = fields
        .map(|(name, field)| (name.clone(), tree(field)))
        .collect();
    Tree::Object(fields)
}

/// The key of a map, which is a text in JSON.
fn name(key: &Field) -> String {
    match tree(key) {
        Tree::String(text) => text,
        other => other.to_string(),
    }
}

/// A number, or a text where JSON has no such number.
fn real(number: f64, text: &str) -> Tree {
    serde_json::Number::from_f64(number).map_or_else(|| text.into(), Tree::Number)
}

/// A day or a time, or its number where no calendar has it.
fn told(text: Option<String>, number: impl Into<Tree>) -> Tree {
    text.map_or_else(|| number.into(), Tree::String)
}
