//! The sizes of a model.

use std::str::FromStr;

use crate::error::InferError;

/// A family of models that are computed alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Architecture {
    /// Llama 3 and what is built like it. GGUF files hold its query and key rows in another order.
    Llama,
    /// Qwen 2 and 2.5: queries, keys and values have biases.
    Qwen2,
    /// Qwen 3: queries and keys are normalised per head.
    Qwen3,
    /// Gemma 3: norms before and after, most layers look back over a window only, scaled embeddings.
    Gemma3,
    /// Phi 3 and 4 mini: queries, keys and values in one tensor, gate and up in another.
    Phi3,
}

impl Architecture {
    /// Every family.
    pub const ALL: [Self; 5] = [
        Self::Llama,
        Self::Qwen2,
        Self::Qwen3,
        Self::Gemma3,
        Self::Phi3,
    ];

    /// What GGUF's `general.architecture` calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
            Self::Gemma3 => "gemma3",
            Self::Phi3 => "phi3",
        }
    }
}

impl FromStr for Architecture {
    type Err = InferError;

    fn from_str(name: &str) -> Result<Self, InferError> {
        let found = Self::ALL.into_iter().find(|known| known.name() == name);
        found.ok_or_else(|| InferError::Shape {
            message: format!("`{name}` is not one of llama, qwen2, qwen3, gemma3, phi3"),
        })
    }
}

/// How the rotary positions of Llama 3 are stretched beyond the context of the training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RopeScaling {
    /// How much longer the slowest rotations become.
    pub factor: f32,
    /// Rotations that turn fewer times than this over the original context are stretched.
    pub low_freq_factor: f32,
    /// Rotations that turn more times than this stay as they are.
    pub high_freq_factor: f32,
    /// Tokens of the original context.
    pub original_context: usize,
}

/// The sizes of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// What it calls itself.
    pub name: String,
    /// Its family.
    pub architecture: Architecture,
    /// Numbers that stand for one token between layers.
    pub hidden: usize,
    /// Layers.
    pub layers: usize,
    /// Heads of the queries.
    pub heads: usize,
    /// Heads of the keys and values; `heads` is a multiple.
    pub kv_heads: usize,
    /// Numbers of one head.
    pub head_dim: usize,
    /// Numbers inside a feed-forward layer.
    pub ffn: usize,
    /// Tokens of the vocabulary.
    pub vocabulary: usize,
    /// Tokens of a conversation that the model says it can follow.
    pub context: usize,
    /// Whether one tensor is both the embeddings and the output.
    pub tied: bool,
    /// Base of the rotary positions.
    pub rope_theta: f32,
    /// Llama 3's stretching of them.
    pub rope_scaling: Option<RopeScaling>,
    /// What keeps a norm from dividing by zero.
    pub rms_eps: f32,
    /// Tokens that the layers with a window look back over (Gemma 3).
    pub sliding_window: usize,
}

impl Shape {
    /// Of every sixth layer only, Gemma 3 looks back over the whole context.
    pub const SLIDING_PERIOD: usize = 6;
    /// Base of the rotary positions of Gemma 3's layers with a window.
    pub const LOCAL_ROPE_THETA: f32 = 10_000.0;

    /// About a million weights: a test makes and runs it within a second. Every row is a multiple
    /// of 256 numbers, as the k-quantisations need.
    pub fn tiny(architecture: Architecture) -> Self {
        let gemma = architecture == Architecture::Gemma3;
        let llama = architecture == Architecture::Llama;
        Self {
            name: match architecture {
                Architecture::Llama => "Tiny Llama",
                Architecture::Qwen2 => "Tiny Qwen2",
                Architecture::Qwen3 => "Tiny Qwen3",
                Architecture::Gemma3 => "Tiny Gemma3",
                // llama.cpp wants the tokens of Phi 3 where this says so; these are Phi 4 mini's.
                Architecture::Phi3 => "Tiny Phi4",
            }
            .to_owned(),
            architecture,
            hidden: 256,
            // Gemma 3's sixth layer is its first that sees everything.
            layers: if gemma { 6 } else { 4 },
            heads: 4,
            kv_heads: 2,
            head_dim: 64,
            ffn: 512,
            vocabulary: 2048,
            context: 32_768,
            tied: matches!(architecture, Architecture::Qwen3 | Architecture::Gemma3),
            rope_theta: match architecture {
                Architecture::Llama => 500_000.0,
                Architecture::Phi3 => 10_000.0,
                _ => 1_000_000.0,
            },
            rope_scaling: llama.then_some(RopeScaling {
                factor: 8.0,
                low_freq_factor: 1.0,
                high_freq_factor: 4.0,
                original_context: 4096,
            }),
            rms_eps: if llama { 1e-5 } else { 1e-6 },
            sliding_window: if gemma { 64 } else { 0 },
        }
    }

