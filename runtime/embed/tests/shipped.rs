//! The shipped model: faithful to the original weights, and well-behaved on any text.
//!
//! `original-vectors.f16` holds what the original f32 weights give for each line of
//! `passages.txt`, computed with another runtime (ONNX) and stored as little-endian f16.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use ropewalk_embed::{Embedder, cosine};
use sha2::{Digest, Sha256};

fn passages() -> Vec<&'static str> {
    include_str!("passages.txt").lines().collect()
}

fn originals(size: usize) -> Vec<Vec<f32>> {
    let bytes = include_bytes!("original-vectors.f16");
    let (units, _) = bytes.as_chunks::<2>();
    let values: Vec<f32> = units
        .iter()
        .map(|unit| half::f16::from_le_bytes(*unit).to_f32())
        .collect();
    values.chunks_exact(size).map(<[f32]>::to_vec).collect()
}

#[test]
fn vectors_agree_with_the_original_weights() {
    let embedder = Embedder::shipped().unwrap();
    assert_eq!((embedder.dimensions(), embedder.max_tokens()), (384, 256));
    let vectors = embedder.embed(&passages()).unwrap();
    let originals = originals(384);
    assert_eq!(vectors.len(), originals.len());
    let cosines: Vec<f32> = vectors
        .iter()
        .zip(&originals)
        .map(|(a, b)| cosine(a, b))
        .collect();
    let mean = cosines.iter().sum::<f32>() / cosines.len() as f32;
    let least = cosines.iter().copied().fold(1.0, f32::min);
    assert!(
        mean >= 0.999 && least >= 0.998,
        "mean {mean}, least {least}"
    );
}

#[test]
fn the_shipped_files_are_the_ones_the_readme_names() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/all-MiniLM-L6-v2");
    let readme = std::fs::read_to_string(folder.join("README.md")).unwrap();
    let mut bytes = 0;
    for name in ["model-q8_0.gguf", "tokenizer.json", "config.json"] {
        let content = std::fs::read(folder.join(name)).unwrap();
        bytes += content.len();
        let digest: String = Sha256::digest(&content)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert!(
            readme.contains(&format!("| `{name}` | `{digest}` |")),
            "{name}: {digest}"
        );
    }
    assert!(bytes < 48 << 20);
}

#[test]
fn a_batch_gives_what_each_text_gives_alone_in_the_order_asked() {
    let embedder = Embedder::shipped().unwrap();
    let texts: Vec<&str> = passages().into_iter().rev().take(24).collect();
    let together = embedder.embed(&texts).unwrap();
    for (text, vector) in texts.iter().zip(&together) {
        let alone = embedder.embed(&[text]).unwrap().remove(0);
        assert!(cosine(&alone, vector) > 0.999_99, "{text}");
        assert!((vector.iter().map(|v| v * v).sum::<f32>() - 1.0).abs() < 1e-4);
    }
    assert_eq!(
        together,
        embedder.embed(&texts).unwrap(),
        "not deterministic"
    );
}

#[test]
fn work_is_told_and_can_be_cancelled() {
    let embedder = Embedder::shipped().unwrap();
    let texts = vec!["a rope of three strands ".repeat(40); 40];
    let last = AtomicUsize::new(0);
    let done = embedder.embed_with(&texts, &|done| {
        last.fetch_max(done, Ordering::Relaxed);
        ControlFlow::Continue(())
    });
    assert!(done.unwrap().is_some() && last.into_inner() == 40);
    let cancelled = embedder.embed_with(&texts, &|_| ControlFlow::Break(()));
    assert!(cancelled.unwrap().is_none());
}

#[test]
fn nothing_and_very_much_are_both_fine() {
    let embedder = Embedder::shipped().unwrap();
    assert!(embedder.embed::<&str>(&[]).unwrap().is_empty());
    let huge = "rope ".repeat(2_000_000);
    let vectors = embedder.embed(&["", huge.as_str(), "\0\u{1F9F5}"]).unwrap();
    assert!(vectors.iter().all(|vector| vector.len() == 384));
    assert_eq!(embedder.count_tokens("three strands"), 2);
    assert_eq!(
        embedder.clone().with_max_tokens(1_000_000).max_tokens(),
        512
    );
}

#[test]
fn a_folder_that_is_no_model_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let error = |folder: &Path| Embedder::open(folder).unwrap_err().to_string();
    assert!(error(folder.path()).contains("config.json"));
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/all-MiniLM-L6-v2");
    let copy = |name: &str| std::fs::copy(model.join(name), folder.path().join(name)).unwrap();
    copy("config.json");
    assert!(error(folder.path()).contains("tokenizer.json"));
    copy("tokenizer.json");
    assert!(error(folder.path()).contains("model.safetensors"));
    std::fs::write(folder.path().join("model.safetensors"), b"not weights").unwrap();
    assert!(error(folder.path()).contains("not a usable safetensors file"));
    let config = std::fs::read_to_string(model.join("config.json")).unwrap();
    let other = config.replace("\"bert\"", "\"gpt2\"");
    std::fs::write(folder.path().join("config.json"), other).unwrap();
    std::fs::write(folder.path().join("model.safetensors"), 8_u64.to_le_bytes()).unwrap();
    assert!(!error(folder.path()).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_text_has_a_unit_vector(text in "\\PC{0,60}") {
        let embedder = Embedder::shipped().unwrap();
        let vector = embedder.embed(&[&text]).unwrap().remove(0);
        let norm = vector.iter().map(|value| value * value).sum::<f32>();
        prop_assert!((norm - 1.0).abs() < 1e-3, "{norm}");
    }
}
