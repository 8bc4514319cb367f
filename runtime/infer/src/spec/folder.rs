//! What a model looks like, from a folder's `config.json`.

use serde_json::Value;

use super::{Family, Rope, Spec, family, rope};
use crate::cpu::elementwise::{Gate, Pairs};
use crate::error::InferError;
use crate::file::ModelFile;

/// Reads it.
pub(super) fn read(file: &ModelFile, config: &Value) -> Result<Spec, InferError> {
    // Models that also see images keep the language model's part apart.
    let config = config.get("text_config").unwrap_or(config);
    let name = config
        .get("model_type")
        .and_then(Value::as_str)
        .ok_or_else(|| file.damaged("its `config.json` does not give `model_type`".to_owned()))?;
    let family = family(file, name)?;
    let find = |key: &str| {
        let number = config.get(key)?.as_u64()?;
        usize::try_from(number).ok()
    };
    let float = |key: &str| Some(config.get(key)?.as_f64()? as f32);
    let need = |key: &str| {
        find(key).ok_or_else(|| file.damaged(format!("its `config.json` does not give `{key}`")))
    };
    let hidden = need("hidden_size")?;
    let heads = need("num_attention_heads")?;
    let head = find("head_dim").unwrap_or(hidden.checked_div(heads).unwrap_or(0));
    let gemma = family == Family::Gemma3;
    let base = float("rope_theta").unwrap_or(if gemma { 1e6 } else { 10_000.0 });
    let scaled_for = float("query_pre_attn_scalar").filter(|_| gemma);
    let folder = file.path().file_name().unwrap_or_default();
    Ok(Spec {
        family,
        name: folder.to_string_lossy().into_owned(),
        layers: need("num_hidden_layers")?,
        hidden,
        heads,
        kv_heads: find("num_key_value_heads").unwrap_or(heads),
        head,
        feed_forward: need("intermediate_size")?,
        vocabulary: need("vocab_size")?,
        context: need("max_position_embeddings")?,
        epsilon: float("rms_norm_eps").unwrap_or(1e-6),
        pairs: Pairs::Halves,
        rope: rotation(file, config, base, head)?,
        window_rope: gemma.then(|| {
            let base = float("rope_local_base_freq").unwrap_or(10_000.0);
            rope::plain(base, head, None)
        }),
        window: find("sliding_window").filter(|window| gemma && *window > 0),
        window_pattern: if gemma {
            find("sliding_window_pattern").unwrap_or(6)
        } else {
            0
        },
        no_rope_every: if family == Family::SmolLm3 { 4 } else { 0 },
        embedding_scale: if gemma { (hidden as f32).sqrt() } else { 1.0 },
        attention_scale: 1.0 / scaled_for.unwrap_or(head as f32).sqrt(),
        norm_offset: if gemma { 1.0 } else { 0.0 },
        gate: if gemma { Gate::GeluTanh } else { Gate::Silu },
    })
}

fn rotation(file: &ModelFile, config: &Value, base: f32, head: usize) -> Result<Rope, InferError> {
    let share = config.get("partial_rotary_factor").and_then(Value::as_f64);
    let dimensions = (head as f64 * share.unwrap_or(1.0)) as usize;
    let scaling = config.get("rope_scaling").filter(|value| value.is_object());
    let Some(scaling) = scaling else {
        return Ok(rope::plain(base, dimensions, None));
    };
    let float = |key: &str| Some(scaling.get(key)?.as_f64()? as f32);
    let kind = scaling.get("rope_type").or_else(|| scaling.get("type"));
    let factor = float("factor").unwrap_or(1.0);
    let context = config
        .get("max_position_embeddings")
        .and_then(Value::as_f64);
    let original = float("original_max_position_embeddings")
        .or_else(|| Some(config.get("original_max_position_embeddings")?.as_f64()? as f32))
        .or(context.map(|context| context as f32))
        .unwrap_or(1.0);
    match kind.and_then(Value::as_str).unwrap_or("default") {
        "default" => Ok(rope::plain(base, dimensions, None)),
        "linear" => {
            let factors = vec![factor; dimensions / 2];
            Ok(rope::plain(base, dimensions, Some(&factors)))
        }
        "llama3" => {
            let low = float("low_freq_factor").unwrap_or(1.0);
            let high = float("high_freq_factor").unwrap_or(4.0);
            let factors = rope::llama3(base, dimensions, (factor, low, high, original));
            Ok(rope::plain(base, dimensions, Some(&factors)))
        }
        "yarn" => Ok(rope::yarn(base, dimensions, factor, original)),
        "longrope" | "su" => {
            let context = context.unwrap_or_default() as f32;
            let key = if context > original {
                "long_factor"
            } else {
                "short_factor"
            };
            let factors: Option<Vec<f32>> = scaling.get(key).and_then(Value::as_array).map(|all| {
                all.iter()
                    .filter_map(|x| Some(x.as_f64()? as f32))
                    .collect()
            });
            let mut rope = rope::plain(base, dimensions, factors.as_deref());
            if context > original {
                rope.magnitude = (1.0 + (context / original).ln() / original.ln()).sqrt();
            }
            Ok(rope)
        }
        other => Err(file.damaged(format!(
            "it stretches positions by `{other}`, which is not known"
        ))),
    }
}
