//! What C holds of a tracer and its spans.
//!
//! ```text
//!   Tracer --Rc--> Shared { tracer, handles of spans that have ended }
//!                    ^
//!   Span { open } --Rc
//! ```
//!
//! A span refers to its tracer for as long as it goes on, and C has no lifetimes that would hold it to
//! that. So an open span shares in the tracer, and the tracer that is freed first stays until then.
//! Handles are used again: starting a span costs no allocation, and a span that ended is known by its
//! handle as long as its tracer has begun no other in it.

use crate::boundary::{Failure, Status, exclusive};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::SystemTime;
use tailrace_engine::embed;
use tailrace_engine::embed::span::SpanOptions;

/// Starts spans in one scope. For one thread at a time.
pub struct Tracer(Rc<Shared>);

struct Shared {
    tracer: embed::Tracer,
    /// As many as were open at once. They are pointers, since C may still have them. None of them
    /// shares in this.
    ended: RefCell<Vec<*mut Span>>,
}

/// A span that goes on. Belongs to the thread of its tracer.
pub struct Span(Option<Open>);

/// Fields are dropped in their order: the span is gone before what it refers to.
struct Open {
    /// Refers to the tracer in `shared`, for no longer than `shared` is beside it.
    span: embed::Span<'static>,
    shared: Rc<Shared>,
}

impl Tracer {
    pub(crate) fn new(tracer: embed::Tracer) -> Self {
        Self(Rc::new(Shared {
            tracer,
            ended: RefCell::default(),
        }))
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.0.tracer.dropped()
    }

    pub(crate) fn start(&self, name: &str, options: &SpanOptions<'_>) -> *mut Span {
        let shared = Rc::clone(&self.0);
        // SAFETY: what an `Rc` holds stays where it is while one is left, and `Open` has one for as
        // long as it has the span, which it lends out for no longer than itself.
        let tracer: &'static embed::Tracer = unsafe { &(*Rc::as_ptr(&shared)).tracer };
        let span = tracer.start_with(name, options);
        let ended = self.0.ended.borrow_mut().pop();
        let handle = ended.unwrap_or_else(|| Box::into_raw(Box::new(Span(None))));
        // SAFETY: it came out of a box, and is freed with the tracer at the earliest.
        unsafe { (*handle).0 = Some(Open { span, shared }) };
        handle
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        for handle in self.ended.get_mut().drain(..) {
            // SAFETY: it came out of a box, and stood here once, for it was put here when it ended.
            drop(unsafe { Box::from_raw(handle) });
        }
    }
}

impl Span {
    pub(crate) fn open(&self) -> Result<&embed::Span<'_>, Failure> {
        let open = self.0.as_ref();
        open.map(|open| &open.span)
            .ok_or(Failure::plain(Status::SpanEnded))
    }

    pub(crate) fn open_mut(&mut self) -> Result<&mut embed::Span<'static>, Failure> {
        let open = self.0.as_mut();
        open.map(|open| &mut open.span)
            .ok_or(Failure::plain(Status::SpanEnded))
    }

    /// Ends it and takes its handle back. `false`: there was no room for it.
    ///
    /// # Safety
    ///
    /// It came from [`Tracer::start`], its tracer is there or it has not ended, and nobody else uses
    /// it.
    pub(crate) unsafe fn end(span: *mut Self, at: Option<SystemTime>) -> Result<bool, Failure> {
        // SAFETY: as the caller says.
        let open = unsafe { exclusive(span, "span") }?.0.take();
        let Open {
            span: ended,
            shared,
        } = open.ok_or(Failure::plain(Status::SpanEnded))?;
        let dropped = shared.tracer.dropped();
        match at {
            None => ended.end(),
            Some(at) => ended.end_at(at),
        }
        let is_kept = shared.tracer.dropped() == dropped;
        shared.ended.borrow_mut().push(span);
        Ok(is_kept)
    }
}
