//! What lies between the matrices: GELU, layer norm, softmax, attention.
//!
//! The loops are written so that the compiler vectorises them; [`pulp::Arch`] compiles each for
//! AVX-512, AVX2 and the baseline, and picks one at run time.

use gemm::Parallelism;
use pulp::Arch;

/// `e^x` to about 1e-7 relative, without a branch: range reduction to `2^n * e^r`, `|r| <= ln2/2`,
/// and a degree-6 polynomial (Cephes' scheme). Arguments below -87 give zero-like results.
#[inline(always)]
fn exp(x: f32) -> f32 {
    const MAGIC: f32 = 12_582_912.0; // 1.5 * 2^23: adding it rounds to the nearest integer
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 87.0);
    let shifted = x * std::f32::consts::LOG2_E + MAGIC;
    let n = shifted - MAGIC;
    let r = x - n * LN2_HIGH - n * LN2_LOW;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 0.5;
    let p = p * r * r + r + 1.0;
    f32::from_bits(p.to_bits().wrapping_add(shifted.to_bits() << 23))
}

/// `0.5 x (1 + erf(x / sqrt 2))`, the exact GELU of BERT; erf by Abramowitz and Stegun 7.1.26,
/// whose absolute error is below 1.5e-7.
#[inline(always)]
fn gelu(x: f32) -> f32 {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let poly = t
        * (0.254_829_6
            + t * (-0.284_496_74 + t * (1.421_413_7 + t * (-1.453_152 + t * 1.061_405_4))));
    let erf = (1.0 - poly * exp(-z * z)).copysign(x);
    0.5 * x * (1.0 + erf)
}

/// `x = gelu(x + bias)`, row by row.
pub(crate) fn bias_gelu(arch: Arch, x: &mut [f32], bias: &[f32]) {
    arch.dispatch(|| {
        for row in x.chunks_exact_mut(bias.len()) {
            for (value, bias) in row.iter_mut().zip(bias) {
                *value = gelu(*value + bias);
            }
        }
    });
}

/// `x = x + bias`, row by row.
pub(crate) fn add_bias(arch: Arch, x: &mut [f32], bias: &[f32]) {
    arch.dispatch(|| {
        for row in x.chunks_exact_mut(bias.len()) {
            for (value, bias) in row.iter_mut().zip(bias) {
                *value += bias;
            }
        }
    });
}

/// Scale and shift of a layer norm.
#[derive(Debug, Clone)]
pub(crate) struct LayerNorm {
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: Vec<f32>,
    pub(crate) eps: f32,
}

/// `x = norm(x + delta + bias)`, row by row: residual, output bias and layer norm in one pass.
pub(crate) fn add_norm(
    arch: Arch,
    x: &mut [f32],
    delta: &[f32],
    delta_bias: &[f32],
    norm: &LayerNorm,
) {
    let width = norm.weight.len();
    arch.dispatch(|| {
        for (row, delta) in x.chunks_exact_mut(width).zip(delta.chunks_exact(width)) {
            for ((value, delta), bias) in row.iter_mut().zip(delta).zip(delta_bias) {
                *value += delta + bias;
            }
            normalise_row(row, norm);
        }
    });
}

/// `x = norm(x)`, row by row.
pub(crate) fn layer_norm(arch: Arch, x: &mut [f32], norm: &LayerNorm) {
    arch.dispatch(|| {
        for row in x.chunks_exact_mut(norm.weight.len()) {
            normalise_row(row, norm);
        }
    });
}

#[inline(always)]
fn normalise_row(row: &mut [f32], norm: &LayerNorm) {
    let count = row.len() as f32;
    let mean = lane_sum(row, |value| value) / count;
    let variance = lane_sum(row, |value| (value - mean) * (value - mean)) / count;
    let scale = 1.0 / (variance + norm.eps).sqrt();
    for ((value, weight), bias) in row.iter_mut().zip(&norm.weight).zip(&norm.bias) {
        *value = (*value - mean) * scale * weight + bias;
    }
}

/// A sum in 16 lanes, so that it vectorises (a plain float sum may not be reordered).
#[inline(always)]
fn lane_sum(row: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0_f32; 16];
    let chunks = row.chunks_exact(16);
    let rest: f32 = chunks.remainder().iter().map(|value| f(*value)).sum();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += f(*value);
        }
    }
    lanes.iter().sum::<f32>() + rest
}

/// Softmax of each row of `scores` after multiplying by `scale`.
pub(crate) fn softmax_rows(arch: Arch, scores: &mut [f32], width: usize, scale: f32) {
    arch.dispatch(|| {
        for row in scores.chunks_exact_mut(width) {
            let mut lanes = [f32::NEG_INFINITY; 16];
            let chunks = row.chunks_exact(16);
            let rest = chunks
                .remainder()
                .iter()
                .copied()
                .fold(f32::NEG_INFINITY, f32::max);
            for chunk in chunks {
                for (lane, value) in lanes.iter_mut().zip(chunk) {
                    *lane = lane.max(*value);
                }
            }
            let max = lanes.iter().copied().fold(rest, f32::max);
            for value in row.iter_mut() {
                *value = exp((*value - max) * scale);
            }
            let inverse = 1.0 / lane_sum(row, |value| value);
            for value in row.iter_mut() {
                *value *= inverse;
            }
        }
    });
}

