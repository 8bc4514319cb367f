//! How exact the weights of a file are kept.

use std::str::FromStr;

use candle_core::quantized::GgmlDType;

use crate::error::InferError;

/// How exact the weights of a GGUF file are kept. Norms and biases stay f32 always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Quant {
    /// 32-bit floats.
    F32,
    /// 16-bit floats.
    F16,
    /// 8 bits and one scale for 32 numbers.
    Q8_0,
    /// 4 bits and one scale for 32 numbers.
    Q4_0,
    /// 4 bits with a scale and a minimum for 32 numbers, in blocks of 256; every matrix.
    Q4K,
    /// llama.cpp's mix: as `Q4K`, but `Q6K` for the output and for half of the value and down
    /// matrices.
    Q4KM,
    /// 5 bits, in blocks of 256; every matrix.
    Q5K,
    /// 6 bits, in blocks of 256; every matrix.
    Q6K,
}

impl Quant {
    /// Every quantisation.
    pub const ALL: [Self; 8] = [
        Self::F32,
        Self::F16,
        Self::Q8_0,
        Self::Q4_0,
        Self::Q4K,
        Self::Q4KM,
        Self::Q5K,
        Self::Q6K,
    ];

    /// Its name in files, in small letters: `q4_k_m`.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Q8_0 => "q8_0",
            Self::Q4_0 => "q4_0",
            Self::Q4K => "q4_k",
            Self::Q4KM => "q4_k_m",
            Self::Q5K => "q5_k",
            Self::Q6K => "q6_k",
        }
    }

    /// The number of GGUF's `general.file_type`. It knows no unmixed k-quantisations; their
    /// smallest mix is the nearest.
    pub(super) fn file_type(self) -> u32 {
        match self {
            Self::F32 => 0,
            Self::F16 => 1,
            Self::Q4_0 => 2,
            Self::Q8_0 => 7,
            Self::Q4K => 14,
            Self::Q4KM => 15,
            Self::Q5K => 16,
            Self::Q6K => 18,
        }
    }

    /// How a matrix is kept.
    pub(super) fn of(self, part: Part, layers: usize) -> GgmlDType {
        match self {
            Self::F32 => GgmlDType::F32,
            Self::F16 => GgmlDType::F16,
            Self::Q8_0 => GgmlDType::Q8_0,
            Self::Q4_0 => GgmlDType::Q4_0,
            Self::Q5K => GgmlDType::Q5K,
            Self::Q6K => GgmlDType::Q6K,
            Self::Q4K => GgmlDType::Q4K,
            Self::Q4KM => match part {
                Part::Output => GgmlDType::Q6K,
                Part::Sensitive { layer } if more_bits(layer, layers) => GgmlDType::Q6K,
                Part::Sensitive { .. } | Part::Plain => GgmlDType::Q4K,
            },
        }
    }
}

impl FromStr for Quant {
    type Err = InferError;

    fn from_str(name: &str) -> Result<Self, InferError> {
        let lower = name.to_ascii_lowercase();
        let found = Self::ALL.into_iter().find(|known| known.name() == lower);
        found.ok_or_else(|| InferError::Shape {
            message: format!(
                "`{name}` is not one of f32, f16, q8_0, q4_0, q4_k, q4_k_m, q5_k, q6_k"
            ),
        })
    }
}

/// What a matrix is to llama.cpp's mixes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Gives the logits; with tied embeddings, these.
    Output,
    /// Values (fused with queries and keys or not) and the way down from a feed-forward layer:
    /// errors there cost most.
    Sensitive { layer: usize },
    /// Any other.
    Plain,
}

/// The layers whose sensitive matrices llama.cpp gives more bits: the first and the last eighth,
/// and every third between.
fn more_bits(layer: usize, layers: usize) -> bool {
    let eighth = layers / 8;
    layer < eighth || layer >= 7 * layers / 8 || (layer - eighth) % 3 == 2
}

/// How exact the weights of a safetensors file are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FloatType {
    /// 32-bit floats.
    F32,
    /// 16-bit floats.
    F16,
    /// The upper half of 32-bit floats.
    Bf16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mix_is_that_of_llama_cpp() {
        let six = |layers: usize| -> Vec<usize> {
            let of = |layer| Quant::Q4KM.of(Part::Sensitive { layer }, layers);
            (0..layers)
                .filter(|&layer| of(layer) == GgmlDType::Q6K)
                .collect()
        };
        assert_eq!(six(4), [2, 3]);
        assert_eq!(six(16), [0, 1, 4, 7, 10, 13, 14, 15]);
        assert_eq!(Quant::Q4KM.of(Part::Output, 4), GgmlDType::Q6K);
        assert_eq!(Quant::Q4KM.of(Part::Plain, 4), GgmlDType::Q4K);
    }
}
