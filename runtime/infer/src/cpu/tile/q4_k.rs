//! `q4_K`: 256 values in 8 sub-blocks of 32, each with a scale and a minimum of 6 bits; 4.6 bits
//! a value.
//!
//! 256 values of a tile are 37 lines: 32 with the values, two to a byte; two with the scales of
//! the sub-blocks; two with their minima, in pairs, as `vpdpwssd` wants them; one with the scale
//! and the minimum of the whole.

use half::f16;

use super::{Line, ROWS, half_at, pack_blocks, set_half};

/// Values in a block.
const BLOCK: usize = 256;
/// Bytes of a block in the file.
pub const BLOCK_BYTES: usize = 144;
/// Lines of a block.
const LINES: usize = 37;
const SCALES: usize = 32;
const MINIMA: usize = 34;
const WHOLE: usize = 36;

/// Lines of a tile.
pub fn lines(k: usize) -> usize {
    k / BLOCK * LINES
}

/// Scale and minimum of a sub-block, from ggml's twelve bytes.
fn scale_and_minimum(packed: &[u8; 12], sub: usize) -> (u8, u8) {
    let at = |index: usize| packed.get(index).copied().unwrap_or_default();
    if sub < 4 {
        (at(sub) & 63, at(sub + 4) & 63)
    } else {
        let high = |byte: u8| (byte >> 6) << 4;
        (
            at(sub + 4) & 15 | high(at(sub - 4)),
            at(sub + 4) >> 4 | high(at(sub)),
        )
    }
}

/// Lays out one tile from up to sixteen rows of the file.
pub fn pack(rows: &[&[u8]], tile: &mut [Line]) {
    pack_blocks(rows, tile, pack_block);
}

#[allow(
    clippy::indexing_slicing,
    reason = "indexes of arrays whose lengths are constants, in loops of constant bounds"
)]
fn pack_block(block: &[u8; BLOCK_BYTES], row: usize, lines: &mut [Line; LINES]) {
    let (head, values) = block.split_at(16);
    let (halves, packed) = head.split_at(4);
    let packed: [u8; 12] = packed.try_into().unwrap_or_default();
    for (index, bytes) in halves.as_chunks::<2>().0.iter().enumerate() {
        set_half(
            &mut lines[WHOLE],
            index * ROWS + row,
            f16::from_le_bytes(*bytes),
        );
    }
    for sub in 0..8 {
        let (scale, minimum) = scale_and_minimum(&packed, sub);
        lines[SCALES + sub / 4].0[sub % 4 * ROWS + row] = scale;
        lines[MINIMA + sub / 4].0[sub / 2 % 2 * 32 + row * 2 + sub % 2] = minimum;
    }
    // In the file, 32 bytes hold two sub-blocks: one in the low nibbles, one in the high.
    let value = |k: usize| {
        let byte = values
            .get(k / 64 * 32 + k % 32)
            .copied()
            .unwrap_or_default();
        if k % 64 < 32 { byte & 15 } else { byte >> 4 }
    };
    // Here, a line holds eight values of each row: four in the low nibbles, four in the high.
    for (group, line) in lines.iter_mut().take(SCALES).enumerate() {
        for j in 0..4 {
            let byte = value(group * 8 + j) | value(group * 8 + 4 + j) << 4;
            line.set(row, j, byte);
        }
    }
}

