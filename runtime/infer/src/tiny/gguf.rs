//! A GGUF file, written tensor by tensor: the sizes are known before the weights are.

use std::io::{Result, Write};

use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor as Floats};
use rayon::prelude::*;

use super::MakeError;
use super::TinyModel;
use super::metadata::Value;
use super::quant::Quant;
use super::tensors::{self, Kind, Tensor};
use super::weights::Source;

const MAGIC: &[u8] = b"GGUF";
const VERSION: u32 = 3;
/// Tensors begin at multiples of this.
const ALIGNMENT: usize = 32;
/// About as many weights are made at once by one thread, 1 MiB of them.
const PIECE: usize = 1 << 18;

/// Writes the whole file.
pub(super) fn write(
    model: &TinyModel,
    metadata: &[(String, Value)],
    quant: Quant,
    out: &mut impl Write,
) -> std::result::Result<(), MakeError> {
    let shape = &model.shape;
    let list = tensors::of(shape);
    let factors = shape
        .rope_scaling
        .map(|scaling| tensors::rope_factors(shape, scaling));
    let mut header = Vec::new();
    header.write_all(MAGIC)?;
    header.write_all(&VERSION.to_le_bytes())?;
    length(list.len() + usize::from(factors.is_some()), &mut header)?;
    length(metadata.len(), &mut header)?;
    for (key, value) in metadata {
        text(key, &mut header)?;
        write_value(value, &mut header)?;
    }
    let mut offset = 0;
    let mut place = |name: &str, rows: Option<usize>, columns: usize, kept: GgmlDType| {
        text(name, &mut header)?;
        let dimensions: Vec<usize> = [columns].into_iter().chain(rows).collect();
        header.write_all(&(dimensions.len() as u32).to_le_bytes())?;
        for dimension in dimensions {
            length(dimension, &mut header)?;
        }
        header.write_all(&type_number(kept).to_le_bytes())?;
        length(offset, &mut header)?;
        let size = rows.unwrap_or(1) * columns / kept.block_size() * kept.type_size();
        offset += size.next_multiple_of(ALIGNMENT);
        Result::Ok(())
    };
    if let Some(factors) = &factors {
        place("rope_freqs.weight", None, factors.len(), GgmlDType::F32)?;
    }
    for tensor in &list {
        let rows = (!tensor.is_vector()).then_some(tensor.rows);
        let kept = kept_as(tensor, quant, shape.layers);
        place(&tensor.gguf, rows, tensor.columns, kept)?;
    }
    pad(header.len(), &mut header)?;
    out.write_all(&header)?;
    if let Some(factors) = &factors {
        let bytes: Vec<u8> = factors.iter().flat_map(|x| x.to_le_bytes()).collect();
        out.write_all(&bytes)?;
        pad(bytes.len(), out)?;
    }
    for tensor in &list {
        let kept = kept_as(tensor, quant, shape.layers);
        write_tensor(tensor, model.seed, kept, out)?;
    }
    out.flush()?;
    Ok(())
}

/// How a tensor is kept. One whose rows do not divide into blocks stays f16, as with llama.cpp.
fn kept_as(tensor: &Tensor, quant: Quant, layers: usize) -> GgmlDType {
    let kept = match tensor.kind {
        Kind::Vector { .. } => GgmlDType::F32,
        Kind::Matrix(part) => quant.of(part, layers),
        Kind::Interleaved { .. } => quant.of(super::quant::Part::Plain, layers),
    };
    if tensor.columns.is_multiple_of(kept.block_size()) {
        kept
    } else {
        GgmlDType::F16
    }
}

/// Makes and writes a tensor, a few pieces at a time.
fn write_tensor(
    tensor: &Tensor,
    seed: u64,
    kept: GgmlDType,
    out: &mut impl Write,
) -> std::result::Result<(), MakeError> {
    let source = Source::new(seed, &tensor.hub, tensor.values);
    let rows = (PIECE / tensor.columns).max(1);
    let starts: Vec<usize> = (0..tensor.rows).step_by(rows).collect();
    let mut written = 0;
    for starts in starts.chunks(4 * rayon::current_num_threads()) {
        let pieces: Vec<std::result::Result<Vec<u8>, candle_core::Error>> = starts
            .par_iter()
            .map(|&start| {
                let end = (start + rows).min(tensor.rows);
                let floats = (start..end).flat_map(|row| row_of(tensor, &source, row));
                encode(floats.collect(), tensor.columns, kept)
            })
            .collect();
        for piece in pieces {
            let piece = piece?;
            out.write_all(&piece)?;
            written += piece.len();
        }
    }
    pad(written, out)?;
    Ok(())
}

