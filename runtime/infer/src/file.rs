//! Files of weights: GGUF, and a folder with safetensors.
//!
//! Tensors go by their GGUF names; the folder's are translated. Nothing is mapped into memory:
//! each tensor is read in stripes and laid out at once, so that weights exist only once.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use candle_core::quantized::GgmlDType;
use candle_core::quantized::gguf_file::Content;
use half::{bf16, f16};

use crate::cpu::matrix::{Matrix, row_bytes};
use crate::cpu::team::Team;
use crate::error::InferError;

mod folder;

pub use folder::Config;

/// Most bytes of a tensor that is kept as plain numbers: norms and biases are far smaller.
const LARGEST_VECTOR: usize = 1 << 24;

/// What a file says of itself.
#[derive(Debug)]
pub enum Header {
    /// A GGUF file's metadata.
    Gguf(Content),
    /// A folder's `config.json`.
    Folder(Config),
}

/// A model's weights on disk.
#[derive(Debug)]
pub struct ModelFile {
    path: PathBuf,
    /// What it says of itself.
    pub header: Header,
    tensors: HashMap<String, Place>,
    files: Vec<(PathBuf, Mutex<File>)>,
}

/// Where a tensor lies.
#[derive(Debug, Clone)]
struct Place {
    file: usize,
    offset: u64,
    dtype: GgmlDType,
    shape: Vec<usize>,
}

