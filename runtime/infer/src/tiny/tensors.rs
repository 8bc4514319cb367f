//! Which tensors a family has, and what they are called in a GGUF file and on the hub.

use super::quant::Part;
use super::shape::{Architecture, RopeScaling, Shape};
use super::weights::Values;

/// How far apart logits are: their standard deviation, with the norm before the output at one.
/// A model without this has thousands of near ties, and no two programs would take the same token.
const LOGIT_DEVIATION: f32 = 3.0;

/// By how much queries and keys are larger than what they are made from. At one, attention is
/// close to a mean of what came before, and after some layers every token looks the same.
const SHARPNESS: f32 = 1.5;
/// By how much what attention adds is smaller than what it is made from, so that it does not
/// drown the token itself.
const ATTENTION_SHARE: f32 = 0.7;

/// One tensor of the model.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tensor {
    /// Its name in a GGUF file.
    pub(super) gguf: String,
    /// Its name on the hub.
    pub(super) hub: String,
    /// Rows; one for a vector.
    pub(super) rows: usize,
    /// Numbers of a row.
    pub(super) columns: usize,
    /// What is in it, on the hub.
    pub(super) values: Values,
    /// What differs between the files.
    pub(super) kind: Kind,
}

/// What differs between the two files.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// A matrix with the same rows in both.
    Matrix(Part),
    /// A matrix whose rows GGUF keeps in another order: the two halves of each head alternate,
    /// because its rotary positions turn neighbours where the hub's turn halves.
    Interleaved {
        /// Numbers of one head.
        head_dim: usize,
    },
    /// A vector, kept as f32 in GGUF.
    Vector {
        /// GGUF holds the hub's value plus this (Gemma's norms count from one).
        offset: f32,
    },
}

impl Tensor {
    /// Whether it is one row without a second dimension.
    pub(super) fn is_vector(&self) -> bool {
        matches!(self.kind, Kind::Vector { .. })
    }

    /// The hub's row that is row `row` of the GGUF file.
    pub(super) fn hub_row(&self, row: usize) -> usize {
        match self.kind {
            Kind::Interleaved { head_dim } => {
                let (head, within) = (row / head_dim, row % head_dim);
                head * head_dim + within % 2 * (head_dim / 2) + within / 2
            }
            Kind::Matrix(_) | Kind::Vector { .. } => row,
        }
    }
}

/// All tensors that both files hold, in the order of the model.
pub(super) fn of(shape: &Shape) -> Vec<Tensor> {
    let mut list = Vec::new();
    let embeddings = matrix(
        ("token_embd.weight", "model.embed_tokens.weight"),
        (shape.vocabulary, shape.hidden),
        if shape.tied {
            Part::Output
        } else {
            Part::Plain
        },
    );
    let output_values = Values {
        mean: 0.0,
        deviation: LOGIT_DEVIATION / (shape.hidden as f32).sqrt(),
    };
    list.push(Tensor {
        values: if shape.tied {
            output_values
        } else {
            Values {
                mean: 0.0,
                deviation: 0.5,
            }
        },
        ..embeddings
    });
    for layer in 0..shape.layers {
        attention(shape, layer, &mut list);
        feed_forward(shape, layer, &mut list);
    }
    let norm = norm(
        shape,
        ("output_norm.weight", "model.norm.weight"),
        shape.hidden,
    );
    list.push(if shape.tied {
        // Where the output is the embeddings, a norm near one would make every token likely to
        // be followed by itself. With signs that vary, the two have nothing to do with each other.
        let mean = 0.0 - gguf_offset(shape);
        Tensor {
            values: Values {
                mean,
                deviation: 1.0,
            },
            ..norm
        }
    } else {
        norm
    });
    if !shape.tied {
        let names = ("output.weight", "lm_head.weight");
        list.push(Tensor {
            values: output_values,
            ..matrix(names, (shape.vocabulary, shape.hidden), Part::Output)
        });
    }
    list
}

fn attention(shape: &Shape, layer: usize, list: &mut Vec<Tensor>) {
    let (hidden, query, key) = (shape.hidden, shape.query_width(), shape.key_width());
    let gguf = |name: &str| format!("blk.{layer}.{name}");
    let hub = |name: &str| format!("model.layers.{layer}.{name}");
    let names = |ours: &str, theirs: &str| (gguf(ours), hub(theirs));
    let before = names("attn_norm.weight", "input_layernorm.weight");
    list.push(norm(shape, before, hidden));
    let sensitive = Part::Sensitive { layer };
    if shape.architecture == Architecture::Phi3 {
        let fused = names("attn_qkv.weight", "self_attn.qkv_proj.weight");
        let mut fused = matrix(fused, (query + 2 * key, hidden), sensitive);
        fused.values.deviation *= SHARPNESS;
        list.push(fused);
    } else {
        let parts = [
            ("q", query, Part::Plain),
            ("k", key, Part::Plain),
            ("v", key, sensitive),
        ];
        for (part, rows, kind) in parts {
            let weight = names(
                &format!("attn_{part}.weight"),
                &format!("self_attn.{part}_proj.weight"),
            );
            let mut tensor = matrix(weight, (rows, hidden), kind);
            if part != "v" {
                tensor.values.deviation *= SHARPNESS;
            }
            if shape.architecture == Architecture::Llama && part != "v" {
                tensor.kind = Kind::Interleaved {
                    head_dim: shape.head_dim,
                };
            }
            list.push(tensor);
            if shape.architecture == Architecture::Qwen2 {
                let bias = names(
                    &format!("attn_{part}.bias"),
                    &format!("self_attn.{part}_proj.bias"),
                );
                list.push(vector(bias, rows, 0.0, 0.3));
            }
        }
    }
    if matches!(
        shape.architecture,
        Architecture::Qwen3 | Architecture::Gemma3
    ) {
        for part in ["q", "k"] {
            let head = names(
                &format!("attn_{part}_norm.weight"),
                &format!("self_attn.{part}_norm.weight"),
            );
            let mut head = norm(shape, head, shape.head_dim);
            head.values.mean += SHARPNESS - 1.0;
            list.push(head);
        }
    }
    let out = names("attn_output.weight", "self_attn.o_proj.weight");
    let mut out = matrix(out, (hidden, query), Part::Plain);
    out.values.deviation *= ATTENTION_SHARE;
    list.push(out);
}

