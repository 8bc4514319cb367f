//! Random weights, counted out from a seed.
//!
//! Every value is a function of the seed, the tensor's name and its place in the tensor, so that
//! threads may make them in any order. It takes integer arithmetic and one multiplication, which
//! come out the same on every platform.

/// What values a tensor has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Values {
    /// Mean.
    pub(super) mean: f32,
    /// Standard deviation.
    pub(super) deviation: f32,
}

/// Makes the values of one tensor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source {
    key: u64,
    values: Values,
}

impl Source {
    pub(super) fn new(seed: u64, tensor: &str, values: Values) -> Self {
        let key = tensor
            .bytes()
            .fold(mix(seed), |key, byte| mix(key ^ u64::from(byte)));
        Self { key, values }
    }

    /// The value at a place.
    pub(super) fn at(&self, place: u64) -> f32 {
        self.values.mean + self.values.deviation * normal(mix(self.key.wrapping_add(place)))
    }
}

/// SplitMix64: all bits of the result depend on all bits of the input.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Close to a normal distribution: the sum of four even ones, with no logarithm that another
/// platform's library would round otherwise.
fn normal(bits: u64) -> f32 {
    let quarter = |shift: u32| ((bits >> shift) & 0xffff) as i32;
    let sum = quarter(0) + quarter(16) + quarter(32) + quarter(48) - 2 * 0xffff;
    // Four even distributions over 65,536 numbers have a deviation of 65,536 / sqrt(3) together.
    sum as f32 * (1.732_050_8 / 65_536.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_spread_as_asked_and_do_not_hang_together() {
        let values = Values {
            mean: 1.0,
            deviation: 0.5,
        };
        let source = Source::new(7, "a", values);
        let other = Source::new(7, "b", values);
        let count = 100_000u64;
        let all: Vec<f64> = (0..count)
            .map(|place| f64::from(source.at(place)))
            .collect();
        let mean = all.iter().sum::<f64>() / count as f64;
        let variance = all.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count as f64;
        assert!((mean - 1.0).abs() < 0.01, "{mean}");
        assert!((variance.sqrt() - 0.5).abs() < 0.01, "{variance}");
        let beside = |shift: usize| {
            let pairs = all.iter().zip(all.iter().skip(shift));
            pairs.map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>() / count as f64 / variance
        };
        assert!(beside(1).abs() < 0.02 && beside(256).abs() < 0.02);
        let across = (0..count).map(|place| f64::from(other.at(place)) - mean);
        let across: f64 = all.iter().zip(across).map(|(a, b)| (a - mean) * b).sum();
        assert!((across / count as f64 / variance).abs() < 0.02);
    }

    #[test]
    fn values_never_change() {
        let values = Values {
            mean: 0.0,
            deviation: 1.0,
        };
        let source = Source::new(0, "model.norm.weight", values);
        let bits: Vec<u32> = (0..3).map(|place| source.at(place).to_bits()).collect();
        assert_eq!(bits, [1_038_007_069, 3_222_696_972, 3_214_885_123]);
    }
}
