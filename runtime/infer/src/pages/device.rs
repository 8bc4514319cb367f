//! Pages in the memory of a device of candle's.

use candle_core::{DType, Device, Tensor};

use crate::error::InferError;
use crate::kv::{KvShape, PAGE};

/// Pages for which memory is asked for at once, at first.
const FIRST: usize = 32;

/// Pages in a device's memory: for each layer two tensors in half precision, one row for a token
/// with the numbers of all its heads.
#[derive(Debug)]
pub struct DevicePages {
    shape: KvShape,
    device: Device,
    /// Keys and values of each layer: `[token, head * number]`.
    layers: Vec<[Tensor; 2]>,
    count: usize,
    /// Pages that the tensors have room for.
    room: usize,
}

/// Rows of tensors that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    first: usize,
    count: usize,
}

impl DevicePages {
    pub(super) fn new(shape: KvShape, device: &Device) -> Self {
        Self {
            shape,
            device: device.clone(),
            layers: Vec::new(),
            count: 0,
            room: 0,
        }
    }

    pub(super) fn shape(&self) -> KvShape {
        self.shape
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// One more page. The tensors double when they are full, layer by layer, so that only one
    /// layer is there twice meanwhile.
    pub(super) fn add(&mut self) -> Result<(), InferError> {
        if self.count == self.room {
            let room = if self.room == 0 { FIRST } else { self.room * 2 };
            let rows = (room * PAGE, self.shape.heads * self.shape.head);
            let empty = || Tensor::zeros(rows, DType::F16, &self.device);
            if self.layers.is_empty() {
                let layer = |_| Ok([empty()?, empty()?]);
                self.layers = (0..self.shape.layers)
                    .map(layer)
                    .collect::<candle_core::Result<_>>()?;
            } else {
                for tensor in self.layers.iter_mut().flatten() {
                    let larger = empty()?;
                    larger.slice_set(tensor, 0, 0)?;
                    *tensor = larger;
                }
            }
            self.room = room;
        }
        self.count += 1;
        Ok(())
    }

    pub(super) fn copy(&mut self, from: usize, to: usize) -> Result<(), InferError> {
        for tensor in self.layers.iter().flatten() {
            // A tensor cannot be written from itself.
            let page = tensor.narrow(0, from * PAGE, PAGE)?.copy()?;
            tensor.slice_set(&page, 0, to * PAGE)?;
        }
        Ok(())
    }

    /// Writes keys and values of tokens in one layer: `keys` and `values` have a row for each
    /// position from `position` on, of a sequence with these pages.
    ///
    /// # Errors
    /// Rows of another width; what the device fails with.
    pub fn write(
        &mut self,
        layer: usize,
        pages: &[usize],
        position: usize,
        [keys, values]: [&Tensor; 2],
    ) -> Result<(), InferError> {
        let count = keys.dim(0)?;
        let Some([to_keys, to_values]) = self.layers.get(layer) else {
            return Ok(());
        };
        let mut row = 0;
        for run in runs(pages, position, count) {
            for (to, from) in [(to_keys, keys), (to_values, values)] {
                to.slice_set(&from.narrow(0, row, run.count)?, 0, run.first)?;
            }
            row += run.count;
        }
        Ok(())
    }

    /// Keys and values of `count` positions from `position` on, in one layer: `[position, head *
    /// number]`, in half precision.
    ///
    /// # Errors
    /// What the device fails with.
    pub fn read(
        &self,
        layer: usize,
        pages: &[usize],
        position: usize,
        count: usize,
    ) -> Result<[Tensor; 2], InferError> {
        let layer = self.layers.get(layer);
        let [keys, values] = layer.ok_or_else(crate::decoder::missing_page)?;
        let runs = runs(pages, position, count);
        // What lies together, as most sequences do, is read where it is.
        if let [run] = runs.as_slice() {
            let read = |tensor: &Tensor| tensor.narrow(0, run.first, run.count);
            return Ok([read(keys)?, read(values)?]);
        }
        let mut rows = Vec::with_capacity(count);
        for run in runs {
            let all = run.first..run.first + run.count;
            rows.extend(all.map(|row| u32::try_from(row).unwrap_or(u32::MAX)));
        }
        let rows = Tensor::from_vec(rows, count, &self.device)?;
        Ok([keys.index_select(&rows, 0)?, values.index_select(&rows, 0)?])
    }
}

/// Where positions of a sequence lie.
fn runs(pages: &[usize], position: usize, count: usize) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let (mut at, end) = (position, position + count);
    while at < end {
        let Some(page) = pages.get(at / PAGE) else {
            break;
        };
        let upto = end.min((at / PAGE + 1) * PAGE);
        let run = Run {
            first: page * PAGE + at % PAGE,
            count: upto - at,
        };
        match runs.last_mut() {
            Some(last) if last.first + last.count == run.first => last.count += run.count,
            _ => runs.push(run),
        }
        at = upto;
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_that_follow_each_other_are_read_at_once() {
        let run = |first, count| Run { first, count };
        assert_eq!(runs(&[4, 5, 2], 30, 40), [run(158, 34), run(64, 6)]);
        assert_eq!(runs(&[0], 3, 1), [run(3, 1)]);
    }

    #[test]
    fn pages_keep_what_they_hold_while_room_grows() {
        let shape = KvShape {
            layers: 2,
            heads: 1,
            head: 1,
        };
        let mut pages = DevicePages::new(shape, &Device::Cpu);
        let rows = |from: usize| {
            let numbers = (from..from + PAGE).map(|n| n as f32).collect();
            let rows = Tensor::from_vec(numbers, (PAGE, 1), &Device::Cpu).unwrap();
            rows.to_dtype(DType::F16).unwrap()
        };
        let order: Vec<usize> = (0..FIRST * 2 + 1).rev().collect();
        for page in 0..order.len() {
            pages.add().unwrap();
            let rows = rows(page);
            pages.write(1, &[page], 0, [&rows, &rows]).unwrap();
        }
        pages.copy(7, 9).unwrap();
        let [keys, values] = pages.read(1, &order, 0, order.len() * PAGE).unwrap();
        for (tensor, layer) in [(keys, 1), (values, 1)] {
            let tensor = tensor.to_dtype(DType::F32).unwrap().flatten_all().unwrap();
            let found: Vec<f32> = tensor.to_vec1().unwrap();
            for (found, page) in found.chunks(PAGE).zip(&order) {
                let page = if *page == 9 { 7 } else { *page };
                assert_eq!(found[3], (page + 3) as f32, "page {page} of layer {layer}");
            }
        }
    }
}
