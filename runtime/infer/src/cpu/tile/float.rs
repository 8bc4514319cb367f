//! Weights that are not quantised: f32, f16, bf16.
//!
//! One value of each of the sixteen rows lies beside the next: 64 bytes for f32, 32 for the
//! others.

use half::{bf16, f16};

use super::{Line, ROWS};

/// How a number is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 32 bits.
    F32,
    /// IEEE half precision.
    F16,
    /// The upper half of 32 bits.
    Bf16,
}

impl Kind {
    /// Bytes of a number.
    pub fn bytes(self) -> usize {
        match self {
            Kind::F32 => 4,
            Kind::F16 | Kind::Bf16 => 2,
        }
    }
}

/// Lines of a tile.
pub fn lines(kind: Kind, k: usize) -> usize {
    (k * ROWS * kind.bytes()).div_ceil(64)
}

/// Lays out one tile from up to sixteen rows of the file.
pub fn pack(kind: Kind, rows: &[&[u8]], tile: &mut [Line]) {
    tile.fill(Line::ZERO);
    let size = kind.bytes();
    let per_line = 64 / size / ROWS;
    for (row, bytes) in rows.iter().enumerate().take(ROWS) {
        for (k, number) in bytes.chunks_exact(size).enumerate() {
            let Some(line) = tile.get_mut(k / per_line) else {
                return;
            };
            let at = (k % per_line * ROWS + row) * size;
            for (to, from) in line.0.iter_mut().skip(at).zip(number) {
                *to = *from;
            }
        }
    }
}

/// One row of a tile as numbers.
pub fn unpack(kind: Kind, tile: &[Line], row: usize, out: &mut [f32]) {
    let size = kind.bytes();
    let per_line = 64 / size / ROWS;
    for (k, out) in out.iter_mut().enumerate() {
        let line = tile.get(k / per_line).unwrap_or(&Line::ZERO);
        let at = (k % per_line * ROWS + row) * size;
        *out = match line.0.get(at..at + size) {
            Some(&[a, b]) if kind == Kind::F16 => f16::from_le_bytes([a, b]).to_f32(),
            Some(&[a, b]) => bf16::from_le_bytes([a, b]).to_f32(),
            Some(&[a, b, c, d]) => f32::from_le_bytes([a, b, c, d]),
            _ => 0.0,
        };
    }
}

#[cfg(target_arch = "x86_64")]
pub(in crate::cpu) use kernel::products;

#[cfg(target_arch = "x86_64")]
mod kernel {
    #![allow(
        clippy::indexing_slicing,
        reason = "indexes of arrays whose lengths are constants, in loops of constant bounds"
    )]
    #![allow(
        clippy::needless_range_loop,
        reason = "several arrays are walked together"
    )]

    use std::arch::x86_64::{
        __m256i, __m512, _mm512_add_ps, _mm512_castsi512_ps, _mm512_cvtepu16_epi32,
        _mm512_cvtph_ps, _mm512_fmadd_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_slli_epi32,
    };

    use super::super::super::lanes;
    use super::super::{Line, split};
    use super::Kind;

    /// Products of `M` rows of inputs, of `k` values each, from row `from` on, with `T` tiles.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,f16c,fma")]
    pub(in crate::cpu) fn products<const M: usize, const T: usize>(
        kind: Kind,
        tiles: [&[Line]; T],
        inputs: &[f32],
        k: usize,
        from: usize,
    ) -> [[__m512; T]; M] {
        match kind {
            Kind::F32 => of::<M, T, 0>(tiles, inputs, k, from),
            Kind::F16 => of::<M, T, 1>(tiles, inputs, k, from),
            Kind::Bf16 => of::<M, T, 2>(tiles, inputs, k, from),
        }
    }

    /// As [`products`] for f32 (0), f16 (1) and bf16 (2).
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,f16c,fma")]
    fn of<const M: usize, const T: usize, const KIND: u8>(
        tiles: [&[Line]; T],
        inputs: &[f32],
        k: usize,
        from: usize,
    ) -> [[__m512; T]; M] {
        let mut sums = [[_mm512_setzero_ps(); T]; M];
        // Even and odd values are summed apart, so that a single row does not wait for itself; and
        // so for many, whose sums must not depend on how many they are.
        let mut odd = [[_mm512_setzero_ps(); T]; M];
        let mut rows: [&[f32]; M] = [&[]; M];
        for (m, row) in rows.iter_mut().enumerate() {
            let at = (from + m) * k;
            *row = inputs.get(at..at + k).unwrap_or_default();
        }
        for pair in 0..k.div_ceil(2) {
            let mut first = [_mm512_setzero_ps(); T];
            let mut second = [_mm512_setzero_ps(); T];
            for t in 0..T {
                if KIND == 0 {
                    let line = tiles[t].get(pair * 2).unwrap_or(&Line::ZERO);
                    first[t] = _mm512_castsi512_ps(lanes::line(line));
                    let line = tiles[t].get(pair * 2 + 1).unwrap_or(&Line::ZERO);
                    second[t] = _mm512_castsi512_ps(lanes::line(line));
                } else {
                    let [low, high] = split(tiles[t].get(pair).unwrap_or(&Line::ZERO));
                    first[t] = wide::<KIND>(lanes::bytes32(low));
                    second[t] = wide::<KIND>(lanes::bytes32(high));
                }
            }
            for m in 0..M {
                let at = pair * 2;
                let a = _mm512_set1_ps(rows[m].get(at).copied().unwrap_or_default());
                let b = _mm512_set1_ps(rows[m].get(at + 1).copied().unwrap_or_default());
                for t in 0..T {
                    sums[m][t] = _mm512_fmadd_ps(first[t], a, sums[m][t]);
                    odd[m][t] = _mm512_fmadd_ps(second[t], b, odd[m][t]);
                }
            }
        }
        for m in 0..M {
            for t in 0..T {
                sums[m][t] = _mm512_add_ps(sums[m][t], odd[m][t]);
            }
        }
        sums
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,f16c,fma")]
    fn wide<const KIND: u8>(halves: __m256i) -> __m512 {
        if KIND == 1 {
            _mm512_cvtph_ps(halves)
        } else {
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(halves)))
        }
    }
}
