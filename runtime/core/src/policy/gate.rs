//! The policy and the inspectors together.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::{Policy, Reason, Source, Subject, Verdict};
use crate::tool::Permission;

/// Looks at a call besides the rules: at what it would carry outward, at what it repeats. Its word
/// only tightens: where it allows, the rules decide.
pub trait Inspector: Send + Sync {
    /// Who it is, in messages.
    fn name(&self) -> &str;

    /// Its word on a call and why; `None` when it has nothing against it.
    ///
    /// # Errors
    /// In words. The call is then denied, as it is when the inspector panics.
    fn inspect(&self, subject: &Subject<'_>) -> Result<Option<(Permission, String)>, String>;
}

/// What every call passes.
#[derive(Clone, Default)]
pub struct Gate {
    policy: Policy,
    inspectors: Vec<Arc<dyn Inspector>>,
}

impl Gate {
    /// A gate with these rules.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            inspectors: Vec::new(),
        }
    }

    /// The same with one more inspector.
    #[must_use]
    pub fn with(mut self, inspector: Arc<dyn Inspector>) -> Self {
        self.inspectors.push(inspector);
        self
    }

    /// Judges a call: the strictest of all words.
    pub fn judge(&self, subject: &Subject<'_>) -> Verdict {
        let mut reasons = self.policy.judge(subject).reasons;
        reasons.extend(
            self.inspectors
                .iter()
                .filter_map(|inspector| asked(inspector.as_ref(), subject)),
        );
        Verdict::of(reasons)
    }
}

fn asked(inspector: &dyn Inspector, subject: &Subject<'_>) -> Option<Reason> {
    let word = catch_unwind(AssertUnwindSafe(|| {
        let by = inspector.name().to_owned();
        (by, inspector.inspect(subject))
    }));
    let (by, permission, why) = match word {
        Ok((by, Ok(word))) => {
            let (permission, why) = word?;
            (by, permission, why)
        }
        Ok((by, Err(why))) => (by, Permission::Deny, format!("the check failed: {why}")),
        Err(_) => (
            "an inspector".to_owned(),
            Permission::Deny,
            "the check panicked".to_owned(),
        ),
    };
    Some(Reason {
        by,
        source: Source::Inspector,
        permission,
        why,
    })
}
