//! The ring under the interleavings of its two threads that the memory model allows.
//!
//! The ring's own source is compiled here once more, with the model checker's primitives.

use loom::sync::{Arc, Notify};
use loom::thread;
use spsc::{Park, Peer, spsc};

#[path = "../src/runtime/ring/spsc.rs"]
mod spsc;

mod sync {
    pub(super) use loom::cell::UnsafeCell;
    pub(super) use loom::sync::Arc;
    pub(super) use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
}

/// Checks every execution with up to four preemptions: what goes wrong nearly always does with two,
/// and all of them take minutes.
fn model(threads: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(4);
    builder.check(threads);
}

/// What is said to be free can be used: nobody else puts anything in.
#[test]
fn free_slots_take_as_many_values() {
    model(|| {
        let (pusher, popper) = spsc(2);
        assert_eq!(pusher.free(), 2);
        pusher.push(0).expect("an empty ring");
        pusher.push(1).expect("a slot that is left");
        let popping = thread::spawn(move || (popper.pop(), popper));
        let free = pusher.free();
        for n in 0..free {
            pusher.push(n).expect("a free slot");
        }
        assert!(free <= 1);
        let (popped, _popper) = popping.join().expect("the popping thread");
        assert_eq!(popped, Some(0));
    });
}

/// Values come in order, whole, and more of them than the ring holds at once.
#[test]
fn values_arrive_in_order() {
    model(|| {
        let (pusher, popper) = spsc(2);
        let pushing = thread::spawn(move || {
            for n in 0..3 {
                while pusher.push(Box::new(n)).is_err() {
                    thread::yield_now();
                }
            }
        });
        for n in 0..3 {
            loop {
                match popper.pop() {
                    Some(value) => break assert_eq!(*value, n),
                    None => thread::yield_now(),
                }
            }
        }
        pushing.join().unwrap();
    });
}

/// A popper that parked is told of what comes; without it a value would lie there for ever.
#[test]
fn a_parked_popper_is_always_woken() {
    model(|| {
        let (pusher, popper) = spsc(2);
        let bell = Arc::new(Notify::new());
        let rung = Arc::clone(&bell);
        let pushing = thread::spawn(move || {
            if pusher.push(1) == Ok(Peer::Parked) {
                rung.notify();
            }
            if pusher.close() == Peer::Parked {
                rung.notify();
            }
        });
        let mut popped = 0;
        loop {
            if popper.pop().is_some() {
                popped += 1;
                continue;
            }
            if popper.is_closed() {
                popped += usize::from(popper.pop().is_some());
                break;
            }
            if popper.park() == Park::Parked {
                // Asleep: nothing but the bell lets it go on; the model fails if it never rings.
                bell.wait();
            }
        }
        assert_eq!(popped, 1);
        pushing.join().unwrap();
    });
}

/// Whoever leaves first, each value is dropped exactly once; the model fails on a leak.
#[test]
fn leaving_at_any_moment_drops_each_value_once() {
    model(|| {
        let (pusher, popper) = spsc(2);
        let value = Arc::new(());
        let pushed = Arc::clone(&value);
        let pushing = thread::spawn(move || {
            for _ in 0..2 {
                let _ = pusher.push(Arc::clone(&pushed));
            }
            pusher.is_abandoned()
        });
        drop(popper.pop());
        drop(popper);
        pushing.join().unwrap();
        assert_eq!(Arc::strong_count(&value), 1);
    });
}
