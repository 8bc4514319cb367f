//! A circuit breaker: an endpoint that keeps failing is left alone for a while.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Longest pause that repeated failures come to.
const LONGEST: Duration = Duration::from_secs(300);

/// Counts an endpoint's failures in a row.
#[derive(Debug)]
pub(super) struct Breaker {
    failures: u32,
    cooldown: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Clone, PartialEq)]
enum State {
    /// Requests pass; so many failed in a row.
    Closed { failed: u32 },
    /// None passes until then.
    Open {
        until: Instant,
        pause: Duration,
        last: String,
    },
    /// One is on its way to find out.
    Probing { pause: Duration, last: String },
}

/// The breaker is open.
#[derive(Debug, PartialEq)]
pub(super) struct Open {
    /// How long until a request is let through; zero while one is finding out.
    pub left: Duration,
    /// What failed last.
    pub last: String,
}

impl Breaker {
    /// Opens after so many failures in a row (0: never), for so long at first.
    pub(super) fn new(failures: u32, cooldown: Duration) -> Self {
        Self {
            failures,
            cooldown: cooldown.max(Duration::from_millis(1)),
            state: Mutex::new(State::Closed { failed: 0 }),
        }
    }

    /// Whether a request would pass. Takes nothing.
    pub(super) fn look(&self, now: Instant) -> Result<(), Open> {
        match &*self.state.lock().unwrap_or_else(PoisonError::into_inner) {
            State::Open { until, last, .. } if *until > now => Err(Open {
                left: *until - now,
                last: last.clone(),
            }),
            State::Probing { last, .. } => Err(Open {
                left: Duration::ZERO,
                last: last.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// Lets a request pass, and only one where the last ones failed.
    pub(super) fn admit(&self, now: Instant) -> Result<Passage<'_>, Open> {
        self.look(now)?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let probe = match &*state {
            State::Closed { .. } => false,
            State::Probing { last, .. } => {
                return Err(Open {
                    left: Duration::ZERO,
                    last: last.clone(),
                });
            }
            State::Open { pause, last, .. } => {
                *state = State::Probing {
                    pause: *pause,
                    last: last.clone(),
                };
                true
            }
        };
        Ok(Passage {
            breaker: self,
            probe,
            told: false,
        })
    }
}

/// A request that was let through. One that ends without a verdict leaves things as they were.
#[derive(Debug)]
pub(super) struct Passage<'a> {
    breaker: &'a Breaker,
    probe: bool,
    told: bool,
}

impl Passage<'_> {
    /// The endpoint answered, if only with a refusal.
    pub(super) fn answered(mut self) {
        self.told = true;
        let mut state = self.lock();
        match &*state {
            // A late answer says nothing about what failed since.
            State::Open { .. } | State::Probing { .. } if !self.probe => {}
            _ => *state = State::Closed { failed: 0 },
        }
    }

    /// The endpoint failed; true where that opened the breaker.
    pub(super) fn failed(mut self, now: Instant, error: &str) -> bool {
        self.told = true;
        let mut state = self.lock();
        let pause = match &*state {
            State::Closed { failed }
                if self.breaker.failures == 0 || *failed + 1 < self.breaker.failures =>
            {
                *state = State::Closed {
                    failed: failed.saturating_add(1),
                };
                return false;
            }
            State::Closed { .. } => self.breaker.cooldown,
            State::Probing { pause, .. } if self.probe => {
                (*pause * 2).min(LONGEST.max(self.breaker.cooldown))
            }
            // One that began before the breaker opened.
            State::Open { .. } | State::Probing { .. } => return false,
        };
        *state = State::Open {
            until: now + pause,
            pause,
            last: error.to_owned(),
        };
        true
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        let breaker = self.breaker;
        breaker.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Passage<'_> {
    fn drop(&mut self) {
        if self.told || !self.probe {
            return;
        }
        let mut state = self.lock();
        if let State::Probing { pause, last } = &*state {
            // Cancelled before it found out: the next one may.
            *state = State::Open {
                until: Instant::now(),
                pause: *pause,
                last: last.clone(),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COOLDOWN: Duration = Duration::from_secs(10);

    fn opened(now: Instant) -> Breaker {
        let breaker = Breaker::new(3, COOLDOWN);
        for round in 0..3 {
            let opened = breaker.admit(now).unwrap().failed(now, "refused");
            assert_eq!(opened, round == 2);
        }
        breaker
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_says_why() {
        let now = Instant::now();
        let breaker = opened(now);
        let open = breaker.admit(now + Duration::from_secs(4)).unwrap_err();
        assert_eq!(open.left, Duration::from_secs(6));
        assert_eq!(open.last, "refused");
    }

    #[test]
    fn an_answer_between_starts_the_count_again() {
        let now = Instant::now();
        let breaker = Breaker::new(2, COOLDOWN);
        for _ in 0..5 {
            breaker.admit(now).unwrap().failed(now, "x");
            breaker.admit(now).unwrap().answered();
        }
        assert!(breaker.look(now).is_ok());
    }

    #[test]
    fn one_request_finds_out_and_the_pause_grows() {
        let mut now = Instant::now();
        let breaker = opened(now);
        let mut pause = COOLDOWN;
        for _ in 0..8 {
            now += pause;
            let probe = breaker.admit(now).unwrap();
            assert!(breaker.admit(now).is_err(), "only one at a time");
            assert!(probe.failed(now, "again"));
            pause = (pause * 2).min(LONGEST);
            assert_eq!(breaker.look(now).unwrap_err().left, pause);
        }
        now += pause;
        breaker.admit(now).unwrap().answered();
        assert!(breaker.admit(now).is_ok() && breaker.admit(now).is_ok());
        let after = opened(now);
        assert_eq!(after.look(now).unwrap_err().left, COOLDOWN);
    }

    #[test]
    fn a_probe_that_is_cancelled_lets_the_next_one_try() {
        let now = Instant::now();
        let breaker = opened(now);
        let later = now + Duration::from_secs(60);
        drop(breaker.admit(later).unwrap());
        assert!(breaker.admit(later + COOLDOWN).is_ok());
    }

    #[test]
    fn none_opens_where_it_is_switched_off() {
        let now = Instant::now();
        let breaker = Breaker::new(0, COOLDOWN);
        for _ in 0..100 {
            assert!(!breaker.admit(now).unwrap().failed(now, "x"));
        }
    }
}
