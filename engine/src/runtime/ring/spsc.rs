//! A bounded queue from one thread to one other, without locks.
//!
//! ```text
//!   slots   [ - | - | x | x | x | - | - | - ]     capacity: a power of two
//!                     ^ head        ^ tail        positions count up and never wrap in practice
//! ```
//!
//! Invariants: `tail - head <= capacity`; the slots from `head` to `tail` hold values, the others
//! none. Only the pusher stores `tail`, only the popper stores `head`.
//!
//! Sleeping: the popper stores `parked` and then looks once more; the pusher stores the value and
//! then looks at `parked`. A sequentially consistent fence between store and look on either side
//! means that at least one of them sees the other, so no value is left behind a sleeping popper.

use super::sync::{Arc, AtomicBool, AtomicUsize, Ordering, UnsafeCell, fence};
use std::cell::Cell;
use std::mem::MaybeUninit;

/// The end that puts values in.
#[derive(Debug)]
pub(super) struct Pusher<T> {
    shared: Arc<Shared<T>>,
    tail: Cell<usize>,
    /// `head` as last seen: read again only when the ring looks full.
    head_seen: Cell<usize>,
}

/// The end that takes values out.
#[derive(Debug)]
pub(super) struct Popper<T> {
    shared: Arc<Shared<T>>,
    head: Cell<usize>,
    /// `tail` as last seen: read again only when the ring looks empty.
    tail_seen: Cell<usize>,
}

/// What a push found on the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    Awake,
    /// The popper sleeps; whoever got this answer wakes it.
    Parked,
}

/// What parking found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Park {
    /// Nothing came: a push will answer [`Peer::Parked`].
    Parked,
    /// There is a value, or the pusher is gone.
    Awake,
}

#[derive(Debug)]
struct Shared<T> {
    /// Apart from `tail`: the two threads would else fight over one cache line.
    head: Padded<AtomicUsize>,
    tail: Padded<AtomicUsize>,
    parked: AtomicBool,
    pusher_gone: AtomicBool,
    popper_gone: AtomicBool,
    slots: Box<[UnsafeCell<MaybeUninit<T>>]>,
}

/// Two lines of 64 bytes: processors fetch them in pairs.
#[derive(Debug)]
#[repr(align(128))]
struct Padded<T>(T);

// SAFETY: values move from one thread to the other, so `T: Send`. A slot is touched by the pusher
// only while it is outside `head..tail` and by the popper only while it is inside; the release
// store and acquire load of those positions order the two.
unsafe impl<T: Send> Send for Shared<T> {}
// SAFETY: as above; `&Shared` gives access to slots only through the one pusher and one popper.
unsafe impl<T: Send> Sync for Shared<T> {}

/// Makes a ring for `capacity` values, rounded up to a power of two.
pub(super) fn spsc<T>(capacity: usize) -> (Pusher<T>, Popper<T>) {
    let slots = (0..capacity.max(1).next_power_of_two())
        .map(|_| UnsafeCell::new(MaybeUninit::uninit()))
        .collect();
    let shared = Arc::new(Shared {
        head: Padded(AtomicUsize::new(0)),
        tail: Padded(AtomicUsize::new(0)),
        parked: AtomicBool::new(false),
        pusher_gone: AtomicBool::new(false),
        popper_gone: AtomicBool::new(false),
        slots,
    });
    let pusher = Pusher {
        shared: Arc::clone(&shared),
        tail: Cell::new(0),
        head_seen: Cell::new(0),
    };
    let popper = Popper {
        shared,
        head: Cell::new(0),
        tail_seen: Cell::new(0),
    };
    (pusher, popper)
}

