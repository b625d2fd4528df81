//! The embedded engine for C: `include/tailrace.h`, and the libraries that have what it declares.
//!
//! ```text
//!   C program -- tailrace.h --> this crate: pointers read, panics stopped --> tailrace_engine::embed
//! ```
//!
//! Nothing is decided here. A function reads its arguments ([`boundary`]), calls the engine, and gives
//! back a code ([`boundary::Status`]); what a code does not tell is kept as the thread's last message.
//! The header is made out of these sources, their documentation included, by a test (`tests/header.rs`):
//! it is written for those who read the header.
//!
//! **What is checked.** A pointer that is null or not aligned, text that is not UTF-8, a number that
//! names nothing, a span that has ended: each is a code. What cannot be told is said in the header: that
//! a pointer leads to what it should, is still there, and is not used by two threads at once.
//!
//! **Panics** end at [`boundary::guard`].
//!
//! **Memory.** Recording allocates nothing: a span's handle is used again when it has ended, attributes
//! are read where the caller has them, up to 32 of them beside each other on the stack.
//!
//! The functions are `pub` for the linker; their modules are not, for this is no interface of Rust's.
//! What is, are the names of the numbers that C hands over: a number that C makes up must not become an
//! `enum` unseen, so that functions take the number itself.

mod boundary;
mod context;
mod engine;
mod log;
mod metric;
mod scope;
mod span;
mod value;

pub use boundary::Status;
pub use log::Severity;
pub use metric::MetricKind;
pub use span::{SpanKind, SpanStatus};
pub use value::ValueKind;

#[cfg(test)]
mod tests;
