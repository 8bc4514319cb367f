//! What lies between the products: norms, gates, rotation of positions.
//!
//! The loops are written so that the compiler vectorises them; [`pulp::Arch`] compiles each for
//! AVX-512, AVX2 and the baseline, and picks one at run time.

use super::team::Team;

/// Numbers that a thread takes at a time.
const PIECE: usize = 1 << 13;

/// `e^x` to about 1e-7 relative, without a branch: range reduction to `2^n * e^r`, `|r| <= ln2/2`,
/// and a degree-6 polynomial (Cephes' scheme).
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
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

/// The function that gates a feed-forward layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// `x / (1 + e^-x)`.
    Silu,
    /// GELU by tanh, as Gemma has it.
    GeluTanh,
}

#[inline(always)]
fn silu(x: f32) -> f32 {
    x / (1.0 + exp(-x))
}

#[inline(always)]
fn gelu_tanh(x: f32) -> f32 {
    // 0.5 x (1 + tanh u) is x / (1 + e^-2u).
    let u = 0.797_884_6 * x * (1.0 + 0.044_715 * x * x);
    x / (1.0 + exp(-2.0 * u))
}

/// `gate = act(gate) * up`.
pub fn gate(team: &Team, kind: Gate, gates: &mut [f32], up: &[f32]) {
    team.chunks(gates, PIECE, |number, gates| {
        let up = up.get(number * PIECE..).unwrap_or_default();
        team.arch().dispatch(|| match kind {
            Gate::Silu => gates
                .iter_mut()
                .zip(up)
                .for_each(|(g, u)| *g = silu(*g) * u),
            Gate::GeluTanh => gates
                .iter_mut()
                .zip(up)
                .for_each(|(g, u)| *g = gelu_tanh(*g) * u),
        });
    });
}

/// As [`gate`], where each row holds its gates and then what they gate, one after the other.
pub fn gate_halves(team: &Team, kind: Gate, rows: &[f32], out: &mut [f32], width: usize) {
    team.chunks(out, width.max(1), |number, out| {
        let row = rows.get(number * width * 2..).unwrap_or_default();
        let (gates, up) = row.split_at(width.min(row.len()));
        team.arch().dispatch(|| {
            let all = out.iter_mut().zip(gates).zip(up);
            match kind {
                Gate::Silu => all.for_each(|((o, g), u)| *o = silu(*g) * u),
                Gate::GeluTanh => all.for_each(|((o, g), u)| *o = gelu_tanh(*g) * u),
            }
        });
    });
}

/// `x = x + y`.
pub fn add(team: &Team, x: &mut [f32], y: &[f32]) {
    team.chunks(x, PIECE, |number, x| {
        let y = y.get(number * PIECE..).unwrap_or_default();
        team.arch()
            .dispatch(|| x.iter_mut().zip(y).for_each(|(x, y)| *x += y));
    });
}

/// `x = x + bias` for each row of `bias.len()`.
pub fn add_bias(team: &Team, x: &mut [f32], bias: &[f32]) {
    team.chunks(x, bias.len(), |_, row| {
        team.arch()
            .dispatch(|| row.iter_mut().zip(bias).for_each(|(x, b)| *x += b));
    });
}

/// Root-mean-square norm of each row of `weight.len()`, in place.
pub fn rms_norm(team: &Team, x: &mut [f32], weight: &[f32], epsilon: f32) {
    let width = weight.len().max(1);
    let rows = (PIECE / width).max(1);
    team.chunks(x, width * rows, |_, rows| {
        team.arch().dispatch(|| {
            for row in rows.chunks_exact_mut(width) {
                let scale = inverse_rms(row, epsilon);
                row.iter_mut()
                    .zip(weight)
                    .for_each(|(x, w)| *x = *x * scale * w);
            }
        });
    });
}

#[inline(always)]
fn inverse_rms(row: &[f32], epsilon: f32) -> f32 {
    // Sixteen sums at once, so that it vectorises and rounds less.
    let mut sums = [0.0_f32; 16];
    let (chunks, rest) = row.as_chunks::<16>();
    for chunk in chunks {
        for (sum, x) in sums.iter_mut().zip(chunk) {
            *sum += x * x;
        }
    }
    let total: f32 = sums.iter().sum::<f32>() + rest.iter().map(|x| x * x).sum::<f32>();
    1.0 / (total / row.len() as f32 + epsilon).sqrt()
}

/// How the numbers of a head are paired for rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pairs {
    /// Neighbours, as llama's GGUF files have them.
    Neighbours,
    /// The first half with the second.
    Halves,
}

/// Sines and cosines of a batch of positions: `pairs` of each for every position.
#[derive(Debug, Clone, Default)]
pub struct Angles {
    pub(crate) cosines: Vec<f32>,
    pub(crate) sines: Vec<f32>,
    pairs: usize,
}