/// `out = x * matrix`, all row-major: `x` is `[rows, width]`, `matrix` `[width, columns]`.
pub(crate) fn product(x: &[f32], matrix: &[f32], out: &mut [f32], width: usize) {
    let rows = x.len() / width;
    let columns = matrix.len() / width;
    assert!(x.len() == rows * width && matrix.len() == width * columns);
    assert!(out.len() == rows * columns);
    // SAFETY: the sizes were just checked, strides follow from them, and `out` is borrowed
    // mutably, so it overlaps neither input.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            width,
            out.as_mut_ptr(),
            1,
            columns as isize,
            false,
            x.as_ptr(),
            1,
            width as isize,
            matrix.as_ptr(),
            1,
            columns as isize,
            0.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

/// Self-attention of one sequence.
///
/// `qkv` is `[tokens, 3 * hidden]` (queries, keys, values side by side, biases added), `out` is
/// `[tokens, hidden]`; `scores` is scratch that grows to `tokens * tokens`.
pub(crate) fn attention(
    arch: Arch,
    qkv: &[f32],
    out: &mut [f32],
    scores: &mut Vec<f32>,
    hidden: usize,
    heads: usize,
) {
    let tokens = out.len() / hidden;
    debug_assert_eq!(qkv.len(), tokens * 3 * hidden);
    debug_assert_eq!(out.len(), tokens * hidden);
    let width = hidden / heads;
    let scale = 1.0 / (width as f32).sqrt();
    scores.resize(tokens * tokens, 0.0);
    for head in 0..heads {
        let offset = head * width;
        let row = 3 * hidden as isize;
        // SAFETY: every matrix lies within its slice. qkv has `tokens` rows of 3 * hidden values;
        // a head reads columns [offset, offset + width) of the q, k and v thirds, with
        // offset + width <= hidden. scores has tokens * tokens values. gemm only reads lhs and
        // rhs and writes dst, which is a different allocation from both.
        unsafe {
            gemm::gemm(
                tokens,
                tokens,
                width,
                scores.as_mut_ptr(),
                1,
                tokens as isize,
                false,
                qkv.as_ptr().add(offset),
                1,
                row,
                qkv.as_ptr().add(hidden + offset),
                row,
                1,
                0.0,
                1.0,
                false,
                false,
                false,
                Parallelism::None,
            );
        }
        softmax_rows(arch, scores, tokens, scale);
        // SAFETY: as above; out has `tokens` rows of `hidden` values and this head writes
        // columns [offset, offset + width) of each.
        unsafe {
            gemm::gemm(
                tokens,
                width,
                tokens,
                out.as_mut_ptr().add(offset),
                1,
                hidden as isize,
                false,
                scores.as_ptr(),
                1,
                tokens as isize,
                qkv.as_ptr().add(2 * hidden + offset),
                1,
                row,
                0.0,
                1.0,
                false,
                false,
                false,
                Parallelism::None,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn exp_is_exact_to_seven_digits() {
        for i in -8_000..=800 {
            let x = i as f32 / 100.0;
            let want = f64::from(x).exp();
            let got = f64::from(exp(x));
            assert!(
                (got / want - 1.0).abs() < 4e-7,
                "exp({x}) = {got}, not {want}"
            );
        }
    }

    #[test]
    fn gelu_agrees_with_known_values() {
        for (x, want) in [
            (0.0, 0.0),
            (1.0, 0.841_344_8),
            (-1.0, -0.158_655_2),
            (3.0, 2.995_950_3),
            (-4.0, -1.266_85e-4),
            (30.0, 30.0),
            (-30.0, 0.0),
        ] {
            assert!(
                (gelu(x) - want).abs() < 2e-6,
                "gelu({x}) = {}, not {want}",
                gelu(x)
            );
        }
    }

    proptest! {
        #[test]
        fn attention_agrees_with_the_plain_formula(
            tokens in 1_usize..20,
            seed in prop::collection::vec(-2.0_f32..2.0, 20 * 3 * 8),
        ) {
            let (hidden, heads, width) = (8, 2, 4);
            let qkv = &seed[..tokens * 3 * hidden];
            let mut out = vec![0.0; tokens * hidden];
            attention(Arch::new(), qkv, &mut out, &mut Vec::new(), hidden, heads);
            let at = |part: usize, token: usize, column: usize| {
                f64::from(qkv[token * 3 * hidden + part * hidden + column])
            };
            for head in 0..heads {
                for i in 0..tokens {
                    let weights: Vec<f64> = (0..tokens)
                        .map(|j| {
                            let dot: f64 = (0..width)
                                .map(|c| at(0, i, head * width + c) * at(1, j, head * width + c))
                                .sum();
                            (dot / (width as f64).sqrt()).exp()
                        })
                        .collect();
                    let total: f64 = weights.iter().sum();
                    for c in 0..width {
                        let want: f64 = (0..tokens)
                            .map(|j| weights[j] / total * at(2, j, head * width + c))
                            .sum();
                        let got = f64::from(out[i * hidden + head * width + c]);
                        prop_assert!((got - want).abs() < 1e-4, "{got} is not {want}");
                    }
                }
            }
        }
    }
}
