//! The threads of one model, and what the machine can do.

use std::ops::Range;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pulp::Arch;

use super::pool::Pool;

/// Pieces of work that each thread takes, about: more of them level out threads that are
/// interrupted, fewer of them cost less.
const PIECES: usize = 8;

/// Threads that work on one model together.
#[derive(Clone)]
pub struct Team {
    pool: Arc<Pool>,
    threads: usize,
    arch: Arch,
    vnni: bool,
}

impl std::fmt::Debug for Team {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Team")
            .field("threads", &self.threads)
            .field("vnni", &self.vnni)
            .finish_non_exhaustive()
    }
}

impl Team {
    /// So many threads, this one among them; as many as there are cores for 0.
    pub fn new(threads: usize) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = if threads == 0 { cores } else { threads };
        Self {
            pool: Arc::new(Pool::new(threads - 1)),
            threads,
            arch: Arch::new(),
            vnni: vnni(),
        }
    }

    /// A team that multiplies through candle only, for comparison.
    #[cfg(test)]
    pub fn without_vnni(threads: usize) -> Self {
        Self {
            vnni: false,
            ..Self::new(threads)
        }
    }

    /// How many threads there are.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Compiles a loop for what the machine has.
    pub(super) fn arch(&self) -> Arch {
        self.arch
    }

    /// Whether AVX-512 with VNNI is there: 16 products of four bytes in one instruction.
    pub fn vnni(&self) -> bool {
        self.vnni
    }

    /// Does `work` for every range of a partition of `0..items`.
    pub(super) fn split(&self, items: usize, work: impl Fn(Range<usize>) + Sync) {
        if items <= 1 || self.threads == 1 {
            if items > 0 {
                work(0..items);
            }
            return;
        }
        let piece = items.div_ceil(self.threads * PIECES);
        let next = AtomicUsize::new(0);
        self.pool.run(&|| {
            loop {
                let from = next.fetch_add(piece, Ordering::Relaxed);
                if from >= items {
                    break;
                }
                work(from..items.min(from + piece));
            }
        });
    }

    /// Does `work` for every chunk of `chunk` elements, with its number.
    pub(crate) fn chunks<T: Send>(
        &self,
        all: &mut [T],
        chunk: usize,
        work: impl Fn(usize, &mut [T]) + Sync,
    ) {
        let chunk = chunk.max(1);
        let length = all.len();
        let start = Start(all.as_mut_ptr());
        self.split(length.div_ceil(chunk), |range| {
            for number in range {
                let from = number * chunk;
                let size = chunk.min(length - from);
                // SAFETY: `from + size <= length`, ranges of a partition are disjoint, and `all`
                // is borrowed mutably until `split` returns, which waits for every thread.
                let part = unsafe { std::slice::from_raw_parts_mut(start.at(from), size) };
                work(number, part);
            }
        });
    }
}

/// Where a slice begins, for threads that each take another part of it.
pub(super) struct Start<T>(pub *mut T);

// SAFETY: it is only an address; whoever writes through it keeps to its own part.
unsafe impl<T: Send> Sync for Start<T> {}

impl<T> Start<T> {
    /// The address of an element.
    ///
    /// # Safety
    /// `index` is within the slice.
    pub(super) unsafe fn at(&self, index: usize) -> *mut T {
        // SAFETY: the caller keeps within the slice.
        unsafe { self.0.add(index) }
    }
}

#[cfg(target_arch = "x86_64")]
fn vnni() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("avx512vnni")
        && is_x86_feature_detected!("f16c")
        && is_x86_feature_detected!("fma")
}

#[cfg(not(target_arch = "x86_64"))]
fn vnni() -> bool {
    false
}
