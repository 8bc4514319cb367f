//! A column of values, a batch of rows at a time.

use ::parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use ::parquet::data_type::{ByteArray, DataType};
use ::parquet::errors::{ParquetError, Result};

use crate::database::files::parquet::kinds::{Leaf, float, julian};
use crate::database::files::types::Value;

pub(super) struct Flat {
    leaf: Leaf,
    column: ColumnReader,
    /// The level at which there is a value.
    full: i16,
    values: Values,
}

/// The values of a batch; those that are bytes stay where they were read, for many of them may be
/// one and the same.
enum Values {
    Told(Vec<Option<Value<'static>>>),
    Bytes(Vec<Option<ByteArray>>),
}

impl Flat {
    pub(super) fn new(leaf: Leaf, full: i16, column: ColumnReader) -> Self {
        Self {
            leaf,
            column,
            full,
            values: Values::Told(Vec::new()),
        }
    }

    /// Reads the values of some rows.
    pub(super) fn read(&mut self, rows: usize) -> Result<()> {
        let (leaf, full) = (self.leaf, self.full);
        self.values = match &mut self.column {
            ColumnReader::BoolColumnReader(column) => {
                Values::Told(batch(column, rows, full, |truth| Value::Boolean(*truth))?)
            }
            ColumnReader::Int32ColumnReader(column) => {
                Values::Told(batch(column, rows, full, |number| leaf.short(*number))?)
            }
            ColumnReader::Int64ColumnReader(column) => {
                Values::Told(batch(column, rows, full, |number| leaf.long(*number))?)
            }
            ColumnReader::Int96ColumnReader(column) => {
                Values::Told(batch(column, rows, full, |moment| julian(*moment))?)
            }
            ColumnReader::FloatColumnReader(column) => {
                Values::Told(batch(column, rows, full, |number| float(*number))?)
            }
            ColumnReader::DoubleColumnReader(column) => {
                Values::Told(batch(column, rows, full, |number| Value::Real(*number))?)
            }
            ColumnReader::ByteArrayColumnReader(column) => {
                Values::Bytes(batch(column, rows, full, Clone::clone)?)
            }
            ColumnReader::FixedLenByteArrayColumnReader(column) => {
                Values::Bytes(batch(column, rows, full, |bytes| ByteArray::clone(bytes))?)
            }
        };
        Ok(())
    }

    pub(super) fn value(&self, row: usize) -> Value<'_> {
        match &self.values {
            Values::Told(values) => {
                let value = values.get(row).and_then(Option::as_ref);
                value.map_or(Value::Null, Value::borrowed)
            }
            Values::Bytes(values) => {
                let value = values.get(row).and_then(Option::as_ref);
                value.map_or(Value::Null, |bytes| self.leaf.bytes(bytes))
            }
        }
    }
}

fn batch<T: DataType, V>(
    column: &mut ColumnReaderImpl<T>,
    rows: usize,
    full: i16,
    value: impl Fn(&T::T) -> V,
) -> Result<Vec<Option<V>>> {
    let mut levels = Vec::new();
    let mut values = Vec::new();
    let mut read = 0_usize;
    while read < rows {
        let left = rows.saturating_sub(read);
        let (records, ..) = column.read_records(left, Some(&mut levels), None, &mut values)?;
        if records == 0 {
            let reason = "a column has fewer values than there are rows".to_owned();
            return Err(ParquetError::General(reason));
        }
        read = read.saturating_add(records);
    }
    let mut values = values.iter().map(value);
    if full == 0 {
        return Ok(values.map(Some).collect());
    }
    let values = levels.iter().map(|level| match *level == full {
        true => values.next(),
        false => None,
    });
    Ok(values.collect())
}
