//! Inputs of products, in the form that a kind of weights wants.
//!
//! The quantised forms are ggml's: 8 bits with one scale for 32 values (`q8_0`) or for 256
//! (`q8_K`), so that products agree with those of other programs on the same file up to the
//! order of additions.

use super::team::Team;

/// The form of inputs that a kind of weights wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As they are.
    Float,
    /// 8 bits, one scale for 32 values.
    Block32,
    /// 8 bits, one scale for 256 values.
    Block256,
}

/// Rows of inputs, and their quantised forms as far as they were asked for.
#[derive(Debug)]
pub struct Activations<'a> {
    /// Row after row, `k` values each.
    pub rows: &'a [f32],
    /// Values in a row.
    pub k: usize,
    block32: Option<Block32>,
    block256: Option<Block256>,
}

/// 8 bits, one scale for 32 values.
#[derive(Debug)]
pub(super) struct Block32 {
    /// Four values to a word, the first in the lowest byte.
    pub words: Vec<i32>,
    /// One for 32 values.
    pub scales: Vec<f32>,
    /// -128 times the sum of 32 values: what storing weights with 128 added costs.
    pub offsets: Vec<i32>,
}

/// 8 bits, one scale for 256 values.
#[derive(Debug)]
pub(super) struct Block256 {
    /// Four values to a word, the first in the lowest byte.
    pub words: Vec<i32>,
    /// One for 256 values.
    pub scales: Vec<f32>,
    /// Sums of 32 values, two to a word.
    pub sums: Vec<i32>,
    /// -32 times the sum of 16 values: what storing 6-bit weights without their offset costs.
    pub offsets: Vec<i32>,
}

impl<'a> Activations<'a> {
    /// Rows of `k` values, in these forms. Quantised forms need `k` in whole blocks; `Block32`
    /// is padded to 64.
    pub fn new(team: &Team, rows: &'a [f32], k: usize, forms: &[Form]) -> Self {
        let wants = |form| forms.contains(&form);
        Self {
            rows,
            k,
            block32: wants(Form::Block32).then(|| block32(team, rows, k)),
            block256: wants(Form::Block256).then(|| block256(team, rows, k)),
        }
    }

    /// How many rows there are.
    pub fn count(&self) -> usize {
        self.rows.len().checked_div(self.k).unwrap_or_default()
    }

    pub(super) fn block32(&self) -> Option<&Block32> {
        self.block32.as_ref()
    }

    pub(super) fn block256(&self) -> Option<&Block256> {
        self.block256.as_ref()
    }
}

/// Words of one row in the `Block32` form: `k` padded to a multiple of 64.
pub(super) fn words32(k: usize) -> usize {
    k.div_ceil(64) * 16
}

struct Row<'a> {
    words: &'a mut [i32],
    scales: &'a mut [f32],
    sums: &'a mut [i32],
    offsets: &'a mut [i32],
}

fn block32(team: &Team, rows: &[f32], k: usize) -> Block32 {
    let count = rows.len().checked_div(k).unwrap_or_default();
    let (words, blocks) = (words32(k), words32(k) / 8);
    let mut all = Block32 {
        words: vec![0; count * words],
        scales: vec![0.0; count * blocks],
        offsets: vec![0; count * blocks],
    };
    let mut split: Vec<Row<'_>> = all
        .words
        .chunks_exact_mut(words.max(1))
        .zip(all.scales.chunks_exact_mut(blocks.max(1)))
        .zip(all.offsets.chunks_exact_mut(blocks.max(1)))
        .map(|((words, scales), offsets)| Row {
            words,
            scales,
            sums: &mut [],
            offsets,
        })
        .collect();
    team.chunks(&mut split, 1, |number, row| {
        let values = rows.get(number * k..).unwrap_or_default();
        team.arch().dispatch(|| {
            for row in row.iter_mut() {
                row32(values.get(..k).unwrap_or_default(), row);
            }
        });
    });
    all
}

