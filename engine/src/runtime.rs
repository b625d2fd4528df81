//! The executor seam: the only room that knows which runtime a shard runs on.
//!
//! ```text
//!               uring (glommio)                 epoll (tokio, current thread)
//!   run         LocalExecutor                   Runtime + LocalSet
//!   Socket      readiness by io_uring           readiness by epoll
//!   Timer       glommio's timer                 tokio's sleep
//! ```
//!
//! Both move bytes with the same system calls (recv, sendmsg on a non-blocking socket); they differ
//! in how a task learns that a socket is ready again. Which one runs is a thread-local fact set by
//! [`run`]; everything else here asks it.

mod choice;
mod listener;
mod ring;
mod socket;
mod timer;

pub use choice::{Blocked, Requested, choose, probe};
pub use listener::{Acceptor, Bound, bind};
pub use ring::{Consumer, Full, Producer, ring};
pub use socket::{Socket, connect};
pub use timer::{Timer, now};

use std::cell::Cell;
use std::fmt;
use std::io;
use std::time::Duration;

/// An executor for one thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RuntimeKind {
    /// glommio: readiness through io_uring.
    Uring,
    /// tokio's current-thread runtime: readiness through epoll.
    Epoll,
}

impl RuntimeKind {
    pub const ALL: [Self; 2] = [Self::Uring, Self::Epoll];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Uring => "uring",
            Self::Epoll => "epoll",
        }
    }
}

impl fmt::Display for RuntimeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Registered buffers of an executor, in bytes. glommio takes 10 MiB by default for direct I/O on
/// files, which a shard does not do; a forwarder at rest should not hold more than it uses.
const IO_MEMORY_BYTES: usize = 64 << 10;

/// Entries of each of an executor's rings. They hold one poll request per idle connection at the
/// most between two turns; more are submitted in several rounds.
const RING_ENTRIES: usize = 256;

/// How long glommio lets a task queue run before it looks at its timers.
const PREEMPT: Duration = Duration::from_millis(10);

thread_local! {
    static KIND: Cell<Option<RuntimeKind>> = const { Cell::new(None) };
}

/// Runs a future to its end on this thread, on an executor of the given kind, pinned to `cpu`
/// where one is named.
///
/// Errors: the executor could not be made (a ring could not be set up, the processor is not ours).
pub fn run<F: Future>(
    kind: RuntimeKind,
    cpu: Option<usize>,
    make: impl FnOnce() -> F,
) -> io::Result<F::Output> {
    KIND.set(Some(kind));
    let output = match kind {
        RuntimeKind::Uring => run_uring(cpu, make),
        RuntimeKind::Epoll => run_epoll(cpu, make),
    };
    KIND.set(None);
    output
}

/// Starts a task on this thread's executor. It runs until it ends or the executor does.
///
/// # Panics
/// Outside [`run`].
pub fn spawn(future: impl Future<Output = ()> + 'static) {
    match kind() {
        RuntimeKind::Uring => {
            glommio::spawn_local(future).detach();
        }
        RuntimeKind::Epoll => {
            tokio::task::spawn_local(future);
        }
    }
}

/// The kind of executor this thread runs.
fn kind() -> RuntimeKind {
    KIND.get().expect("called from inside runtime::run")
}

fn run_uring<F: Future>(cpu: Option<usize>, make: impl FnOnce() -> F) -> io::Result<F::Output> {
    let placement = cpu.map_or(glommio::Placement::Unbound, glommio::Placement::Fixed);
    let executor = glommio::LocalExecutorBuilder::new(placement)
        .io_memory(IO_MEMORY_BYTES)
        .ring_depth(RING_ENTRIES)
        .preempt_timer(PREEMPT)
        .make()
        .map_err(|error| io::Error::other(error.to_string()))?;
    Ok(executor.run(async move { make().await }))
}

fn run_epoll<F: Future>(cpu: Option<usize>, make: impl FnOnce() -> F) -> io::Result<F::Output> {
    if let Some(cpu) = cpu {
        pin(cpu)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let tasks = tokio::task::LocalSet::new();
    Ok(tasks.block_on(&runtime, async move { make().await }))
}

/// Binds this thread to one processor.
fn pin(cpu: usize) -> io::Result<()> {
    // SAFETY: an all-zero cpu_set_t is the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    if cpu >= libc::CPU_SETSIZE as usize {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: `cpu` is below the set's size, and `set` outlives both calls.
    let result = unsafe {
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of_val(&set), &raw const set)
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests;
