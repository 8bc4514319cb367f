//! The weights of one layer.

use super::{Activations, Family, Form, InferError, Matrix, ModelFile, Spec, Team, add_bias};

/// The weights of one layer.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) attention_norm: Vec<f32>,
    projection: Projection,
    /// Of queries and of keys.
    pub(super) head_norms: Option<(Vec<f32>, Vec<f32>)>,
    pub(super) attention_output: Matrix,
    pub(super) after_attention: Option<Vec<f32>>,
    pub(super) feed_forward_norm: Vec<f32>,
    /// `None` where `up` holds the gates as well, before what they gate.
    pub(super) gate: Option<Matrix>,
    pub(super) up: Matrix,
    pub(super) down: Matrix,
    pub(super) after_feed_forward: Option<Vec<f32>>,
}

/// From a layer's input to queries, keys and values.
#[derive(Debug)]
enum Projection {
    Apart {
        matrices: Box<[Matrix; 3]>,
        biases: Option<Box<[Vec<f32>; 3]>>,
    },
    Together(Matrix),
}

impl Layer {
    pub(super) fn load(
        file: &ModelFile,
        team: &Team,
        spec: &Spec,
        number: usize,
    ) -> Result<Self, InferError> {
        let name = |part: &str| format!("blk.{number}.{part}");
        let weight = |part: &str| name(&format!("{part}.weight"));
        let matrix = |part: &str, n: usize, k: usize| file.matrix(team, &weight(part), (n, k));
        let norm = |part: &str, length: usize| {
            let mut norm = file.vector(&weight(part), length)?;
            norm.iter_mut()
                .for_each(|weight| *weight += spec.norm_offset);
            Ok::<_, InferError>(norm)
        };
        let (queries, keys) = (spec.heads * spec.head, spec.kv_heads * spec.head);
        let hidden = spec.hidden;
        let projection = if spec.family == Family::Phi3 {
            Projection::Together(matrix("attn_qkv", queries + 2 * keys, hidden)?)
        } else {
            let bias =
                |part: &str, length: usize| file.vector(&name(&format!("{part}.bias")), length);
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

    pub(super) fn bytes(&self) -> usize {
        let projection = match &self.projection {
            Projection::Apart { matrices, .. } => matrices.iter().map(Matrix::bytes).sum(),
            Projection::Together(matrix) => matrix.bytes(),
        };
        let gate = self.gate.as_ref().map_or(0, Matrix::bytes);
        projection + gate + self.attention_output.bytes() + self.up.bytes() + self.down.bytes()
    }

    /// The forms in which the projections want the layer's input.
    pub(super) fn input_forms(&self) -> Vec<Form> {
        match &self.projection {
            Projection::Apart { matrices, .. } => matrices.iter().map(Matrix::form).collect(),
            Projection::Together(matrix) => vec![matrix.form()],
        }
    }

    /// Queries, keys and values of the layer's input.
    pub(super) fn project(
        &self,
        team: &Team,
        spec: &Spec,
        inputs: &Activations<'_>,
        (queries, keys, values): (&mut Vec<f32>, &mut Vec<f32>, &mut Vec<f32>),
        rows: usize,
    ) -> Result<(), InferError> {
        let (wide, narrow) = (spec.heads * spec.head, spec.kv_heads * spec.head);
        queries.resize(rows * wide, 0.0);
        keys.resize(rows * narrow, 0.0);
        values.resize(rows * narrow, 0.0);
        match &self.projection {
            Projection::Apart { matrices, biases } => {
                let outs = [queries, keys, values];
                let mut biases = biases.iter().flat_map(|biases| biases.iter());
                for (matrix, out) in matrices.iter().zip(outs) {
                    matrix.multiply(team, inputs, out)?;
                    if let Some(bias) = biases.next() {
                        add_bias(team, out, bias);
                    }
                }
            }
            Projection::Together(matrix) => {
                let mut all = vec![0.0; rows * matrix.n()];
                matrix.multiply(team, inputs, &mut all)?;
                let outs = queries
                    .chunks_exact_mut(wide)
                    .zip(keys.chunks_exact_mut(narrow))
                    .zip(values.chunks_exact_mut(narrow));
                for (row, ((queries, keys), values)) in all.chunks_exact(matrix.n()).zip(outs) {
                    let (first, rest) = row.split_at(wide);
                    let (second, third) = rest.split_at(narrow);
                    queries.copy_from_slice(first);
                    keys.copy_from_slice(second);
                    values.copy_from_slice(third);
                }
            }
        }
        Ok(())
    }
}