#[inline(always)]
fn row32(values: &[f32], row: &mut Row<'_>) {
    let blocks = values.chunks(32).zip(row.words.as_chunks_mut::<8>().0);
    let rest = row.scales.iter_mut().zip(row.offsets.iter_mut());
    for ((values, words), (scale, offset)) in blocks.zip(rest) {
        let mut block = [0.0; 32];
        for (to, from) in block.iter_mut().zip(values) {
            *to = *from;
        }
        let largest = block.iter().fold(0.0_f32, |m, v| m.max(v.abs()));
        let factor = if largest > 0.0 { 127.0 / largest } else { 0.0 };
        // ggml keeps the scale in half precision.
        *scale = half::f16::from_f32(largest / 127.0).to_f32();
        let sum = quantise(&block, factor, words);
        *offset = -128 * sum;
    }
}

/// Rounds `values * factor` into words; their sum.
#[inline(always)]
fn quantise<const N: usize, const W: usize>(
    values: &[f32; N],
    factor: f32,
    words: &mut [i32; W],
) -> i32 {
    let mut whole = [0_i32; N];
    for (to, value) in whole.iter_mut().zip(values) {
        // Adding 1.5 * 2^23 rounds to the nearest integer, and leaves it in the low bits.
        *to = ((value * factor + 12_582_912.0).to_bits() & 0x007f_ffff) as i32 - 0x0040_0000;
    }
    for (word, four) in words.iter_mut().zip(whole.as_chunks::<4>().0) {
        let [a, b, c, d] = four.map(|value| value & 0xff);
        *word = a | b << 8 | c << 16 | d << 24;
    }
    whole.iter().sum()
}

fn block256(team: &Team, rows: &[f32], k: usize) -> Block256 {
    let count = rows.len().checked_div(k).unwrap_or_default();
    let blocks = k / 256;
    let mut all = Block256 {
        words: vec![0; count * blocks * 64],
        scales: vec![0.0; count * blocks],
        sums: vec![0; count * blocks * 4],
        offsets: vec![0; count * blocks * 16],
    };
    let size = blocks.max(1);
    let mut split: Vec<Row<'_>> = all
        .words
        .chunks_exact_mut(size * 64)
        .zip(all.scales.chunks_exact_mut(size))
        .zip(all.sums.chunks_exact_mut(size * 4))
        .zip(all.offsets.chunks_exact_mut(size * 16))
        .map(|(((words, scales), sums), offsets)| Row {
            words,
            scales,
            sums,
            offsets,
        })
        .collect();
    team.chunks(&mut split, 1, |number, row| {
        let values = rows.get(number * k..).unwrap_or_default();
        team.arch().dispatch(|| {
            for row in row.iter_mut() {
                row256(values.get(..k).unwrap_or_default(), row);
            }
        });
    });
    all
}

#[inline(always)]
fn row256(values: &[f32], row: &mut Row<'_>) {
    let blocks = values
        .as_chunks::<256>()
        .0
        .iter()
        .zip(row.words.as_chunks_mut::<64>().0)
        .zip(row.scales.iter_mut())
        .zip(row.sums.as_chunks_mut::<4>().0)
        .zip(row.offsets.as_chunks_mut::<16>().0);
    for ((((values, words), scale), sums), offsets) in blocks {
        let (low, high) = values.iter().fold((0.0_f32, 0.0_f32), |(low, high), v| {
            (low.min(*v), high.max(*v))
        });
        // ggml's factor has the sign that makes the largest value -127.
        let signed = if high >= -low { high } else { low };
        let factor = if signed == 0.0 { 0.0 } else { -127.0 / signed };
        *scale = if signed == 0.0 { 0.0 } else { 1.0 / factor };
        let groups = values
            .as_chunks::<16>()
            .0
            .iter()
            .zip(words.as_chunks_mut::<4>().0);
        let mut sixteen = [0_i32; 16];
        for ((values, words), sum) in groups.zip(&mut sixteen) {
            *sum = quantise(values, factor, words);
        }
        for (offset, sum) in offsets.iter_mut().zip(sixteen) {
            *offset = -32 * sum;
        }
        for (word, four) in sums.iter_mut().zip(sixteen.as_chunks::<4>().0) {
            let [a, b, c, d] = *four;
            *word = (a + b) & 0xffff | (c + d) << 16;
        }
    }
}
