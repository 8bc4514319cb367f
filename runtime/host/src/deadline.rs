//! How long a call may take.
//!
//! Progress puts the end off, up to a limit that nothing puts off. While a person is asked, the
//! clock stands still: thinking is not the server's delay.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// The end of a call, known to all that take part in it.
pub(crate) struct Deadline {
    times: watch::Sender<Times>,
    patience: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Times {
    /// The end, unless progress is reported.
    soft: Instant,
    /// The end whatever is reported.
    hard: Instant,
    /// Questions that are open, and since when there is one.
    asking: Option<(usize, Instant)>,
}

impl Times {
    /// When it is over; not as long as a person is asked.
    fn end(&self) -> Option<Instant> {
        match self.asking {
            None => Some(self.soft.min(self.hard)),
            Some(_) => None,
        }
    }

    fn progressed(&mut self, now: Instant, patience: Duration) {
        self.soft = self.soft.max(later(now, patience));
    }

    fn ask(&mut self, now: Instant) {
        self.asking = match self.asking {
            None => Some((1, now)),
            Some((open, since)) => Some((open.saturating_add(1), since)),
        };
    }

    fn answered(&mut self, now: Instant) {
        self.asking = match self.asking {
            Some((open, since)) if open <= 1 => {
                let stood = now.saturating_duration_since(since);
                self.soft = later(self.soft, stood);
                self.hard = later(self.hard, stood);
                None
            }
            Some((open, since)) => Some((open.saturating_sub(1), since)),
            None => None,
        };
    }
}

/// A time so far away that it cannot be told is as good as a century.
fn later(from: Instant, by: Duration) -> Instant {
    from.checked_add(by)
        .or_else(|| from.checked_add(Duration::from_secs(100 * 365 * 24 * 3600)))
        .unwrap_or(from)
}

impl Deadline {
    /// Over when nothing is heard for `patience`, or after `limit` in any case.
    pub(crate) fn new(patience: Duration, limit: Duration) -> Self {
        let now = Instant::now();
        let times = Times {
            soft: later(now, patience),
            hard: later(now, limit),
            asking: None,
        };
        Self {
            times: watch::Sender::new(times),
            patience,
        }
    }

    /// Something was heard of the call.
    pub(crate) fn progressed(&self) {
        self.times
            .send_modify(|times| times.progressed(Instant::now(), self.patience));
    }

    /// A person is asked until what is returned is dropped.
    pub(crate) fn hold(&self) -> Held<'_> {
        self.times.send_modify(|times| times.ask(Instant::now()));
        Held(self)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.times
            .borrow()
            .end()
            .is_some_and(|end| end <= Instant::now())
    }

    /// Waits for the end.
    pub(crate) async fn over(&self) {
        let mut times = self.times.subscribe();
        loop {
            let end = times.borrow_and_update().end();
            let changed = times.changed();
            match end {
                Some(end) => tokio::select! {
                    () = tokio::time::sleep_until(end) => return,
                    _ = changed => {}
                },
                // The sender is in `self`: it cannot be gone.
                None => drop(changed.await),
            }
        }
    }
}

/// The clock stands still as long as this lives.
pub(crate) struct Held<'a>(&'a Deadline);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0
            .times
            .send_modify(|times| times.answered(Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_question_stops_the_clock() {
        let start = Instant::now();
        let mut times = Times {
            soft: start + SECOND * 2,
            hard: start + SECOND * 2,
            asking: None,
        };
        times.ask(start + SECOND);
        times.ask(start + SECOND);
        times.answered(start + SECOND * 101);
        assert_eq!(times.end(), None);
        times.answered(start + SECOND * 201);
        assert_eq!(times.end(), Some(start + SECOND * 202));
    }

    #[tokio::test]
    async fn it_is_over_when_nothing_is_heard() {
        let deadline = Deadline::new(Duration::from_millis(20), SECOND * 60);
        deadline.over().await;
        assert!(deadline.is_over());
        deadline.progressed();
        assert!(!deadline.is_over(), "it was heard of after all");
        let held = deadline.hold();
        let over = tokio::time::timeout(Duration::from_millis(60), deadline.over());
        assert!(over.await.is_err(), "a person is being asked");
        drop(held);
        deadline.over().await;
    }

    proptest! {
        #[test]
        fn nothing_puts_off_the_hard_end_but_questions(steps in prop::collection::vec((0..3u8, 0..5_000u64), 0..40)) {
            let start = Instant::now();
            let patience = Duration::from_millis(1_000);
            let limit = Duration::from_millis(7_000);
            let mut times = Times { soft: start + patience, hard: start + limit, asking: None };
            let mut now = start;
            let mut open = 0_usize;
            let mut stood = Duration::ZERO;
            for (what, after) in steps {
                let step = Duration::from_millis(after);
                if open > 0 {
                    stood += step;
                }
                now += step;
                match what {
                    0 => times.progressed(now, patience),
                    1 => { times.ask(now); open += 1; }
                    _ => { times.answered(now); open = open.saturating_sub(1); }
                }
                prop_assert_eq!(times.end().is_none(), open > 0);
                if let Some(end) = times.end() {
                    prop_assert!(end <= start + limit + stood);
                }
            }
        }
    }
}
