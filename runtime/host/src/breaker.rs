//! When a server is left in peace, and when it is tried again.
//!
//! A server that cannot be reached, or that fails call after call, is not asked any more: calls
//! fail at once with the reason. After a pause one call is let through. If it works all is well
//! again; if not, the next pause is longer. An answer that says no is an answer: only silence and
//! lost connections count.

use std::time::Duration;

use tokio::time::Instant;

/// Calls in a row that fail before a server is left in peace.
const MOST_FAILURES: u32 = 5;

/// The first pause; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Whether a server is asked.
#[derive(Debug)]
pub(crate) struct Breaker {
    state: State,
    /// Failures in a row.
    failures: u32,
    pause: Duration,
}

#[derive(Debug)]
enum State {
    /// It is asked.
    Closed,
    /// It is left in peace until then.
    Open { until: Instant, reason: String },
    /// One call is through to try it.
    Trying { reason: String },
}

/// What failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It could not be reached: asking again at once is of no use.
    Unreachable,
    /// A call got no answer, or lost its connection.
    Call,
}

/// Whether a call may go through.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Leave {
    /// As any.
    Granted,
    /// As the one that tries the server. How it ends must be told.
    ToTry,
}

/// What is to be known of a server that is left in peace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Peace {
    pub(crate) reason: String,
    /// Until the next try; `None` while one is under way.
    pub(crate) left: Option<Duration>,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            state: State::Closed,
            failures: 0,
            pause: FIRST_PAUSE,
        }
    }
}

impl Breaker {
    /// Whether a call may go through now.
    pub(crate) fn ask(&mut self, now: Instant) -> Result<Leave, Peace> {
        match &self.state {
            State::Closed => Ok(Leave::Granted),
            State::Open { until, reason } if *until <= now => {
                self.state = State::Trying {
                    reason: reason.clone(),
                };
                Ok(Leave::ToTry)
            }
            _ => match self.peace(now) {
                Some(peace) => Err(peace),
                None => Ok(Leave::Granted),
            },
        }
    }

    /// The server answered.
    pub(crate) fn worked(&mut self) {
        *self = Self::default();
    }

    /// It failed.
    pub(crate) fn failed(&mut self, fault: Fault, reason: &str, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        let reason = reason.to_owned();
        match (&self.state, fault) {
            (State::Open { .. }, _) => {}
            (State::Closed, Fault::Call) if self.failures < MOST_FAILURES => {}
            _ => {
                let until = now.checked_add(self.pause).unwrap_or(now);
                self.state = State::Open { until, reason };
                self.pause = self.pause.saturating_mul(2).min(LONGEST_PAUSE);
            }
        }
    }

    /// The call that tried the server was given up by its caller: the next one may try.
    pub(crate) fn given_up(&mut self, now: Instant) {
        if let State::Trying { reason } = &self.state {
            self.state = State::Open {
                until: now,
                reason: reason.clone(),
            };
        }
    }

    /// Why it is left in peace, if it is.
    pub(crate) fn peace(&self, now: Instant) -> Option<Peace> {
        match &self.state {
            State::Closed => None,
            State::Open { until, reason } => Some(Peace {
                reason: reason.clone(),
                left: Some(until.saturating_duration_since(now)),
            }),
            State::Trying { reason } => Some(Peace {
                reason: reason.clone(),
                left: None,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_server_that_cannot_be_reached_is_left_in_peace_for_longer_each_time() {
        let mut breaker = Breaker::default();
        let mut now = Instant::now();
        for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
            let leave = breaker.ask(now);
            assert!(leave.is_ok(), "{leave:?}");
            breaker.failed(Fault::Unreachable, "it is away", now);
            let peace = breaker.ask(now).unwrap_err();
            assert_eq!(peace.reason, "it is away");
            assert_eq!(peace.left, Some(SECOND * pause));
            now += SECOND * pause;
        }
        assert_eq!(breaker.ask(now), Ok(Leave::ToTry));
        breaker.worked();
        assert_eq!(breaker.ask(now), Ok(Leave::Granted));
        breaker.failed(Fault::Unreachable, "again", now);
        assert_eq!(breaker.ask(now).unwrap_err().left, Some(SECOND));
    }

    #[test]
    fn calls_that_fail_are_borne_for_a_while_and_one_that_works_starts_anew() {
        let mut breaker = Breaker::default();
        let now = Instant::now();
        for _ in 1..MOST_FAILURES {
            breaker.failed(Fault::Call, "no answer", now);
            assert_eq!(breaker.ask(now), Ok(Leave::Granted));
        }
        breaker.worked();
        for _ in 1..MOST_FAILURES {
            breaker.failed(Fault::Call, "no answer", now);
        }
        assert_eq!(breaker.ask(now), Ok(Leave::Granted));
        breaker.failed(Fault::Call, "no answer", now);
        assert!(breaker.ask(now).is_err());
    }

    #[test]
    fn one_call_tries_the_server_and_the_others_wait_for_what_it_finds() {
        let mut breaker = Breaker::default();
        let now = Instant::now();
        breaker.failed(Fault::Unreachable, "away", now);
        let later = now + SECOND;
        assert_eq!(breaker.ask(later), Ok(Leave::ToTry));
        assert_eq!(breaker.ask(later).unwrap_err().left, None);
        breaker.given_up(later);
        assert_eq!(breaker.ask(later), Ok(Leave::ToTry), "the next one may");
        breaker.failed(Fault::Call, "still silent", later);
        let peace = breaker.ask(later).unwrap_err();
        assert_eq!(peace.left, Some(SECOND * 2), "one failure is enough here");
    }

    proptest! {
        /// Whatever happens, at most one call at a time tries a server that is left in peace, and
        /// there is always a time at which the next one may.
        #[test]
        fn nobody_is_shut_out_for_ever(steps in prop::collection::vec((0..4u8, 0..70_000u64), 0..60)) {
            let mut breaker = Breaker::default();
            let mut now = Instant::now();
            let mut trying = false;
            for (what, after) in steps {
                now += Duration::from_millis(after);
                match what {
                    0 => match breaker.ask(now) {
                        Ok(Leave::ToTry) => { prop_assert!(!trying); trying = true; }
                        Ok(Leave::Granted) => prop_assert!(!trying),
                        Err(peace) => prop_assert_eq!(peace.left.is_none(), trying),
                    },
                    1 => { breaker.worked(); trying = false; }
                    2 => { breaker.failed(Fault::Call, "x", now); trying = false; }
                    _ => { breaker.given_up(now); trying = false; }
                }
            }
            if !trying {
                prop_assert!(breaker.ask(now + LONGEST_PAUSE).is_ok());
            }
        }
    }
}
