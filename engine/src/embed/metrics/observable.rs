//! Instruments whose values are asked for at collection, and what their callbacks say.

use super::attributes::Attribute;
use super::number::Measured;
use super::series::Recorded;
use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, TryLockError};

/// A callback that is registered, for as long as this is held. A call that goes on when it is dropped
/// is not waited for; none begins afterwards.
#[derive(Debug)]
#[must_use = "dropped, its callback is called no more"]
pub struct Observable {
    /// `None`: nobody collects. The only lasting hold on the callback: what it owns is dropped by who
    /// drops this, or by the thread that is just calling it.
    _callback: Option<Arc<Callback>>,
}

/// Takes what one call of a callback observes.
#[derive(Debug)]
pub struct Observer<'a, N: Measured> {
    sink: &'a Sink<'a>,
    number: PhantomData<N>,
}

/// A callback, and the instrument that it observes.
pub(super) struct Callback {
    pub recorded: Arc<Recorded>,
    /// `None` once it has panicked. Locked for as long as it is called.
    call: Mutex<Option<Call>>,
}

type Call = Box<dyn FnMut(&Sink<'_>) + Send>;

/// Where the observations of one round go.
#[derive(Debug)]
pub(super) struct Sink<'a> {
    recorded: &'a Arc<Recorded>,
    round: u64,
}

/// How a call went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Called {
    Returned,
    /// It is called no more.
    Panicked,
    /// The call before goes on.
    Busy,
}

impl Observable {
    pub(super) const fn new(callback: Option<Arc<Callback>>) -> Self {
        Self {
            _callback: callback,
        }
    }
}

impl<N: Measured> Observer<'_, N> {
    /// The value of these attributes now: of a counter the whole sum, no difference. Of two for the same
    /// attributes the last one counts. What is no number, and of a counter what is negative, is counted
    /// as dropped.
    ///
    /// Cost: the attributes are encoded and looked up; a set that the collection before had not, a few
    /// allocations more.
    pub fn observe(&self, value: N, attributes: &[Attribute<'_>]) {
        let Sink { recorded, round } = self.sink;
        recorded.observe(*round, value.bits(), attributes);
    }
}

impl Callback {
    pub fn new<N: Measured>(
        recorded: Arc<Recorded>,
        mut callback: impl FnMut(&Observer<'_, N>) + Send + 'static,
    ) -> Self {
        let call: Call = Box::new(move |sink| {
            callback(&Observer {
                sink,
                number: PhantomData,
            });
        });
        Self {
            recorded,
            call: Mutex::new(Some(call)),
        }
    }

    /// Calls it, on a thread that it may block.
    pub fn call(&self, round: u64) -> Called {
        let mut call = match self.call.try_lock() {
            Ok(call) => call,
            Err(TryLockError::WouldBlock) => return Called::Busy,
            // A panic is caught before it gets to the lock.
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        };
        let Some(act) = call.as_mut() else {
            return Called::Returned;
        };
        let sink = Sink {
            recorded: &self.recorded,
            round,
        };
        // It is called no more after a panic, so that nobody sees what it left halfway.
        if catch_unwind(AssertUnwindSafe(|| act(&sink))).is_ok() {
            return Called::Returned;
        }
        drop_caught(call.take());
        Called::Panicked
    }
}

/// What the application drops may panic, too.
pub(super) fn drop_caught<T>(value: T) {
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(value)));
    if let Err(panic) = dropped {
        // What a panic carries may panic when it is dropped; it is a few bytes.
        std::mem::forget(panic);
    }
}

impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.recorded.identity.name;
        f.debug_struct("Callback")
            .field("instrument", name)
            .finish_non_exhaustive()
    }
}
