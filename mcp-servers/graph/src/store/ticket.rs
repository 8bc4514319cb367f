//! What stands for a piece until it is durable.

use super::{Receipt, StoreError};

/// What stands for a piece that was submitted.
#[must_use = "a piece is acknowledged when its ticket was waited for"]
pub struct Ticket(Box<dyn FnOnce() -> Result<Receipt, StoreError> + Send>);

impl Ticket {
    /// One whose outcome is known.
    pub fn ready(outcome: Result<Receipt, StoreError>) -> Self {
        Self(Box::new(move || outcome))
    }

    /// One whose outcome is waited for.
    pub fn later(outcome: impl FnOnce() -> Result<Receipt, StoreError> + Send + 'static) -> Self {
        Self(Box::new(outcome))
    }

    /// Waits until the piece is durable.
    ///
    /// # Errors
    /// When it could not be put.
    pub fn wait(self) -> Result<Receipt, StoreError> {
        (self.0)()
    }
}