impl Angles {
    /// For these positions. `frequencies` has one entry for each pair: radians for one position;
    /// `magnitude` scales the rotated numbers.
    pub fn new(positions: &[usize], frequencies: &[f32], magnitude: f32) -> Self {
        let mut angles = Self {
            pairs: frequencies.len(),
            ..Self::default()
        };
        for position in positions {
            for frequency in frequencies {
                let (sine, cosine) = (*position as f32 * frequency).sin_cos();
                angles.cosines.push(cosine * magnitude);
                angles.sines.push(sine * magnitude);
            }
        }
        angles
    }
}

/// Rotates every head of every row by the angles of the row's position. A head longer than the
/// pairs keeps its rest.
pub fn rotate(
    team: &Team,
    x: &mut [f32],
    heads: usize,
    head: usize,
    angles: &Angles,
    pairs: Pairs,
) {
    team.chunks(x, heads * head, |row, values| {
        let of_row = row * angles.pairs..(row + 1) * angles.pairs;
        let cosines = angles.cosines.get(of_row.clone()).unwrap_or_default();
        let sines = angles.sines.get(of_row).unwrap_or_default();
        team.arch().dispatch(|| {
            for values in values.chunks_exact_mut(head.max(1)) {
                rotate_head(values, cosines, sines, pairs);
            }
        });
    });
}

#[inline(always)]
fn rotate_head(values: &mut [f32], cosines: &[f32], sines: &[f32], pairs: Pairs) {
    let angles = cosines.iter().zip(sines);
    let turn = |a: &mut f32, b: &mut f32, (cosine, sine): (&f32, &f32)| {
        (*a, *b) = (*a * cosine - *b * sine, *a * sine + *b * cosine);
    };
    match pairs {
        Pairs::Neighbours => {
            for ([a, b], angle) in values.as_chunks_mut::<2>().0.iter_mut().zip(angles) {
                turn(a, b, angle);
            }
        }
        Pairs::Halves => {
            let half = cosines.len();
            if values.len() < half * 2 {
                return;
            }
            let (first, second) = values.split_at_mut(half);
            for ((a, b), angle) in first.iter_mut().zip(second).zip(angles) {
                turn(a, b, angle);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_agree_with_their_formulas() {
        let team = Team::new(2);
        let xs: Vec<f32> = (-400..400).map(|i| i as f32 / 20.0).collect();
        let ones = vec![1.0; xs.len()];
        let mut silu = xs.clone();
        gate(&team, Gate::Silu, &mut silu, &ones);
        let mut gelu = xs.clone();
        gate(&team, Gate::GeluTanh, &mut gelu, &ones);
        let both: Vec<f32> = xs.iter().flat_map(|x| [*x, 1.0]).collect();
        let mut halves = vec![0.0; xs.len()];
        gate_halves(&team, Gate::Silu, &both, &mut halves, 1);
        for (at, x) in xs.iter().map(|x| f64::from(*x)).enumerate() {
            let wanted = x / (1.0 + (-x).exp());
            assert!((f64::from(silu[at]) - wanted).abs() < 1e-5, "silu {x}");
            assert_eq!(silu[at], halves[at]);
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
            let wanted = 0.5 * x * (1.0 + inner.tanh());
            assert!((f64::from(gelu[at]) - wanted).abs() < 1e-5, "gelu {x}");
        }
    }

    #[test]
    fn a_norm_has_the_length_of_its_weight() {
        let team = Team::new(2);
        let mut x: Vec<f32> = (0..300).map(|i| (i as f32 * 0.7).sin() * 3.0).collect();
        rms_norm(&team, &mut x, &[2.0; 100], 0.0);
        for row in x.chunks(100) {
            let mean = row.iter().map(|x| x * x).sum::<f32>() / 100.0;
            assert!((mean - 4.0).abs() < 1e-4, "{mean}");
        }
    }

    #[test]
    fn rotation_keeps_lengths_and_depends_on_the_difference_of_positions() {
        let team = Team::new(2);
        let frequencies = [1.0, 0.1, 0.01, 0.001];
        for pairs in [Pairs::Neighbours, Pairs::Halves] {
            let head: Vec<f32> = (0..10).map(|i| (i as f32).cos()).collect();
            let at = |position: usize| {
                let mut x = head.clone();
                let angles = Angles::new(&[position], &frequencies, 1.0);
                rotate(&team, &mut x, 1, 10, &angles, pairs);
                x
            };
            let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
            assert_eq!(at(0), head);
            assert_eq!(at(5)[8..], head[8..]);
            assert!((dot(&at(7), &at(7)) - dot(&head, &head)).abs() < 1e-5);
            assert!((dot(&at(3), &at(10)) - dot(&at(20), &at(27))).abs() < 1e-4);
        }
    }
}
