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
    use std::arch::x86_64::{
        __m512, _mm512_castsi512_ps, _mm512_cvtepu16_epi32, _mm512_cvtph_ps, _mm512_fmadd_ps,
        _mm512_set1_ps, _mm512_setzero_ps, _mm512_slli_epi32,
    };

    use super::super::super::lanes;
    use super::super::{Line, split};
    use super::Kind;

    /// Products of `M` rows of inputs, of `k` values each, from row `from` on, with `T` tiles.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,f16c,fma")]
    pub(in crate::cpu) fn products<const M: usize, const T: usize>(
        kind: Kind,
        tiles: [&[Line]; T],
        inputs: &[f32],
        k: usize,
        from: usize,
    ) -> [[__m512; T]; M] {
        let mut sums = [[_mm512_setzero_ps(); T]; M];
        let rows: [&[f32]; M] = std::array::from_fn(|m| {
            let row = (from + m) * k;
            inputs.get(row..row + k).unwrap_or_default()
        });
        if tiles
            .iter()
            .any(|tile| tile.len() * 64 < k * 16 * kind.bytes())
            || rows.iter().any(|row| row.len() != k)
        {
            return sums;
        }
        for at in 0..k {
            let weights: [_; T] = std::array::from_fn(|t| match kind {
                Kind::F32 => {
                    let line = tiles[t].get(at).unwrap_or(&Line::ZERO);
                    _mm512_castsi512_ps(lanes::line(line))
                }
                Kind::F16 => {
                    let line = tiles[t].get(at / 2).unwrap_or(&Line::ZERO);
                    _mm512_cvtph_ps(lanes::bytes32(split(line)[at % 2]))
                }
                Kind::Bf16 => {
                    let line = tiles[t].get(at / 2).unwrap_or(&Line::ZERO);
                    let wide = _mm512_cvtepu16_epi32(lanes::bytes32(split(line)[at % 2]));
                    _mm512_castsi512_ps(_mm512_slli_epi32::<16>(wide))
                }
            });
            for m in 0..M {
                let input = _mm512_set1_ps(rows[m].get(at).copied().unwrap_or_default());
                for t in 0..T {
                    sums[m][t] = _mm512_fmadd_ps(weights[t], input, sums[m][t]);
                }
            }
        }
        sums
    }
}
