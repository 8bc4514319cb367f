//! Typed reading of a GGUF file's metadata.

use candle_core::quantized::gguf_file::{Content, Value};

use super::unusable;
use crate::error::InferError;

/// The metadata of a file. A key that is missing is `None`; one of the wrong type is an error.
pub(super) struct Metadata<'c>(pub(super) &'c Content);

impl<'c> Metadata<'c> {
    pub(super) fn text(&self, key: &str) -> Result<Option<&'c str>, InferError> {
        self.read(key, "a text", |value| match value {
            Value::String(text) => Some(text.as_str()),
            _ => None,
        })
    }

    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>, InferError> {
        self.read(key, "true or false", |value| match value {
            Value::Bool(flag) => Some(*flag),
            _ => None,
        })
    }

    /// A token's id, which must be below `size`.
    pub(super) fn token(&self, key: &str, size: usize) -> Result<Option<u32>, InferError> {
        let Some(id) = self.read(key, "a token's id", whole)? else {
            return Ok(None);
        };
        // Some converters write -1 for none.
        if id == -1 || id == i64::from(u32::MAX) {
            return Ok(None);
        }
        match u32::try_from(id) {
            Ok(token) if (token as usize) < size => Ok(Some(token)),
            _ => Err(unusable(format!(
                "`{key}` is {id}, and the vocabulary has {size} tokens; the file is damaged, \
                 convert or download it again"
            ))),
        }
    }

    pub(super) fn texts(&self, key: &str) -> Result<Option<Vec<&'c str>>, InferError> {
        self.array(key, "a list of texts", |value| match value {
            Value::String(text) => Some(text.as_str()),
            _ => None,
        })
    }

    pub(super) fn wholes(&self, key: &str) -> Result<Option<Vec<i64>>, InferError> {
        self.array(key, "a list of whole numbers", whole)
    }

    pub(super) fn numbers(&self, key: &str) -> Result<Option<Vec<f32>>, InferError> {
        self.array(key, "a list of numbers", |value| match value {
            Value::F32(number) => Some(*number),
            Value::F64(number) => Some(*number as f32),
            other => whole(other).map(|number| number as f32),
        })
    }

    fn array<T>(
        &self,
        key: &str,
        wanted: &str,
        read: impl Fn(&'c Value) -> Option<T>,
    ) -> Result<Option<Vec<T>>, InferError> {
        self.read(key, wanted, |value| match value {
            Value::Array(values) => values.iter().map(&read).collect(),
            _ => None,
        })
    }

    fn read<T>(
        &self,
        key: &str,
        wanted: &str,
        read: impl FnOnce(&'c Value) -> Option<T>,
    ) -> Result<Option<T>, InferError> {
        match self.0.metadata.get(key) {
            None => Ok(None),
            Some(value) => match read(value) {
                Some(read) => Ok(Some(read)),
                None => Err(unusable(format!(
                    "`{key}` is not {wanted}; the file is damaged, convert or download it again"
                ))),
            },
        }
    }
}

fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::U8(number) => Some(i64::from(*number)),
        Value::I8(number) => Some(i64::from(*number)),
        Value::U16(number) => Some(i64::from(*number)),
        Value::I16(number) => Some(i64::from(*number)),
        Value::U32(number) => Some(i64::from(*number)),
        Value::I32(number) => Some(i64::from(*number)),
        Value::U64(number) => i64::try_from(*number).ok(),
        Value::I64(number) => Some(*number),
        _ => None,
    }
}
