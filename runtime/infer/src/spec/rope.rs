//! Frequencies of rotation (Su et al., "RoFormer", 2021), and how families stretch them.

use super::Rope;

/// Frequencies of `pairs` pairs on a base, each divided by its factor where there are factors.
pub(super) fn plain(base: f32, dimensions: usize, factors: Option<&[f32]>) -> Rope {
    let frequencies = (0..dimensions / 2).map(|pair| {
        let exponent = (2 * pair) as f64 / dimensions as f64;
        let frequency = f64::from(base).powf(-exponent);
        let factor = factors.and_then(|factors| factors.get(pair)).copied();
        (frequency / f64::from(factor.unwrap_or(1.0))) as f32
    });
    Rope {
        frequencies: frequencies.collect(),
        magnitude: 1.0,
    }
}

/// Factors of Llama 3: low frequencies are divided by `factor`, high ones stay, and those between
/// are blended.
pub(super) fn llama3(
    base: f32,
    dimensions: usize,
    (factor, low, high, original): (f32, f32, f32, f32),
) -> Vec<f32> {
    let rope = plain(base, dimensions, None);
    let of = |frequency: &f32| {
        let length = 2.0 * std::f32::consts::PI / frequency;
        if length < original / high {
            return 1.0;
        }
        if length > original / low {
            return factor;
        }
        let smooth = (original / length - low) / (high - low);
        1.0 / ((1.0 - smooth) / factor + smooth)
    };
    rope.frequencies.iter().map(of).collect()
}

/// YaRN (Peng et al., 2023): low frequencies are divided by `factor`, high ones stay, those
/// between are blended by how often they turn within the original context.
pub(super) fn yarn(base: f32, dimensions: usize, factor: f32, original: f32) -> Rope {
    const FAST: f32 = 32.0;
    const SLOW: f32 = 1.0;
    let mut rope = plain(base, dimensions, None);
    let half = dimensions as f32;
    let pair_of = |turns: f32| {
        half * (original / (turns * 2.0 * std::f32::consts::PI)).ln() / (2.0 * base.ln())
    };
    let low = pair_of(FAST).floor().max(0.0);
    let high = pair_of(SLOW).ceil().min(half - 1.0);
    for (pair, frequency) in rope.frequencies.iter_mut().enumerate() {
        let ramp = ((pair as f32 - low) / (high - low).max(0.001)).clamp(0.0, 1.0);
        *frequency = *frequency / factor * ramp + *frequency * (1.0 - ramp);
    }
    rope.magnitude = 1.0 + 0.1 * factor.max(1.0).ln();
    rope
}
