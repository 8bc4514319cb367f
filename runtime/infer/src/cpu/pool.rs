//! Threads that take pieces of the same work.
//!
//! The pieces of one token follow each other within microseconds, so threads spin a little before
//! they sleep. Whoever comes first takes a piece, and nobody waits for a thread that has not come:
//! on a machine that is busy with other things, a thread that is not scheduled costs its help, and
//! not a time slice for every piece of work.

use std::any::Any;
use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Looks for work before a thread lets others run, and before it sleeps.
const SPINS: u32 = 4_000;
const YIELDS: u32 = 64;

/// Set in [`Shared::state`] while threads may come to the work.
const OPEN: u64 = 1 << 31;
/// Lower bits of the state: how many threads are at work.
const ACTIVE: u64 = OPEN - 1;

/// Threads that take pieces of the same work.
pub(super) struct Pool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    /// Held by whoever has work done.
    one_at_a_time: Mutex<()>,
}

struct Shared {
    /// Which work it is (upper half), whether threads may come to it, and how many are there.
    state: AtomicU64,
    /// What is to be done. Written only while the state is closed and nobody is active; read only
    /// by threads that are active.
    work: UnsafeCell<Option<Work>>,
    sleeping: AtomicUsize,
    ending: AtomicBool,
    panicked: Mutex<Option<Box<dyn Any + Send>>>,
}

/// A closure that lives on the stack of the thread that waits for it.
#[derive(Clone, Copy)]
struct Work(*const (dyn Fn() + Sync));

// SAFETY: the closure is `Sync`, so it may be called from any thread; how long it may be called is
// shown where `Work` is made.
unsafe impl Send for Shared {}
// SAFETY: `work` is written by one thread while no other is active (the state says so, with
// release and acquire), and read by active threads only.
unsafe impl Sync for Shared {}

impl Pool {
    /// A pool of so many threads beside the one that has work.
    pub(super) fn new(threads: usize) -> Self {
        let shared = Arc::new(Shared {
            state: AtomicU64::new(0),
            work: UnsafeCell::new(None),
            sleeping: AtomicUsize::new(0),
            ending: AtomicBool::new(false),
            panicked: Mutex::new(None),
        });
        let start = |number: usize| {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new()
                .name(format!("tensor-{number}"))
                .spawn(move || shared.serve())
                .ok()
        };
        Self {
            threads: (0..threads).map_while(start).collect(),
            shared,
            one_at_a_time: Mutex::new(()),
        }
    }

    /// Calls `work` on this thread, and on others as they come. It returns when all calls have.
    pub(super) fn run(&self, work: &(dyn Fn() + Sync)) {
        if self.threads.is_empty() {
            work();
            return;
        }
        let _one = self
            .one_at_a_time
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // What an earlier caller's own panic left behind.
        self.panicked().take();
        // SAFETY: only the lifetime changes. `Closing` does not let this function end, by return or
        // by panic, before the state is closed and no thread is active, and threads call the
        // closure only while they are active.
        let work_for_all: *const (dyn Fn() + Sync) =
            unsafe { std::mem::transmute::<&(dyn Fn() + Sync), &'static (dyn Fn() + Sync)>(work) };
        // SAFETY: the state is closed and nobody is active: whoever ran before saw to it, and the
        // lock is held.
        unsafe { *self.shared.work.get() = Some(Work(work_for_all)) };
        let number = (self.shared.state.load(Ordering::Relaxed) >> 32).wrapping_add(1);
        self.shared
            .state
            .store(number << 32 | OPEN, Ordering::SeqCst);
        if self.shared.sleeping.load(Ordering::SeqCst) > 0 {
            for thread in &self.threads {
                thread.thread().unpark();
            }
        }
        {
            let _closing = Closing(&self.shared);
            work();
        }
        let panicked = self.panicked().take();
        if let Some(panic) = panicked {
            resume_unwind(panic);
        }
    }

    fn panicked(&self) -> MutexGuard<'_, Option<Box<dyn Any + Send>>> {
        let panicked = self.shared.panicked.lock();
        panicked.unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes the work and waits for those who are at it.
struct Closing<'a>(&'a Shared);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.fetch_and(!OPEN, Ordering::AcqRel);
        let mut spins = 0;
        while state & ACTIVE != 0 {
            if spins < SPINS {
                spins += 1;
                std::hint::spin_loop();
            } else {
                std::thread::yield_now();
            }
            state = self.0.state.load(Ordering::Acquire);
        }
    }
}

