//! A bounded ring from one thread to another, whose reader can be awaited on any executor.
//!
//! Carries batches and verdicts between shards and orders from the control thread: per batch,
//! never per item. The queue is the standard library's bounded channel (an array of slots, no lock
//! on either end); beside it stands one waker.

use atomic_waker::AtomicWaker;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::task::{Context, Poll};

/// The writing end. Never waits.
#[derive(Debug)]
pub struct Producer<T> {
    slots: SyncSender<T>,
    waker: Arc<AtomicWaker>,
}

/// The reading end.
#[derive(Debug)]
pub struct Consumer<T> {
    slots: Receiver<T>,
    waker: Arc<AtomicWaker>,
}

/// The ring had no room, or nobody reads it any more: the value comes back.
#[derive(Debug)]
pub struct Full<T>(pub T);

/// A ring of `capacity` slots.
pub fn ring<T: Send>(capacity: usize) -> (Producer<T>, Consumer<T>) {
    let (sender, receiver) = sync_channel(capacity);
    let waker = Arc::new(AtomicWaker::new());
    let producer = Producer {
        slots: sender,
        waker: Arc::clone(&waker),
    };
    (
        producer,
        Consumer {
            slots: receiver,
            waker,
        },
    )
}

impl<T> Producer<T> {
    pub fn send(&self, value: T) -> Result<(), Full<T>> {
        match self.slots.try_send(value) {
            Ok(()) => {
                self.waker.wake();
                Ok(())
            }
            Err(TrySendError::Full(value) | TrySendError::Disconnected(value)) => Err(Full(value)),
        }
    }
}

impl<T> Drop for Producer<T> {
    /// The reader learns that no more will come.
    fn drop(&mut self) {
        // The channel closes only when its sender is dropped, which happens after this: a reader
        // that is woken too early finds it open once and is woken by nobody. So it is closed here.
        let (closed, _) = sync_channel(0);
        drop(std::mem::replace(&mut self.slots, closed));
        self.waker.wake();
    }
}

impl<T> Consumer<T> {
    /// The next value; `None` when the producer is gone and the ring is empty.
    pub fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        if let Some(value) = self.take() {
            return Poll::Ready(value);
        }
        self.waker.register(cx.waker());
        // What came between the look and the registration woke nobody.
        self.take().map_or(Poll::Pending, Poll::Ready)
    }

    fn take(&self) -> Option<Option<T>> {
        match self.slots.try_recv() {
            Ok(value) => Some(Some(value)),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(None),
        }
    }
}
