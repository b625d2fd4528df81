//! What every function does first and last: pointers become references, and failures a code.

use std::any::Any;
use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a call came to. 0 is success; `tailrace_last_message` says more of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub enum Status {
    /// It was done.
    Ok = 0,
    /// A pointer is NULL or not aligned, a length has no bytes, or a number names nothing: a defect of
    /// the caller. Nothing was done.
    InvalidArgument = 1,
    /// A text is not UTF-8. Nothing was done.
    NotUtf8 = 2,
    /// An environment variable or the configuration is not valid; the message says which, and what
    /// is allowed.
    InvalidSettings = 3,
    /// The engine could not be started. The program can go on without it.
    NotStarted = 4,
    /// There was no room for an item, or the engine has ended: it was dropped and counted.
    Dropped = 5,
    /// The deadline passed. What is not delivered yet is still tried, unless the engine was to end.
    TimedOut = 6,
    /// The backend refused items for good, or could not be reached for as long as they are tried.
    Undelivered = 7,
    /// The engine has ended, or runs in the process that this one was forked from.
    Ended = 8,
    /// The span has ended already. Told as long as its tracer is there and has begun no other since.
    SpanEnded = 9,
    /// A defect of the library, stopped at its border. What the call was about may be lost.
    Panicked = 10,
}

impl Status {
    /// What is to be said where nothing else is.
    const fn text(self) -> &'static CStr {
        match self {
            Self::Ok => c"success",
            Self::InvalidArgument => c"an argument is not valid",
            Self::NotUtf8 => c"a text is not UTF-8",
            Self::InvalidSettings => c"the settings are not valid",
            Self::NotStarted => c"the engine could not be started",
            Self::Dropped => c"there was no room, or the engine has ended: dropped and counted",
            Self::TimedOut => c"the deadline passed",
            Self::Undelivered => c"items were refused or given up",
            Self::Ended => c"the engine has ended",
            Self::SpanEnded => c"the span has ended already",
            Self::Panicked => c"a defect of the library; report it with its message",
        }
    }

    const ALL: [Self; 11] = [
        Self::Ok,
        Self::InvalidArgument,
        Self::NotUtf8,
        Self::InvalidSettings,
        Self::NotStarted,
        Self::Dropped,
        Self::TimedOut,
        Self::Undelivered,
        Self::Ended,
        Self::SpanEnded,
        Self::Panicked,
    ];
}

/// Why a call did not do what it should.
#[derive(Debug)]
pub(crate) struct Failure {
    pub status: Status,
    reason: Reason,
}

/// Put into words only when somebody asks: a failure on the way of each span costs no allocation.
#[derive(Debug)]
enum Reason {
    /// That of the code.
    Plain,
    /// The name of the argument, and what is wrong with it.
    Argument(&'static str, &'static str),
    Text(String),
}

impl Failure {
    pub const fn plain(status: Status) -> Self {
        let reason = Reason::Plain;
        Self { status, reason }
    }

    pub const fn argument(name: &'static str, what: &'static str) -> Self {
        Self {
            status: Status::InvalidArgument,
            reason: Reason::Argument(name, what),
        }
    }

    pub fn told(status: Status, by: &dyn std::fmt::Display) -> Self {
        let reason = Reason::Text(by.to_string());
        Self { status, reason }
    }
}

/// The last failure of a thread, and its words once they were asked for.
struct Last {
    failure: Failure,
    words: Option<CString>,
}

thread_local! {
    static LAST: RefCell<Option<Last>> = const { RefCell::new(None) };
}

/// Does what a function is there for; no panic goes on from here into C.
#[inline]
pub(crate) fn guard(body: impl FnOnce() -> Result<(), Failure>) -> Status {
    // What a panic leaves half done is safe memory all the same, and only this call's.
    let failure = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => return Status::Ok,
        Ok(Err(failure)) => failure,
        Err(panic) => panicked(panic),
    };
    keep(failure)
}

/// As [`guard`], for what has no failure to tell of.
pub(crate) fn guard_or<T>(otherwise: T, body: impl FnOnce() -> T) -> T {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(value) => value,
        Err(panic) => {
            keep(panicked(panic));
            otherwise
        }
    }
}

#[cold]
fn panicked(panic: Box<dyn Any + Send>) -> Failure {
    let text = match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "of unknown cause".to_owned(),
    };
    // A payload may panic when it is dropped, and that would go on into C.
    std::mem::forget(panic);
    Failure::told(Status::Panicked, &text)
}

#[cold]
fn keep(failure: Failure) -> Status {
    let status = failure.status;
    let last = Last {
        failure,
        words: None,
    };
    // A thread that ends has no place for it any more.
    let _ = LAST.try_with(|place| place.replace(Some(last)));
    status
}

/// What the last call of this thread that did not succeed has to say, as a sentence or several; empty
/// where none failed. The text is the library's, and stays until another call of this thread fails.
#[unsafe(no_mangle)]
pub extern "C" fn tailrace_last_message() -> *const c_char {
    let words = || LAST.try_with(|place| place.borrow_mut().as_mut().map(Last::words));
    guard_or(c"".as_ptr(), || match words() {
        Ok(Some(words)) => words,
        _ => c"".as_ptr(),
    })
}