impl<T> Pusher<T> {
    /// Puts `value` in, or gives it back when the ring is full. Never waits.
    pub(super) fn push(&self, value: T) -> Result<Peer, T> {
        let shared = &*self.shared;
        let tail = self.tail.get();
        if tail.wrapping_sub(self.head_seen.get()) == shared.slots.len() {
            self.head_seen.set(shared.head.0.load(Ordering::Acquire));
            if tail.wrapping_sub(self.head_seen.get()) == shared.slots.len() {
                return Err(value);
            }
        }
        shared.slot(tail).with_mut(|slot| {
            // SAFETY: `tail` lies outside `head..tail` as the ring is not full, and the acquire
            // load of `head` came after the popper moved the old value out.
            unsafe { (*slot).write(value) };
        });
        self.tail.set(tail.wrapping_add(1));
        shared.tail.0.store(self.tail.get(), Ordering::Release);
        Ok(shared.wake())
    }

    /// How many values fit.
    pub(super) fn free(&self) -> usize {
        let head = self.shared.head.0.load(Ordering::Acquire);
        self.head_seen.set(head);
        self.shared.slots.len() - self.tail.get().wrapping_sub(head)
    }

    /// Whether the other end was dropped: what is pushed is never taken.
    pub(super) fn is_abandoned(&self) -> bool {
        self.shared.popper_gone.load(Ordering::Acquire)
    }

    /// Tells the other end that nothing more comes. Called once, last.
    pub(super) fn close(&self) -> Peer {
        self.shared.pusher_gone.store(true, Ordering::Release);
        self.shared.wake()
    }
}

impl<T> Popper<T> {
    /// Takes the oldest value.
    pub(super) fn pop(&self) -> Option<T> {
        if !self.has_value() {
            return None;
        }
        let head = self.head.get();
        let value = self.shared.slot(head).with_mut(|slot| {
            // SAFETY: `head` lies inside `head..tail`, and the acquire load of `tail` came after
            // the pusher wrote the value. It is moved out once, as `head` passes it here.
            unsafe { (*slot).assume_init_read() }
        });
        self.head.set(head.wrapping_add(1));
        self.shared.head.0.store(self.head.get(), Ordering::Release);
        Some(value)
    }

    /// Announces that this end goes to sleep, unless something came meanwhile.
    pub(super) fn park(&self) -> Park {
        // A swap, not a store: it comes after the pusher's last one for every observer.
        self.shared.parked.swap(true, Ordering::AcqRel);
        fence(Ordering::SeqCst);
        if self.has_value() || self.is_closed() {
            self.shared.parked.store(false, Ordering::Relaxed);
            return Park::Awake;
        }
        Park::Parked
    }

    /// Whether the other end is gone. Values may still be waiting.
    pub(super) fn is_closed(&self) -> bool {
        self.shared.pusher_gone.load(Ordering::Acquire)
    }

    fn has_value(&self) -> bool {
        if self.head == self.tail_seen {
            self.tail_seen
                .set(self.shared.tail.0.load(Ordering::Acquire));
        }
        self.head != self.tail_seen
    }
}

impl<T> Drop for Popper<T> {
    fn drop(&mut self) {
        self.shared.popper_gone.store(true, Ordering::Release);
        // Values may hold what others wait for; none is kept longer than this end lives.
        while self.pop().is_some() {}
    }
}

impl<T> Shared<T> {
    fn slot(&self, position: usize) -> &UnsafeCell<MaybeUninit<T>> {
        &self.slots[position & (self.slots.len() - 1)]
    }

    fn wake(&self) -> Peer {
        fence(Ordering::SeqCst);
        // The plain load keeps the common case, an awake popper, free of a second locked access.
        if self.parked.load(Ordering::Relaxed) && self.parked.swap(false, Ordering::AcqRel) {
            Peer::Parked
        } else {
            Peer::Awake
        }
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        // Both ends are gone. Values pushed after the popper's last look are dropped here.
        let (mut head, tail) = (
            self.head.0.load(Ordering::Acquire),
            self.tail.0.load(Ordering::Acquire),
        );
        while head != tail {
            self.slot(head).with_mut(|slot| {
                // SAFETY: `head..tail` holds values, and nobody else is left to touch them.
                unsafe { (*slot).assume_init_drop() };
            });
            head = head.wrapping_add(1);
        }
    }
}
