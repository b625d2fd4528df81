//! The executor seam: tasks, timers, sockets and files on one thread, over io_uring or epoll.
//!
//! This is the only room that names an executor. [`RuntimeKind::Uring`] is glommio, whose reactor
//! waits in io_uring; [`RuntimeKind::Epoll`] is tokio's current-thread runtime, for the many places
//! where io_uring is blocked. Both run one thread and nothing here is `Send` unless it says so.
//!
//! ```text
//!   run(kind, cpu, ..) -> root future, spawn(..) -> tasks
//!      timers   one heap per thread, one executor sleep for the nearest     timer, deadlines
//!      sockets  recv and sendmsg on the descriptor, executor for readiness  socket, uring, epoll
//!      rings    bounded queues between threads; a bell wakes the sleeper    ring, bell
//!      files    a writer thread behind a ring                               append
//! ```
//!
//! What both executors do differently is made the same here: a spawned task never runs inside
//! `spawn`, a task that panics ends [`run`] with an error, and every task is dropped before `run`
//! returns, so that descriptors are closed.

mod append;
mod bell;
mod choice;
mod connect;
mod context;
mod deadlines;
mod epoll;
mod fork;
mod listener;
mod processor;
mod ring;
mod socket;
mod task;
mod timer;
mod uring;

pub use append::{Appender, Target};
pub use bell::Bell;
pub use choice::{Blocked, Requested, choose, probe};
pub use connect::connect;
pub use context::{RunError, run};
pub use fork::Lineage;
pub use listener::{Acceptor, Bound, bind};
pub use processor::{
    bind_to_processor, bind_to_processors, give_way, process_cpu_time, thread_busy_time,
    thread_cpu_time,
};
pub use ring::{Consumer, Full, Producer, ring};
pub use socket::{Socket, TcpKeepalive, TcpOptions};
pub use task::{Task, spawn, yield_now};
pub use timer::{Elapsed, Timer, now, sleep, timeout};
pub use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use std::fmt;

/// What a thread waits with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RuntimeKind {
    /// glommio over io_uring.
    Uring,
    /// tokio's current-thread runtime over epoll.
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

#[cfg(test)]
mod tests;
