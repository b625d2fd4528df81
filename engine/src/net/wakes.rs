//! Which parts of a connection want to be polled, without waking its task for each of them.
//!
//! A connection's task polls the HTTP/2 machine and a thousand streams. Were all of them given the
//! task's own waker, one response would cost a poll of every stream, and each wake from within the
//! poll a needless second one. Here every part has a slot with a bit and a waker that sets it; the
//! task is woken only by what happens outside its own poll.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

const BITS: usize = u64::BITS as usize;

/// The slots of one connection.
///
/// Cost: one atomic operation a wake; wakers are made once a slot and used for every stream that
/// takes the slot. The standard library's wakers are `Send`, hence the atomics: all of it runs on
/// one thread.
#[derive(Debug)]
pub(super) struct Wakes {
    shared: Arc<Shared>,
    wakers: Vec<Waker>,
}

#[derive(Debug)]
struct Shared {
    /// One bit a slot, set when its waker fires.
    ready: Box<[AtomicU64]>,
    /// The task is in its poll and will look at the bits before it returns.
    polling: AtomicBool,
    task: Mutex<Option<Waker>>,
}

struct SlotWaker {
    shared: Arc<Shared>,
    slot: usize,
}

impl Wakes {
    /// Room for `slots` slots, all of them ready: nothing was polled yet.
    pub(super) fn new(slots: usize) -> Self {
        let ready = (0..slots.div_ceil(BITS)).map(|_| AtomicU64::new(u64::MAX));
        Self {
            shared: Arc::new(Shared {
                ready: ready.collect(),
                polling: AtomicBool::new(false),
                task: Mutex::new(None),
            }),
            wakers: Vec::new(),
        }
    }

    /// The task's poll begins: until [`Self::leave`], wakes only set their bits.
    pub(super) fn enter(&self, task: &Waker) {
        let mut known = self
            .shared
            .task
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Some(known) if known.will_wake(task) => {}
            _ => *known = Some(task.clone()),
        }
        self.shared.polling.store(true, SeqCst);
    }

    /// The task's poll ends. Whether a bit is set, so that the task must be polled again.
    pub(super) fn leave(&self) -> bool {
        self.shared.polling.store(false, SeqCst);
        self.any()
    }

    /// Whether some slot is ready.
    pub(super) fn any(&self) -> bool {
        self.shared.ready.iter().any(|word| word.load(SeqCst) != 0)
    }

    /// The waker to poll `slot` with.
    pub(super) fn waker(&mut self, slot: usize) -> &Waker {
        while self.wakers.len() <= slot {
            let slot = self.wakers.len();
            let shared = Arc::clone(&self.shared);
            self.wakers
                .push(Waker::from(Arc::new(SlotWaker { shared, slot })));
        }
        &self.wakers[slot]
    }

    /// Marks a slot to be polled.
    pub(super) fn set(&self, slot: usize) {
        self.shared.set(slot);
    }

    /// Whether `slot` was ready; it no longer is.
    pub(super) fn take(&self, slot: usize) -> bool {
        let (word, bit) = (&self.shared.ready[slot / BITS], 1 << (slot % BITS));
        word.load(SeqCst) & bit != 0 && word.fetch_and(!bit, SeqCst) & bit != 0
    }

    /// The first ready slot at or after `from`; it no longer is ready.
    pub(super) fn take_next(&self, from: usize) -> Option<usize> {
        let mut mask = u64::MAX << (from % BITS);
        for (i, word) in self.shared.ready.iter().enumerate().skip(from / BITS) {
            let found = word.load(SeqCst) & mask;
            if found != 0 {
                let bit = found.trailing_zeros() as usize;
                word.fetch_and(!(1 << bit), SeqCst);
                return Some(i * BITS + bit);
            }
            mask = u64::MAX;
        }
        None
    }
}

impl Shared {
    fn set(&self, slot: usize) {
        self.ready[slot / BITS].fetch_or(1 << (slot % BITS), SeqCst);
    }
}

impl Wake for SlotWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.shared.set(self.slot);
        // `leave` clears `polling` before it looks at the bits, here the order is the reverse: one
        // of the two sees the other.
        if !self.shared.polling.load(SeqCst) {
            let task = self
                .shared
                .task
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            // Woken outside the lock: a runtime may poll the task from within `wake`.
            if let Some(task) = task {
                task.wake();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    fn quiet(slots: usize) -> Wakes {
        let wakes = Wakes::new(slots);
        while wakes.take_next(0).is_some() {}
        wakes
    }

    #[test]
    fn only_a_wake_from_outside_the_poll_wakes_the_task() {
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let task = Waker::from(Arc::clone(&count));
        let mut wakes = quiet(200);
        let waker = wakes.waker(130).clone();

        wakes.enter(&task);
        waker.wake_by_ref();
        assert_eq!(count.0.load(SeqCst), 0);
        assert!(
            wakes.leave(),
            "the bit set during the poll asks for another"
        );
        assert_eq!(wakes.take_next(0), Some(130));
        assert!(!wakes.any());

        waker.wake_by_ref();
        assert_eq!(count.0.load(SeqCst), 1);
        assert!(wakes.take(130));
        assert!(!wakes.take(130));
    }

    #[test]
    fn slots_are_taken_in_order_and_once() {
        let wakes = quiet(300);
        for slot in [64, 3, 191, 63, 255] {
            wakes.set(slot);
        }
        let mut from = 4;
        let mut taken = Vec::new();
        while let Some(slot) = wakes.take_next(from) {
            taken.push(slot);
            from = slot + 1;
        }
        assert_eq!(taken, [63, 64, 191, 255]);
        assert_eq!(wakes.take_next(0), Some(3));
        assert!(!wakes.any());
    }
}
