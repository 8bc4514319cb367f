//! A column of values, a batch of rows at a time.

use ::parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use ::parquet::data_type::DataType;
use ::parquet::errors::{ParquetError, Result};

use crate::database::files::parquet::kinds::{Leaf, float, julian};
use crate::database::files::types::Value;

pub(super) struct Flat {
    leaf: Leaf,
    column: ColumnReader,
    /// The level at which there is a value.
    full: i16,
    values: Vec<Value<'static>>,
}

impl Flat {
    pub(super) fn new(leaf: Leaf, full: i16, column: ColumnReader) -> Self {
        Self {
            leaf,
            column,
            full,
            values: Vec::new(),
        }
    }

    /// Reads the values of some rows.
    pub(super) fn read(&mut self, rows: usize) -> Result<()> {
        let (leaf, full, into) = (self.leaf, self.full, &mut self.values);
        match &mut self.column {
            ColumnReader::BoolColumnReader(column) => {
                batch(column, rows, full, into, |truth| Value::Boolean(*truth))
            }
            ColumnReader::Int32ColumnReader(column) => {
                batch(column, rows, full, into, |number| leaf.short(*number))
            }
            ColumnReader::Int64ColumnReader(column) => {
                batch(column, rows, full, into, |number| leaf.long(*number))
            }
            ColumnReader::Int96ColumnReader(column) => {
                batch(column, rows, full, into, |moment| julian(*moment))
            }
            ColumnReader::FloatColumnReader(column) => {
                batch(column, rows, full, into, |number| float(*number))
            }
            ColumnReader::DoubleColumnReader(column) => {
                batch(column, rows, full, into, |number| Value::Real(*number))
            }
            ColumnReader::ByteArrayColumnReader(column) => {
                batch(column, rows, full, into, |bytes| leaf.bytes(bytes))
            }
            ColumnReader::FixedLenByteArrayColumnReader(column) => {
                batch(column, rows, full, into, |bytes| leaf.bytes(bytes))
            }
        }
    }

    pub(super) fn value(&self, row: usize) -> Value<'_> {
        self.values.get(row).map_or(Value::Null, Value::borrowed)
    }
}

fn batch<T: DataType>(
    column: &mut ColumnReaderImpl<T>,
    rows: usize,
    full: i16,
    into: &mut Vec<Value<'static>>,
    value: impl Fn(&T::T) -> Value<'static>,
) -> Result<()> {
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
    into.clear();
    if full == 0 {
        into.extend(values.iter().map(value));
        return Ok(());
    }
    let mut values = values.iter();
    into.extend(levels.iter().map(|level| match *level == full {
        true => values.next().map_or(Value::Null, &value),
        false => Value::Null,
    }));
    Ok(())
}
