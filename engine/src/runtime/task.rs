//! Tasks: futures that the thread's executor polls beside the root.

use super::context::{self, Context};
use super::{RuntimeKind, epoll, uring};
use slab::Slab;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as PollContext, Poll, Waker, ready};

/// A running task. Dropping this lets it run on; [`Task::cancel`] ends it.
#[derive(Debug)]
pub struct Task(Rc<Slot>);

/// Starts a task on this thread. It is first polled after the caller has returned to the executor,
/// never from within this call, so the caller may hold a borrow that the task needs.
///
/// Cost: two allocations. Panics outside [`run`](super::run).
pub fn spawn(future: impl Future<Output = ()> + 'static) -> Task {
    let context = context::current();
    let slot = Rc::new(Slot {
        future: RefCell::new(Some(Box::pin(future))),
        waker: RefCell::new(None),
        cancelled: Cell::new(false),
        place: Cell::new(usize::MAX),
    });
    slot.place
        .set(context.tasks.slots.borrow_mut().insert(Rc::clone(&slot)));
    let runner = Runner(Rc::clone(&slot));
    match context.kind {
        RuntimeKind::Uring => uring::spawn(runner),
        RuntimeKind::Epoll => epoll::spawn(runner),
    }
    Task(slot)
}

/// Lets every other task that is ready run first.
pub fn yield_now() -> impl Future<Output = ()> {
    let mut yielded = false;
    poll_fn(move |cx| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}

impl Task {
    /// Drops the task's future now, or, when called from within it, as soon as its poll returns.
    pub fn cancel(&self) {
        self.0.cancel();
    }

    /// Whether the task returned, was cancelled or panicked.
    pub fn is_finished(&self) -> bool {
        self.0
            .future
            .try_borrow()
            .is_ok_and(|future| future.is_none())
    }
}

/// Every task of a thread, so that all can be dropped while their executor still runs.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    slots: RefCell<Slab<Rc<Slot>>>,
    polls: Cell<u32>,
}

impl Tasks {
    /// How many times a task was polled, modulo 2^32.
    pub(super) fn polls(&self) -> u32 {
        self.polls.get()
    }

    pub(super) fn drop_all(&self) {
        // A future may spawn or cancel others in its destructor: no borrow is held while it runs.
        loop {
            let slots: Vec<_> = self.slots.borrow_mut().drain().collect();
            if slots.is_empty() {
                return;
            }
            for slot in slots {
                slot.place.set(usize::MAX);
                slot.cancel();
            }
        }
    }
}

type Boxed = Pin<Box<dyn Future<Output = ()>>>;

/// The task's future, reachable both from its handle and from the executor.
struct Slot {
    future: RefCell<Option<Boxed>>,
    waker: RefCell<Option<Waker>>,
    cancelled: Cell<bool>,
    place: Cell<usize>,
}

impl Slot {
    fn cancel(&self) {
        self.cancelled.set(true);
        if let Ok(mut future) = self.future.try_borrow_mut() {
            let taken = future.take();
            drop(future);
            drop(taken);
        }
        // The runner ends, and with it what the executor holds of the task.
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    /// Forgets the task. `drop_all` may have done so before.
    fn leave(&self, context: &Context) {
        let place = self.place.replace(usize::MAX);
        if place != usize::MAX {
            context.tasks.slots.borrow_mut().try_remove(place);
        }
    }

    fn poll(&self, cx: &mut PollContext<'_>) -> Poll<Result<(), Box<dyn Any + Send>>> {
        let mut future = self.future.borrow_mut();
        let Some(running) = future.as_mut() else {
            return Poll::Ready(Ok(()));
        };
        let poll = catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(cx)));
        let ended = match poll {
            Ok(Poll::Pending) if !self.cancelled.get() => {
                let mut waker = self.waker.borrow_mut();
                if !waker
                    .as_ref()
                    .is_some_and(|waker| waker.will_wake(cx.waker()))
                {
                    *waker = Some(cx.waker().clone());
                }
                return Poll::Pending;
            }
            Ok(_) => Ok(()),
            Err(payload) => Err(payload),
        };
        let taken = future.take();
        drop(future);
        drop(taken);
        Poll::Ready(ended)
    }
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slot")
            .field("cancelled", &self.cancelled)
            .finish_non_exhaustive()
    }
}

/// What the executor polls.
struct Runner(Rc<Slot>);

impl Future for Runner {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut PollContext<'_>) -> Poll<()> {
        let context = context::try_current();
        if let Some(context) = &context {
            let polls = &context.tasks.polls;
            polls.set(polls.get().wrapping_add(1));
        }
        let ended = ready!(self.0.poll(cx));
        if let Some(context) = context {
            self.0.leave(&context);
            if let Err(payload) = ended {
                context.task_panicked(&*payload);
            }
        }
        Poll::Ready(())
    }
}
