//! Budgets while a run runs: checked before a call, booked after it.

use std::sync::{Arc, MutexGuard, PoisonError};

use ropewalk_core::budget::{AccountId, Budget, BudgetLimits, Exceeded, OnExceed, Spending};
use ropewalk_core::graph::definition::ErrorKind;
use ropewalk_core::graph::machine::NodeError;
use ropewalk_core::interrupt::{Interrupt, InterruptKind, Reply};
use ropewalk_core::message::{ChatRequest, Usage};
use ropewalk_models::engine::Engine;
use serde_json::{Value, json};

use super::Shared;
use super::attempt::Halt;
use crate::journal::NOBODY;
use crate::journal::past::Past;

/// One call of a model.
pub(crate) const MODEL_CALL: Spending = Spending {
    tokens: 0,
    cost: 0.0,
    model_calls: 1,
    tool_calls: 0,
};

/// One call of a tool.
pub(super) const TOOL_CALL: Spending = Spending {
    tokens: 0,
    cost: 0.0,
    model_calls: 0,
    tool_calls: 1,
};

/// A call of a model, as far as it is known before it is made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    /// What is booked at once.
    booked: Spending,
    /// Tokens it will read; they are booked when it has ended.
    tokens: u64,
    /// It costs no money.
    free: bool,
}

impl Shared {
    /// The engine for the next call: the cheaper one, where there is one and the budget runs low.
    pub(super) fn within_budget(
        &self,
        account: AccountId,
        engine: &Arc<dyn Engine>,
    ) -> Arc<dyn Engine> {
        match engine.cheaper() {
            Some(cheaper) if self.purse().left(account) < cheaper.below => cheaper.engine,
            _ => Arc::clone(engine),
        }
    }

    /// What is known of a call before it is made. Tokens are counted where a bound asks for it.
    pub(super) fn call_of(
        &self,
        account: AccountId,
        engine: &dyn Engine,
        request: &ChatRequest,
    ) -> Call {
        let bounded = self.purse().bounds_tokens(account);
        Call {
            booked: MODEL_CALL,
            tokens: if bounded {
                engine.count(request).tokens
            } else {
                0
            },
            free: !engine.info().charges,
        }
    }
}

/// The budget of a run, with what it has spent before.
pub(super) fn opened(options: BudgetLimits, graph: BudgetLimits, past: &Past) -> Budget {
    let mut budget = Budget::new(tighter(options, graph));
    let root = budget.root();
    budget.restore(root, past.spent_by(""));
    for (what, more) in &past.grants {
        budget.grant(what, *more);
    }
    budget
}

/// Both bounds at once.
fn tighter(a: BudgetLimits, b: BudgetLimits) -> BudgetLimits {
    fn least<T: PartialOrd>(a: Option<T>, b: Option<T>) -> Option<T> {
        match (a, b) {
            (Some(a), Some(b)) => Some(if b < a { b } else { a }),
            (a, b) => a.or(b),
        }
    }
    BudgetLimits {
        tokens: least(a.tokens, b.tokens),
        cost: least(a.cost, b.cost),
        model_calls: least(a.model_calls, b.model_calls),
        tool_calls: least(a.tool_calls, b.tool_calls),
        wall_time: least(a.wall_time, b.wall_time),
        depth: least(a.depth, b.depth),
        on_exceed: if b == BudgetLimits::default() {
            a.on_exceed
        } else {
            b.on_exceed
        },
    }
}

/// Whether an account bears a call.
pub(super) fn bears(
    budget: &Budget,
    account: AccountId,
    wanted: Spending,
    free: bool,
    seconds: f64,
) -> Result<(), Exceeded> {
    match budget.check(account, wanted, seconds) {
        // Money is at its end, and this needs none.
        Err(exceeded)
            if free && exceeded.what == "cost" && exceeded.on_exceed == OnExceed::Degrade =>
        {
            budget.check_free(account, wanted, seconds)
        }
        outcome => outcome,
    }
}

/// What a model's tokens are to a budget.
pub(crate) fn spent_on(usage: Usage) -> Spending {
    Spending {
        tokens: usage.input_tokens.saturating_add(usage.output_tokens),
        cost: usage.cost_micros as f64 / 1e6,
        ..Spending::default()
    }
}

/// What a spent budget leads to.
pub(super) enum Refused {
    /// The call fails.
    Failed(NodeError),
    /// An agent answers from what it has.
    Degrade(NodeError),
    /// The run stops or waits.
    Halt(Halt),
}

