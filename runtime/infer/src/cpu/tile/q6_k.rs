//! `q6_K`: 256 values in 16 sub-blocks of 16, each with a signed scale of 8 bits; 6.6 bits a
//! value.
//!
//! 256 values of a tile are 53 lines: 32 with the low four bits of the values, two to a byte; 16
//! with the high two, four to a byte; four with the scales of the sub-blocks; one with the scale
//! of the whole.

use half::f16;

use super::{Line, ROWS, half_at, pack_blocks, set_half};

/// Values in a block.
const BLOCK: usize = 256;
/// Bytes of a block in the file.
pub const BLOCK_BYTES: usize = 210;
/// Lines of a block.
const LINES: usize = 53;
const HIGH: usize = 32;
const SCALES: usize = 48;
const WHOLE: usize = 52;

/// Lines of a tile.
pub fn lines(k: usize) -> usize {
    k / BLOCK * LINES
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
    let byte = |at: usize| block.get(at).copied().unwrap_or_default();
    set_half(
        &mut lines[WHOLE],
        row,
        f16::from_le_bytes([byte(208), byte(209)]),
    );
    for sub in 0..16 {
        lines[SCALES + sub / 4].0[sub % 4 * ROWS + row] = byte(192 + sub);
    }
    // In the file, each half of the block has four quarters of 32 values: their low bits in the
    // low and high nibbles of 64 bytes, their high bits in the four pairs of bits of 32 bytes.
    let value = |k: usize| {
        let (half, quarter, j) = (k / 128, k / 32 % 4, k % 32);
        let low = byte(half * 64 + quarter % 2 * 32 + j) >> (quarter / 2 * 4) & 15;
        let high = byte(128 + half * 32 + j) >> (quarter * 2) & 3;
        (low, high)
    };
    for k in 0..BLOCK {
        let (low, high) = value(k);
        let (step, j) = (k / 4, k % 4);
        // Two steps share a line of low bits, four a line of high bits.
        let line = &mut lines[step / 2];
        line.set(row, j, line.byte(row, j) | low << (step % 2 * 4));
        let line = &mut lines[HIGH + step / 4];
        line.set(row, j, line.byte(row, j) | high << (step % 4 * 2));
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
        for (k, out) in out.iter_mut().enumerate() {
            let (step, j, sub) = (k / 4, k % 4, k / 16);
            let at = |line: usize| lines.get(line).map_or(0, |line| line.byte(row, j));
            let low = at(step / 2) >> (step % 2 * 4) & 15;
            let high = at(HIGH + step / 4) >> (step % 4 * 2) & 3;
            let scales = lines.get(SCALES + sub / 4).unwrap_or(&Line::ZERO);
            let sub_scale = scales.0.get(sub % 4 * ROWS + row).copied().unwrap_or(0) as i8;
            *out = scale * f32::from(sub_scale) * (f32::from(low | high << 4) - 32.0);
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
        __m512, _mm512_add_epi32, _mm512_and_si512, _mm512_cvtepi8_epi32, _mm512_cvtepi32_ps,
        _mm512_cvtph_ps, _mm512_dpbusd_epi32, _mm512_fmadd_ps, _mm512_mul_ps, _mm512_mullo_epi32,
        _mm512_set1_epi8, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps,
        _mm512_setzero_si512, _mm512_slli_epi16, _mm512_srli_epi16, _mm512_ternarylogic_epi32,
    };

    use super::super::super::activation::Block256;
    use super::super::super::lanes;
    use super::super::{Groups, Line, split};
    use super::{HIGH, LINES, SCALES, WHOLE};

    /// Products of `M` rows of inputs, from row `from` on, with `T` tiles.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,f16c,fma")]
    pub(in crate::cpu) fn products<const M: usize, const T: usize>(
        tiles: [&[Line]; T],
        inputs: &Block256,
        from: usize,
    ) -> [[__m512; T]; M] {
        let groups = Groups::<LINES, T>::new(tiles);
        let words = inputs.words.as_chunks::<64>().0;
        let offsets = inputs.offsets.as_chunks::<16>().0;
        let low = _mm512_set1_epi8(15);
        let six = _mm512_set1_epi8(0x3f);
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
            let offsets: [&[i32; 16]; M] =
                std::array::from_fn(|m| offsets.get(at(m)).unwrap_or(&[0; 16]));
            let mut whole = [[_mm512_setzero_si512(); T]; M];
            for sub in 0..16 {
                let mut part: [[_; T]; M] =
                    std::array::from_fn(|m| [_mm512_set1_epi32(offsets[m][sub]); T]);
                if M == 1 {
                    for line in sub * 3..sub * 3 + 3 {
                        groups.soon(block, line);
                    }
                }
                for t in 0..T {
                    let first = lanes::line(&lines[t][sub * 2]);
                    let second = lanes::line(&lines[t][sub * 2 + 1]);
                    let above = lanes::line(&lines[t][HIGH + sub]);
                    // Bits of `a` where `low` is set, else of `b`; the two above them are wanted.
                    let join = |a, b| {
                        let both = _mm512_ternarylogic_epi32::<0xd8>(b, a, low);
                        _mm512_and_si512(both, six)
                    };
                    let weights = [
                        join(first, _mm512_slli_epi16::<4>(above)),
                        join(_mm512_srli_epi16::<4>(first), _mm512_slli_epi16::<2>(above)),
                        join(second, above),
                        join(
                            _mm512_srli_epi16::<4>(second),
                            _mm512_srli_epi16::<2>(above),
                        ),
                    ];
                    for m in 0..M {
                        for step in 0..4 {
                            let input = _mm512_set1_epi32(rows[m][sub * 4 + step]);
                            part[m][t] = _mm512_dpbusd_epi32(part[m][t], weights[step], input);
                        }
                    }
                    let line = &lines[t][SCALES + sub / 4];
                    let scales = line.0.as_chunks::<16>().0.get(sub % 4).unwrap_or(&[0; 16]);
                    let scales = _mm512_cvtepi8_epi32(lanes::bytes16(scales));
                    for m in 0..M {
                        let scaled = _mm512_mullo_epi32(part[m][t], scales);
                        whole[m][t] = _mm512_add_epi32(whole[m][t], scaled);
                    }
                }
            }
            for t in 0..T {
                let [scales, _] = split(&lines[t][WHOLE]);
                let scales = _mm512_cvtph_ps(lanes::bytes32(scales));
                for m in 0..M {
                    let scale = inputs.scales.get(at(m)).copied().unwrap_or_default();
                    totals[m][t] = _mm512_fmadd_ps(
                        _mm512_cvtepi32_ps(whole[m][t]),
                        _mm512_mul_ps(scales, _mm512_set1_ps(scale)),
                        totals[m][t],
                    );
                }
            }
        }
        totals
    }
}
