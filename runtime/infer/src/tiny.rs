//! Small models with random weights: the true path without a download.
//!
//! A model is a [`Shape`], a seed, and a chat template. It is written as a GGUF file, which
//! llama.cpp takes as well, or as a folder in the layout of the Hugging Face hub; both hold the
//! same weights. What it writes is noise, but everything around it is as in a real model:
//!
//! - [`shape`]: the sizes, and the families of architectures.
//! - [`quant`]: how exact the weights are kept.
//! - `vocabulary`: tokens, learnt from this repository's documentation.
//! - `weights`: the values, counted out from the seed.
//! - `tensors`: which tensors a family has, and what they are called in either file.
//! - `gguf` and `folder`: the two files.

mod family;
mod folder;
mod gguf;
mod metadata;
pub mod quant;
pub mod shape;
mod tensors;
mod vocabulary;
mod weights;

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use crate::error::InferError;
use quant::{FloatType, Quant};
use shape::Shape;
use vocabulary::Vocabulary;

/// A model with random weights.
#[derive(Debug, Clone)]
pub struct TinyModel {
    /// Its sizes.
    pub shape: Shape,
    /// What its weights are counted out from: the same seed, the same model.
    pub seed: u64,
    /// Its chat template (Jinja).
    pub chat_template: String,
}

impl TinyModel {
    /// A model of this shape with seed 0 and a plain chat template: turns only, no tools.
    pub fn new(shape: Shape) -> Self {
        let chat_template = family::of(shape.architecture).chat_template.to_owned();
        Self {
            shape,
            seed: 0,
            chat_template,
        }
    }

    /// The model with other weights.
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The model with another chat template.
    pub fn with_chat_template(mut self, template: &str) -> Self {
        template.clone_into(&mut self.chat_template);
        self
    }

    /// Writes the model as a GGUF file. Tensors are made one after the other, so that memory
    /// does not grow with the model.
    ///
    /// # Errors
    /// A shape that contradicts itself or that the quantisation cannot divide into blocks, and a
    /// file that cannot be written.
    pub fn write_gguf(&self, path: &Path, quant: Quant) -> Result<(), InferError> {
        self.shape.check()?;
        let vocabulary = Vocabulary::learn(&self.shape)?;
        let metadata = metadata::of(self, &vocabulary, quant)?;
        let file = File::create(path).map_err(|error| write_error(path, &error))?;
        let mut out = BufWriter::with_capacity(1 << 20, file);
        gguf::write(self, &metadata, quant, &mut out).map_err(|error| at(path, error))
    }

    /// Writes the model as `config.json`, `model.safetensors`, `tokenizer.json`,
    /// `tokenizer_config.json` and `generation_config.json` into a folder, which is made.
    ///
    /// # Errors
    /// As [`TinyModel::write_gguf`].
    pub fn write_folder(&self, folder: &Path, float: FloatType) -> Result<(), InferError> {
        self.shape.check()?;
        let vocabulary = Vocabulary::learn(&self.shape)?;
        std::fs::create_dir_all(folder).map_err(|error| write_error(folder, &error))?;
        folder::write(self, &vocabulary, float, folder)
    }
}

/// Why the bytes of a file were not made.
#[derive(Debug, thiserror::Error)]
enum MakeError {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Compute(#[from] candle_core::Error),
}

fn at(path: &Path, error: MakeError) -> InferError {
    match error {
        MakeError::Io(error) => write_error(path, &error),
        MakeError::Compute(error) => InferError::Compute(error),
    }
}

fn write_error(path: &Path, error: &std::io::Error) -> InferError {
    InferError::Write {
        path: PathBuf::from(path),
        message: error.to_string(),
    }
}
