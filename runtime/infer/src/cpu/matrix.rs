//! A weight matrix, whatever its kind.

use std::borrow::Cow;
use std::ops::Range;

use candle_core::quantized::{GgmlDType, QMatMul, QStorage, QTensor};
use candle_core::{Device, Module, Tensor};

use super::activation::{Activations, Form};
use super::team::Team;
use super::tile::q8_0::Source;
use super::tile::{Line, ROWS, float, q4_k, q6_k, q8_0};
use crate::error::InferError;

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
    Candle { product: QMatMul, rows: QTensor2 },
}

/// The same tensor, for single rows.
type QTensor2 = std::sync::Arc<QTensor>;

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
    let rows = std::sync::Arc::new(QTensor::new(storage, (n, k))?);
    let product = QMatMul::from_arc(std::sync::Arc::clone(&rows))?;
    Ok(Store::Candle { product, rows })
}

#[cfg(target_arch = "x86_64")]
mod product {
    use std::arch::x86_64::{__m512, _mm512_setzero_ps};

    use super::super::activation::Activations;
    use super::super::lanes;
    use super::super::team::{Start, Team};
    use super::super::tile::{Line, ROWS, float, q4_k, q6_k, q8_0};
    use super::Kind;
    use crate::error::InferError;

    /// Rows of inputs and tiles that are multiplied at once, so that sums stay in registers.
    const INPUTS: usize = 6;
    const TILES: usize = 2;
    /// Tiles at once for a single row of inputs.
    const SINGLE: usize = 4;

    /// One product.
    #[derive(Clone, Copy)]
    pub(super) struct Product<'a> {
        pub(super) kind: Kind,
        pub(super) tiles: &'a [Line],
        pub(super) per_tile: usize,
        pub(super) inputs: &'a Activations<'a>,
        pub(super) n: usize,
    }

    impl Product<'_> {
        pub(super) fn write(&self, team: &Team, out: &mut [f32]) -> Result<(), InferError> {
            let ready = match self.kind {
                Kind::Q8_0(_) => self.inputs.block32().is_some(),
                Kind::Q4K | Kind::Q6K => self.inputs.block256().is_some(),
                Kind::Float(_) => true,
            };
            if !ready || !team.vnni() {
                return Err(InferError::Compute(candle_core::Error::msg(
                    "inputs of a product are not in the form it wants",
                )));
            }
            let count = self.inputs.count();
            let tiles = self.n.div_ceil(ROWS);
            let at_once = if count == 1 { SINGLE } else { TILES };
            let start = Start(out.as_mut_ptr());
            team.split(tiles.div_ceil(at_once), |range| {
                for unit in range {
                    let first = unit * at_once;
                    // SAFETY: the team said that the processor has every feature the kernels
                    // are compiled for. Each unit writes the columns of its own tiles only.
                    unsafe { self.columns(&start, first, at_once.min(tiles - first)) };
                }
            });
            Ok(())
        }

        /// Writes the columns of `some` tiles from `first` on.
        ///
        /// # Safety
        /// `start` begins a slice of one row of `n` for each input, nobody else writes these
        /// columns, and the processor has the features below.
        #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,f16c,fma")]
        unsafe fn columns(&self, start: &Start<f32>, first: usize, some: usize) {
            let count = self.inputs.count();
            if count == 1 {
                if some == SINGLE {
                    // SAFETY: as the caller says.
                    unsafe { self.block::<1, SINGLE>(start, first, 0) };
                } else {
                    for tile in first..first + some {
                        // SAFETY: as the caller says.
                        unsafe { self.block::<1, 1>(start, tile, 0) };
                    }
                }
                return;
            }
            let mut from = 0;
            while from < count {
                let step = INPUTS.min(count - from);
                // SAFETY: as the caller says.
                unsafe {
                    match (some, step) {
                        (TILES, INPUTS) => self.block::<INPUTS, TILES>(start, first, from),
                        (TILES, 5) => self.block::<5, TILES>(start, first, from),
                        (TILES, 4) => self.block::<4, TILES>(start, first, from),
                        (TILES, 3) => self.block::<3, TILES>(start, first, from),
                        (TILES, 2) => self.block::<2, TILES>(start, first, from),
                        (TILES, _) => self.block::<1, TILES>(start, first, from),
                        _ => {
                            for row in from..from + step {
                                self.block::<1, 1>(start, first, row);
                            }
                        }
                    }
                }
                from += step;
            }
        }

        /// Writes the products of `M` inputs with `T` tiles.
        ///
        /// # Safety
        /// As for [`Self::columns`].
        #[inline]
        #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,f16c,fma")]
        unsafe fn block<const M: usize, const T: usize>(
            &self,
            start: &Start<f32>,
            first: usize,
            from: usize,
        ) {
            let sums = self.sums::<M, T>(first, from);
            for (m, sums) in sums.into_iter().enumerate() {
                for (t, sum) in sums.into_iter().enumerate() {
                    let column = (first + t) * ROWS;
                    let width = ROWS.min(self.n - column);
                    let mut lanes16 = [0.0; ROWS];
                    lanes::store(&mut lanes16, sum);
                    // SAFETY: the row and its `width` columns lie within the slice, and belong
                    // to this call.
                    unsafe {
                        let to = start.at((from + m) * self.n + column);
                        std::ptr::copy_nonoverlapping(lanes16.as_ptr(), to, width);
                    }
                }
            }
        }

        #[inline]
        #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,f16c,fma")]
        fn sums<const M: usize, const T: usize>(
            &self,
            first: usize,
            from: usize,
        ) -> [[__m512; T]; M] {
            let tiles: [&[Line]; T] = std::array::from_fn(|t| {
                let at = (first + t) * self.per_tile;
                self.tiles.get(at..at + self.per_tile).unwrap_or_default()
            });
            let inputs = self.inputs;
            match (self.kind, inputs.block32(), inputs.block256()) {
                (Kind::Q8_0(_), Some(block32), _) => q8_0::products(tiles, block32, from),
                (Kind::Q4K, _, Some(block256)) => q4_k::products(tiles, block256, from),
                (Kind::Q6K, _, Some(block256)) => q6_k::products(tiles, block256, from),
                (Kind::Float(kind), _, _) => {
                    float::products(kind, tiles, inputs.rows, inputs.k, from)
                }
                _ => [[_mm512_setzero_ps(); T]; M],
            }
        }
    }
}

#[cfg(test)]
mod tests;