impl From<Refused> for Halt {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Failed(error) | Refused::Degrade(error) => Halt::Failed(error),
            Refused::Halt(halt) => halt,
        }
    }
}

impl Shared {
    pub(super) fn purse(&self) -> MutexGuard<'_, Budget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An account for an activation, with what it had spent before a crash.
    pub(super) fn account(
        &self,
        parent: AccountId,
        path: &str,
        limits: Option<BudgetLimits>,
        nests: bool,
    ) -> Result<AccountId, Halt> {
        if limits.is_none() && !nests {
            return Ok(parent);
        }
        let (spent, grants) = self
            .journal
            .with_past(|past| (past.spent_by(path), past.grants.clone()));
        let mut purse = self.purse();
        let account = purse
            .open(parent, path, limits.unwrap_or_default(), nests)
            .map_err(|exceeded| Halt::Failed(spent_error(&exceeded)))?;
        if spent != Spending::default() {
            purse.restore(account, spent);
            for (what, more) in grants {
                purse.grant_to(account, &what, more);
            }
        }
        Ok(account)
    }

    /// Books a call before it is made, if the budget bears it. What the log already holds has
    /// been booked.
    pub(super) async fn afford(
        &self,
        account: AccountId,
        path: &str,
        slot: &str,
        wanted: Spending,
    ) -> Result<(), Refused> {
        // Only models have a price.
        let call = Call {
            booked: wanted,
            tokens: 0,
            free: true,
        };
        self.afford_call(account, path, slot, call).await
    }

    /// The same for a call of a model, of which more is known before it is made.
    pub(super) async fn afford_call(
        &self,
        account: AccountId,
        path: &str,
        slot: &str,
        call: Call,
    ) -> Result<(), Refused> {
        if self
            .journal
            .with_past(|past| past.effects.contains_key(slot))
        {
            return Ok(());
        }
        let wanted = Spending {
            tokens: call.tokens,
            ..call.booked
        };
        loop {
            let exceeded = {
                let mut purse = self.purse();
                match bears(&purse, account, wanted, call.free, self.worked()) {
                    Ok(()) => {
                        purse.spend(account, call.booked);
                        return Ok(());
                    }
                    Err(exceeded) => exceeded,
                }
            };
            let error = spent_error(&exceeded);
            match exceeded.on_exceed {
                OnExceed::Stop => return Err(Refused::Failed(error)),
                OnExceed::Degrade => return Err(Refused::Degrade(error)),
                OnExceed::Ask => self.ask_for_more(path, slot, &exceeded, error).await?,
            }
        }
    }

    async fn ask_for_more(
        &self,
        path: &str,
        slot: &str,
        exceeded: &Exceeded,
        error: NodeError,
    ) -> Result<(), Refused> {
        let again = exceeded.allowed.parse::<f64>().unwrap_or(1.0).max(1.0);
        let interrupt = Interrupt {
            kind: InterruptKind::Budget,
            path: path.to_owned(),
            question: format!("{}. May it spend more?", error.message),
            proposal: Some(json!({"what": exceeded.what, "more": again})),
            schema: None,
            who: None,
            call: None,
            reasons: Vec::new(),
        };
        // What is spent names the question: a second one at the same place is another.
        let id = format!("{slot}${}:{}", exceeded.what, exceeded.allowed);
        let reply = self.journal.ask(&id, interrupt, || NOBODY.to_owned()).await;
        let more = match reply.map_err(|stop| Refused::Halt(Halt::Stop(stop)))?.reply {
            Reply::Approve => again,
            Reply::Edit { value } | Reply::Reply { value } => value.as_f64().unwrap_or(0.0),
            Reply::Reject { .. } | Reply::Escalate { .. } => return Err(Refused::Failed(error)),
        };
        self.purse().grant(exceeded.what, more);
        Ok(())
    }
}

/// What a reply to a question about a budget gives: which bound, and how much more.
pub(crate) fn granted(interrupt: &Interrupt, reply: &Reply) -> Option<(String, f64)> {
    let proposal = interrupt.proposal.as_ref()?;
    let what = proposal.get("what").and_then(Value::as_str)?;
    let more = match reply {
        Reply::Approve => proposal.get("more").and_then(Value::as_f64)?,
        Reply::Edit { value } | Reply::Reply { value } => value.as_f64()?,
        Reply::Reject { .. } | Reply::Escalate { .. } => return None,
    };
    Some((what.to_owned(), more))
}

fn spent_error(exceeded: &Exceeded) -> NodeError {
    NodeError::new(ErrorKind::Budget, exceeded.to_string())
}
