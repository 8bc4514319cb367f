//! How requests to a server end, and what its breaker hears of it.

use tokio::time::Instant;

use super::Server;
use crate::breaker::{Fault, Leave, Peace};
use crate::failure::CallFailure;

/// What became of a request to a server.
pub(super) enum Ended {
    /// It was not asked, because it is left in peace.
    Refused(String),
    Unreachable(String),
    Call(CallFailure),
}

/// Why a server is not asked.
pub(super) fn refusal(peace: &Peace) -> String {
    match peace.left {
        Some(left) => format!(
            "the server is down: {} (next attempt in {} s)",
            peace.reason,
            left.as_secs().saturating_add(1)
        ),
        None => format!(
            "the server is down: {} (another call is trying it now)",
            peace.reason
        ),
    }
}

impl Ended {
    /// In words, for whoever called.
    pub(super) fn told(self) -> String {
        match self {
            Self::Refused(reason) => reason,
            Self::Unreachable(reason) => {
                format!("the server is down and did not start again: {reason}")
            }
            Self::Call(CallFailure::Lost(reason)) => format!(
                "the connection to the server was lost during the call ({reason}); whether the \
                 call took effect is unknown: look before calling again"
            ),
            Self::Call(CallFailure::Late(reason) | CallFailure::Failed(reason)) => reason,
        }
    }
}

/// Leave to ask a server. Its breaker hears how it ended; nothing, if the caller gave up.
pub(super) struct Leaving<'a> {
    server: &'a Server,
    /// Whether it is the one request that tries a server that was left in peace.
    pub(super) to_try: bool,
    settled: bool,
}

impl<'a> Leaving<'a> {
    /// Leave to ask now, or why not.
    pub(super) fn of(server: &'a Server) -> Result<Self, Peace> {
        let leave = server.state().breaker.ask(Instant::now())?;
        Ok(Self {
            server,
            to_try: leave == Leave::ToTry,
            settled: false,
        })
    }

    /// It ended, with a failure or without.
    pub(super) fn settle(&mut self, failed: Option<&Ended>) {
        self.settled = true;
        let now = Instant::now();
        let mut state = self.server.state();
        match failed {
            None | Some(Ended::Call(CallFailure::Failed(_))) => state.breaker.worked(),
            Some(Ended::Refused(_)) => {}
            Some(Ended::Unreachable(reason)) => {
                state.breaker.failed(Fault::Unreachable, reason, now);
            }
            Some(Ended::Call(CallFailure::Lost(reason) | CallFailure::Late(reason))) => {
                state.breaker.failed(Fault::Call, reason, now);
            }
        }
        drop(state);
        if failed.is_some() {
            self.server.turned.notify_one();
        }
    }
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        if self.to_try && !self.settled {
            self.server.state().breaker.given_up(Instant::now());
        }
    }
}
