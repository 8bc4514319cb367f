//! What a run has read so far, and what therefore must not leave it unasked.
//!
//! Text that nobody vouches for can tell a model to send what it knows elsewhere. That does harm
//! only where three things meet: such text was read, private data was read, and a call could carry
//! the one where the other wants it. The first two are remembered; the third asks first.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Inspector, Subject};
use crate::tool::Permission;

/// What has been read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exposure {
    /// The servers whose results nobody vouches for.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub untrusted: BTreeSet<String>,
    /// The servers whose results are nobody else's business.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub private: BTreeSet<String>,
    /// The servers whose results held what looks like orders to a model.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub suspect: BTreeSet<String>,
}

impl Exposure {
    /// Whether nothing was read that matters.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What both have read.
    pub fn join(&mut self, other: &Self) {
        let both = |mine: &mut BTreeSet<String>, theirs: &BTreeSet<String>| {
            mine.extend(theirs.iter().cloned());
        };
        both(&mut self.untrusted, &other.untrusted);
        both(&mut self.private, &other.private);
        both(&mut self.suspect, &other.suspect);
    }

    /// After a result was read that nobody has said anything of: the worst.
    pub fn of_the_unknown(server: &str) -> Self {
        let one = || BTreeSet::from([server.to_owned()]);
        Self {
            untrusted: one(),
            private: one(),
            suspect: BTreeSet::new(),
        }
    }

    /// After the result of a call was read.
    pub fn read(&mut self, subject: &Subject<'_>) {
        if subject.reaches_outside() {
            self.untrusted.insert(subject.server.to_owned());
        }
        // A server that says it works on a closed system is believed; one that nobody vouches for
        // may hold private data whatever it says.
        let vouched = subject.ours || subject.vouched;
        if !vouched || !subject.hints.open_world {
            self.private.insert(subject.server.to_owned());
        }
    }
}

/// Asks before private data of one server could go out through another, once something was read
/// that nobody vouches for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Outward;

impl Inspector for Outward {
    fn name(&self) -> &str {
        "the gate for private data"
    }

    fn inspect(&self, subject: &Subject<'_>) -> Result<Option<(Permission, String)>, String> {
        let exposure = subject.exposure;
        if exposure.untrusted.is_empty() || !subject.reaches_outside() {
            return Ok(None);
        }
        // A server learns nothing from its own data.
        let Some(private) = exposure
            .private
            .iter()
            .find(|server| server.as_str() != subject.server)
        else {
            return Ok(None);
        };
        let untrusted = exposure.untrusted.iter().next();
        Ok(Some((
            Permission::Ask,
            format!(
                "it reaches outside, and this run has read private data of `{private}` and text \
                 of `{}` that nobody vouches for; look at what it would send",
                untrusted.map_or("", String::as_str)
            ),
        )))
    }
}

/// Asks before anything changes or leaves, once a result was read that holds what looks like orders
/// to a model: standing permission was given for what the user asks, not for what a text asks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Planted;

impl Planted {
    /// Who it is, in messages.
    pub const NAME: &str = "the watch for planted orders";
}

impl Inspector for Planted {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn inspect(&self, subject: &Subject<'_>) -> Result<Option<(Permission, String)>, String> {
        // What only reads is the other gate's business.
        if subject.believed().read_only {
            return Ok(None);
        }
        let planted = subject.exposure.suspect.iter().next();
        Ok(planted.map(|server| {
            let why = format!(
                "this run has read a result of `{server}` that holds what looks like orders to a \
                 model; see that the call is what you asked for"
            );
            (Permission::Ask, why)
        }))
    }
}