/// One row of a tile as numbers.
pub fn unpack(tile: &[Line], row: usize, out: &mut [f32]) {
    for (lines, out) in tile
        .as_chunks::<LINES>()
        .0
        .iter()
        .zip(out.chunks_mut(BLOCK))
    {
        let scale = half_at(&lines[WHOLE], row).to_f32();
        let minimum = half_at(&lines[WHOLE], ROWS + row).to_f32();
        for (k, out) in out.iter_mut().enumerate() {
            let sub = k / 32;
            let byte = lines.get(k / 8).map_or(0, |line| line.byte(row, k % 4));
            let value = if k % 8 < 4 { byte & 15 } else { byte >> 4 };
            let at = |line: usize, index: usize| {
                let line = lines.get(line).unwrap_or(&Line::ZERO);
                line.0.get(index).copied().map_or(0.0, f32::from)
            };
            let sub_scale = at(SCALES + sub / 4, sub % 4 * ROWS + row);
            let sub_minimum = at(MINIMA + sub / 4, sub / 2 % 2 * 32 + row * 2 + sub % 2);
            *out = scale * sub_scale * f32::from(value) - minimum * sub_minimum;
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
        __m512, _mm512_add_epi32, _mm512_and_si512, _mm512_cvtepi32_ps, _mm512_cvtepu8_epi16,
        _mm512_cvtepu8_epi32, _mm512_cvtph_ps, _mm512_dpbusd_epi32, _mm512_dpwssd_epi32,
        _mm512_fmadd_ps, _mm512_fnmadd_ps, _mm512_mul_ps, _mm512_mullo_epi32, _mm512_set1_epi8,
        _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps, _mm512_setzero_si512,
        _mm512_srli_epi16,
    };

    use super::super::super::activation::Block256;
    use super::super::super::lanes;
    use super::super::{Groups, Line, split};
    use super::{LINES, MINIMA, SCALES, WHOLE};

    /// Products of `M` rows of inputs, from row `from` on, with `T` tiles.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,f16c,fma")]
    pub(in crate::cpu) fn products<const M: usize, const T: usize>(
        tiles: [&[Line]; T],
        inputs: &Block256,
        from: usize,
    ) -> [[__m512; T]; M] {
        let groups = Groups::<LINES, T>::new(tiles);
        let words = inputs.words.as_chunks::<64>().0;
        let sums = inputs.sums.as_chunks::<4>().0;
        let low = _mm512_set1_epi8(15);
        let mut totals = [[_mm512_setzero_ps(); T]; M];
        for block in 0..groups.count {
            let lines = groups.at(block);
            let at = |m: usize| (from + m) * groups.count + block;
            let mut rows: [&[i32; 64]; M] = [&[0; 64]; M];
            for m in 0..M {
                // Not zeros in its place: what either may be is copied to the stack first.
                let Some(row) = words.get(at(m)) else {
                    return totals;
                };
                rows[m] = row;
            }
            let mut whole = [[_mm512_setzero_si512(); T]; M];
            for sub in 0..8 {
                let mut part = [[_mm512_setzero_si512(); T]; M];
                for group in 0..4 {
                    let step = sub * 4 + group;
                    if M == 1 {
                        groups.soon(block, step);
                    }
                    let packed: [_; T] = std::array::from_fn(|t| lanes::line(&lines[t][step]));
                    let first = packed.map(|packed| _mm512_and_si512(packed, low));
                    let second =
                        packed.map(|packed| _mm512_and_si512(_mm512_srli_epi16::<4>(packed), low));
                    for m in 0..M {
                        let a = _mm512_set1_epi32(rows[m][step * 2]);
                        let b = _mm512_set1_epi32(rows[m][step * 2 + 1]);
                        for t in 0..T {
                            part[m][t] = _mm512_dpbusd_epi32(part[m][t], first[t], a);
                            part[m][t] = _mm512_dpbusd_epi32(part[m][t], second[t], b);
                        }
                    }
                }
                for t in 0..T {
                    let line = &lines[t][SCALES + sub / 4];
                    let scales = line.0.as_chunks::<16>().0.get(sub % 4).unwrap_or(&[0; 16]);
                    let scales = _mm512_cvtepu8_epi32(lanes::bytes16(scales));
                    for m in 0..M {
                        let scaled = _mm512_mullo_epi32(part[m][t], scales);
                        whole[m][t] = _mm512_add_epi32(whole[m][t], scaled);
                    }
                }
            }
            for t in 0..T {
                let [scales, minima] = split(&lines[t][WHOLE]);
                let scales = _mm512_cvtph_ps(lanes::bytes32(scales));
                let least = _mm512_cvtph_ps(lanes::bytes32(minima));
                let pairs: [_; 4] = std::array::from_fn(|pair| {
                    let half = split(&lines[t][MINIMA + pair / 2])[pair % 2];
                    _mm512_cvtepu8_epi16(lanes::bytes32(half))
                });
                for m in 0..M {
                    let sums = sums.get(at(m)).unwrap_or(&[0; 4]);
                    let mut below = _mm512_setzero_si512();
                    for pair in 0..4 {
                        let sum = _mm512_set1_epi32(sums[pair]);
                        below = _mm512_dpwssd_epi32(below, pairs[pair], sum);
                    }
                    let scale = inputs.scales.get(at(m)).copied().unwrap_or_default();
                    let scale = _mm512_set1_ps(scale);
                    let total = _mm512_fmadd_ps(
                        _mm512_cvtepi32_ps(whole[m][t]),
                        _mm512_mul_ps(scales, scale),
                        totals[m][t],
                    );
                    totals[m][t] = _mm512_fnmadd_ps(
                        _mm512_cvtepi32_ps(below),
                        _mm512_mul_ps(least, scale),
                        total,
                    );
                }
            }
        }
        totals
    }
}
