//! Limits set here: requests and tokens in a minute, and requests at once.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::config::OpenAiConfig;

const MINUTE: Duration = Duration::from_secs(60);

/// What a configuration allows.
#[derive(Debug)]
pub(super) struct Limits {
    requests: Option<Mutex<Bucket>>,
    tokens: Option<Mutex<Bucket>>,
    slots: Option<Semaphore>,
    longest_wait: Duration,
}

/// Why a request gets no turn.
#[derive(Debug, PartialEq)]
pub(super) struct NoTurn {
    /// Which limit, and what to change.
    pub message: String,
    /// How long its turn would have taken to come; none where it never comes.
    pub wait: Option<Duration>,
}

impl Limits {
    pub(super) fn of(config: &OpenAiConfig) -> Self {
        let bucket = |limit: Option<u32>| limit.map(|limit| Mutex::new(Bucket::new(limit)));
        Self {
            requests: bucket(config.requests_per_minute),
            tokens: bucket(config.tokens_per_minute),
            slots: config
                .max_concurrent
                .map(|most| Semaphore::new(usize::try_from(most.max(1)).unwrap_or(usize::MAX))),
            longest_wait: Duration::from_secs(config.longest_wait),
        }
    }

    /// Waits for a turn. Dropping the future gives back what it held.
    pub(super) async fn enter(&self, tokens: u64) -> Result<Turn<'_>, NoTurn> {
        let deadline = Instant::now() + self.longest_wait;
        let slot = match &self.slots {
            // The semaphore is never closed.
            Some(slots) => match tokio::time::timeout_at(deadline, slots.acquire()).await {
                Ok(Ok(slot)) => Some(slot),
                _ => {
                    return Err(NoTurn {
                        message: format!(
                            "all turns were taken for {} s (`max_concurrent`, `longest_wait`)",
                            self.longest_wait.as_secs()
                        ),
                        wait: Some(self.longest_wait),
                    });
                }
            },
            None => None,
        };
        let now = Instant::now();
        let left = deadline.saturating_duration_since(now);
        let (mut turn, wait) = self.reserve(tokens, now, left)?;
        turn.slot = slot;
        if !wait.is_zero() {
            tracing::debug!(?wait, "waiting for a turn under the configuration's limits");
            tokio::time::sleep_until(now + wait).await;
        }
        Ok(turn)
    }

    /// A turn under the limits of a minute, and how long it is until it comes.
    fn reserve(
        &self,
        tokens: u64,
        now: Instant,
        longest: Duration,
    ) -> Result<(Turn<'_>, Duration), NoTurn> {
        let mut turn = Turn {
            limits: self,
            slot: None,
            requests: 0,
            tokens: 0,
            begun: false,
        };
        let mut wait = Duration::ZERO;
        if let Some(bucket) = &self.requests {
            wait = take(bucket, 1, now, longest, "requests_per_minute")?;
            turn.requests = 1;
        }
        if let Some(bucket) = &self.tokens {
            wait = wait.max(take(bucket, tokens, now, longest, "tokens_per_minute")?);
            turn.tokens = tokens;
        }
        Ok((turn, wait))
    }
}

fn take(
    bucket: &Mutex<Bucket>,
    amount: u64,
    now: Instant,
    longest: Duration,
    key: &str,
) -> Result<Duration, NoTurn> {
    let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
    match bucket.take(amount, now, longest) {
        Ok(wait) => Ok(wait),
        Err(Some(wait)) => Err(NoTurn {
            message: format!(
                "its turn under `{key}` would come in {} s, which is longer than `longest_wait`",
                wait.as_secs() + 1
            ),
            wait: Some(wait),
        }),
        Err(None) => Err(NoTurn {
            message: format!(
                "about {amount} are needed at once and `{key}` is {}; shorten the request, \
                 lower `max_tokens`, or raise the limit",
                bucket.limit
            ),
            wait: None,
        }),
    }
}

/// A request's turn. Until [`Self::begun`] it is given back whole when dropped; after that the
/// estimate stands unless it is corrected.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    limits: &'a Limits,
    /// Held until the turn ends.
    slot: Option<SemaphorePermit<'a>>,
    requests: u64,
    tokens: u64,
    begun: bool,
}

impl Turn<'_> {
    /// The request goes out: it counts from now on, whatever becomes of it.
    pub(super) fn begun(&mut self) {
        self.begun = true;
    }

    /// How many tokens it took is known.
    pub(super) fn took(&mut self, real: u64, now: Instant) {
        let estimate = std::mem::replace(&mut self.tokens, real);
        if let Some(bucket) = &self.limits.tokens {
            let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
            bucket.give_back(estimate);
            bucket.charge(real, now);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if !self.begun {
            let taken = [
                (&self.limits.requests, self.requests),
                (&self.limits.tokens, self.tokens),
            ];
            for (bucket, amount) in taken {
                if let (Some(bucket), true) = (bucket, amount > 0) {
                    let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
                    bucket.give_back(amount);
                }
            }
        }
        drop(self.slot.take());
    }
}

/// A bucket that holds a minute's allowance and fills steadily. It is kept as the time at which
/// it will be full again, so that corrections in both directions are sums.
#[derive(Debug)]
struct Bucket {
    limit: u64,
    full_at: Option<Instant>,
}

impl Bucket {
    fn new(limit: u32) -> Self {
        Self {
            limit: u64::from(limit.max(1)),
            full_at: None,
        }
    }

    /// Takes an amount: the wait until it is there, or, where that is too long, the wait that it
    /// would be; none where the bucket never holds so much.
    fn take(
        &mut self,
        amount: u64,
        now: Instant,
        longest: Duration,
    ) -> Result<Duration, Option<Duration>> {
        if amount > self.limit {
            return Err(None);
        }
        let full_at = self.full_after(amount, now);
        let wait = full_at.saturating_duration_since(now + MINUTE);
        if wait > longest {
            return Err(Some(wait));
        }
        self.full_at = Some(full_at);
        Ok(wait)
    }

