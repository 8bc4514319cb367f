//! Models with random weights are what they say they are, in either file.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::Path;

use candle_core::quantized::GgmlDType;
use candle_core::quantized::gguf_file::Content;
use candle_core::{Device, Tensor};
use ropewalk_infer::tiny::TinyModel;
use ropewalk_infer::tiny::quant::{FloatType, Quant};
use ropewalk_infer::tiny::shape::{Architecture, Shape};
use serde_json::Value;

fn gguf(path: &Path) -> (Content, File) {
    let mut file = File::open(path).unwrap();
    (Content::read(&mut file).unwrap(), file)
}

/// Names and dimensions of the tensors that llama.cpp looks for.
fn expected(shape: &Shape) -> BTreeMap<String, Vec<usize>> {
    let (hidden, ffn) = (shape.hidden, shape.ffn);
    let (query, key) = (
        shape.heads * shape.head_dim,
        shape.kv_heads * shape.head_dim,
    );
    let mut list = BTreeMap::from([
        (
            "token_embd.weight".to_owned(),
            vec![shape.vocabulary, hidden],
        ),
        ("output_norm.weight".to_owned(), vec![hidden]),
    ]);
    if !shape.tied {
        list.insert("output.weight".to_owned(), vec![shape.vocabulary, hidden]);
    }
    if shape.architecture == Architecture::Llama {
        list.insert("rope_freqs.weight".to_owned(), vec![shape.head_dim / 2]);
    }
    for layer in 0..shape.layers {
        let mut add = |name: &str, dimensions: &[usize]| {
            list.insert(format!("blk.{layer}.{name}"), dimensions.to_vec());
        };
        add("attn_norm.weight", &[hidden]);
        add("attn_output.weight", &[hidden, query]);
        add("ffn_norm.weight", &[hidden]);
        add("ffn_down.weight", &[hidden, ffn]);
        if shape.architecture == Architecture::Phi3 {
            add("attn_qkv.weight", &[query + 2 * key, hidden]);
            add("ffn_up.weight", &[2 * ffn, hidden]);
            continue;
        }
        add("attn_q.weight", &[query, hidden]);
        add("attn_k.weight", &[key, hidden]);
        add("attn_v.weight", &[key, hidden]);
        add("ffn_gate.weight", &[ffn, hidden]);
        add("ffn_up.weight", &[ffn, hidden]);
        match shape.architecture {
            Architecture::Qwen2 => {
                add("attn_q.bias", &[query]);
                add("attn_k.bias", &[key]);
                add("attn_v.bias", &[key]);
            }
            Architecture::Qwen3 | Architecture::Gemma3 => {
                add("attn_q_norm.weight", &[shape.head_dim]);
                add("attn_k_norm.weight", &[shape.head_dim]);
            }
            _ => {}
        }
        if shape.architecture == Architecture::Gemma3 {
            add("post_attention_norm.weight", &[hidden]);
            add("post_ffw_norm.weight", &[hidden]);
        }
    }
    list
}

#[test]
fn every_family_has_its_tensors_in_every_quantisation() {
    let folder = tempfile::tempdir().unwrap();
    for architecture in Architecture::ALL {
        let model = TinyModel::new(Shape::tiny(architecture));
        let expected = expected(&model.shape);
        for quant in Quant::ALL {
            let path = folder.path().join("model.gguf");
            model.write_gguf(&path, quant).unwrap();
            let (content, mut file) = gguf(&path);
            let found: BTreeMap<String, Vec<usize>> = content
                .tensor_infos
                .iter()
                .map(|(name, info)| (name.clone(), info.shape.dims().to_vec()))
                .collect();
            assert_eq!(found, expected, "{architecture:?} {quant:?}");
            for name in expected.keys() {
                // The last byte of the last tensor is there, and nothing overlaps.
                let tensor = content.tensor(&mut file, name, &Device::Cpu).unwrap();
                let values = tensor
                    .dequantize(&Device::Cpu)
                    .unwrap()
                    .flatten_all()
                    .unwrap();
                let values = values.to_vec1::<f32>().unwrap();
                let square = values.iter().map(|x| x * x).sum::<f32>() / values.len() as f32;
                assert!(
                    square.is_finite() && square > 1e-4,
                    "{name} {quant:?}: {square}"
                );
            }
        }
    }
}

#[test]
fn half_of_the_sensitive_matrices_have_more_bits_in_the_mix() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    let model = TinyModel::new(Shape::tiny(Architecture::Llama));
    model.write_gguf(&path, Quant::Q4KM).unwrap();
    let (content, _) = gguf(&path);
    let kept = |name: &str| content.tensor_infos.get(name).unwrap().ggml_dtype;
    assert_eq!(kept("output.weight"), GgmlDType::Q6K);
    assert_eq!(kept("token_embd.weight"), GgmlDType::Q4K);
    assert_eq!(kept("blk.0.ffn_down.weight"), GgmlDType::Q4K);
    assert_eq!(kept("blk.2.ffn_down.weight"), GgmlDType::Q6K);
    assert_eq!(kept("blk.3.attn_v.weight"), GgmlDType::Q6K);
    assert_eq!(kept("blk.3.attn_q.weight"), GgmlDType::Q4K);
    assert_eq!(kept("blk.3.attn_norm.weight"), GgmlDType::F32);
}

#[test]
fn the_same_seed_is_the_same_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, seed: u64| {
        let path = folder.path().join(name);
        let model = TinyModel::new(Shape::tiny(Architecture::Qwen3)).with_seed(seed);
        model.write_gguf(&path, Quant::Q4KM).unwrap();
        std::fs::read(path).unwrap()
    };
    let first = file("a", 1);
    assert!(first == file("b", 1));
    let other = file("c", 2);
    assert_eq!(first.len(), other.len());
    assert!(first != other);
}

