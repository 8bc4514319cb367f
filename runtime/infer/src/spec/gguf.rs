//! What a model looks like, from GGUF metadata.

use candle_core::quantized::gguf_file::{Content, Value};

use super::{Family, Rope, Spec, family, number, rope};
use crate::cpu::elementwise::{Gate, Pairs};
use crate::error::InferError;
use crate::file::ModelFile;

/// Reads it.
pub(super) fn read(file: &ModelFile, content: &Content) -> Result<Spec, InferError> {
    let text = |key: &str| match content.metadata.get(key) {
        Some(Value::String(text)) => Some(text.clone()),
        _ => None,
    };
    let float = |key: &str| match content.metadata.get(key) {
        Some(Value::F32(x)) => Some(*x),
        Some(Value::F64(x)) => Some(*x as f32),
        _ => None,
    };
    let name = text("general.architecture").ok_or_else(|| {
        file.damaged("its header does not say its architecture (`general.architecture`)".to_owned())
    })?;
    let family = family(file, &name)?;
    let key = |end: &str| format!("{name}.{end}");
    let find = |end: &str| number(content, &key(end));
    let need = |end: &str| {
        find(end).ok_or_else(|| file.damaged(format!("its header does not give `{name}.{end}`")))
    };
    let hidden = need("embedding_length")?;
    let heads = need("attention.head_count")?;
    let head = find("attention.key_length").unwrap_or(hidden.checked_div(heads).unwrap_or(0));
    let value = find("attention.value_length").unwrap_or(head);
    if value != head {
        return Err(file.damaged(format!(
            "its keys have {head} numbers and its values {value}"
        )));
    }
    let vocabulary = file
        .shape("token_embd.weight")
        .and_then(|shape| shape.first());
    let layers = need("block_count")?;
    let base = float(&key("rope.freq_base")).unwrap_or(10_000.0);
    let rotation = rotation(
        file,
        content,
        &name,
        base,
        find("rope.dimension_count").unwrap_or(head),
    )?;
    let stem = file.path().file_stem().unwrap_or_default();
    let gemma = family == Family::Gemma3;
    let windowed = gemma.then(|| find("attention.sliding_window")).flatten();
    Ok(Spec {
        family,
        name: text("general.name").unwrap_or_else(|| stem.to_string_lossy().into_owned()),
        layers,
        hidden,
        heads,
        kv_heads: find("attention.head_count_kv").unwrap_or(heads),
        head,
        feed_forward: need("feed_forward_length")?,
        vocabulary: vocabulary.copied().unwrap_or_default(),
        context: need("context_length")?,
        epsilon: float(&key("attention.layer_norm_rms_epsilon")).unwrap_or(1e-5),
        pairs: match family {
            Family::Llama | Family::SmolLm3 => Pairs::Neighbours,
            _ => Pairs::Halves,
        },
        rope: rotation,
        window_rope: gemma.then(|| {
            let base = float(&key("rope.freq_base_swa")).unwrap_or(10_000.0);
            rope::plain(base, head, None)
        }),
        window: windowed.filter(|window| *window > 0),
        window_pattern: if gemma { 6 } else { 0 },
        no_rope_every: if family == Family::SmolLm3 { 4 } else { 0 },
        embedding_scale: if gemma { (hidden as f32).sqrt() } else { 1.0 },
        // The largest Gemma 3 has heads that are not as long as queries are scaled for.
        attention_scale: if gemma && layers == 62 {
            1.0 / (hidden as f32 / heads as f32).sqrt()
        } else {
            1.0 / (head as f32).sqrt()
        },
        norm_offset: 0.0,
        gate: if gemma { Gate::GeluTanh } else { Gate::Silu },
    })
}

fn rotation(
    file: &ModelFile,
    content: &Content,
    name: &str,
    base: f32,
    dimensions: usize,
) -> Result<Rope, InferError> {
    let key = |end: &str| format!("{name}.rope.scaling.{end}");
    let float = |end: &str| match content.metadata.get(&key(end)) {
        Some(Value::F32(x)) => Some(*x),
        _ => None,
    };
    let original = number(content, &key("original_context_length"));
    let context = number(content, &format!("{name}.context_length")).unwrap_or_default();
    let factors = |tensor: &str| {
        let there = file.has(tensor);
        there
            .then(|| file.vector(tensor, dimensions / 2))
            .transpose()
    };
    let long = if original.is_some_and(|original| context > original) {
        "rope_factors_long.weight"
    } else {
        "rope_factors_short.weight"
    };
    if let Some(factors) = factors(long)? {
        let mut rope = rope::plain(base, dimensions, Some(&factors));
        rope.magnitude = float("attn_factor").unwrap_or(1.0);
        return Ok(rope);
    }
    if let Some(factors) = factors("rope_freqs.weight")? {
        return Ok(rope::plain(base, dimensions, Some(&factors)));
    }
    let factor = float("factor")
        .filter(|factor| *factor > 0.0)
        .unwrap_or(1.0);
    match content.metadata.get(&key("type")) {
        Some(Value::String(kind)) if kind == "linear" => {
            let factors = vec![factor; dimensions / 2];
            Ok(rope::plain(base, dimensions, Some(&factors)))
        }
        Some(Value::String(kind)) if kind == "yarn" => {
            let original = original.unwrap_or(context) as f32;
            Ok(rope::yarn(base, dimensions, factor, original))
        }
        _ => Ok(rope::plain(base, dimensions, None)),
    }
}
