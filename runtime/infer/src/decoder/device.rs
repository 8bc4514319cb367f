//! Over candle's tensors, for accelerators.
//!
//! Between layers numbers are in single precision; keys and values are kept in half, as on the
//! processor. What a sequence sees is gathered from its pages for each layer.

use candle_core::{DType, Device, DeviceLocation, Tensor};
use candle_nn::ops::{rms_norm, softmax_last_dim};

use super::Slice;
use super::weights::{Keep, Layer, Projection, Weights};
use crate::cpu::elementwise::Gate;
use crate::error::InferError;
use crate::file::ModelFile;
use crate::pages::DevicePages;
use crate::spec::Spec;

mod angles;
mod matrix;

use angles::Angles;
use matrix::Matrix;

/// A model in a device's memory.
#[derive(Debug)]
pub(super) struct OnDevice {
    spec: Spec,
    device: Device,
    weights: Weights<Device>,
}

impl Keep for Device {
    type Matrix = Matrix;
    type Vector = Tensor;

    fn matrix(
        &self,
        file: &ModelFile,
        name: &str,
        shape: (usize, usize),
    ) -> Result<Matrix, InferError> {
        let (dtype, bytes) = file.raw_matrix(name, shape)?;
        Matrix::new(dtype, bytes, shape, self)
    }

    fn vector(&self, numbers: Vec<f32>) -> Result<Tensor, InferError> {
        let length = numbers.len();
        Ok(Tensor::from_vec(numbers, length, self)?)
    }

    fn bytes(matrix: &Matrix) -> usize {
        matrix.bytes()
    }
}

impl OnDevice {
    pub(super) fn load(file: &ModelFile, spec: Spec, device: Device) -> Result<Self, InferError> {
        let weights = Weights::load(&device, file, &spec)?;
        Ok(Self {
            spec,
            device,
            weights,
        })
    }

    pub(super) fn spec(&self) -> &Spec {
        &self.spec
    }

    pub(super) fn device(&self) -> &Device {
        &self.device
    }

    pub(super) fn bytes(&self) -> usize {
        self.weights.bytes()
    }

