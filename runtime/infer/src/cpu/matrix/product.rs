//! Products of tiles with rows of inputs.

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
    fn sums<const M: usize, const T: usize>(&self, first: usize, from: usize) -> [[__m512; T]; M] {
        let tiles: [&[Line]; T] = std::array::from_fn(|t| {
            let at = (first + t) * self.per_tile;
            self.tiles.get(at..at + self.per_tile).unwrap_or_default()
        });
        let inputs = self.inputs;
        match (self.kind, inputs.block32(), inputs.block256()) {
            (Kind::Q8_0(_), Some(block32), _) => q8_0::products(tiles, block32, from),
            (Kind::Q4K, _, Some(block256)) => q4_k::products(tiles, block256, from),
            (Kind::Q6K, _, Some(block256)) => q6_k::products(tiles, block256, from),
            (Kind::Float(kind), _, _) => float::products(kind, tiles, inputs.rows, inputs.k, from),
            _ => [[_mm512_setzero_ps(); T]; M],
        }
    }
}
