//! A weight matrix in a device's memory, as exact as its file has it.

use std::borrow::Cow;
use std::sync::Arc;

use candle_core::quantized::{GgmlDType, QMatMul, QStorage, QTensor};
use candle_core::{DType, Device, Module, Tensor};

use crate::error::InferError;

/// A weight matrix: one row for each output.
#[derive(Debug)]
pub(in crate::decoder) enum Matrix {
    /// In the blocks of a GGUF file.
    Quantised {
        product: QMatMul,
        /// The same tensor, for single rows.
        rows: Arc<QTensor>,
    },
    /// Plain numbers, of single or half precision.
    Plain(Tensor),
}

impl Matrix {
    pub(super) fn new(
        dtype: GgmlDType,
        bytes: Vec<u8>,
        shape: (usize, usize),
        device: &Device,
    ) -> Result<Self, InferError> {
        let plain = match dtype {
            GgmlDType::F32 => Some(DType::F32),
            GgmlDType::F16 => Some(DType::F16),
            GgmlDType::BF16 => Some(DType::BF16),
            _ => None,
        };
        if let Some(dtype) = plain {
            let tensor = Tensor::from_raw_buffer(&bytes, dtype, &[shape.0, shape.1], device)?;
            return Ok(Self::Plain(tensor));
        }
        let storage = QStorage::from_data(Cow::Owned(bytes), device, dtype)?;
        let rows = Arc::new(QTensor::new(storage, shape)?);
        Ok(Self::Quantised {
            product: QMatMul::from_arc(Arc::clone(&rows))?,
            rows,
        })
    }

    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Quantised { rows, .. } => rows.storage_size_in_bytes(),
            Self::Plain(tensor) => tensor.elem_count() * tensor.dtype().size_in_bytes(),
        }
    }

    /// Rows by number, in single precision.
    pub(super) fn rows(&self, numbers: &Tensor) -> Result<Tensor, InferError> {
        match self {
            Self::Quantised { rows, .. } => Ok(rows.embedding(numbers)?),
            Self::Plain(tensor) => Ok(tensor.index_select(numbers, 0)?.to_dtype(DType::F32)?),
        }
    }

    /// `inputs * self^T`, in single precision.
    pub(super) fn multiply(&self, inputs: &Tensor) -> Result<Tensor, InferError> {
        match self {
            Self::Quantised { product, .. } => Ok(product.forward(inputs)?),
            Self::Plain(tensor) => {
                let inputs = inputs.to_dtype(tensor.dtype())?;
                Ok(inputs.matmul(&tensor.t()?)?.to_dtype(DType::F32)?)
            }
        }
    }
}
