//! How another thread wakes this one: a socket pair, with a flag that spares most of the writes.
//!
//! The wakers of the executors are not handed to other threads. glommio counts a task's references
//! in sixteen bits and queues foreign wakes in an unbounded channel, tokio takes a lock; a byte in
//! a socket costs the same system call as both and works alike on either.

use super::context;
use super::socket::Socket;
use super::{AsyncRead, ReadBuf};
use socket2::SockRef;
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

/// Wakes whatever waits on one thread's runtime, from any thread.
#[derive(Debug)]
pub struct Bell {
    /// A byte is on its way: no second one is needed.
    rung: AtomicBool,
    door: UnixStream,
}

impl Bell {
    /// The bell of this thread. Panics outside [`run`](super::run).
    pub fn here() -> Arc<Self> {
        Arc::clone(context::current().bell.bell())
    }

    /// Wakes the thread's waiting tasks. What was done before this call is seen by them.
    pub fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            // The pair's buffer holds far more than the one byte that can be under way, so the
            // only failure is a runtime that has ended, and then there is nobody to wake.
            let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
            let _ = SockRef::from(&self.door).send_with_flags(&[1], flags);
        }
    }
}

/// For crates that want a [`Waker`] that may be used on any thread.
impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}

/// The inside of the bell: the tasks of this thread that wait for it.
#[derive(Debug)]
pub(super) struct BellRoom {
    bell: Arc<Bell>,
    waiting: RefCell<Vec<Waker>>,
}

impl BellRoom {
    pub(super) fn new() -> io::Result<(Self, UnixStream)> {
        let (door, doorway) = UnixStream::pair()?;
        let bell = Arc::new(Bell {
            rung: AtomicBool::new(false),
            door,
        });
        Ok((
            Self {
                bell,
                waiting: RefCell::new(Vec::new()),
            },
            doorway,
        ))
    }

    pub(super) fn bell(&self) -> &Arc<Bell> {
        &self.bell
    }

    /// Wakes the task when the bell rings next.
    ///
    /// Cost: a walk over the tasks that wait, of which a thread has a few. A task is known by its
    /// waker's data: [`Waker::will_wake`] also compares the tables of functions, which the compiler
    /// may have more than one of, and then a task would be added with every poll.
    pub(super) fn wait(&self, cx: &Context<'_>) {
        let mut waiting = self.waiting.borrow_mut();
        let same = |waker: &&mut Waker| waker.data() == cx.waker().data();
        match waiting.iter_mut().find(same) {
            Some(waker) => waker.clone_from(cx.waker()),
            None => waiting.push(cx.waker().clone()),
        }
    }

    fn answer(&self) {
        self.bell.rung.swap(false, Ordering::AcqRel);
        for waker in self.waiting.take() {
            waker.wake();
        }
    }
}

/// Waits at the door. Runs as a task of its own.
pub(super) async fn listen(doorway: UnixStream) {
    let context = context::current();
    // Without a doorway no ring is heard; better to end the thread than to sleep through them.
    let mut doorway = Socket::from_std(doorway.into()).expect("the bell's socket");
    loop {
        let mut byte = [0; 8];
        let mut buffer = ReadBuf::new(&mut byte);
        let read = poll_fn(|cx| Pin::new(&mut doorway).poll_read(cx, &mut buffer)).await;
        match read {
            Ok(()) if !buffer.filled().is_empty() => context.bell.answer(),
            // The bell holds the other end and lives in the context: this is never reached.
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::{RawWaker, RawWakerVTable};

    const fn table(clone: unsafe fn(*const ()) -> RawWaker) -> RawWakerVTable {
        RawWakerVTable::new(clone, |_| {}, |_| {}, |_| {})
    }

    static ORIGINAL: RawWakerVTable = table(|data| RawWaker::new(data, &COPY));
    static COPY: RawWakerVTable = table(|data| RawWaker::new(data, &COPY));

    #[test]
    fn a_task_waits_once_though_its_wakers_have_other_tables() {
        let tasks = [0_u8; 2];
        let (room, _doorway) = BellRoom::new().expect("a pair of sockets");
        for _ in 0..100 {
            for task in &tasks {
                let data = std::ptr::from_ref(task).cast();
                // SAFETY: the tables' functions do nothing with the data.
                let waker = unsafe { Waker::new(data, &ORIGINAL) };
                room.wait(&Context::from_waker(&waker));
            }
        }
        assert_eq!(room.waiting.borrow().len(), tasks.len());
    }
}
