//! What servers have completed by a model while a tool of theirs works, on the run's budget.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ropewalk_core::budget::{AccountId, Budget, Spending};
use ropewalk_core::event::Event;
use ropewalk_core::message::Usage;
use ropewalk_host::sampling::{Foreseen, Payer};
use tokio::sync::mpsc::UnboundedSender;

use super::Shared;
use super::purse::{MODEL_CALL, bears, spent_on};

/// The time that processes have worked on a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Worked {
    /// Since when this process does.
    pub(super) since: Instant,
    /// Seconds that earlier ones did.
    pub(super) before: f64,
}

impl Worked {
    pub(super) fn seconds(self) -> f64 {
        self.before + self.since.elapsed().as_secs_f64()
    }
}

/// Pays for completions from the account that its call is paid from.
///
/// A server that asks for more than there is is told no, whatever the budget says about calls of
/// the run's own: the server may know another way, and the call goes on.
struct FromAccount {
    budget: Arc<Mutex<Budget>>,
    account: AccountId,
    worked: Worked,
    slot: String,
    events: UnboundedSender<Event>,
}

impl FromAccount {
    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Payer for FromAccount {
    fn book(&self, foreseen: &Foreseen) -> Result<(), String> {
        let wanted = Spending {
            tokens: foreseen.tokens,
            ..MODEL_CALL
        };
        let mut budget = self.budget();
        let seconds = self.worked.seconds();
        bears(&budget, self.account, wanted, foreseen.free, seconds)
            .map_err(|exceeded| format!("{exceeded}, so nothing is completed"))?;
        budget.spend(self.account, MODEL_CALL);
        Ok(())
    }

    fn paid(&self, engine: &str, usage: Usage, took: Duration) {
        self.budget().spend(self.account, spent_on(usage));
        // A call that was given up hears no more.
        let _ = self.events.send(Event::EffectSampled {
            slot: self.slot.clone(),
            engine: engine.to_owned(),
            usage,
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        });
    }
}

impl Shared {
    /// Pays from an account for what is completed during a call; its events are to be kept.
    pub(super) fn payer(
        &self,
        account: AccountId,
        slot: &str,
        events: UnboundedSender<Event>,
    ) -> Arc<dyn Payer> {
        Arc::new(FromAccount {
            budget: Arc::clone(&self.budget),
            account,
            worked: self.worked,
            slot: slot.to_owned(),
            events,
        })
    }
}