impl Shared {
    /// What a thread does all its life.
    fn serve(&self) {
        let mut last = 0;
        let mut idle = 0;
        while !self.ending.load(Ordering::Relaxed) {
            let state = self.state.load(Ordering::SeqCst);
            if state & OPEN == 0 || state >> 32 == last {
                self.idle(&mut idle, last);
                continue;
            }
            let came = self.state.compare_exchange_weak(
                state,
                state + 1,
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
            if came.is_err() {
                continue;
            }
            last = state >> 32;
            idle = 0;
            // SAFETY: this thread is active, so nobody writes.
            let work = unsafe { *self.work.get() };
            if let Some(Work(work)) = work {
                // SAFETY: the closure lives until the state is closed and nobody is active.
                let call = AssertUnwindSafe(|| unsafe { (*work)() });
                if let Err(panic) = catch_unwind(call) {
                    let mut panicked = self.panicked.lock().unwrap_or_else(PoisonError::into_inner);
                    *panicked = Some(panic);
                }
            }
            self.state.fetch_sub(1, Ordering::Release);
        }
    }

    /// Spins, then lets others run, then sleeps until there is work.
    fn idle(&self, idle: &mut u32, last: u64) {
        *idle = idle.saturating_add(1);
        if *idle < SPINS {
            std::hint::spin_loop();
        } else if *idle < SPINS + YIELDS {
            std::thread::yield_now();
        } else {
            self.sleeping.fetch_add(1, Ordering::SeqCst);
            let state = self.state.load(Ordering::SeqCst);
            // Whoever opens work after this look sees that somebody sleeps.
            let new = state & OPEN != 0 && state >> 32 != last;
            if !new && !self.ending.load(Ordering::SeqCst) {
                std::thread::park();
            }
            self.sleeping.fetch_sub(1, Ordering::SeqCst);
            *idle = 0;
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.ending.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_is_done_once_however_often() {
        let pool = Pool::new(3);
        for round in 0..2_000_usize {
            let pieces = round % 17 + 1;
            let next = AtomicUsize::new(0);
            let done: Vec<AtomicUsize> = (0..pieces).map(|_| AtomicUsize::new(0)).collect();
            pool.run(&|| {
                loop {
                    let piece = next.fetch_add(1, Ordering::Relaxed);
                    let Some(done) = done.get(piece) else {
                        break;
                    };
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
            assert!(done.iter().all(|done| done.load(Ordering::Relaxed) == 1));
        }
    }

    #[test]
    fn threads_that_have_slept_are_woken_and_callers_take_turns() {
        let pool = Pool::new(2);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let sum = AtomicUsize::new(0);
                        pool.run(&|| {
                            sum.fetch_add(1, Ordering::Relaxed);
                        });
                        assert!((1..=3).contains(&sum.load(Ordering::Relaxed)));
                        std::thread::sleep(std::time::Duration::from_millis(1));
                    }
                });
            }
        });
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_goes_on() {
        let pool = Pool::new(2);
        for _ in 0..20 {
            let failed = catch_unwind(AssertUnwindSafe(|| {
                pool.run(&|| panic!("on every thread that came"));
            }));
            assert!(failed.is_err());
        }
        let calls = AtomicUsize::new(0);
        pool.run(&|| {
            calls.fetch_add(1, Ordering::Relaxed);
        });
        assert!(calls.load(Ordering::Relaxed) >= 1);
    }
}