impl Last {
    fn words(&mut self) -> *const c_char {
        let text = match &self.failure.reason {
            Reason::Plain => return self.failure.status.text().as_ptr(),
            Reason::Argument(name, what) => format!("{name}: {what}"),
            Reason::Text(text) => text.replace('\0', "\\0"),
        };
        let words = self
            .words
            .get_or_insert_with(|| CString::new(text).unwrap_or_default());
        words.as_ptr()
    }
}

/// What a code means, in general: a text without an end of life.
#[unsafe(no_mangle)]
pub extern "C" fn tailrace_status_text(status: c_int) -> *const c_char {
    let known = Status::ALL.into_iter().find(|own| *own as c_int == status);
    known
        .map_or(c"no code of this library", Status::text)
        .as_ptr()
}

/// The version of the library; that of the header is TAILRACE_VERSION. They must be the same.
#[unsafe(no_mangle)]
pub extern "C" fn tailrace_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}

/// What a pointer of the caller's leads to.
///
/// # Safety
///
/// Where it is neither null nor unaligned it leads to a `T` that nobody writes during `'a`.
pub(crate) unsafe fn shared<'a, T>(
    pointer: *const T,
    name: &'static str,
) -> Result<&'a T, Failure> {
    check(pointer, name)?;
    // SAFETY: not null and aligned, and the caller answers for the rest.
    Ok(unsafe { &*pointer })
}

/// As [`shared`]; null is nothing.
///
/// # Safety
///
/// That of [`shared`].
pub(crate) unsafe fn optional<'a, T>(
    pointer: *const T,
    name: &'static str,
) -> Result<Option<&'a T>, Failure> {
    if pointer.is_null() {
        return Ok(None);
    }
    // SAFETY: as the caller says.
    unsafe { shared(pointer, name) }.map(Some)
}

/// As [`shared`], for what is written.
///
/// # Safety
///
/// Where it is neither null nor unaligned it leads to a `T` that nobody else touches during `'a`.
pub(crate) unsafe fn exclusive<'a, T>(
    pointer: *mut T,
    name: &'static str,
) -> Result<&'a mut T, Failure> {
    check(pointer, name)?;
    // SAFETY: not null and aligned, and the caller answers for the rest.
    Ok(unsafe { &mut *pointer })
}

/// Puts a result where the caller wants it.
///
/// # Safety
///
/// Where it is neither null nor unaligned, `place` has room for a `T`. What it held is not dropped.
pub(crate) unsafe fn put<T>(place: *mut T, value: T, name: &'static str) -> Result<(), Failure> {
    check(place, name)?;
    // SAFETY: not null and aligned, and the caller answers for the rest.
    unsafe { place.write(value) };
    Ok(())
}

/// So many of the caller's values; null is none where there are to be none.
///
/// # Safety
///
/// Where it is neither null nor unaligned it leads to `len` values that nobody writes during `'a`.
pub(crate) unsafe fn slice<'a, T>(
    pointer: *const T,
    len: usize,
    name: &'static str,
) -> Result<&'a [T], Failure> {
    if len == 0 {
        return Ok(&[]);
    }
    check(pointer, name)?;
    if len > isize::MAX as usize / size_of::<T>().max(1) {
        return Err(Failure::argument(name, "longer than memory"));
    }
    // SAFETY: not null, aligned, of a length that there is, and the caller answers for the rest.
    Ok(unsafe { std::slice::from_raw_parts(pointer, len) })
}

/// A text that ends with a NUL.
///
/// # Safety
///
/// Where it is not null it leads to bytes with a NUL among them that nobody writes during `'a`.
pub(crate) unsafe fn text<'a>(
    pointer: *const c_char,
    name: &'static str,
) -> Result<&'a str, Failure> {
    check(pointer, name)?;
    // SAFETY: not null, and the caller answers for the NUL.
    let bytes = unsafe { CStr::from_ptr(pointer) }.to_bytes();
    utf8(bytes, name)
}

/// As [`text`]; null is the empty text.
///
/// # Safety
///
/// That of [`text`].
pub(crate) unsafe fn optional_text<'a>(
    pointer: *const c_char,
    name: &'static str,
) -> Result<&'a str, Failure> {
    if pointer.is_null() {
        return Ok("");
    }
    // SAFETY: as the caller says.
    unsafe { text(pointer, name) }
}

pub(crate) fn utf8<'a>(bytes: &'a [u8], name: &'static str) -> Result<&'a str, Failure> {
    std::str::from_utf8(bytes).map_err(|_| Failure {
        status: Status::NotUtf8,
        reason: Reason::Argument(name, "not UTF-8"),
    })
}

fn check<T>(pointer: *const T, name: &'static str) -> Result<(), Failure> {
    match () {
        () if pointer.is_null() => Err(Failure::argument(name, "NULL")),
        () if !pointer.is_aligned() => Err(Failure::argument(name, "not aligned")),
        () => Ok(()),
    }
}
