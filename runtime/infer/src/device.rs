//! Where a model runs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::InferError;

/// Where a model runs. As a text: `auto`, `cpu`, `cuda` or `cuda:1`, `metal` or `metal:1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Device {
    /// On the first accelerator this program was built for, where there is one; on the processor
    /// otherwise.
    #[default]
    Auto,
    /// On the processor.
    Cpu,
    /// On an NVIDIA card, by number.
    Cuda(usize),
    /// On an Apple one, by number.
    Metal(usize),
}

impl Device {
    /// Opens it; `None` is the processor, which our own kernels serve.
    ///
    /// # Errors
    /// An accelerator that was asked for by name and is not there, or that this program was not
    /// built for.
    pub fn open(self) -> Result<Option<candle_core::Device>, InferError> {
        let open = |built: bool, feature, device: &dyn Fn() -> candle_core::Result<_>| {
            let refused = |message| InferError::Device {
                device: self.to_string(),
                message,
            };
            if !built {
                return Err(refused(format!(
                    "this program was built without it; build it with `--features {feature}`, or \
                     leave `device` out"
                )));
            }
            let opened = device().map(Some);
            opened.map_err(|error| {
                refused(format!(
                    "{error}; is its driver there? `device = \"cpu\"` does without"
                ))
            })
        };
        let (cuda, metal) = (cfg!(feature = "cuda"), cfg!(feature = "metal"));
        match self {
            Self::Cpu => Ok(None),
            Self::Cuda(number) => open(cuda, "cuda", &|| candle_core::Device::new_cuda(number)),
            Self::Metal(number) => open(metal, "metal", &|| candle_core::Device::new_metal(number)),
            Self::Auto if !cuda && !metal => Ok(None),
            Self::Auto => {
                let accelerator = if cuda { Self::Cuda(0) } else { Self::Metal(0) };
                Ok(accelerator.open().unwrap_or_else(|error| {
                    tracing::warn!(%error, "the model runs on the processor");
                    None
                }))
            }
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
            Self::Metal(number) => write!(f, "metal:{number}"),
        }
    }
}

/// A text that names no device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no device: `auto`, `cpu`, `cuda`, `cuda:1`, `metal` and the like are")]
pub struct NoDevice(String);

impl From<Device> for String {
    fn from(device: Device) -> Self {
        device.to_string()
    }
}

impl TryFrom<String> for Device {
    type Error = NoDevice;

    fn try_from(text: String) -> Result<Self, NoDevice> {
        text.parse()
    }
}

impl FromStr for Device {
    type Err = NoDevice;

    fn from_str(text: &str) -> Result<Self, NoDevice> {
        let no_device = || NoDevice(text.to_owned());
        let (kind, number) = match text.split_once(':') {
            Some((kind, number)) => (kind, Some(number.parse().map_err(|_| no_device())?)),
            None => (text, None),
        };
        match (kind, number) {
            ("auto", None) => Ok(Self::Auto),
            ("cpu", None) => Ok(Self::Cpu),
            ("cuda", number) => Ok(Self::Cuda(number.unwrap_or(0))),
            ("metal", number) => Ok(Self::Metal(number.unwrap_or(0))),
            _ => Err(no_device()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_written_as_they_are_read() {
        for text in ["auto", "cpu", "cuda:0", "cuda:3", "metal:1"] {
            assert_eq!(text.parse::<Device>().unwrap().to_string(), text);
        }
        assert_eq!("cuda".parse(), Ok(Device::Cuda(0)));
        for text in ["", "gpu", "cpu:1", "cuda:", "cuda:-1", "metal:x", "auto:0"] {
            let error = text.parse::<Device>().unwrap_err().to_string();
            assert!(error.contains("is no device"), "{error}");
        }
    }

    #[cfg(not(any(feature = "cuda", feature = "metal")))]
    #[test]
    fn what_this_program_was_not_built_for_is_refused_with_what_to_do() {
        assert!(Device::Auto.open().unwrap().is_none());
        for (device, feature) in [(Device::Cuda(1), "cuda"), (Device::Metal(0), "metal")] {
            let error = device.open().unwrap_err().to_string();
            assert!(
                error.contains(&device.to_string())
                    && error.contains(&format!("--features {feature}")),
                "{error}"
            );
        }
    }
}
