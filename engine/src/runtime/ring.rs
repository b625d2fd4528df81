//! Bounded rings between threads: the only way anything crosses from one shard to another.

mod spsc;
mod sync;

use super::bell::Bell;
use super::context;
use spsc::{Park, Peer, Popper, Pusher, spsc};
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

/// The end that puts values in. On any thread, inside a runtime or not.
pub struct Producer<T> {
    ring: Pusher<T>,
    bell: Arc<OnceLock<Arc<Bell>>>,
}

/// The end that takes values out. Bound to the thread whose runtime first awaits it.
pub struct Consumer<T> {
    ring: Popper<T>,
    bell: Arc<OnceLock<Arc<Bell>>>,
}

/// The ring is full: the value, given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full<T>(pub T);

/// Makes a ring for `capacity` values, rounded up to a power of two.
///
/// Memory: `capacity` times the size of `T`, at once.
pub fn ring<T: Send>(capacity: usize) -> (Producer<T>, Consumer<T>) {
    let (pusher, popper) = spsc(capacity);
    let bell = Arc::new(OnceLock::new());
    (
        Producer {
            ring: pusher,
            bell: Arc::clone(&bell),
        },
        Consumer { ring: popper, bell },
    )
}

impl<T: Send> Producer<T> {
    /// Puts `value` in and wakes the consumer if it sleeps. Never waits: a full ring gives the
    /// value back.
    ///
    /// Cost: one system call where the consumer's thread must be woken, none else.
    pub fn send(&self, value: T) -> Result<(), Full<T>> {
        match self.ring.push(value) {
            Ok(Peer::Awake) => Ok(()),
            Ok(Peer::Parked) => {
                ring_bell(&self.bell);
                Ok(())
            }
            Err(value) => Err(Full(value)),
        }
    }

    /// How many values can be sent now. The consumer may make room for more meanwhile.
    pub fn free(&self) -> usize {
        self.ring.free()
    }

    /// Whether the consumer is gone: what is pushed is dropped unseen.
    pub fn is_abandoned(&self) -> bool {
        self.ring.is_abandoned()
    }
}

impl<T: Send> Consumer<T> {
    /// Takes the oldest value, if there is one.
    pub fn pop(&self) -> Option<T> {
        self.ring.pop()
    }

    /// Whether the producer is gone. Values may still be waiting.
    pub fn is_closed(&self) -> bool {
        self.ring.is_closed()
    }

    /// Takes the oldest value, or wakes the task when one comes. `None`: the producer is gone and
    /// everything was taken.
    ///
    /// Panics outside [`run`](super::run), and when polled on two threads.
    pub fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        loop {
            if let Some(value) = self.ring.pop() {
                return Poll::Ready(Some(value));
            }
            if self.ring.is_closed() {
                // A value may have come between the look and the close.
                return Poll::Ready(self.ring.pop());
            }
            let context = context::current();
            let bell = self.bell.get_or_init(|| Arc::clone(context.bell.bell()));
            assert!(
                Arc::ptr_eq(bell, context.bell.bell()),
                "a consumer is bound to its thread"
            );
            context.bell.wait(cx);
            if self.ring.park() == Park::Parked {
                return Poll::Pending;
            }
        }
    }

    /// The next value; `None` when the producer is gone. Dropping the future loses nothing.
    pub async fn next(&self) -> Option<T> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }
}

fn ring_bell(bell: &OnceLock<Arc<Bell>>) {
    // A consumer parks only after it has hung up its bell.
    if let Some(bell) = bell.get() {
        bell.ring();
    }
}

impl<T> Drop for Producer<T> {
    fn drop(&mut self) {
        if self.ring.close() == Peer::Parked {
            ring_bell(&self.bell);
        }
    }
}

impl<T> fmt::Debug for Producer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Consumer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 8 } else { 256 }))]
        /// Against a queue in a `VecDeque`.
        #[test]
        fn behaves_as_a_bounded_queue(capacity in 1..9usize, ops in prop::collection::vec(any::<bool>(), 1..100)) {
            let (pusher, popper) = spsc(capacity);
            let mut twin = VecDeque::new();
            for (n, push) in ops.into_iter().enumerate() {
                if push {
                    let full = twin.len() == capacity.next_power_of_two();
                    let value = n.to_string();
                    prop_assert_eq!(pusher.push(value.clone()).is_err(), full);
                    if !full {
                        twin.push_back(value);
                    }
                } else {
                    prop_assert_eq!(popper.pop(), twin.pop_front());
                }
            }
        }
    }

    #[test]
    fn every_value_is_dropped_once_whoever_leaves_first() {
        let value = Arc::new(());
        for consumer_first in [true, false] {
            let (producer, consumer) = ring(4);
            for _ in 0..3 {
                producer.send(Arc::clone(&value)).unwrap();
            }
            drop(consumer.pop());
            if consumer_first {
                drop(consumer);
                assert!(producer.is_abandoned());
                producer.send(Arc::clone(&value)).unwrap();
                drop(producer);
            } else {
                drop(producer);
                assert_eq!(Arc::strong_count(&value), 3);
                drop(consumer);
            }
            assert_eq!(Arc::strong_count(&value), 1);
        }
    }

    #[test]
    fn two_threads_agree_on_order() {
        let count = if cfg!(miri) { 200 } else { 100_000 };
        let (pusher, popper) = spsc(8);
        let pushing = std::thread::spawn(move || {
            for n in 0..count {
                let mut value = n;
                while let Err(back) = pusher.push(value) {
                    value = back;
                    std::thread::yield_now();
                }
            }
        });
        for n in 0..count {
            loop {
                match popper.pop() {
                    Some(value) => break assert_eq!(value, n),
                    None => std::thread::yield_now(),
                }
            }
        }
        pushing.join().unwrap();
    }
}
