//! The encoder's forward pass over packed sequences.
//!
//! The sequences of a batch lie one after the other in one `[tokens, hidden]` matrix, so the
//! linear layers see only real tokens; attention runs within each sequence.

use candle_core::Tensor;
use pulp::Arch;

use crate::error::EmbedError;
use crate::kernels::{self, LayerNorm};

/// How token vectors become one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pooling {
    /// Their mean.
    Mean,
    /// The first one.
    First,
}

/// The numbers that shape an encoder.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pub(crate) hidden: usize,
    pub(crate) heads: usize,
    /// Position of the first token (RoBERTa starts behind its padding index).
    pub(crate) first_position: usize,
    pub(crate) positions: usize,
    pub(crate) vocabulary: usize,
}

/// A matrix and its bias.
pub(crate) struct Linear {
    /// Transposed, `[width, rows]`: the layout the product reads without repacking.
    weight: Vec<f32>,
    pub(crate) bias: Vec<f32>,
}

/// One encoder layer. Queries, keys and values are one matrix.
pub(crate) struct Layer {
    pub(crate) qkv: Linear,
    pub(crate) attention_out: Linear,
    pub(crate) attention_norm: LayerNorm,
    pub(crate) up: Linear,
    pub(crate) down: Linear,
    pub(crate) output_norm: LayerNorm,
}

/// A BERT-family encoder.
pub(crate) struct Bert {
    pub(crate) shape: Shape,
    pub(crate) words: EmbeddingTable,
    /// `[positions, hidden]`, the token type embedding already added.
    pub(crate) positions: Vec<f32>,
    pub(crate) embedding_norm: LayerNorm,
    pub(crate) layers: Vec<Layer>,
    pub(crate) pooling: Pooling,
}

/// Word embeddings kept as Q8_0 blocks (an f16 scale, then 32 signed bytes): a quarter of the
/// memory of f32, and only the rows in use are ever expanded.
pub(crate) struct EmbeddingTable {
    pub(crate) blocks: Vec<u8>,
    pub(crate) hidden: usize,
}

/// Values in a Q8_0 block, and its bytes.
pub(crate) const BLOCK: usize = 32;
const BLOCK_BYTES: usize = 2 + BLOCK;

impl EmbeddingTable {
    fn row_into(&self, token: u32, out: &mut [f32]) {
        let bytes = self.hidden / BLOCK * BLOCK_BYTES;
        let start = token as usize * bytes;
        let row = self.blocks.get(start..start + bytes).unwrap_or_default();
        for (block, out) in row
            .chunks_exact(BLOCK_BYTES)
            .zip(out.chunks_exact_mut(BLOCK))
        {
            let (scale, quants) = block.split_at(2);
            let scale = half::f16::from_le_bytes([
                scale.first().copied().unwrap_or_default(),
                scale.last().copied().unwrap_or_default(),
            ])
            .to_f32();
            for (value, quant) in out.iter_mut().zip(quants) {
                *value = f32::from(*quant as i8) * scale;
            }
        }
    }
}

/// Buffers of one forward pass, kept for the next.
#[derive(Default)]
pub(crate) struct Scratch {
    qkv: Vec<f32>,
    context: Vec<f32>,
    inner: Vec<f32>,
    delta: Vec<f32>,
    scores: Vec<f32>,
}