    /// The sizes of Qwen3-0.6B.
    pub fn qwen3_0_6b() -> Self {
        Self {
            name: "Random Qwen3 0.6B".to_owned(),
            architecture: Architecture::Qwen3,
            hidden: 1024,
            layers: 28,
            heads: 16,
            kv_heads: 8,
            head_dim: 128,
            ffn: 3072,
            vocabulary: 151_936,
            context: 40_960,
            tied: true,
            rope_theta: 1_000_000.0,
            rope_scaling: None,
            rms_eps: 1e-6,
            sliding_window: 0,
        }
    }

    /// The sizes of Llama-3.2-1B.
    pub fn llama_3_2_1b() -> Self {
        Self {
            name: "Random Llama 3.2 1B".to_owned(),
            architecture: Architecture::Llama,
            hidden: 2048,
            layers: 16,
            heads: 32,
            kv_heads: 8,
            head_dim: 64,
            ffn: 8192,
            vocabulary: 128_256,
            context: 131_072,
            tied: true,
            rope_theta: 500_000.0,
            rope_scaling: Some(RopeScaling {
                factor: 32.0,
                low_freq_factor: 1.0,
                high_freq_factor: 4.0,
                original_context: 8192,
            }),
            rms_eps: 1e-5,
            sliding_window: 0,
        }
    }

    /// Numbers of all queries of one token.
    pub fn query_width(&self) -> usize {
        self.heads * self.head_dim
    }

    /// Numbers of all keys of one token, and of all values.
    pub fn key_width(&self) -> usize {
        self.kv_heads * self.head_dim
    }

    /// # Errors
    /// Sizes that contradict each other.
    pub(super) fn check(&self) -> Result<(), InferError> {
        let sizes = [self.hidden, self.layers, self.heads, self.kv_heads];
        let more = [self.head_dim, self.ffn, self.vocabulary, self.context];
        let problem = if sizes.iter().chain(&more).any(|&size| size == 0) {
            "every size is at least 1"
        } else if !self.heads.is_multiple_of(self.kv_heads) {
            "heads are a multiple of kv_heads"
        } else if !self.head_dim.is_multiple_of(2) {
            "head_dim is even: rotary positions turn pairs"
        } else if self.architecture == Architecture::Phi3 && self.query_width() != self.hidden {
            "phi3 wants heads x head_dim = hidden"
        } else if self.architecture == Architecture::Gemma3 && !self.tied {
            "gemma3 has no output tensor of its own"
        } else {
            return Ok(());
        };
        Err(InferError::Shape {
            message: problem.to_owned(),
        })
    }
}

impl FromStr for Shape {
    type Err = InferError;

    /// `llama`, `qwen2`, `qwen3`, `gemma3`, `phi3` for tiny ones; `qwen3-0.6b`, `llama-3.2-1b`.
    fn from_str(name: &str) -> Result<Self, InferError> {
        match name.to_ascii_lowercase().as_str() {
            "qwen3-0.6b" => Ok(Self::qwen3_0_6b()),
            "llama-3.2-1b" => Ok(Self::llama_3_2_1b()),
            tiny => tiny.parse().map(Self::tiny).map_err(|_| InferError::Shape {
                message: format!(
                    "`{name}` is not known; there are llama, qwen2, qwen3, gemma3, phi3 (tiny), \
                     qwen3-0.6b and llama-3.2-1b"
                ),
            }),
        }
    }
}
