//! What work may spend, as a tree: a child cannot spend what its parent does not have.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Bounds on what a run or a node may spend. Whatever is left out is unbounded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BudgetLimits {
    /// Tokens read and written by models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Cost in the currency of the engine's prices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
    /// Calls of models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_calls: Option<u64>,
    /// Calls of tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<u64>,
    /// Seconds of work; time that a run stands suspended does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wall_time: Option<f64>,
    /// Graphs and maps nested in each other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depth: Option<u32>,
    /// What happens when a call would go over.
    #[serde(default)]
    pub on_exceed: OnExceed,
}

/// What happens when a call would spend more than there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnExceed {
    /// The call fails with an error of kind `budget`.
    #[default]
    Stop,
    /// The run waits for a person who grants more, or does not.
    Ask,
    /// Where only money is at its end and the engine has a cheaper one that costs none, that one
    /// goes on. Otherwise an agent ends with what it has found: after a tool call, with an answer
    /// from it; before a model call, with the passages alone. Other calls fail as with `stop`.
    Degrade,
}

/// What has been spent, or is about to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Spending {
    /// Tokens read and written.
    pub tokens: u64,
    /// Cost in the currency of the engine's prices.
    pub cost: f64,
    /// Calls of models.
    pub model_calls: u64,
    /// Calls of tools.
    pub tool_calls: u64,
}

impl Spending {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Spending) -> Spending {
        Spending {
            tokens: self.tokens.saturating_add(other.tokens),
            cost: self.cost + other.cost,
            model_calls: self.model_calls.saturating_add(other.model_calls),
            tool_calls: self.tool_calls.saturating_add(other.tool_calls),
        }
    }
}

/// One node of the tree.
#[derive(Debug, Clone, PartialEq)]
struct Account {
    parent: Option<AccountId>,
    /// For messages: the run, or a path within it.
    name: String,
    limits: BudgetLimits,
    spent: Spending,
    depth: u32,
}

/// Names an account of a [`Budget`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AccountId(usize);

/// The accounts of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Budget {
    accounts: Vec<Account>,
}

/// A call that would go over a bound.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error(
    "the budget of {account} allows {allowed} {what} and {spent} are spent; raise `{what}` under \
     `budget`, or ask for less"
)]
pub struct Exceeded {
    /// Whose bound.
    pub account: String,
    /// Which bound, as it is written.
    pub what: &'static str,
    /// The bound.
    pub allowed: String,
    /// What is spent already.
    pub spent: String,
    /// What is to happen.
    pub on_exceed: OnExceed,
}

impl Budget {
    /// A tree with one account, that of the run.
    pub fn new(limits: BudgetLimits) -> Self {
        let account = Account {
            parent: None,
            name: "this run".to_owned(),
            limits,
            spent: Spending::default(),
            depth: 0,
        };
        Self {
            accounts: vec![account],
        }
    }

    /// The run's account.
    pub fn root(&self) -> AccountId {
        AccountId(0)
    }

    /// An account below another.
    ///
    /// # Errors
    /// When the nesting goes deeper than an account above allows.
    pub fn open(
        &mut self,
        parent: AccountId,
        name: &str,
        limits: BudgetLimits,
        nests: bool,
    ) -> Result<AccountId, Exceeded> {
        let above = self.accounts.get(parent.0).map_or(0, |above| above.depth);
        let depth = above.saturating_add(u32::from(nests));
        for account in self.with_parents(parent) {
            if let Some(allowed) = account.limits.depth
                && nests
                && depth.saturating_sub(account.depth) > allowed
            {
                return Err(account.exceeded("depth", allowed, allowed));
            }
        }
        self.accounts.push(Account {
            parent: Some(parent),
            name: format!("`{name}`"),
            limits,
            spent: Spending::default(),
            depth,
        });
        Ok(AccountId(self.accounts.len() - 1))
    }

    /// Whether a call that costs no money could be borne where one that may cost some is not.
    ///
    /// # Errors
    /// The nearest other bound that the call would go over.
    pub fn check_free(
        &self,
        account: AccountId,
        wanted: Spending,
        seconds: f64,
    ) -> Result<(), Exceeded> {
        self.check_bounds(account, wanted, seconds, true)
    }