fn feed_forward(shape: &Shape, layer: usize, list: &mut Vec<Tensor>) {
    let (hidden, ffn) = (shape.hidden, shape.ffn);
    let names = |ours: &str, theirs: &str| {
        (
            format!("blk.{layer}.{ours}.weight"),
            format!("model.layers.{layer}.{theirs}.weight"),
        )
    };
    let gemma = shape.architecture == Architecture::Gemma3;
    if gemma {
        let after = names("post_attention_norm", "post_attention_layernorm");
        list.push(norm(shape, after, hidden));
    }
    let before = if gemma {
        "pre_feedforward_layernorm"
    } else {
        "post_attention_layernorm"
    };
    list.push(norm(shape, names("ffn_norm", before), hidden));
    if shape.architecture == Architecture::Phi3 {
        let fused = names("ffn_up", "mlp.gate_up_proj");
        list.push(matrix(fused, (2 * ffn, hidden), Part::Plain));
    } else {
        let gate = names("ffn_gate", "mlp.gate_proj");
        list.push(matrix(gate, (ffn, hidden), Part::Plain));
        list.push(matrix(
            names("ffn_up", "mlp.up_proj"),
            (ffn, hidden),
            Part::Plain,
        ));
    }
    let down = names("ffn_down", "mlp.down_proj");
    list.push(matrix(down, (hidden, ffn), Part::Sensitive { layer }));
    if gemma {
        let after = names("post_ffw_norm", "post_feedforward_layernorm");
        list.push(norm(shape, after, hidden));
    }
}

/// A matrix that keeps the size of what it is multiplied with.
fn matrix(
    (gguf, hub): (impl Into<String>, impl Into<String>),
    (rows, columns): (usize, usize),
    part: Part,
) -> Tensor {
    Tensor {
        gguf: gguf.into(),
        hub: hub.into(),
        rows,
        columns,
        values: Values {
            mean: 0.0,
            deviation: 1.0 / (columns as f32).sqrt(),
        },
        kind: Kind::Matrix(part),
    }
}

fn vector(names: (String, String), columns: usize, mean: f32, deviation: f32) -> Tensor {
    Tensor {
        gguf: names.0,
        hub: names.1,
        rows: 1,
        columns,
        values: Values { mean, deviation },
        kind: Kind::Vector { offset: 0.0 },
    }
}

fn norm(
    shape: &Shape,
    (gguf, hub): (impl Into<String>, impl Into<String>),
    columns: usize,
) -> Tensor {
    let offset = gguf_offset(shape);
    Tensor {
        kind: Kind::Vector { offset },
        ..vector((gguf.into(), hub.into()), columns, 1.0 - offset, 0.1)
    }
}

/// Gemma's norms multiply by one more than what the hub's file says; GGUF files hold the sum.
fn gguf_offset(shape: &Shape) -> f32 {
    if shape.architecture == Architecture::Gemma3 {
        1.0
    } else {
        0.0
    }
}

/// What GGUF's `rope_freqs.weight` holds: by how much each rotation is slowed down.
pub(super) fn rope_factors(shape: &Shape, scaling: RopeScaling) -> Vec<f32> {
    let original = scaling.original_context as f64;
    let low = f64::from(scaling.low_freq_factor);
    let high = f64::from(scaling.high_freq_factor);
    let factor = f64::from(scaling.factor);
    let one = |pair: usize| {
        let exponent = 2.0 * pair as f64 / shape.head_dim as f64;
        let wavelength = std::f64::consts::TAU * f64::from(shape.rope_theta).powf(exponent);
        let turns = original / wavelength;
        if turns > high {
            1.0
        } else if turns < low {
            factor
        } else {
            let smooth = (turns - low) / (high - low);
            1.0 / ((1.0 - smooth) / factor + smooth)
        }
    };
    (0..shape.head_dim / 2)
        .map(|pair| one(pair) as f32)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_hub_is_one_row_of_the_gguf_file() {
        let shape = Shape::tiny(Architecture::Llama);
        let list = of(&shape);
        let query = list
            .iter()
            .find(|tensor| tensor.gguf == "blk.0.attn_q.weight");
        let query = query.unwrap();
        let mut rows: Vec<usize> = (0..query.rows).map(|row| query.hub_row(row)).collect();
        // The first pair that GGUF turns is the first number of each half of the head.
        assert_eq!(rows[..4], [0, 32, 1, 33]);
        assert_eq!(rows[64], 64);
        rows.sort_unstable();
        assert!(rows.into_iter().eq(0..query.rows));
    }

    #[test]
    fn slow_rotations_are_stretched_and_fast_ones_are_not() {
        let shape = Shape::llama_3_2_1b();
        let factors = rope_factors(&shape, shape.rope_scaling.unwrap());
        assert_eq!(factors.len(), 32);
        assert_eq!(factors[0], 1.0);
        assert_eq!(factors[31], 32.0);
        assert!(factors.is_sorted());
    }
}
