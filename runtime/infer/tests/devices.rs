//! The two ways to run a model say the same: our kernels, and candle's tensors, on which
//! accelerators run. Two implementations that share nothing but the weights' names check each
//! other.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]

use candle_core::Device;
use ropewalk_infer::decoder::{Decoder, Slice};
use ropewalk_infer::file::ModelFile;
use ropewalk_infer::kv::PAGE;
use ropewalk_infer::pages::Pages;
use ropewalk_infer::tiny::TinyModel;

use ropewalk_infer::tiny::quant::{FloatType, Quant};
use ropewalk_infer::tiny::shape::{Architecture, Shape};

/// Pages of each of two sequences, mixed.
const PAGES: [[usize; 3]; 2] = [[0, 1, 4], [5, 2, 3]];

/// Two sequences of noise: prompts in two pieces, then three tokens each, side by side.
fn logits(decoder: &Decoder) -> Vec<Vec<f32>> {
    let mut pages: Pages = decoder.pages();
    (0..6).for_each(|_| pages.add().unwrap());
    let vocabulary = decoder.spec().vocabulary as u32;
    let token = |sequence: usize, at: usize| {
        (at as u32 * 7919 + sequence as u32 * 104_729 + 17) % vocabulary
    };
    let texts: Vec<Vec<u32>> = (0..2)
        .map(|sequence| (0..3 * PAGE).map(|at| token(sequence, at)).collect())
        .collect();
    let mut all = Vec::new();
    let steps = [(0, 50), (50, 21), (71, 1), (72, 1), (73, 1)];
    for (position, count) in steps {
        let slices: Vec<Slice<'_>> = texts
            .iter()
            .zip(&PAGES)
            .enumerate()
            .map(|(sequence, (text, pages))| Slice {
                tokens: &text[position..position + count],
                position,
                pages,
                logits: if sequence == 0 { 2 } else { 1 },
            })
            .collect();
        let rows = decoder.run(&slices, &mut pages).unwrap();
        all.extend(rows.chunks(vocabulary as usize).map(<[f32]>::to_vec));
    }
    assert_eq!(all.len(), 2 * 3 + 3 * 2);
    all
}

/// How far apart, as a part of how much the logits vary.
fn difference(file: &ModelFile) -> f64 {
    let ours = logits(&Decoder::load(file, 2).unwrap());
    let other = Decoder::load_on_candle(file, Device::Cpu).unwrap();
    assert_eq!((other.device().as_str(), other.threads()), ("candle", 0));
    let other = logits(&other);
    let (mut apart, mut power) = (0.0, 0.0);
    for (ours, other) in ours.iter().zip(&other) {
        let mean = ours.iter().map(|x| f64::from(*x)).sum::<f64>() / ours.len() as f64;
        for (a, b) in ours.iter().zip(other) {
            assert!(a.is_finite() && b.is_finite());
            apart += f64::from(a - b).powi(2);
            power += (f64::from(*a) - mean).powi(2);
        }
    }
    (apart / power).sqrt()
}

#[test]
fn every_family_says_the_same_over_candles_tensors() {
    let folder = tempfile::tempdir().unwrap();
    for architecture in Architecture::ALL {
        for quant in Quant::ALL {
            let path = folder.path().join("model.gguf");
            TinyModel::new(Shape::tiny(architecture))
                .write_gguf(&path, quant)
                .unwrap();
            let apart = difference(&ModelFile::open(&path).unwrap());
            println!("{} {}: {apart:.5}", architecture.name(), quant.name());
            // Plain numbers differ by the order of sums; blocks also by how inputs are rounded.
            let most = match quant {
                Quant::F32 => 0.002,
                Quant::F16 => 0.01,
                _ => 0.1,
            };
            assert!(
                apart < most,
                "{} {}: {apart}",
                architecture.name(),
                quant.name()
            );
        }
    }
}

#[test]
fn folders_say_the_same_over_candles_tensors() {
    for architecture in Architecture::ALL {
        let folder = tempfile::tempdir().unwrap();
        TinyModel::new(Shape::tiny(architecture))
            .write_folder(folder.path(), FloatType::F32)
            .unwrap();
        let apart = difference(&ModelFile::open(folder.path()).unwrap());
        assert!(apart < 0.002, "{}: {apart}", architecture.name());
    }
}

#[test]
fn what_a_decoder_cannot_run_is_an_error_on_either_side() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    TinyModel::new(Shape::tiny(Architecture::Qwen3))
        .write_gguf(&path, Quant::Q8_0)
        .unwrap();
    let file = ModelFile::open(&path).unwrap();
    let host = Decoder::load(&file, 1).unwrap();
    let candle = Decoder::load_on_candle(&file, Device::Cpu).unwrap();
    for (decoder, other) in [(&host, &candle), (&candle, &host)] {
        let run = |tokens: &[u32], pages: &mut Pages| {
            let slice = Slice {
                tokens,
                position: 30,
                pages: &[0],
                logits: 1,
            };
            let error = decoder.run(&[slice], pages).unwrap_err();
            error.to_string()
        };
        let mut pages = decoder.pages();
        pages.add().unwrap();
        let outside = run(&[u32::MAX], &mut pages);
        assert!(outside.contains("there is no token"), "{outside}");
        let missing = run(&[1, 2, 3], &mut pages);
        assert!(
            missing.contains("page of the cache is missing"),
            "{missing}"
        );
        let wrong = run(&[1], &mut other.pages());
        assert!(wrong.contains("another decoder's"), "{wrong}");
    }
}
