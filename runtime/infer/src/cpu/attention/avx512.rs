//! Attention to a page, up to eight query rows at once.
//!
//! A sequence that is being written has as many rows as heads share keys, often two or four: each
//! number of rows has code of its own, so that none computes what is not there. A row's result
//! does not depend on how many there are.

#![allow(
    clippy::indexing_slicing,
    reason = "indexes of arrays whose lengths are constants, in loops of constant bounds"
)]
#![allow(
    clippy::needless_range_loop,
    reason = "several arrays are walked together"
)]

use std::arch::x86_64::{
    __m512, __mmask16, _mm512_add_epi32, _mm512_add_ps, _mm512_castps_si512, _mm512_castsi512_ps,
    _mm512_cvtph_ps, _mm512_fmadd_ps, _mm512_fnmadd_ps, _mm512_mask_mov_ps, _mm512_maskz_mov_ps,
    _mm512_max_ps, _mm512_min_ps, _mm512_mul_ps, _mm512_reduce_add_ps, _mm512_reduce_max_ps,
    _mm512_set1_ps, _mm512_setzero_ps, _mm512_slli_epi32, _mm512_sub_ps,
};

use half::f16;

use super::super::elementwise::exp;
use super::super::lanes;
use super::{AttentionShape, LOWEST, Queries, ROWS};
use crate::kv::{BLOCK, HeadPage, PAGE};

const BLOCKS: usize = PAGE / BLOCK;