fn vector(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn both_files_are_one_model() {
    let folder = tempfile::tempdir().unwrap();
    for architecture in Architecture::ALL {
        let model = TinyModel::new(Shape::tiny(architecture)).with_seed(3);
        let path = folder.path().join("model.gguf");
        model.write_gguf(&path, Quant::F32).unwrap();
        let hub = folder.path().join("hub");
        model.write_folder(&hub, FloatType::F32).unwrap();
        let (content, mut file) = gguf(&path);
        let hub = candle_core::safetensors::load(hub.join("model.safetensors"), &Device::Cpu);
        let hub: HashMap<String, Tensor> = hub.unwrap();
        let gguf_names = content
            .tensor_infos
            .keys()
            .filter(|name| *name != "rope_freqs.weight");
        assert_eq!(gguf_names.clone().count(), hub.len());
        for name in gguf_names {
            let ours = content.tensor(&mut file, name, &Device::Cpu).unwrap();
            let ours = ours.dequantize(&Device::Cpu).unwrap();
            let theirs = hub.get(&hub_name(architecture, name)).unwrap();
            assert_eq!(ours.dims(), theirs.dims(), "{name}");
            let interleaved = architecture == Architecture::Llama
                && (name.contains("attn_q.") || name.contains("attn_k."));
            let theirs = if interleaved {
                // The order in which llama.cpp's converter puts these rows.
                let (rows, columns) = theirs.dims2().unwrap();
                let heads = rows / model.shape.head_dim;
                let halves = (heads, 2, model.shape.head_dim / 2, columns);
                let turned = theirs.reshape(halves).unwrap().transpose(1, 2).unwrap();
                turned
                    .contiguous()
                    .unwrap()
                    .reshape((rows, columns))
                    .unwrap()
            } else if architecture == Architecture::Gemma3 && name.ends_with("norm.weight") {
                (theirs + 1.0).unwrap()
            } else {
                theirs.clone()
            };
            assert!(vector(&ours) == vector(&theirs), "{architecture:?} {name}");
        }
    }
}

fn hub_name(architecture: Architecture, gguf: &str) -> String {
    let Some((layer, part)) = gguf
        .strip_prefix("blk.")
        .and_then(|rest| rest.split_once('.'))
    else {
        return match gguf {
            "token_embd.weight" => "model.embed_tokens.weight",
            "output_norm.weight" => "model.norm.weight",
            _ => "lm_head.weight",
        }
        .to_owned();
    };
    let (part, end) = part.split_once('.').unwrap();
    let gemma = architecture == Architecture::Gemma3;
    let phi = architecture == Architecture::Phi3;
    let part = match part {
        "attn_norm" => "input_layernorm",
        "attn_q" => "self_attn.q_proj",
        "attn_k" => "self_attn.k_proj",
        "attn_v" => "self_attn.v_proj",
        "attn_qkv" => "self_attn.qkv_proj",
        "attn_output" => "self_attn.o_proj",
        "attn_q_norm" => "self_attn.q_norm",
        "attn_k_norm" => "self_attn.k_norm",
        "post_attention_norm" => "post_attention_layernorm",
        "ffn_norm" if gemma => "pre_feedforward_layernorm",
        "ffn_norm" => "post_attention_layernorm",
        "post_ffw_norm" => "post_feedforward_layernorm",
        "ffn_gate" => "mlp.gate_proj",
        "ffn_up" if phi => "mlp.gate_up_proj",
        "ffn_up" => "mlp.up_proj",
        "ffn_down" => "mlp.down_proj",
        other => panic!("{other}"),
    };
    format!("model.layers.{layer}.{part}.{end}")
}

#[test]
fn the_tokenizer_of_the_hub_reads_back_what_it_wrote() {
    let folder = tempfile::tempdir().unwrap();
    for architecture in Architecture::ALL {
        let model = TinyModel::new(Shape::tiny(architecture));
        model.write_folder(folder.path(), FloatType::Bf16).unwrap();
        let path = folder.path().join("tokenizer.json");
        let tokenizer = tokenizers::Tokenizer::from_file(path).unwrap();
        for text in [
            "A node starts the moment its inputs are settled.",
            "{\"name\": \"search\", \"arguments\": {\"query\": \"x  y\"}}\n\n\tfn main() {}",
            "Größe, 東京, 🪢 and e\u{301}",
        ] {
            let encoding = tokenizer.encode(text, false).unwrap();
            let decoded = tokenizer.decode(encoding.get_ids(), false).unwrap();
            let composed = text.replace("e\u{301}", "é");
            assert!(
                decoded == text || decoded == composed,
                "{architecture:?}: {decoded}"
            );
        }
        // Words of the documentation are few tokens, so merges are in force.
        let encoding = tokenizer.encode("the graph of a node", false).unwrap();
        assert!(encoding.get_ids().len() <= 6, "{:?}", encoding.get_tokens());
        let config = std::fs::read(folder.path().join("config.json")).unwrap();
        let config: Value = serde_json::from_slice(&config).unwrap();
        assert_eq!(config["vocab_size"], 2048);
        let end = config["eos_token_id"][0].as_u64().unwrap() as u32;
        assert!(tokenizer.id_to_token(end).is_some());
    }
}

#[test]
fn a_shape_that_contradicts_itself_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut shape = Shape::tiny(Architecture::Qwen3);
    shape.kv_heads = 3;
    let path = folder.path().join("model.gguf");
    let error = TinyModel::new(shape)
        .write_gguf(&path, Quant::F16)
        .unwrap_err();
    assert!(error.to_string().contains("kv_heads"), "{error}");
    assert!(!path.exists());
}