impl Bert {
    /// One unit vector per sequence, on the calling thread. Token ids must be within the
    /// vocabulary and sequences within the positions; the caller truncates.
    pub(crate) fn forward(&self, sequences: &[&[u32]], scratch: &mut Scratch) -> Vec<Vec<f32>> {
        let arch = Arch::new();
        let hidden = self.shape.hidden;
        let lengths: Vec<usize> = sequences.iter().map(|tokens| tokens.len()).collect();
        let mut x = self.embed_tokens(arch, sequences);
        let Scratch {
            qkv,
            context,
            inner,
            delta,
            scores,
        } = scratch;
        context.resize(x.len(), 0.0);
        for layer in &self.layers {
            layer.qkv.apply(&x, qkv);
            kernels::add_bias(arch, qkv, &layer.qkv.bias);
            for (qkv, context) in by_sequence(qkv, context, &lengths, hidden) {
                kernels::attention(arch, qkv, context, scores, hidden, self.shape.heads);
            }
            layer.attention_out.apply(context, delta);
            let bias = &layer.attention_out.bias;
            kernels::add_norm(arch, &mut x, delta, bias, &layer.attention_norm);
            layer.up.apply(&x, inner);
            kernels::bias_gelu(arch, inner, &layer.up.bias);
            layer.down.apply(inner, delta);
            kernels::add_norm(arch, &mut x, delta, &layer.down.bias, &layer.output_norm);
        }
        self.pool(&x, &lengths)
    }

    fn embed_tokens(&self, arch: Arch, sequences: &[&[u32]]) -> Vec<f32> {
        let hidden = self.shape.hidden;
        let tokens: usize = sequences.iter().map(|tokens| tokens.len()).sum();
        let mut x = vec![0.0; tokens * hidden];
        let mut rows = x.chunks_exact_mut(hidden);
        for sequence in sequences {
            let positions = self
                .positions
                .chunks_exact(hidden)
                .skip(self.shape.first_position);
            for ((token, position), row) in sequence.iter().zip(positions).zip(rows.by_ref()) {
                self.words.row_into(*token, row);
                for (value, position) in row.iter_mut().zip(position) {
                    *value += position;
                }
            }
        }
        kernels::layer_norm(arch, &mut x, &self.embedding_norm);
        x
    }

    fn pool(&self, x: &[f32], lengths: &[usize]) -> Vec<Vec<f32>> {
        let hidden = self.shape.hidden;
        let mut rest = x;
        lengths
            .iter()
            .map(|length| {
                let (rows, tail) = rest.split_at(length * hidden);
                rest = tail;
                let take = match self.pooling {
                    Pooling::Mean => *length,
                    Pooling::First => 1,
                };
                let mut sum = vec![0.0_f32; hidden];
                for row in rows.chunks_exact(hidden).take(take) {
                    for (sum, value) in sum.iter_mut().zip(row) {
                        *sum += value;
                    }
                }
                // Cosine is blind to length, so the division by the count can be left out.
                unit(sum)
            })
            .collect()
    }
}

/// The vector scaled to length 1; a zero vector stays zero.
fn unit(mut vector: Vec<f32>) -> Vec<f32> {
    let norm = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if norm > 0.0 {
        for value in &mut vector {
            *value /= norm;
        }
    }
    vector
}

impl Linear {
    /// Takes a `[rows, width]` matrix as model files hold it.
    pub(crate) fn new(weight: &Tensor, bias: Vec<f32>) -> Result<Self, EmbedError> {
        let weight = weight.t()?.contiguous()?.flatten_all()?.to_vec1()?;
        Ok(Self { weight, bias })
    }

    /// `out = x * weight^T`, the bias left to the caller's next kernel.
    fn apply(&self, x: &[f32], out: &mut Vec<f32>) {
        let width = self.weight.len() / self.bias.len();
        out.resize(x.len() / width * self.bias.len(), 0.0);
        kernels::product(x, &self.weight, out, width);
    }
}

/// Each sequence's rows of the projections, beside its rows of the output.
fn by_sequence<'a>(
    mut qkv: &'a [f32],
    mut out: &'a mut [f32],
    lengths: &'a [usize],
    hidden: usize,
) -> impl Iterator<Item = (&'a [f32], &'a mut [f32])> {
    lengths.iter().map(move |length| {
        let (inputs, rest) = qkv.split_at(length * 3 * hidden);
        qkv = rest;
        let (outputs, rest) = std::mem::take(&mut out).split_at_mut(length * hidden);
        out = rest;
        (inputs, outputs)
    })
}
