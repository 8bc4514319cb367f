//! `q8_0`: 32 values with one scale, 8.5 bits a value.
//!
//! 64 values of a tile are 17 lines: 16 with the values, 128 added to each so that they are
//! unsigned as `vpdpbusd` wants its first operand, and one with the scales of both blocks.
//! `q4_0` and `q5_0` are kept so as well: their values are small integers with one scale.

use half::f16;

use super::{Line, ROWS, half_at, set_half};

/// Values in a group of lines.
const GROUP: usize = 64;
/// Lines of a group.
const LINES: usize = 17;

/// Lines of a tile.
pub fn lines(k: usize) -> usize {
    k.div_ceil(GROUP) * LINES
}

/// A block in the file: a scale and 32 values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Scale, 32 signed bytes.
    Q8_0,
    /// Scale, 16 bytes of two values, 8 subtracted.
    Q4_0,
    /// Scale, 32 fifth bits, 16 bytes of two values, 16 subtracted.
    Q5_0,
}

impl Source {
    /// Bytes of a block of 32 values.
    pub fn block_bytes(self) -> usize {
        match self {
            Source::Q8_0 => 34,
            Source::Q4_0 => 18,
            Source::Q5_0 => 22,
        }
    }

    fn read(self, block: &[u8]) -> (f16, [i8; 32]) {
        let scale = match block {
            [a, b, ..] => f16::from_le_bytes([*a, *b]),
            _ => f16::ZERO,
        };
        let byte = |at: usize| block.get(at).copied().unwrap_or_default();
        let values = std::array::from_fn(|j| match self {
            Source::Q8_0 => byte(2 + j) as i8,
            Source::Q4_0 => nibble(byte(2 + j % 16), j) - 8,
            Source::Q5_0 => {
                let fifth = byte(2 + j / 8) >> (j % 8) & 1;
                (nibble(byte(6 + j % 16), j) | (fifth << 4) as i8) - 16
            }
        });
        (scale, values)
    }
}

fn nibble(byte: u8, j: usize) -> i8 {
    (if j < 16 { byte & 15 } else { byte >> 4 }) as i8
}

/// Lays out one tile from up to sixteen rows of the file.
pub fn pack(source: Source, rows: &[&[u8]], tile: &mut [Line]) {
    for group in tile.as_chunks_mut::<LINES>().0 {
        let (values, _) = group.split_at_mut(LINES - 1);
        // What is padding must multiply to nothing: its scale is zero, and so are the inputs.
        values.fill(Line([128; 64]));
    }
    for (row, bytes) in rows.iter().enumerate().take(ROWS) {
        for (number, block) in bytes.chunks_exact(source.block_bytes()).enumerate() {
            let (scale, values) = source.read(block);
            let Some(group) = tile.as_chunks_mut::<LINES>().0.get_mut(number / 2) else {
                return;
            };
            let half = number % 2;
            for (j, value) in values.into_iter().enumerate() {
                if let Some(line) = group.get_mut(half * 8 + j / 4) {
                    line.set(row, j % 4, value.wrapping_add(-128_i8) as u8);
                }
            }
            if let Some(line) = group.last_mut() {
                set_half(line, half * ROWS + row, scale);
            }
        }
    }
}

/// One row of a tile as numbers.
pub fn unpack(tile: &[Line], row: usize, out: &mut [f32]) {
    for (group, out) in tile
        .as_chunks::<LINES>()
        .0
        .iter()
        .zip(out.chunks_mut(GROUP))
    {
        for (j, out) in out.iter_mut().enumerate() {
            let [line, .., scales] = group;
            let line = group.get(j / 4).unwrap_or(line);
            let scale = half_at(scales, j / 32 * ROWS + row).to_f32();
            *out = scale * (f32::from(line.byte(row, j % 4)) - 128.0);
        }
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
        __m512, _mm512_cvtepi32_ps, _mm512_cvtph_ps, _mm512_dpbusd_epi32, _mm512_fmadd_ps,
        _mm512_mul_ps, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps, _mm512_setzero_si512,
    };

    use super::super::super::activation::Block32;
    use super::super::super::lanes;
    use super::super::{Groups, Line, split};
    use super::LINES;

    /// Products of `M` rows of inputs, from row `from` on, with `T` tiles.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,f16c,fma")]
    pub(in crate::cpu) fn products<const M: usize, const T: usize>(
        tiles: [&[Line]; T],
        inputs: &Block32,
        from: usize,
    ) -> [[__m512; T]; M] {
        let groups = Groups::<LINES, T>::new(tiles);
        let count = groups.count;
        let rows: [_; M] = std::array::from_fn(|m| {
            let row = from + m;
            let words = inputs.words.get(row * count * 16..).unwrap_or_default();
            let scales = inputs.scales.get(row * count * 2..).unwrap_or_default();
            let offsets = inputs.offsets.get(row * count * 2..).unwrap_or_default();
            (
                words
                    .as_chunks::<8>()
                    .0
                    .get(..count * 2)
                    .unwrap_or_default(),
                scales.get(..count * 2).unwrap_or_default(),
                offsets.get(..count * 2).unwrap_or_default(),
            )
        });
        let mut sums = [[_mm512_setzero_ps(); T]; M];
        if rows.iter().any(|row| row.0.len() != count * 2) {
            return sums;
        }
        for at in 0..count {
            let group = groups.at(at);
            for half in 0..2 {
                let block = at * 2 + half;
                let mut whole = [[_mm512_setzero_si512(); T]; M];
                let mut words: [&[i32; 8]; M] = [&[0; 8]; M];
                for m in 0..M {
                    // Not zeros in its place: what either may be is copied to the stack first.
                    let (Some(row), Some(offset)) = (rows[m].0.get(block), rows[m].2.get(block))
                    else {
                        return sums;
                    };
                    whole[m] = [_mm512_set1_epi32(*offset); T];
                    words[m] = row;
                }
                for step in 0..8 {
                    if M == 1 {
                        groups.soon(at, half * 8 + step);
                    }
                    let mut weights = [_mm512_setzero_si512(); T];
                    for t in 0..T {
                        weights[t] = lanes::line(&group[t][half * 8 + step]);
                    }
                    for m in 0..M {
                        let input = _mm512_set1_epi32(words[m][step]);
                        for t in 0..T {
                            whole[m][t] = _mm512_dpbusd_epi32(whole[m][t], weights[t], input);
                        }
                    }
                }
                let mut scales = [_mm512_setzero_ps(); T];
                for t in 0..T {
                    let of_blocks = split(&group[t][LINES - 1]);
                    scales[t] = _mm512_cvtph_ps(lanes::bytes32(of_blocks[half]));
                }
                for m in 0..M {
                    let scale = rows[m].1.get(block).copied().unwrap_or_default();
                    let scale = _mm512_set1_ps(scale);
                    for t in 0..T {
                        let factor = _mm512_mul_ps(scales[t], scale);
                        let product = _mm512_cvtepi32_ps(whole[m][t]);
                        sums[m][t] = _mm512_fmadd_ps(product, factor, sums[m][t]);
                    }
                }
            }
        }
        sums
    }
}
