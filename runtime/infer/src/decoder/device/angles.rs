//! Rotation of heads by their positions.

use candle_core::{Device, Tensor};
use candle_nn::rotary_emb::{rope, rope_i};

use crate::cpu::elementwise::{self, Pairs};
use crate::error::InferError;
use crate::spec::Rope;

/// Sines and cosines of a batch's positions: `[row, pair]`.
#[derive(Debug)]
pub(super) struct Angles {
    cosines: Tensor,
    sines: Tensor,
    /// Numbers of a head that turn; the rest stays.
    turned: usize,
    pairs: Pairs,
}

impl Angles {
    pub(super) fn new(
        positions: &[usize],
        rope: &Rope,
        pairs: Pairs,
        device: &Device,
    ) -> Result<Self, InferError> {
        let angles = elementwise::Angles::new(positions, &rope.frequencies, rope.magnitude);
        let shape = (positions.len(), rope.frequencies.len());
        Ok(Self {
            cosines: Tensor::from_vec(angles.cosines, shape, device)?,
            sines: Tensor::from_vec(angles.sines, shape, device)?,
            turned: rope.frequencies.len() * 2,
            pairs,
        })
    }

    /// Turns the heads of every row: `[head, row, number]`.
    pub(super) fn rotate(&self, heads: &Tensor) -> Result<Tensor, InferError> {
        let numbers = heads.dim(2)?;
        let turned = heads
            .narrow(2, 0, self.turned)?
            .contiguous()?
            .unsqueeze(0)?;
        let turned = match self.pairs {
            Pairs::Neighbours => rope_i(&turned, &self.cosines, &self.sines)?,
            Pairs::Halves => rope(&turned, &self.cosines, &self.sines)?,
        };
        let turned = turned.squeeze(0)?;
        if self.turned == numbers {
            return Ok(turned);
        }
        let rest = heads.narrow(2, self.turned, numbers - self.turned)?;
        Ok(Tensor::cat(&[turned, rest.contiguous()?], 2)?)
    }
}