    /// Takes an amount that has been used already; later ones wait for it.
    fn charge(&mut self, amount: u64, now: Instant) {
        self.full_at = Some(self.full_after(amount, now));
    }

    fn give_back(&mut self, amount: u64) {
        let time = self.time_for(amount);
        self.full_at = self.full_at.and_then(|full_at| full_at.checked_sub(time));
    }

    fn full_after(&self, amount: u64, now: Instant) -> Instant {
        let from = self.full_at.map_or(now, |full_at| full_at.max(now));
        from + self.time_for(amount)
    }

    fn time_for(&self, amount: u64) -> Duration {
        // No reply takes a day's allowance; the bound keeps the sum finite.
        MINUTE.mul_f64((amount as f64 / self.limit as f64).min(1_440.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LONGEST: Duration = Duration::from_secs(30);

    fn limits(requests: Option<u32>, tokens: Option<u32>) -> Limits {
        Limits::of(&OpenAiConfig {
            requests_per_minute: requests,
            tokens_per_minute: tokens,
            ..OpenAiConfig::default()
        })
    }

    /// A request that goes out: how long it waits.
    fn go(limits: &Limits, tokens: u64, now: Instant) -> Result<u64, NoTurn> {
        let (mut turn, wait) = limits.reserve(tokens, now, LONGEST)?;
        turn.begun();
        Ok(wait.as_secs())
    }

    #[test]
    fn requests_beyond_the_rate_wait_and_then_are_refused() {
        let limits = limits(Some(4), None);
        let now = Instant::now();
        let waits: Vec<_> = (0..6).map(|_| go(&limits, 0, now).unwrap()).collect();
        assert_eq!(waits, [0, 0, 0, 0, 15, 30]);
        let refused = go(&limits, 0, now).unwrap_err();
        assert_eq!(refused.wait, Some(Duration::from_secs(45)));
        assert!(refused.message.contains("requests_per_minute"));
        let later = now + Duration::from_secs(20);
        assert_eq!(
            go(&limits, 0, later),
            Ok(25),
            "what was refused took nothing"
        );
    }

    #[test]
    fn a_turn_that_is_given_up_takes_nothing() {
        let limits = limits(Some(2), Some(1_000));
        let now = Instant::now();
        for _ in 0..10 {
            let (turn, wait) = limits.reserve(900, now, LONGEST).unwrap();
            assert_eq!(wait, Duration::ZERO);
            drop(turn);
        }
        // One whose tokens never fit gives its place among the requests back.
        assert!(limits.reserve(2_000, now, LONGEST).is_err());
        assert_eq!(go(&limits, 900, now), Ok(0));
        assert_eq!(go(&limits, 100, now), Ok(0));
    }

    #[test]
    fn tokens_are_corrected_by_what_was_used() {
        let limits = limits(None, Some(1_000));
        let now = Instant::now();
        let (mut turn, _) = limits.reserve(900, now, LONGEST).unwrap();
        turn.begun();
        turn.took(100, now);
        drop(turn);
        let (mut turn, wait) = limits.reserve(900, now, LONGEST).unwrap();
        assert_eq!(wait, Duration::ZERO, "what was not used is free again");
        turn.begun();
        turn.took(1_300, now);
        drop(turn);
        assert_eq!(
            go(&limits, 100, now),
            Ok(30),
            "what was used beyond is waited for"
        );
    }

    #[test]
    fn an_estimate_stands_where_nothing_is_told() {
        let limits = limits(None, Some(1_000));
        let now = Instant::now();
        assert_eq!(go(&limits, 900, now), Ok(0));
        assert_eq!(go(&limits, 350, now), Ok(15));
    }

    #[test]
    fn what_never_fits_is_told_at_once() {
        let refused = go(&limits(None, Some(1_000)), 1_001, Instant::now()).unwrap_err();
        assert_eq!(refused.wait, None);
        assert!(refused.message.contains("tokens_per_minute"), "{refused:?}");
    }

    #[tokio::test]
    async fn turns_at_once_are_bounded() {
        let limits = Limits::of(&OpenAiConfig {
            max_concurrent: Some(2),
            longest_wait: 0,
            ..OpenAiConfig::default()
        });
        let one = limits.enter(0).await.unwrap();
        let _two = limits.enter(0).await.unwrap();
        let refused = limits.enter(0).await.unwrap_err();
        assert!(refused.message.contains("max_concurrent"), "{refused:?}");
        drop(one);
        limits.enter(0).await.unwrap();
    }

    proptest! {
        /// In no minute after the first does more go out than the limit and one burst.
        #[test]
        fn a_minute_never_sees_more_than_two_allowances(
            amounts in proptest::collection::vec(1_u64..50, 1..200),
        ) {
            let start = Instant::now();
            let mut bucket = Bucket::new(100);
            let day = Duration::from_secs(86_400);
            let sent: Vec<(Duration, u64)> = amounts
                .iter()
                .map(|amount| (bucket.take(*amount, start, day).unwrap(), *amount))
                .collect();
            for (from, _) in &sent {
                let within: u64 = sent
                    .iter()
                    .filter(|(at, _)| at >= from && *at < *from + MINUTE)
                    .map(|(_, amount)| amount)
                    .sum();
                prop_assert!(within <= 250, "{within} in a minute");
            }
            let total: u64 = amounts.iter().sum();
            let last = sent.last().map(|(at, _)| at.as_secs_f64()).unwrap_or_default();
            prop_assert!(last <= total as f64 * 0.6 + 0.1, "no one waits for longer than is due");
        }
    }
}
