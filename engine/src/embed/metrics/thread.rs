//! What one thread holds of the engines whose instruments it measures with.
//!
//! A thread's sums and distributions are its own: adding to them takes no lock and touches no
//! memory that another thread writes. When the thread ends it lets go of them, and the collector
//! adds what is in them to what it holds of threads that are gone.

use super::attributes::Attribute;
use super::distribution::{Buckets, Local};
use super::outbox::{Arrival, Outbox};
use super::page::{Page, Slot};
use super::series::{Recorded, Series};
use crate::embed::budget::Lease;
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;
use tailrace_codec::writer::Writer;

thread_local! {
    static BOOKS: RefCell<Vec<Book>> = const { RefCell::new(Vec::new()) };
}

/// What it holds of one engine.
#[derive(Debug)]
struct Book {
    outbox: Arc<Outbox>,
    /// By [`Slot::page`].
    pages: Vec<Option<Arc<Page>>>,
    /// By slot.
    locals: Vec<Option<Arc<Local>>>,
    known: HashMap<Box<[u8]>, Found>,
    scratch: Writer,
}

/// A set of attributes that was measured with in this thread, in the order in which it is said.
#[derive(Debug)]
struct Found {
    series: Series,
    _lease: Lease,
}

/// What an entry of `known` takes beside its key.
const FOUND_BYTES: usize = 96;

/// Sets that a thread remembers. What comes beyond them is looked up among those of all threads.
const FOUND_MAX: usize = 8192;

/// Acts on the thread's sums of this slot. `None`: there is no room for them, or this thread is
/// about to end and has none any more.
#[inline]
pub(super) fn with_page<R>(
    outbox: &Arc<Outbox>,
    slot: Slot,
    act: impl FnOnce(&Page) -> R,
) -> Option<R> {
    let with = |books: &RefCell<Vec<Book>>| {
        if let Ok(books) = books.try_borrow()
            && let Some(book) = books.first()
            && book.outbox.id == outbox.id
            && let Some(Some(page)) = book.pages.get(slot.page())
        {
            return Some(act(page));
        }
        with_book(books, outbox, |book| book.page(slot).map(act))?
    };
    BOOKS.try_with(with).ok()?
}

/// As [`with_page`], of the thread's distribution.
#[inline]
pub(super) fn with_local<R>(
    outbox: &Arc<Outbox>,
    slot: Slot,
    buckets: &Buckets,
    act: impl FnOnce(&Local) -> R,
) -> Option<R> {
    let with = |books: &RefCell<Vec<Book>>| {
        with_book(books, outbox, |book| book.local(slot, buckets).map(act))?
    };
    BOOKS.try_with(with).ok()?
}

/// The series of a set of attributes.
///
/// Cost: the attributes are encoded into memory that is kept, and looked up by their bytes. A set that
/// is new to this thread, or said in a new order, costs what [`Recorded::series`] does.
pub(super) fn series(instrument: &Arc<Recorded>, attributes: &[Attribute<'_>]) -> Series {
    let with = |books: &RefCell<Vec<Book>>| {
        with_book(books, &instrument.outbox, |book| {
            book.series(instrument, attributes)
        })
    };
    let found = BOOKS.try_with(with).ok().flatten();
    found.unwrap_or_else(|| instrument.series(attributes))
}

/// `None`: what is acted on measures in turn, as an allocator may.
#[inline]
fn with_book<R>(
    books: &RefCell<Vec<Book>>,
    outbox: &Arc<Outbox>,
    act: impl FnOnce(&mut Book) -> R,
) -> Option<R> {
    let mut books = books.try_borrow_mut().ok()?;
    let is_first = books
        .first()
        .is_some_and(|book| book.outbox.id == outbox.id);
    if !is_first {
        bring_forward(&mut books, outbox);
    }
    Some(act(&mut books[0]))
}

/// Makes the engine's book the first, where it is found fastest.
#[cold]
fn bring_forward(books: &mut Vec<Book>, outbox: &Arc<Outbox>) {
    let found = books.iter().position(|book| book.outbox.id == outbox.id);
    let at = found.unwrap_or_else(|| {
        // Nobody collects from engines that have ended.
        books.retain(|book| book.outbox.life.goes_on());
        books.push(Book::new(outbox));
        books.len() - 1
    });
    books.swap(0, at);
}

impl Book {
    fn new(outbox: &Arc<Outbox>) -> Self {
        Self {
            outbox: Arc::clone(outbox),
            pages: Vec::new(),
            locals: Vec::new(),
            known: HashMap::new(),
            scratch: Writer::default(),
        }
    }

    fn page(&mut self, slot: Slot) -> Option<&Page> {
        let at = slot.page();
        if self.pages.len() <= at {
            self.pages.resize_with(at + 1, || None);
        }
        let page = &mut self.pages[at];
        if page.is_none() {
            let lease = self.outbox.lease(size_of::<Page>())?;
            let new = Arc::new(Page::new(lease));
            self.outbox.arrivals().tell(Arrival::Page {
                page: at,
                sums: Arc::clone(&new),
            });
            *page = Some(new);
        }
        page.as_deref()
    }

    fn local(&mut self, slot: Slot, buckets: &Buckets) -> Option<&Local> {
        let at = slot.index();
        if self.locals.len() <= at {
            self.locals.resize_with(at + 1, || None);
        }
        let local = &mut self.locals[at];
        if local.is_none() {
            let lease = self.outbox.lease(Local::bytes(buckets))?;
            let new = Arc::new(Local::new(buckets, lease));
            self.outbox.arrivals().tell(Arrival::Local {
                slot,
                local: Arc::clone(&new),
            });
            *local = Some(new);
        }
        local.as_deref()
    }

    fn series(&mut self, instrument: &Arc<Recorded>, attributes: &[Attribute<'_>]) -> Series {
        self.scratch.clear();
        self.scratch.raw(&instrument.id.to_le_bytes());
        for (key, value) in attributes {
            instrument.metric.attribute(&mut self.scratch, *key, *value);
        }
        if let Some(found) = self.known.get(self.scratch.as_slice()) {
            return found.series.clone();
        }
        let series = instrument.series(attributes);
        let key = self.scratch.as_slice();
        if self.known.len() < FOUND_MAX
            && let Some(lease) = self.outbox.lease(FOUND_BYTES + key.len())
        {
            let found = Found {
                series: series.clone(),
                _lease: lease,
            };
            self.known.insert(key.into(), found);
        }
        series
    }
}