    /// The smallest share that is left of any bound on tokens or cost, 0 to 1, of an account and
    /// all above it; 1 where there is no such bound.
    pub fn left(&self, account: AccountId) -> f64 {
        let share = |spent: f64, most: f64| {
            if most > 0.0 {
                (1.0 - spent / most).clamp(0.0, 1.0)
            } else {
                0.0
            }
        };
        let mut least = 1.0_f64;
        for account in self.with_parents(account) {
            let (limits, spent) = (&account.limits, &account.spent);
            if let Some(most) = limits.tokens {
                least = least.min(share(spent.tokens as f64, most as f64));
            }
            // A budget of nothing is for engines that cost nothing.
            if let Some(most) = limits.cost {
                least = least.min(share(spent.cost, most));
            }
        }
        least
    }

    /// Whether an account or one above it has a bound on tokens.
    pub fn bounds_tokens(&self, account: AccountId) -> bool {
        self.with_parents(account)
            .any(|account| account.limits.tokens.is_some())
    }

    /// Whether an account and all above it can bear a call, before it is made. `seconds` is the
    /// time the run has worked.
    ///
    /// # Errors
    /// The nearest bound that the call would go over.
    pub fn check(
        &self,
        account: AccountId,
        wanted: Spending,
        seconds: f64,
    ) -> Result<(), Exceeded> {
        self.check_bounds(account, wanted, seconds, false)
    }

    fn check_bounds(
        &self,
        account: AccountId,
        wanted: Spending,
        seconds: f64,
        free: bool,
    ) -> Result<(), Exceeded> {
        for account in self.with_parents(account) {
            let after = account.spent.plus(wanted);
            let limits = &account.limits;
            let spent = &account.spent;
            if let Some(allowed) = limits.model_calls.filter(|most| after.model_calls > *most) {
                return Err(account.exceeded("model_calls", allowed, spent.model_calls));
            }
            if let Some(allowed) = limits.tool_calls.filter(|most| after.tool_calls > *most) {
                return Err(account.exceeded("tool_calls", allowed, spent.tool_calls));
            }
            // What a call will cost is not known before it: it may start while something is left.
            if let Some(allowed) = limits
                .tokens
                .filter(|most| after.tokens > *most || spent.tokens >= *most)
            {
                return Err(account.exceeded("tokens", allowed, spent.tokens));
            }
            if let Some(allowed) = limits
                .cost
                .filter(|_| !free)
                .filter(|most| after.cost > *most || spent.cost >= *most && *most > 0.0)
            {
                return Err(account.exceeded("cost", allowed, spent.cost));
            }
            if let Some(allowed) = limits.wall_time.filter(|most| seconds >= *most) {
                return Err(account.exceeded("wall_time", allowed, seconds));
            }
        }
        Ok(())
    }

    /// Books what a call has cost, on an account and all above it.
    pub fn spend(&mut self, account: AccountId, spending: Spending) {
        let mut next = Some(account);
        while let Some(account) = next.and_then(|id| self.accounts.get_mut(id.0)) {
            account.spent = account.spent.plus(spending);
            next = account.parent;
        }
    }

    /// Books what an account had spent before the program ended, on it alone.
    pub fn restore(&mut self, account: AccountId, spending: Spending) {
        if let Some(account) = self.accounts.get_mut(account.0) {
            account.spent = account.spent.plus(spending);
        }
    }

    /// Gives every account more, after a person has said so.
    pub fn grant(&mut self, what: &str, more: f64) {
        for account in 0..self.accounts.len() {
            self.grant_to(AccountId(account), what, more);
        }
    }

    /// Gives one account more.
    pub fn grant_to(&mut self, account: AccountId, what: &str, more: f64) {
        let Some(account) = self.accounts.get_mut(account.0) else {
            return;
        };
        let whole = if more.is_finite() && more > 0.0 {
            more.ceil() as u64
        } else {
            0
        };
        let raise = |limit: &mut Option<u64>| {
            *limit = limit.map(|limit| limit.saturating_add(whole));
        };
        let limits = &mut account.limits;
        match what {
            "tokens" => raise(&mut limits.tokens),
            "model_calls" => raise(&mut limits.model_calls),
            "tool_calls" => raise(&mut limits.tool_calls),
            "cost" => limits.cost = limits.cost.map(|limit| limit + more),
            "wall_time" => limits.wall_time = limits.wall_time.map(|limit| limit + more),
            _ => {}
        }
    }

    /// What an account has spent.
    pub fn spent(&self, account: AccountId) -> Spending {
        self.accounts
            .get(account.0)
            .map_or_else(Spending::default, |account| account.spent)
    }

