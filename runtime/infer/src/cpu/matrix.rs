//! A weight matrix, whatever its kind.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use candle_core::quantized::{GgmlDType, QMatMul, QStorage, QTensor};
use candle_core::{Device, Module, Tensor};

use super::activation::{Activations, Form};
use super::team::Team;
use super::tile::q8_0::Source;
use super::tile::{Line, ROWS, float, q4_k, q6_k, q8_0};
use crate::error::InferError;

#[cfg(target_arch = "x86_64")]
mod product;

/// Bytes of the file that are laid out at a time.
const STRIPE: usize = 4 << 20;

/// A weight matrix of `n` rows (outputs) and `k` columns (inputs).
#[derive(Debug)]
pub struct Matrix {
    n: usize,
    k: usize,
    store: Store,
}

#[derive(Debug)]
enum Store {
    Tiles {
        kind: Kind,
        lines: Vec<Line>,
        per_tile: usize,
    },
    /// What has no tiles here.
    Candle {
        product: QMatMul,
        /// The same tensor, for single rows.
        rows: Arc<QTensor>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Q8_0(Source),
    Q4K,
    Q6K,
    Float(float::Kind),
}

impl Kind {
    fn of(dtype: GgmlDType, k: usize) -> Option<Self> {
        let kind = match dtype {
            GgmlDType::Q8_0 => Kind::Q8_0(Source::Q8_0),
            GgmlDType::Q4_0 => Kind::Q8_0(Source::Q4_0),
            GgmlDType::Q5_0 => Kind::Q8_0(Source::Q5_0),
            GgmlDType::Q4K => Kind::Q4K,
            GgmlDType::Q6K => Kind::Q6K,
            GgmlDType::F32 => Kind::Float(float::Kind::F32),
            GgmlDType::F16 => Kind::Float(float::Kind::F16),
            GgmlDType::BF16 => Kind::Float(float::Kind::Bf16),
            _ => return None,
        };
        k.is_multiple_of(kind.block()).then_some(kind)
    }

    fn block(self) -> usize {
        match self {
            Kind::Q8_0(_) => 32,
            Kind::Q4K | Kind::Q6K => 256,
            Kind::Float(_) => 1,
        }
    }

    fn lines(self, k: usize) -> usize {
        match self {
            Kind::Q8_0(_) => q8_0::lines(k),
            Kind::Q4K => q4_k::lines(k),
            Kind::Q6K => q6_k::lines(k),
            Kind::Float(kind) => float::lines(kind, k),
        }
    }

    fn pack(self, rows: &[&[u8]], tile: &mut [Line]) {
        match self {
            Kind::Q8_0(source) => q8_0::pack(source, rows, tile),
            Kind::Q4K => q4_k::pack(rows, tile),
            Kind::Q6K => q6_k::pack(rows, tile),
            Kind::Float(kind) => float::pack(kind, rows, tile),
        }
    }

    fn unpack(self, tile: &[Line], row: usize, out: &mut [f32]) {
        match self {
            Kind::Q8_0(_) => q8_0::unpack(tile, row, out),
            Kind::Q4K => q4_k::unpack(tile, row, out),
            Kind::Q6K => q6_k::unpack(tile, row, out),
            Kind::Float(kind) => float::unpack(kind, tile, row, out),
        }
    }
}

/// Bytes of `k` values of a row in a file.
pub fn row_bytes(dtype: GgmlDType, k: usize) -> usize {
    k / dtype.block_size() * dtype.type_size()
}

impl Matrix {
    /// Reads a matrix. `read` fills a buffer with the bytes of a range of rows.
    ///
    /// # Errors
    /// What `read` gives; a kind that candle does not know.
    pub fn read(
        team: &Team,
        dtype: GgmlDType,
        (n, k): (usize, usize),
        mut read: impl FnMut(Range<usize>, &mut Vec<u8>) -> Result<(), InferError>,
    ) -> Result<Self, InferError> {
        let kind = Kind::of(dtype, k).filter(|_| team.vnni());
        let store = match kind {
            None => candle(dtype, (n, k), &mut read)?,
            Some(kind) => {
                let per_tile = kind.lines(k);
                let mut lines = vec![Line::ZERO; n.div_ceil(ROWS) * per_tile];
                let size = row_bytes(dtype, k).max(1);
                let stripe = (STRIPE / size / ROWS).max(1) * ROWS;
                let mut bytes = Vec::new();
                let stripes = lines.chunks_mut(stripe / ROWS * per_tile.max(1));
                for (number, tiles) in stripes.enumerate() {
                    let from = number * stripe;
                    read(from..n.min(from + stripe), &mut bytes)?;
                    let bytes = &bytes;
                    team.chunks(tiles, per_tile, |tile, lines| {
                        let mut rows = bytes.chunks_exact(size).skip(tile * ROWS);
                        let rows: [&[u8]; ROWS] =
                            std::array::from_fn(|_| rows.next().unwrap_or_default());
                        kind.pack(&rows, lines);
                    });
                }
                Store::Tiles {
                    kind,
                    lines,
                    per_tile,
                }
            }
        };
        Ok(Self { n, k, store })
    }

