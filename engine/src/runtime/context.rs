//! What one thread's runtime holds, and the life of it.

use super::RuntimeKind;
use super::bell::BellRoom;
use super::processor::bind_to_processor;
use super::task::{self, Tasks};
use super::timer::Timers;
use super::{epoll, uring};
use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// Why [`run`] did not return what its future made.
#[derive(Debug)]
pub enum RunError {
    /// The thread could not be bound to the processor.
    Pin { cpu: usize, error: io::Error },
    /// The executor could not be set up.
    Start { error: io::Error },
    /// `run` inside `run`: a thread has one executor.
    Nested,
    /// The root future or a task panicked; every task of the thread was dropped.
    Panicked { message: String },
}

/// Everything of one thread that tasks reach through the seam.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) kind: RuntimeKind,
    pub(super) tasks: Tasks,
    pub(super) timers: Timers,
    pub(super) bell: BellRoom,
    panicked: RefCell<Option<String>>,
    root: RefCell<Option<Waker>>,
}

thread_local! {
    static CONTEXT: RefCell<Option<Rc<Context>>> = const { RefCell::new(None) };
}

/// Runs the future that `make` returns on this thread until it is ready, on the given executor,
/// bound to processor `cpu` if one is given. Tasks still running then are dropped.
///
/// Binding outlives the call: the thread is meant to be the executor's own.
///
/// Memory: 15 KiB on epoll; on io_uring three rings and 64 KiB of registered buffers.
pub fn run<T, F: Future<Output = T>>(
    kind: RuntimeKind,
    cpu: Option<usize>,
    make: impl FnOnce() -> F,
) -> Result<T, RunError> {
    if CONTEXT.with_borrow(Option::is_some) {
        return Err(RunError::Nested);
    }
    if let Some(cpu) = cpu {
        bind_to_processor(cpu).map_err(|error| RunError::Pin { cpu, error })?;
    }
    let root = root(kind, make);
    match kind {
        RuntimeKind::Uring => uring::block_on(root),
        RuntimeKind::Epoll => epoll::block_on(root),
    }
    .map_err(|error| RunError::Start { error })?
}

/// The context of this thread.
///
/// Panics outside [`run`]: a socket or timer without an executor would never wake anybody.
pub(super) fn current() -> Rc<Context> {
    CONTEXT
        .with_borrow(Clone::clone)
        .expect("the runtime is used outside of runtime::run")
}

/// The context of this thread, none outside [`run`] and while the thread ends.
pub(super) fn try_current() -> Option<Rc<Context>> {
    CONTEXT
        .try_with(|context| context.try_borrow().ok().and_then(|c| c.clone()))
        .ok()
        .flatten()
}

impl Context {
    /// Notes that a task panicked and wakes the root, which ends the run.
    pub(super) fn task_panicked(&self, payload: &(dyn Any + Send)) {
        self.panicked
            .borrow_mut()
            .get_or_insert_with(|| panic_message(payload));
        if let Some(root) = self.root.borrow_mut().take() {
            root.wake();
        }
    }
}

async fn root<T, F: Future<Output = T>>(
    kind: RuntimeKind,
    make: impl FnOnce() -> F,
) -> Result<T, RunError> {
    let (bell, doorway) = BellRoom::new().map_err(|error| RunError::Start { error })?;
    let context = Rc::new(Context {
        kind,
        tasks: Tasks::default(),
        timers: Timers::default(),
        bell,
        panicked: RefCell::new(None),
        root: RefCell::new(None),
    });
    let _leave = Leave::enter(Rc::clone(&context));
    task::spawn(super::timer::drive());
    task::spawn(super::bell::listen(doorway));
    let mut future = pin!(match catch_unwind(AssertUnwindSafe(make)) {
        Ok(future) => future,
        Err(payload) =>
            return Err(RunError::Panicked {
                message: panic_message(&*payload)
            }),
    });
    poll_fn(|cx| {
        *context.root.borrow_mut() = Some(cx.waker().clone());
        if let Some(message) = context.panicked.borrow_mut().take() {
            return Poll::Ready(Err(RunError::Panicked { message }));
        }
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(payload) => Poll::Ready(Err(RunError::Panicked {
                message: panic_message(&*payload),
            })),
        }
    })
    .await
}

/// Makes the context current while it lives; drops the tasks while the executor still runs, because
/// a socket's pending operations are cancelled through it.
struct Leave(Rc<Context>);

impl Leave {
    fn enter(context: Rc<Context>) -> Self {
        CONTEXT.set(Some(Rc::clone(&context)));
        Self(context)
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        self.0.tasks.drop_all();
        CONTEXT.set(None);
    }
}

fn panic_message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message")
        .to_owned()
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pin { cpu, error } => write!(f, "cannot bind to processor {cpu}: {error}"),
            Self::Start { error } => write!(f, "cannot start the executor: {error}"),
            Self::Nested => f.write_str("this thread runs an executor already"),
            Self::Panicked { message } => write!(f, "a task panicked: {message}"),
        }
    }
}

impl std::error::Error for RunError {}
