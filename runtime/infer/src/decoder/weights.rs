//! The weights of every family, wherever they are kept.

use std::fmt::Debug;

use crate::error::InferError;
use crate::file::ModelFile;
use crate::spec::{Family, Spec};

/// Where weights are kept, and in what form.
pub(super) trait Keep: Debug {
    /// A matrix, ready for products.
    type Matrix: Debug;
    /// A norm or a bias.
    type Vector: Debug;

    /// Reads a matrix of so many outputs and inputs.
    fn matrix(
        &self,
        file: &ModelFile,
        name: &str,
        shape: (usize, usize),
    ) -> Result<Self::Matrix, InferError>;

    /// Takes in a norm or a bias.
    fn vector(&self, numbers: Vec<f32>) -> Result<Self::Vector, InferError>;

    /// Bytes that a matrix takes.
    fn bytes(matrix: &Self::Matrix) -> usize;
}

/// All weights of a model.
#[derive(Debug)]
pub(super) struct Weights<K: Keep> {
    pub(super) embeddings: K::Matrix,
    /// `None` where the embeddings serve as the output.
    pub(super) output: Option<K::Matrix>,
    pub(super) norm: K::Vector,
    pub(super) layers: Vec<Layer<K>>,
}

/// The weights of one layer.
#[derive(Debug)]
pub(super) struct Layer<K: Keep> {
    pub(super) attention_norm: K::Vector,
    pub(super) projection: Projection<K>,
    /// Of queries and of keys.
    pub(super) head_norms: Option<(K::Vector, K::Vector)>,
    pub(super) attention_output: K::Matrix,
    pub(super) after_attention: Option<K::Vector>,
    pub(super) feed_forward_norm: K::Vector,
    /// `None` where `up` holds the gates as well, before what they gate.
    pub(super) gate: Option<K::Matrix>,
    pub(super) up: K::Matrix,
    pub(super) down: K::Matrix,
    pub(super) after_feed_forward: Option<K::Vector>,
}

/// From a layer's input to queries, keys and values.
#[derive(Debug)]
pub(super) enum Projection<K: Keep> {
    Apart {
        matrices: Box<[K::Matrix; 3]>,
        biases: Option<Box<[K::Vector; 3]>>,
    },
    Together(K::Matrix),
}

impl<K: Keep> Weights<K> {
    pub(super) fn load(keep: &K, file: &ModelFile, spec: &Spec) -> Result<Self, InferError> {
        let shape = (spec.vocabulary, spec.hidden);
        let output = file
            .has("output.weight")
            .then(|| keep.matrix(file, "output.weight", shape))
            .transpose()?;
        Ok(Self {
            embeddings: keep.matrix(file, "token_embd.weight", shape)?,
            output,
            norm: keep.vector(norm_weights(file, spec, "output_norm.weight", spec.hidden)?)?,
            layers: (0..spec.layers)
                .map(|number| Layer::load(keep, file, spec, number))
                .collect::<Result<_, _>>()?,
        })
    }

    /// What turns the last layer's numbers into logits.
    pub(super) fn output(&self) -> &K::Matrix {
        self.output.as_ref().unwrap_or(&self.embeddings)
    }

    /// Bytes that the matrices take.
    pub(super) fn bytes(&self) -> usize {
        let output = self.output.as_ref().map_or(0, K::bytes);
        let layers = self.layers.iter().map(Layer::bytes).sum::<usize>();
        K::bytes(&self.embeddings) + output + layers
    }
}

/// A norm's weights, counted from zero or not.
fn norm_weights(
    file: &ModelFile,
    spec: &Spec,
    name: &str,
    length: usize,
) -> Result<Vec<f32>, InferError> {
    let mut norm = file.vector(name, length)?;
    norm.iter_mut()
        .for_each(|weight| *weight += spec.norm_offset);
    Ok(norm)
}

impl<K: Keep> Layer<K> {
    fn load(keep: &K, file: &ModelFile, spec: &Spec, number: usize) -> Result<Self, InferError> {
        let name = |part: &str| format!("blk.{number}.{part}");
        let weight = |part: &str| name(&format!("{part}.weight"));
        let matrix = |part: &str, n: usize, k: usize| keep.matrix(file, &weight(part), (n, k));
        let vector = |numbers: Result<Vec<f32>, InferError>| keep.vector(numbers?);
        let norm =
            |part: &str, length: usize| vector(norm_weights(file, spec, &weight(part), length));
        let (queries, keys) = (spec.heads * spec.head, spec.kv_heads * spec.head);
        let hidden = spec.hidden;
        let projection = if spec.family == Family::Phi3 {
            Projection::Together(matrix("attn_qkv", queries + 2 * keys, hidden)?)
        } else {
            let bias = |part: &str, length: usize| {
                vector(file.vector(&name(&format!("{part}.bias")), length))
            };
            let biased = file.has(&name("attn_q.bias"));
            Projection::Apart {
                matrices: Box::new([
                    matrix("attn_q", queries, hidden)?,
                    matrix("attn_k", keys, hidden)?,
                    matrix("attn_v", keys, hidden)?,
                ]),
                biases: if biased {
                    Some(Box::new([
                        bias("attn_q", queries)?,
                        bias("attn_k", keys)?,
                        bias("attn_v", keys)?,
                    ]))
                } else {
                    None
                },
            }
        };
        let head_norms = if matches!(spec.family, Family::Qwen3 | Family::Gemma3) {
            Some((
                norm("attn_q_norm", spec.head)?,
                norm("attn_k_norm", spec.head)?,
            ))
        } else {
            None
        };
        let gemma = spec.family == Family::Gemma3;
        // On the hub, the norm that follows attention has one name for two uses.
        let hub = "post_attention_layernorm";
        let after_attention = match (gemma, file.has(&weight(hub))) {
            (false, _) => None,
            (true, true) => Some(norm(hub, hidden)?),
            (true, false) => Some(norm("post_attention_norm", hidden)?),
        };
        let feed_forward_norm = if !gemma && file.has(&weight(hub)) {
            norm(hub, hidden)?
        } else {
            norm("ffn_norm", hidden)?
        };
        let width = spec.feed_forward;
        let (gate, up) = match spec.family {
            Family::Phi3 if file.has(&weight("ffn_gate_up")) => {
                (None, matrix("ffn_gate_up", 2 * width, hidden)?)
            }
            Family::Phi3 => (None, matrix("ffn_up", 2 * width, hidden)?),
            _ => (
                Some(matrix("ffn_gate", width, hidden)?),
                matrix("ffn_up", width, hidden)?,
            ),
        };
        Ok(Self {
            attention_norm: norm("attn_norm", hidden)?,
            projection,
            head_norms,
            attention_output: matrix("attn_output", hidden, queries)?,
            after_attention,
            feed_forward_norm,
            gate,
            up,
            down: matrix("ffn_down", hidden, width)?,
            after_feed_forward: if gemma {
                Some(norm("post_ffw_norm", hidden)?)
            } else {
                None
            },
        })
    }

    fn bytes(&self) -> usize {
        let projection = match &self.projection {
            Projection::Apart { matrices, .. } => matrices.iter().map(K::bytes).sum(),
            Projection::Together(matrix) => K::bytes(matrix),
        };
        let gate = self.gate.as_ref().map_or(0, K::bytes);
        projection
            + gate
            + K::bytes(&self.attention_output)
            + K::bytes(&self.up)
            + K::bytes(&self.down)
    }
}
