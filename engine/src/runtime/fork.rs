//! Whether this process is a copy, made by `fork`, of the one that something was started in.
//!
//! A copy has none of the threads, and shares the descriptors: whoever rings a bell there wakes the
//! other process. A `fork` that runs no handlers (`vfork`, a bare `clone`) is not seen; what comes
//! after those is `exec`.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

static FORKS: AtomicU32 = AtomicU32::new(0);
static WATCHED: std::sync::OnceLock<i32> = std::sync::OnceLock::new();

/// How many forks lie between the process that first watched and this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lineage(u32);

impl Lineage {
    /// That of this process; from now on a fork is seen.
    pub fn watch() -> io::Result<Self> {
        // SAFETY: the handler stores to an atomic, which is allowed in a forked child, and lives
        // as long as the program; a library that is unloaded takes its handlers along.
        let registered =
            WATCHED.get_or_init(|| unsafe { libc::pthread_atfork(None, None, Some(forked)) });
        match *registered {
            0 => Ok(Self(FORKS.load(Ordering::Relaxed))),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }

    /// Whether this process is the one. Cost: a load that is seldom written to.
    #[inline]
    pub fn is_this_process(self) -> bool {
        FORKS.load(Ordering::Relaxed) == self.0
    }
}

extern "C" fn forked() {
    // The child has one thread: nobody counts beside it.
    FORKS.store(
        FORKS.load(Ordering::Relaxed).wrapping_add(1),
        Ordering::Relaxed,
    );
}
