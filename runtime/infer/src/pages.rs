//! Pages of keys and values by number, in the memory of whatever computes them.

use crate::error::InferError;
use crate::kv::KvShape;

mod device;
mod host;

pub use device::DevicePages;
pub use host::HostPages;

/// Pages by number.
#[derive(Debug)]
pub enum Pages {
    /// In the processor's memory.
    Host(HostPages),
    /// In an accelerator's.
    Device(DevicePages),
}

impl Pages {
    /// No pages yet, for the processor.
    pub fn host(shape: KvShape) -> Self {
        Self::Host(HostPages::new(shape))
    }

    /// No pages yet, on a device of candle's.
    pub fn device(shape: KvShape, device: &candle_core::Device) -> Self {
        Self::Device(DevicePages::new(shape, device))
    }

    /// What one holds.
    pub fn shape(&self) -> KvShape {
        match self {
            Self::Host(pages) => pages.shape(),
            Self::Device(pages) => pages.shape(),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Host(pages) => pages.len(),
            Self::Device(pages) => pages.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One more, with the next number.
    ///
    /// # Errors
    /// A device without room for it.
    pub fn add(&mut self) -> Result<(), InferError> {
        match self {
            Self::Host(pages) => {
                pages.add();
                Ok(())
            }
            Self::Device(pages) => pages.add(),
        }
    }

    /// Makes one page the same as another.
    ///
    /// # Errors
    /// A page that is missing; what the device fails with.
    pub fn copy(&mut self, from: usize, to: usize) -> Result<(), InferError> {
        match self {
            Self::Host(pages) => pages.copy(from, to),
            Self::Device(pages) => pages.copy(from, to),
        }
    }
}
