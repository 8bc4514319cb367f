//! Who calls over HTTP.

use std::sync::Arc;

/// A caller that was let in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Caller {
    /// The subject of its token, where tokens have one.
    pub(crate) subject: Option<Arc<str>>,
}