    fn with_parents(&self, account: AccountId) -> impl Iterator<Item = &Account> {
        let first = self.accounts.get(account.0);
        std::iter::successors(first, |account| {
            account
                .parent
                .and_then(|parent| self.accounts.get(parent.0))
        })
    }
}

impl Account {
    fn exceeded(
        &self,
        what: &'static str,
        allowed: impl ToString,
        spent: impl ToString,
    ) -> Exceeded {
        Exceeded {
            account: self.name.clone(),
            what,
            allowed: allowed.to_string(),
            spent: spent.to_string(),
            on_exceed: self.limits.on_exceed,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CALL: Spending = Spending {
        tokens: 0,
        cost: 0.0,
        model_calls: 1,
        tool_calls: 0,
    };

    #[test]
    fn a_child_cannot_spend_what_its_parent_does_not_have() {
        let limits = |calls| BudgetLimits {
            model_calls: Some(calls),
            ..BudgetLimits::default()
        };
        let mut budget = Budget::new(limits(2));
        let child = budget.open(budget.root(), "a", limits(5), false).unwrap();
        for _ in 0..2 {
            budget.check(child, CALL, 0.0).unwrap();
            budget.spend(child, CALL);
        }
        let refused = budget.check(child, CALL, 0.0).unwrap_err();
        assert_eq!(
            (refused.what, refused.account.as_str()),
            ("model_calls", "this run")
        );
        budget.grant("model_calls", 1.0);
        budget.check(child, CALL, 0.0).unwrap();
    }

    #[test]
    fn what_is_left_is_the_least_of_all_bounds() {
        let mut budget = Budget::new(BudgetLimits {
            tokens: Some(100),
            ..BudgetLimits::default()
        });
        let root = budget.root();
        let limits = BudgetLimits {
            cost: Some(2.0),
            ..BudgetLimits::default()
        };
        let child = budget.open(root, "a", limits, false).unwrap();
        assert_eq!((budget.left(root), budget.left(child)), (1.0, 1.0));
        let spent = Spending {
            tokens: 50,
            cost: 1.5,
            ..Spending::default()
        };
        budget.spend(child, spent);
        assert_eq!((budget.left(root), budget.left(child)), (0.5, 0.25));
        assert!(budget.bounds_tokens(child));
        budget.spend(child, spent);
        let over = budget.check(child, CALL, 0.0).unwrap_err();
        assert_eq!(over.what, "cost");
        // Its own money is spent, and so are its parent's tokens.
        assert_eq!(
            budget.check_free(child, CALL, 0.0).unwrap_err().what,
            "tokens"
        );
        budget.grant("tokens", 10.0);
        budget.check_free(child, CALL, 0.0).unwrap();
    }

    #[test]
    fn nesting_is_bounded() {
        let limits = BudgetLimits {
            depth: Some(1),
            ..BudgetLimits::default()
        };
        let mut budget = Budget::new(limits);
        let none = BudgetLimits::default();
        let one = budget.open(budget.root(), "a", none, true).unwrap();
        let same = budget.open(one, "b", none, false).unwrap();
        assert_eq!(
            budget.open(same, "c", none, true).unwrap_err().what,
            "depth"
        );
    }

    proptest! {
        /// Whatever is tried in whatever order, no account ever goes over its own bound.
        #[test]
        fn checked_spending_stays_within_every_bound(
            bounds in proptest::collection::vec(0_u64..6, 1..6),
            parents in proptest::collection::vec(0_usize..6, 6),
            tries in proptest::collection::vec(0_usize..6, 0..60),
        ) {
            let limits = |calls: u64| BudgetLimits { model_calls: Some(calls), ..BudgetLimits::default() };
            let mut budget = Budget::new(limits(bounds[0]));
            let mut ids = vec![budget.root()];
            for (bound, parent) in bounds.iter().skip(1).zip(&parents) {
                let parent = ids[parent % ids.len()];
                ids.push(budget.open(parent, "n", limits(*bound), false).unwrap());
            }
            for attempt in tries {
                let id = ids[attempt % ids.len()];
                if budget.check(id, CALL, 0.0).is_ok() {
                    budget.spend(id, CALL);
                }
            }
            for (id, bound) in ids.iter().zip(&bounds) {
                prop_assert!(budget.spent(*id).model_calls <= *bound);
            }
        }
    }
}
