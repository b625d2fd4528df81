//! Wakers that tell a connection's poll what to look at again.
//!
//! A connection serves all its requests inside one poll. Two questions follow: which of its
//! streams have news, and whether anything happened during the poll that asks for another round.
//! Runtimes answer neither, so the wakers given to h2 and hyper are the connection's own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Wake, Waker};

/// Wakes the connection's task, except during the task's own poll: there it only notes that
/// another round is due. Without it every reply would cost one more poll of the task, as h2 wakes
/// its connection for each frame that is queued.
#[derive(Debug)]
pub(super) struct Alarm {
    task: Waker,
    polling: AtomicBool,
    rung: AtomicBool,
}

impl Alarm {
    fn new(task: Waker) -> Arc<Self> {
        Arc::new(Self {
            task,
            polling: AtomicBool::new(false),
            rung: AtomicBool::new(false),
        })
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        if !self.polling.load(Ordering::Acquire) {
            self.task.wake_by_ref();
        }
    }
}

/// The alarm of one connection, kept as long as its task's waker stays the same.
#[derive(Debug, Default)]
pub(super) struct AlarmClock {
    current: Option<(Arc<Alarm>, Waker)>,
}

impl AlarmClock {
    /// Enters a poll: rings are noted, not passed on, until the guard is dropped.
    pub(super) fn enter(&mut self, cx: &Context<'_>) -> Polling {
        let (alarm, waker) = match self.current.take() {
            Some((alarm, waker)) if alarm.task.will_wake(cx.waker()) => (alarm, waker),
            _ => {
                let alarm = Alarm::new(cx.waker().clone());
                let waker = Waker::from(Arc::clone(&alarm));
                (alarm, waker)
            }
        };
        alarm.polling.store(true, Ordering::Release);
        let polling = Polling {
            alarm: Arc::clone(&alarm),
            waker: waker.clone(),
        };
        self.current = Some((alarm, waker));
        polling
    }
}

/// A poll in progress.
#[derive(Debug)]
pub(super) struct Polling {
    alarm: Arc<Alarm>,
    waker: Waker,
}

impl Polling {
    pub(super) fn waker(&self) -> &Waker {
        &self.waker
    }

    /// A round begins: what rang before is answered by it.
    pub(super) fn clear(&self) {
        self.alarm.rung.store(false, Ordering::Release);
    }

    /// Whether something asked for another round since the last [`Self::clear`].
    pub(super) fn rung(&self) -> bool {
        self.alarm.rung.load(Ordering::Acquire)
    }
}

impl Drop for Polling {
    fn drop(&mut self) {
        self.alarm.polling.store(false, Ordering::Release);
        // What rang after the last look would otherwise be lost: nobody passed it on.
        if self.alarm.rung.load(Ordering::Acquire) {
            self.alarm.task.wake_by_ref();
        }
    }
}

/// Which streams of a connection have news: a bit for each slot.
///
/// h2 wakes streams only while its connection is polled, so the set needs no waker of its own: it
/// is emptied after each such poll. Cost: one atomic operation for each frame that wakes a stream,
/// and a load for every 64 slots when the set is read.
#[derive(Debug)]
pub(super) struct ReadySet {
    words: Arc<[AtomicU64]>,
    /// The waker of each slot, made when the slot is first used.
    wakers: Vec<Waker>,
}

#[derive(Debug)]
struct SlotWaker {
    words: Arc<[AtomicU64]>,
    slot: usize,
}

impl Wake for SlotWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.words[self.slot / 64].fetch_or(1 << (self.slot % 64), Ordering::AcqRel);
    }
}

impl ReadySet {
    /// For slots 0 to `slots_max` - 1.
    pub(super) fn new(slots_max: usize) -> Self {
        Self {
            words: (0..slots_max.div_ceil(64))
                .map(|_| AtomicU64::new(0))
                .collect(),
            wakers: Vec::new(),
        }
    }

    /// The waker that marks `slot`.
    pub(super) fn waker(&mut self, slot: usize) -> &Waker {
        while self.wakers.len() <= slot {
            self.wakers.push(Waker::from(Arc::new(SlotWaker {
                words: Arc::clone(&self.words),
                slot: self.wakers.len(),
            })));
        }
        &self.wakers[slot]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.words
            .iter()
            .all(|word| word.load(Ordering::Acquire) == 0)
    }

    /// Takes the marked slots out, lowest first, into `slots`.
    pub(super) fn drain_into(&self, slots: &mut Vec<usize>) {
        for (index, word) in self.words.iter().enumerate() {
            if word.load(Ordering::Acquire) == 0 {
                continue;
            }
            let mut bits = word.swap(0, Ordering::AcqRel);
            while bits != 0 {
                slots.push(index * 64 + bits.trailing_zeros() as usize);
                bits &= bits - 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default)]
    struct Counter(AtomicU64);

    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn an_alarm_wakes_the_task_only_outside_its_poll() {
        let counter = Arc::new(Counter::default());
        let task = Waker::from(Arc::clone(&counter));
        let mut clock = AlarmClock::default();

        let polling = clock.enter(&Context::from_waker(&task));
        let waker = polling.waker().clone();
        waker.wake_by_ref();
        assert_eq!(counter.0.load(Ordering::Relaxed), 0);
        assert!(polling.rung());
        polling.clear();
        assert!(!polling.rung());
        drop(polling);
        assert_eq!(counter.0.load(Ordering::Relaxed), 0);

        waker.wake_by_ref();
        assert_eq!(counter.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_ring_after_the_last_look_is_passed_on() {
        let counter = Arc::new(Counter::default());
        let task = Waker::from(Arc::clone(&counter));
        let mut clock = AlarmClock::default();
        let polling = clock.enter(&Context::from_waker(&task));
        polling.waker().wake_by_ref();
        drop(polling);
        assert_eq!(counter.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn the_ready_set_gives_each_marked_slot_once() {
        let mut set = ReadySet::new(200);
        for slot in [150, 3, 64, 3, 199] {
            set.waker(slot).wake_by_ref();
        }
        let mut slots = Vec::new();
        set.drain_into(&mut slots);
        assert_eq!(slots, [3, 64, 150, 199]);
        slots.clear();
        set.drain_into(&mut slots);
        assert!(slots.is_empty());
    }
}