    /// Outputs.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Inputs.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        match &self.store {
            Store::Tiles { lines, .. } => lines.len() * 64,
            Store::Candle { rows, .. } => rows.storage_size_in_bytes(),
        }
    }

    /// The form in which it wants its inputs.
    pub fn form(&self) -> Form {
        match &self.store {
            Store::Tiles { kind, .. } => match kind {
                Kind::Q8_0(_) => Form::Block32,
                Kind::Q4K | Kind::Q6K => Form::Block256,
                Kind::Float(_) => Form::Float,
            },
            Store::Candle { .. } => Form::Float,
        }
    }

    /// One row as numbers.
    ///
    /// # Errors
    /// What candle refuses.
    pub fn row(&self, row: usize, out: &mut [f32]) -> Result<(), InferError> {
        match &self.store {
            Store::Tiles {
                kind,
                lines,
                per_tile,
            } => {
                let from = row / ROWS * per_tile;
                let tile = lines.get(from..from + per_tile).unwrap_or_default();
                kind.unpack(tile, row % ROWS, out);
            }
            Store::Candle { rows, .. } => {
                let size = row_bytes(rows.dtype(), self.k);
                let data = rows.data()?;
                let bytes = data.get(row * size..(row + 1) * size).unwrap_or_default();
                let storage =
                    QStorage::from_data(Cow::Borrowed(bytes), &Device::Cpu, rows.dtype())?;
                let values = QTensor::new(storage, (1, self.k))?.dequantize(&Device::Cpu)?;
                out.copy_from_slice(&values.flatten_all()?.to_vec1::<f32>()?);
            }
        }
        Ok(())
    }

    /// `out = inputs * self^T`: as many rows of `n` as there are inputs.
    ///
    /// # Errors
    /// What candle refuses; inputs that were not prepared in [`Self::form`].
    pub fn multiply(
        &self,
        team: &Team,
        inputs: &Activations<'_>,
        out: &mut [f32],
    ) -> Result<(), InferError> {
        let count = inputs.count();
        if inputs.k != self.k || out.len() != count * self.n {
            return Err(InferError::Compute(candle_core::Error::msg(format!(
                "a matrix of {} x {} got {count} inputs of {} for {} outputs",
                self.n,
                self.k,
                inputs.k,
                out.len()
            ))));
        }
        match &self.store {
            #[cfg(target_arch = "x86_64")]
            Store::Tiles {
                kind,
                lines,
                per_tile,
            } => {
                let product = product::Product {
                    kind: *kind,
                    tiles: lines,
                    per_tile: *per_tile,
                    inputs,
                    n: self.n,
                };
                product.write(team, out)
            }
            #[cfg(not(target_arch = "x86_64"))]
            Store::Tiles { .. } => Ok(()),
            Store::Candle { product, .. } => {
                let rows = Tensor::from_slice(inputs.rows, (count, self.k), &Device::Cpu)?;
                let values = product.forward(&rows)?.flatten_all()?.to_vec1::<f32>()?;
                out.copy_from_slice(&values);
                Ok(())
            }
        }
    }
}

fn candle(
    dtype: GgmlDType,
    (n, k): (usize, usize),
    read: &mut impl FnMut(Range<usize>, &mut Vec<u8>) -> Result<(), InferError>,
) -> Result<Store, InferError> {
    let mut bytes = Vec::new();
    read(0..n, &mut bytes)?;
    let storage = QStorage::from_data(Cow::Owned(bytes), &Device::Cpu, dtype)?;
    let rows = Arc::new(QTensor::new(storage, (n, k))?);
    let product = QMatMul::from_arc(Arc::clone(&rows))?;
    Ok(Store::Candle { product, rows })
}

#[cfg(test)]
mod tests;