/// Takes in what the first `rows` rows see of a page whose first token is at `start`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,f16c,fma")]
pub(super) fn see(
    shape: AttentionShape,
    start: usize,
    page: HeadPage<'_>,
    seen: &mut Queries,
    rows: usize,
) {
    match rows {
        0..=1 => see_rows::<1, 1>(shape, start, page, seen),
        2 => see_rows::<2, 2>(shape, start, page, seen),
        3..=4 => see_rows::<4, 4>(shape, start, page, seen),
        // Sums of four rows, in four registers each, leave some for what they are made of.
        _ => see_rows::<ROWS, 4>(shape, start, page, seen),
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,f16c,fma")]
fn see_rows<const R: usize, const A: usize>(
    shape: AttentionShape,
    start: usize,
    page: HeadPage<'_>,
    seen: &mut Queries,
) {
    let head = shape.head;
    let mut shares = [[0.0_f32; PAGE]; R];
    let mut fades = [1.0_f32; R];
    let (first, second) = page.keys.split_at(page.keys.len() / BLOCKS);
    let scores: [[__m512; R]; BLOCKS] = if R < ROWS {
        products([first, second], &seen.numbers)
    } else {
        // These are sums enough that none waits for itself.
        let [first] = products([first], &seen.numbers);
        let [second] = products([second], &seen.numbers);
        [first, second]
    };
    for row in 0..R {
        let position = seen.positions[row];
        let masks: [__mmask16; BLOCKS] =
            std::array::from_fn(|block| mask(shape, position, start + block * BLOCK));
        if masks == [0; BLOCKS] {
            continue;
        }
        let mut top = _mm512_set1_ps(LOWEST);
        for block in 0..BLOCKS {
            let in_sight = _mm512_mask_mov_ps(top, masks[block], scores[block][row]);
            top = _mm512_max_ps(top, in_sight);
        }
        let highest = seen.highest[row].max(_mm512_reduce_max_ps(top));
        fades[row] = exp(seen.highest[row] - highest);
        seen.highest[row] = highest;
        let mut sum = _mm512_setzero_ps();
        for (block, share) in shares[row]
            .as_chunks_mut::<BLOCK>()
            .0
            .iter_mut()
            .enumerate()
        {
            let score = _mm512_sub_ps(scores[block][row], _mm512_set1_ps(highest));
            let exp = _mm512_maskz_mov_ps(masks[block], exp16(score));
            sum = _mm512_add_ps(sum, exp);
            lanes::store(share, exp);
        }
        seen.weights[row] = seen.weights[row] * fades[row] + _mm512_reduce_add_ps(sum);
    }
    let mut at = 0;
    while at < head {
        at += match head - at {
            64.. => gather::<4, R, A>(page.values, head, at, &shares, &fades, &mut seen.sums),
            32.. => gather::<2, R, A>(page.values, head, at, &shares, &fades, &mut seen.sums),
            _ => gather::<1, R, A>(page.values, head, at, &shares, &fades, &mut seen.sums),
        };
    }
}

/// Which of sixteen positions from `start` on a row sees.
fn mask(shape: AttentionShape, position: Option<usize>, start: usize) -> __mmask16 {
    let Some(position) = position else {
        return 0;
    };
    // Bits up to the row's own position, without those before its window.
    let upto = |end: usize| match end.saturating_sub(start) {
        16.. => u16::MAX,
        some => (1_u16 << some) - 1,
    };
    let before = shape
        .window
        .map_or(0, |window| (position + 1).saturating_sub(window));
    upto(position + 1) & !upto(before)
}

/// Products of query rows with the keys of `B` blocks of sixteen.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,f16c,fma")]
fn products<const R: usize, const B: usize>(
    blocks: [&[f16]; B],
    queries: &[[f32; ROWS]],
) -> [[__m512; R]; B] {
    let mut sums = [[_mm512_setzero_ps(); R]; B];
    let blocks = blocks.map(|keys| keys.as_chunks::<BLOCK>().0);
    for (at, queries) in queries.iter().enumerate() {
        for block in 0..B {
            let Some(keys) = blocks[block].get(at) else {
                continue;
            };
            let keys = _mm512_cvtph_ps(lanes::halves(keys));
            for row in 0..R {
                let query = _mm512_set1_ps(queries[row]);
                sums[block][row] = _mm512_fmadd_ps(keys, query, sums[block][row]);
            }
        }
    }
    sums
}

/// Adds weighted values to `W * 16` numbers of every row's sums, from number `at` on, `A` of the
/// `R` rows at a time; how many numbers these are.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,f16c,fma")]
fn gather<const W: usize, const R: usize, const A: usize>(
    values: &[f16],
    head: usize,
    at: usize,
    shares: &[[f32; PAGE]; R],
    fades: &[f32; R],
    sums: &mut [f32],
) -> usize {
    let at_once = shares
        .as_chunks::<A>()
        .0
        .iter()
        .zip(fades.as_chunks::<A>().0);
    for (number, (shares, fades)) in at_once.enumerate() {
        let first = number * A;
        let mut totals = [[_mm512_setzero_ps(); W]; A];
        for (row, totals) in totals.iter_mut().enumerate() {
            let from = (first + row) * head + at;
            let row_sums = sums.get(from..from + W * 16).unwrap_or_default();
            let fade = _mm512_set1_ps(fades[row]);
            for (total, sum) in totals.iter_mut().zip(row_sums.as_chunks::<16>().0) {
                *total = _mm512_mul_ps(lanes::floats(sum), fade);
            }
        }
        for (slot, values) in values.chunks_exact(head).take(PAGE).enumerate() {
            let values = values.get(at..at + W * 16).unwrap_or_default();
            let mut wide = [_mm512_setzero_ps(); W];
            for (wide, values) in wide.iter_mut().zip(values.as_chunks::<16>().0) {
                *wide = _mm512_cvtph_ps(lanes::halves(values));
            }
            for (row, totals) in totals.iter_mut().enumerate() {
                let share = _mm512_set1_ps(shares[row][slot]);
                for (total, wide) in totals.iter_mut().zip(wide) {
                    *total = _mm512_fmadd_ps(wide, share, *total);
                }
            }
        }
        for (row, totals) in totals.iter().enumerate() {
            let from = (first + row) * head + at;
            let row_sums = sums.get_mut(from..from + W * 16).unwrap_or_default();
            for (total, sum) in totals.iter().zip(row_sums.as_chunks_mut::<16>().0) {
                lanes::store(sum, *total);
            }
        }
    }
    W * 16
}

/// [`exp`] of sixteen numbers.
#[inline]
#[target_feature(enable = "avx512f")]
fn exp16(x: __m512) -> __m512 {
    let set = |value: f32| _mm512_set1_ps(value);
    let magic = set(12_582_912.0);
    let x = _mm512_min_ps(_mm512_max_ps(x, set(-87.0)), set(87.0));
    let shifted = _mm512_fmadd_ps(x, set(std::f32::consts::LOG2_E), magic);
    let n = _mm512_sub_ps(shifted, magic);
    let r = _mm512_fnmadd_ps(n, set(0.693_359_4), x);
    let r = _mm512_fnmadd_ps(n, set(-2.121_944_4e-4), r);
    let mut p = set(1.987_569_1e-4);
    for coefficient in [
        1.398_199_9e-3,
        8.333_452e-3,
        4.166_579_6e-2,
        1.666_666_5e-1,
        0.5,
    ] {
        p = _mm512_fmadd_ps(p, r, set(coefficient));
    }
    let p = _mm512_fmadd_ps(_mm512_mul_ps(p, r), r, _mm512_add_ps(r, set(1.0)));
    let power = _mm512_slli_epi32::<23>(_mm512_castps_si512(shifted));
    _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(p), power))
}