fn row_of(tensor: &Tensor, source: &Source, row: usize) -> impl Iterator<Item = f32> {
    let first = tensor.hub_row(row) * tensor.columns;
    let offset = match tensor.kind {
        Kind::Vector { offset } => offset,
        Kind::Matrix(_) | Kind::Interleaved { .. } => 0.0,
    };
    let source = *source;
    (first..first + tensor.columns).map(move |place| source.at(place as u64) + offset)
}

fn encode(
    floats: Vec<f32>,
    columns: usize,
    kept: GgmlDType,
) -> std::result::Result<Vec<u8>, candle_core::Error> {
    if kept == GgmlDType::F32 {
        return Ok(floats.iter().flat_map(|x| x.to_le_bytes()).collect());
    }
    let shape = (floats.len() / columns, columns);
    let floats = Floats::from_vec(floats, shape, &Device::Cpu)?;
    Ok(QTensor::quantize(&floats, kept)?.data()?.into_owned())
}

fn length(number: usize, out: &mut impl Write) -> Result<()> {
    out.write_all(&(number as u64).to_le_bytes())
}

fn text(text: &str, out: &mut impl Write) -> Result<()> {
    length(text.len(), out)?;
    out.write_all(text.as_bytes())
}

fn pad(written: usize, out: &mut impl Write) -> Result<()> {
    let missing = written.next_multiple_of(ALIGNMENT) - written;
    out.write_all(&vec![0; missing])
}

/// GGUF's number of a tensor's type.
fn type_number(kept: GgmlDType) -> u32 {
    match kept {
        GgmlDType::F32 => 0,
        GgmlDType::F16 => 1,
        GgmlDType::Q4_0 => 2,
        GgmlDType::Q4_1 => 3,
        GgmlDType::Q5_0 => 6,
        GgmlDType::Q5_1 => 7,
        GgmlDType::Q8_0 => 8,
        GgmlDType::Q8_1 => 9,
        GgmlDType::Q2K => 10,
        GgmlDType::Q3K => 11,
        GgmlDType::Q4K => 12,
        GgmlDType::Q5K => 13,
        GgmlDType::Q6K => 14,
        GgmlDType::Q8K => 15,
        GgmlDType::BF16 => 30,
    }
}

const NUMBER: u32 = 4;
const KIND: u32 = 5;
const FLOAT: u32 = 6;
const BOOL: u32 = 7;
const TEXT: u32 = 8;
const ARRAY: u32 = 9;

/// Writes a value's type and the value.
fn write_value(value: &Value, out: &mut impl Write) -> Result<()> {
    let (kind, array) = match value {
        Value::Number(_) => (NUMBER, None),
        Value::Float(_) => (FLOAT, None),
        Value::Bool(_) => (BOOL, None),
        Value::Text(_) => (TEXT, None),
        Value::Texts(values) => (TEXT, Some(values.len())),
        Value::Floats(values) => (FLOAT, Some(values.len())),
        Value::Kinds(values) => (KIND, Some(values.len())),
    };
    if let Some(count) = array {
        out.write_all(&ARRAY.to_le_bytes())?;
        out.write_all(&kind.to_le_bytes())?;
        length(count, out)?;
    } else {
        out.write_all(&kind.to_le_bytes())?;
    }
    match value {
        Value::Number(x) => out.write_all(&x.to_le_bytes()),
        Value::Float(x) => out.write_all(&x.to_le_bytes()),
        Value::Bool(x) => out.write_all(&[u8::from(*x)]),
        Value::Text(x) => text(x, out),
        Value::Texts(values) => values.iter().try_for_each(|x| text(x, out)),
        Value::Floats(values) => values
            .iter()
            .try_for_each(|x| out.write_all(&x.to_le_bytes())),
        Value::Kinds(values) => values
            .iter()
            .try_for_each(|x| out.write_all(&x.to_le_bytes())),
    }
}
