//! A decoder-only transformer: tokens in, logits out.
//!
//! [`host`] runs it on the processor, with kernels of our own; [`device`] runs it over candle's
//! tensors, for accelerators. Both read the same [`weights`], whatever the family.

use crate::cpu::team::Team;
use crate::device::Device;
use crate::error::InferError;
use crate::file::ModelFile;
use crate::kv::{KvShape, PAGE};
use crate::pages::Pages;
use crate::spec::Spec;

mod device;
mod host;
mod weights;

use device::OnDevice;
use host::OnHost;

/// A model's weights, ready to run.
#[derive(Debug)]
pub struct Decoder {
    side: Side,
}

#[derive(Debug)]
enum Side {
    Host(OnHost),
    Device(OnDevice),
}

/// Consecutive tokens of one sequence.
#[derive(Debug, Clone, Copy)]
pub struct Slice<'a> {
    /// The tokens.
    pub tokens: &'a [u32],
    /// Position of the first.
    pub position: usize,
    /// Numbers of the sequence's pages, those of these tokens among them.
    pub pages: &'a [usize],
    /// Logits are wanted for so many of the last tokens.
    pub logits: usize,
}

impl Decoder {
    /// Reads the weights, to run on the processor.
    ///
    /// # Errors
    /// A tensor that is missing or has another shape than the header says.
    pub fn load(file: &ModelFile, threads: usize) -> Result<Self, InferError> {
        let spec = Spec::read(file)?;
        Ok(Self {
            side: Side::Host(OnHost::load(file, spec, Team::new(threads))?),
        })
    }

    /// Reads the weights, to run where `device` says.
    ///
    /// # Errors
    /// As [`Self::load`]; a device that is not there, or has no room for the weights.
    pub fn load_on(file: &ModelFile, threads: usize, device: Device) -> Result<Self, InferError> {
        match device.open()? {
            None => Self::load(file, threads),
            Some(device) => Self::load_on_candle(file, device),
        }
    }

    /// Reads the weights, to run over candle's tensors on `device`: for accelerators, and on the
    /// processor to compare with our own kernels, which are faster there.
    ///
    /// # Errors
    /// As [`Self::load_on`].
    pub fn load_on_candle(
        file: &ModelFile,
        device: candle_core::Device,
    ) -> Result<Self, InferError> {
        let spec = Spec::read(file)?;
        Ok(Self {
            side: Side::Device(OnDevice::load(file, spec, device)?),
        })
    }

    /// What it looks like.
    pub fn spec(&self) -> &Spec {
        match &self.side {
            Side::Host(host) => host.spec(),
            Side::Device(device) => device.spec(),
        }
    }

    /// How many threads work on it; none where an accelerator does.
    pub fn threads(&self) -> usize {
        match &self.side {
            Side::Host(host) => host.threads(),
            Side::Device(_) => 0,
        }
    }

    /// Where it runs: `cpu`, `cuda:0` ...
    pub fn device(&self) -> String {
        match &self.side {
            Side::Host(_) => "cpu".to_owned(),
            Side::Device(device) => device.name(),
        }
    }

    /// Bytes of memory its weights take, where it runs.
    pub fn bytes(&self) -> usize {
        match &self.side {
            Side::Host(host) => host.bytes(),
            Side::Device(device) => device.bytes(),
        }
    }

    /// Sizes of what it keeps for a token.
    pub fn kv_shape(&self) -> KvShape {
        let spec = self.spec();
        KvShape {
            layers: spec.layers,
            heads: spec.kv_heads,
            head: spec.head,
        }
    }

    /// No pages yet, of the kind that it writes.
    pub fn pages(&self) -> Pages {
        match &self.side {
            Side::Host(_) => Pages::host(self.kv_shape()),
            Side::Device(device) => Pages::device(self.kv_shape(), device.device()),
        }
    }

    /// Runs tokens of some sequences at once, writes their keys and values into their pages, and
    /// gives the logits that are wanted: a row of the vocabulary for each, in the order of the
    /// slices.
    ///
    /// # Errors
    /// A token that is none of the vocabulary; a page that is missing, or of another decoder's
    /// kind; what the device fails with.
    pub fn run(&self, slices: &[Slice<'_>], pages: &mut Pages) -> Result<Vec<f32>, InferError> {
        let vocabulary = self.spec().vocabulary;
        let mut tokens = slices.iter().flat_map(|slice| slice.tokens);
        if let Some(token) = tokens.find(|token| **token as usize >= vocabulary) {
            return Err(failed(format!(
                "there is no token {token} in a vocabulary of {vocabulary}"
            )));
        }
        let held = |slice: &Slice<'_>| slice.pages.len() * PAGE;
        let short = |slice: &&Slice<'_>| slice.position + slice.tokens.len() > held(slice);
        if slices.iter().any(|slice| short(&slice)) {
            return Err(missing_page());
        }
        match (&self.side, pages) {
            (Side::Host(host), Pages::Host(pages)) => host.run(slices, pages),
            (Side::Device(device), Pages::Device(pages)) => device.run(slices, pages),
            _ => Err(failed("these pages are another decoder's".to_owned())),
        }
    }
}

pub(crate) fn missing_page() -> InferError {
    failed("a page of the cache is missing".to_owned())
}

fn failed(message: String) -> InferError {
    InferError::Compute(candle_core::Error::msg(message))
}