impl ModelFile {
    /// Opens a `.gguf` file, or a folder with `config.json` and `*.safetensors`.
    ///
    /// # Errors
    /// A path where nothing is, a file that is no GGUF or cut short, a folder without weights.
    pub fn open(path: &Path) -> Result<Self, InferError> {
        let read = |error: std::io::Error| InferError::Read {
            path: path.to_owned(),
            message: match error.kind() {
                std::io::ErrorKind::NotFound => {
                    "there is no such file or folder; `ropewalk models list` shows what there is"
                        .to_owned()
                }
                _ => error.to_string(),
            },
        };
        if std::fs::metadata(path).map_err(read)?.is_dir() {
            return folder::open(path);
        }
        let mut file = File::open(path).map_err(read)?;
        let content = gguf(path, &mut file)?;
        let size = file.metadata().map_err(read)?.len();
        let mut tensors = HashMap::new();
        for (name, info) in &content.tensor_infos {
            let place = Place {
                file: 0,
                offset: content.tensor_data_offset.saturating_add(info.offset),
                dtype: info.ggml_dtype,
                shape: info.shape.dims().to_vec(),
            };
            place.check(path, name, size)?;
            tensors.insert(name.clone(), place);
        }
        Ok(Self {
            path: path.to_owned(),
            header: Header::Gguf(content),
            tensors,
            files: vec![(path.to_owned(), Mutex::new(file))],
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there is a tensor of this name.
    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Numbers in all tensors together.
    pub fn parameters(&self) -> u64 {
        let count = |place: &Place| place.shape.iter().map(|n| *n as u64).product::<u64>();
        self.tensors.values().map(count).sum()
    }

    /// A matrix of `n` rows and `k` columns, laid out for products.
    ///
    /// # Errors
    /// A tensor that is missing or has another shape; a file that cannot be read.
    pub fn matrix(
        &self,
        team: &Team,
        name: &str,
        shape: (usize, usize),
    ) -> Result<Matrix, InferError> {
        let place = self.place_of(name, shape)?;
        let row = row_bytes(place.dtype, shape.1);
        Matrix::read(team, place.dtype, shape, |rows: Range<usize>, bytes| {
            bytes.resize(rows.len() * row, 0);
            self.fill(place, rows.start * row, bytes)
        })
    }

    /// A matrix of `n` rows and `k` columns as it lies in the file, and its kind.
    ///
    /// # Errors
    /// As [`Self::matrix`].
    pub fn raw_matrix(
        &self,
        name: &str,
        shape: (usize, usize),
    ) -> Result<(GgmlDType, Vec<u8>), InferError> {
        let place = self.place_of(name, shape)?;
        let size = row_bytes(place.dtype, shape.1).saturating_mul(shape.0);
        let mut bytes = vec![0; size];
        self.fill(place, 0, &mut bytes)?;
        Ok((place.dtype, bytes))
    }

    /// The shape of a tensor, outermost first.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|place| place.shape.as_slice())
    }

    /// A tensor of one dimension as numbers: a norm, a bias.
    ///
    /// # Errors
    /// A tensor that is missing, has another length, or is quantised.
    pub fn vector(&self, name: &str, length: usize) -> Result<Vec<f32>, InferError> {
        let place = self.place(name)?;
        if place.shape.iter().product::<usize>() != length {
            return Err(self.damaged(format!(
                "the tensor `{name}` has the shape {:?}, where {length} numbers are wanted",
                place.shape
            )));
        }
        let size = match place.dtype {
            GgmlDType::F32 => 4,
            GgmlDType::F16 | GgmlDType::BF16 => 2,
            other => {
                return Err(self.damaged(format!(
                    "the tensor `{name}` is {other:?}, where plain numbers are wanted"
                )));
            }
        };
        if length * size > LARGEST_VECTOR {
            return Err(self.damaged(format!("the tensor `{name}` is too large")));
        }
        let mut bytes = vec![0; length * size];
        self.fill(place, 0, &mut bytes)?;
        let numbers = match place.dtype {
            GgmlDType::F32 => {
                let chunks = bytes.as_chunks::<4>().0.iter();
                chunks.map(|bytes| f32::from_le_bytes(*bytes)).collect()
            }
            GgmlDType::F16 => {
                let chunks = bytes.as_chunks::<2>().0.iter();
                chunks
                    .map(|bytes| f16::from_le_bytes(*bytes).to_f32())
                    .collect()
            }
            _ => {
                let chunks = bytes.as_chunks::<2>().0.iter();
                chunks
                    .map(|bytes| bf16::from_le_bytes(*bytes).to_f32())
                    .collect()
            }
        };
        Ok(numbers)
    }

    fn place(&self, name: &str) -> Result<&Place, InferError> {
        self.tensors
            .get(name)
            .ok_or_else(|| self.damaged(format!("it has no tensor `{name}`")))
    }

    fn place_of(&self, name: &str, shape: (usize, usize)) -> Result<&Place, InferError> {
        let place = self.place(name)?;
        if place.shape != [shape.0, shape.1] {
            return Err(self.damaged(format!(
                "the tensor `{name}` has the shape {:?}, where the header asks for [{}, {}]",
                place.shape, shape.0, shape.1
            )));
        }
        Ok(place)
    }

    /// Reads bytes of a tensor.
    fn fill(&self, place: &Place, from: usize, bytes: &mut [u8]) -> Result<(), InferError> {
        let Some((path, file)) = self.files.get(place.file) else {
            return Err(self.damaged("a part of it is missing".to_owned()));
        };
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(place.offset + from as u64))
            .and_then(|_| file.read_exact(bytes))
            .map_err(|error| InferError::Read {
                path: path.clone(),
                message: error.to_string(),
            })
    }

    /// An error about this file.
    pub fn damaged(&self, message: String) -> InferError {
        InferError::NotAModel {
            path: self.path.clone(),
            message,
        }
    }
}

impl Place {
    /// Whether a tensor lies within its file.
    fn check(&self, path: &Path, name: &str, size: u64) -> Result<(), InferError> {
        let damaged = |message: String| InferError::NotAModel {
            path: path.to_owned(),
            message,
        };
        let last = self.shape.last().copied().unwrap_or(1);
        if !last.is_multiple_of(self.dtype.block_size()) {
            return Err(damaged(format!(
                "rows of the tensor `{name}` have {last} numbers, which are no whole blocks of {:?}",
                self.dtype
            )));
        }
        let rows = self.shape.iter().rev().skip(1).map(|n| *n as u64);
        let bytes = rows.fold(row_bytes(self.dtype, last) as u64, u64::saturating_mul);
        let end = self.offset.saturating_add(bytes);
        if end > size {
            return Err(damaged(format!(
                "it ends at byte {size}, and the tensor `{name}` reaches to byte {end}: it is cut \
                 short; get it again"
            )));
        }
        Ok(())
    }
}

fn gguf(path: &Path, file: &mut File) -> Result<Content, InferError> {
    let damaged = |message: String| InferError::NotAModel {
        path: path.to_owned(),
        message,
    };
    let mut magic = [0; 4];
    let read = file.read_exact(&mut magic);
    if read.is_err() || &magic != b"GGUF" {
        return Err(damaged(
            "it does not begin as a GGUF file does; models are `.gguf` files, or folders with \
             `config.json` and safetensors"
                .to_owned(),
        ));
    }
    file.rewind().map_err(|error| damaged(error.to_string()))?;
    Content::read(&mut BufReader::new(file)).map_err(|error| {
        let error = error.to_string();
        // candle adds a backtrace where one is asked for.
        let line = error.lines().next().unwrap_or_default().trim().to_owned();
        damaged(format!("its header cannot be read ({line}); get it again"))
    })
}
