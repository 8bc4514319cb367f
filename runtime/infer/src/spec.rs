//! What a model looks like, read from its file.

use candle_core::quantized::gguf_file::{Content, Value};

use crate::cpu::elementwise::{Gate, Pairs};
use crate::error::InferError;
use crate::file::{Header, ModelFile};

mod folder;
mod gguf;
mod rope;

/// Families of models that can be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Llama, and Mistral, SmolLM2, Granite and others that are built like it.
    Llama,
    /// Llama with layers that do not know positions.
    SmolLm3,
    /// Biases on queries, keys and values.
    Qwen2,
    /// Norms on queries and keys.
    Qwen3,
    /// Norms after attention and feed-forward, and layers that see only a window.
    Gemma3,
    /// Queries, keys and values in one matrix, gates and what they gate in another.
    Phi3,
}

impl Family {
    /// What files call it.
    pub const NAMES: [(&'static str, Family); 7] = [
        ("llama", Family::Llama),
        ("mistral", Family::Llama),
        ("smollm3", Family::SmolLm3),
        ("qwen2", Family::Qwen2),
        ("qwen3", Family::Qwen3),
        ("gemma3", Family::Gemma3),
        ("phi3", Family::Phi3),
    ];

    fn named(name: &str) -> Option<Self> {
        let name = name.strip_suffix("_text").unwrap_or(name);
        let found = Self::NAMES.iter().find(|(known, _)| *known == name);
        found.map(|(_, family)| *family)
    }
}

/// What a model looks like.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// Its family.
    pub family: Family,
    /// What it calls itself, or its file's name.
    pub name: String,
    /// Layers.
    pub layers: usize,
    /// Numbers that stand for a token between layers.
    pub hidden: usize,
    /// Heads of queries.
    pub heads: usize,
    /// Heads of keys and values.
    pub kv_heads: usize,
    /// Numbers of a head.
    pub head: usize,
    /// Numbers within a feed-forward layer.
    pub feed_forward: usize,
    /// Rows of the embeddings.
    pub vocabulary: usize,
    /// Tokens it was trained to see at once.
    pub context: usize,
    /// Added to mean squares in norms.
    pub epsilon: f32,
    /// How heads are paired for rotation.
    pub pairs: Pairs,
    /// Rotation by position.
    pub rope: Rope,
    /// Rotation in layers that see a window, where it differs.
    pub window_rope: Option<Rope>,
    /// Tokens that a windowed layer looks back.
    pub window: Option<usize>,
    /// Every so many layers, one sees everything; 0 where all do.
    pub window_pattern: usize,
    /// Every so many layers, one does not know positions; 0 where all do.
    pub no_rope_every: usize,
    /// Embeddings are multiplied by it.
    pub embedding_scale: f32,
    /// Scores of attention are multiplied by it.
    pub attention_scale: f32,
    /// Added to every norm's weight (Gemma on the hub counts from zero).
    pub norm_offset: f32,
    /// The gate of feed-forward layers.
    pub gate: Gate,
}

/// Rotation by position.
#[derive(Debug, Clone, PartialEq)]
pub struct Rope {
    /// Radians for one position, for each pair of numbers.
    pub frequencies: Vec<f32>,
    /// Factor of rotated numbers.
    pub magnitude: f32,
}

impl Spec {
    /// Reads a file's header.
    ///
    /// # Errors
    /// A family that is not known; values that are missing, or contradict each other.
    pub fn read(file: &ModelFile) -> Result<Self, InferError> {
        let spec = match &file.header {
            Header::Gguf(content) => gguf::read(file, content)?,
            Header::Folder(config) => folder::read(file, &config.json)?,
        };
        spec.check(file)?;
        Ok(spec)
    }

    /// Whether a layer sees a window only.
    pub fn windowed(&self, layer: usize) -> bool {
        self.window.is_some()
            && self.window_pattern != 0
            && !(layer + 1).is_multiple_of(self.window_pattern)
    }

    /// How a layer rotates; not at all where `None`.
    pub fn rope_of(&self, layer: usize) -> Option<&Rope> {
        if self.no_rope_every != 0 && (layer + 1).is_multiple_of(self.no_rope_every) {
            return None;
        }
        match &self.window_rope {
            Some(rope) if self.windowed(layer) => Some(rope),
            _ => Some(&self.rope),
        }
    }

    fn check(&self, file: &ModelFile) -> Result<(), InferError> {
        let sizes = [
            ("layers", self.layers, 1 << 10),
            ("embedding length", self.hidden, 1 << 17),
            ("heads", self.heads, 1 << 12),
            ("heads of keys", self.kv_heads, 1 << 12),
            ("head length", self.head, 1 << 12),
            ("feed-forward length", self.feed_forward, 1 << 20),
            ("vocabulary", self.vocabulary, 1 << 24),
            ("context", self.context, 1 << 30),
        ];
        for (what, size, most) in sizes {
            if size == 0 || size > most {
                return Err(file.damaged(format!("its header gives {size} for its {what}")));
            }
        }
        if !self.heads.is_multiple_of(self.kv_heads) {
            return Err(file.damaged(format!(
                "{} heads of queries cannot share {} heads of keys",
                self.heads, self.kv_heads
            )));
        }
        if self.rope.frequencies.len() * 2 > self.head {
            return Err(file.damaged(format!(
                "it rotates {} numbers of heads of {}",
                self.rope.frequencies.len() * 2,
                self.head
            )));
        }
        Ok(())
    }
}

/// The family of a file, or an error that says which there are.
fn family(file: &ModelFile, name: &str) -> Result<Family, InferError> {
    Family::named(name).ok_or_else(|| {
        let known: Vec<&str> = Family::NAMES.iter().map(|(name, _)| *name).collect();
        file.damaged(format!(
            "models of the architecture `{name}` cannot be run; these can: {}",
            known.join(", ")
        ))
    })
}

/// A whole number of a GGUF header.
pub(crate) fn number(content: &Content, key: &str) -> Option<usize> {
    let number = match content.metadata.get(key)? {
        Value::U8(n) => u64::from(*n),
        Value::U16(n) => u64::from(*n),
        Value::U32(n) => u64::from(*n),
        Value::U64(n) => *n,
        Value::I8(n) => u64::try_from(*n).ok()?,
        Value::I16(n) => u64::try_from(*n).ok()?,
        Value::I32(n) => u64::try_from(*n).ok()?,
        Value::I64(n) => u64::try_from(*n).ok()?,
        // Some values differ by layer; where they all agree, it is one value.
        Value::Array(all) => {
            let mut all = all.iter().map(|value| match value {
                Value::U32(n) => Some(u64::from(*n)),
                Value::I32(n) => u64::try_from(*n).ok(),
                _ => None,
            });
            let first = all.next()??;
            all.all(|other| other == Some(first)).then_some(first)?
        }
        _ => return None,
    };
    usize::try_from(number).ok()
}