    pub(super) fn run(
        &self,
        slices: &[Slice<'_>],
        pages: &mut DevicePages,
    ) -> Result<Vec<f32>, InferError> {
        let spec = &self.spec;
        let tokens: Vec<u32> = slices
            .iter()
            .flat_map(|slice| slice.tokens)
            .copied()
            .collect();
        if tokens.is_empty() {
            return Ok(Vec::new());
        }
        let positions: Vec<usize> = slices
            .iter()
            .flat_map(|slice| slice.position..slice.position + slice.tokens.len())
            .collect();
        let angles = Angles::new(&positions, &spec.rope, spec.pairs, &self.device)?;
        let window_angles = match &spec.window_rope {
            Some(rope) => Some(Angles::new(&positions, rope, spec.pairs, &self.device)?),
            None => None,
        };
        let count = tokens.len();
        let tokens = Tensor::from_vec(tokens, count, &self.device)?;
        let mut hidden = self.weights.embeddings.rows(&tokens)?;
        if spec.embedding_scale != 1.0 {
            hidden = (hidden * f64::from(spec.embedding_scale))?;
        }
        for (number, layer) in self.weights.layers.iter().enumerate() {
            let angles = match &window_angles {
                _ if spec.rope_of(number).is_none() => None,
                Some(window) if spec.windowed(number) => Some(window),
                _ => Some(&angles),
            };
            let mut attended = self.attention(number, layer, slices, angles, pages, &hidden)?;
            if let Some(norm) = &layer.after_attention {
                attended = self.norm(&attended, norm)?;
            }
            hidden = (hidden + attended)?;
            let mut forwarded = self.feed_forward(layer, &hidden)?;
            if let Some(norm) = &layer.after_feed_forward {
                forwarded = self.norm(&forwarded, norm)?;
            }
            hidden = (hidden + forwarded)?;
        }
        self.logits(slices, &hidden)
    }

    fn attention(
        &self,
        number: usize,
        layer: &Layer<Device>,
        slices: &[Slice<'_>],
        angles: Option<&Angles>,
        pages: &mut DevicePages,
        hidden: &Tensor,
    ) -> Result<Tensor, InferError> {
        let spec = &self.spec;
        let rows = hidden.dim(0)?;
        let normed = self.norm(hidden, &layer.attention_norm)?;
        let [queries, keys, values] = self.project(&layer.projection, &normed)?;
        let mut queries = queries.reshape((rows, spec.heads, spec.head))?;
        let mut keys = keys.reshape((rows, spec.kv_heads, spec.head))?;
        if let Some((of_queries, of_keys)) = &layer.head_norms {
            queries = self.norm(&queries, of_queries)?;
            keys = self.norm(&keys, of_keys)?;
        }
        // Head by head, as rotation and scores want them.
        queries = queries.transpose(0, 1)?.contiguous()?;
        if let Some(angles) = angles {
            queries = angles.rotate(&queries)?;
            keys = angles.rotate(&keys.transpose(0, 1)?.contiguous()?)?;
            keys = keys.transpose(0, 1)?;
        }
        let width = spec.kv_heads * spec.head;
        let keys = keys.contiguous()?.reshape((rows, width))?;
        let (keys, values) = (keys.to_dtype(DType::F16)?, values.to_dtype(DType::F16)?);
        let mut row = 0;
        for slice in slices {
            let count = slice.tokens.len();
            let written = [&keys, &values].map(|tensor| tensor.narrow(0, row, count));
            let [keys, values] = written;
            pages.write(number, slice.pages, slice.position, [&keys?, &values?])?;
            row += count;
        }
        let window = spec.window.filter(|_| spec.windowed(number));
        let mut attended = Vec::with_capacity(slices.len());
        let mut row = 0;
        for slice in slices {
            let count = slice.tokens.len();
            if count > 0 {
                let queries = queries.narrow(1, row, count)?;
                attended.push(self.attend(number, slice, window, &queries, pages)?);
            }
            row += count;
        }
        let attended = Tensor::cat(&attended, 0)?;
        layer.attention_output.multiply(&attended)
    }

    /// Queries, keys and values of a layer's input: `[row, numbers of all heads]`.
    fn project(
        &self,
        projection: &Projection<Device>,
        inputs: &Tensor,
    ) -> Result<[Tensor; 3], InferError> {
        let spec = &self.spec;
        let (wide, narrow) = (spec.heads * spec.head, spec.kv_heads * spec.head);
        match projection {
            Projection::Apart { matrices, biases } => {
                let [queries, keys, values] = &**matrices;
                let mut all = [
                    queries.multiply(inputs)?,
                    keys.multiply(inputs)?,
                    values.multiply(inputs)?,
                ];
                if let Some(biases) = biases {
                    for (values, bias) in all.iter_mut().zip(biases.iter()) {
                        *values = values.broadcast_add(bias)?;
                    }
                }
                Ok(all)
            }
            Projection::Together(matrix) => {
                let all = matrix.multiply(inputs)?;
                let part = |from, count| all.narrow(1, from, count)?.contiguous();
                Ok([
                    part(0, wide)?,
                    part(wide, narrow)?,
                    part(wide + narrow, narrow)?,
                ])
            }
        }
    }

    /// What the tokens of a slice see: `[row, numbers of all heads]`. `queries` is `[head, row,
    /// number]`.
    fn attend(
        &self,
        layer: usize,
        slice: &Slice<'_>,
        window: Option<usize>,
        queries: &Tensor,
        pages: &DevicePages,
    ) -> Result<Tensor, InferError> {
        let spec = &self.spec;
        let (kv, head) = (spec.kv_heads, spec.head);
        let group = spec.heads / kv;
        let rows = slice.tokens.len();
        let end = slice.position + rows;
        let start = window.map_or(0, |window| (slice.position + 1).saturating_sub(window));
        let length = end - start;
        let seen = pages.read(layer, slice.pages, start, length)?;
        let [keys, values] = seen.map(|rows| {
            let heads = rows.reshape((length, kv, head))?.transpose(0, 1)?;
            heads.contiguous()?.to_dtype(DType::F32)
        });
        let queries = queries.contiguous()?.reshape((kv, group * rows, head))?;
        let scores = queries.matmul(&keys?.transpose(1, 2)?)?;
        let mut scores = (scores * f64::from(spec.attention_scale))?;
        if rows > 1 {
            let mask = self.mask(slice.position, rows, start, length, window)?;
            scores = scores
                .reshape((spec.heads, rows, length))?
                .broadcast_add(&mask)?
                .reshape((kv, group * rows, length))?;
        }
        let attended = softmax_last_dim(&scores)?.matmul(&values?)?;
        let attended = attended
            .reshape((spec.heads, rows, head))?
            .transpose(0, 1)?;
        Ok(attended.contiguous()?.reshape((rows, spec.heads * head))?)
    }

    /// Nothing where a row sees a position, minus infinity where it does not: `[row, position]`.
    fn mask(
        &self,
        first: usize,
        rows: usize,
        start: usize,
        length: usize,
        window: Option<usize>,
    ) -> Result<Tensor, InferError> {
        let sees =
            |row: usize, at: usize| at <= row && window.is_none_or(|window| row - at < window);
        let row = |row: usize| {
            (start..start + length).map(move |at| {
                if sees(row, at) {
                    0.0
                } else {
                    f32::NEG_INFINITY
                }
            })
        };
        let mask: Vec<f32> = (first..first + rows).flat_map(row).collect();
        Ok(Tensor::from_vec(mask, (rows, length), &self.device)?)
    }

    fn feed_forward(&self, layer: &Layer<Device>, hidden: &Tensor) -> Result<Tensor, InferError> {
        let normed = self.norm(hidden, &layer.feed_forward_norm)?;
        let up = layer.up.multiply(&normed)?;
        let (gates, up) = match &layer.gate {
            Some(gates) => (gates.multiply(&normed)?, up),
            None => {
                let width = self.spec.feed_forward;
                (
                    up.narrow(1, 0, width)?.contiguous()?,
                    up.narrow(1, width, width)?.contiguous()?,
                )
            }
        };
        let gates = match self.spec.gate {
            Gate::Silu => gates.silu()?,
            Gate::GeluTanh => gates.gelu()?,
        };
        layer.down.multiply(&(gates * up)?)
    }

    fn logits(&self, slices: &[Slice<'_>], hidden: &Tensor) -> Result<Vec<f32>, InferError> {
        let mut wanted = Vec::new();
        let mut row = 0;
        for slice in slices {
            let count = slice.tokens.len();
            let last = slice.logits.min(count);
            if last > 0 {
                wanted.push(hidden.narrow(0, row + count - last, last)?);
            }
            row += count;
        }
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let normed = self.norm(&Tensor::cat(&wanted, 0)?, &self.weights.norm)?;
        let logits = self.weights.output().multiply(&normed)?;
        Ok(logits.flatten_all()?.to_vec1()?)
    }

    /// Root-mean-square norm over the last dimension.
    fn norm(&self, x: &Tensor, weight: &Tensor) -> Result<Tensor, InferError> {
        Ok(rms_norm(&x.contiguous()?, weight, self.spec.epsilon)?)
    }

    /// `cuda:0` ...
    pub(super) fn name(&self) -> String {
        match self.device.location() {
            DeviceLocation::Cpu => "candle".to_owned(),
            DeviceLocation::Cuda { gpu_id } => format!("cuda:{gpu_id}"),
            DeviceLocation::Metal { gpu_id } => format!("metal:{gpu_id}"),
        }
    }
}
