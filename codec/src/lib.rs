//! Bytes in, bytes out: everything tailrace knows about OTLP on the wire.
//!
//! No I/O, no clock, no async, no engine types. A message is a [`Rope`] of slices of the buffers
//! the kernel filled; nothing here copies a byte that can be referred to.

pub mod base64;
pub mod compress;
pub mod field;
pub mod grpc;
pub mod otlp;
pub mod rope;
pub mod varint;
pub mod writer;

pub use field::{Malformed, MalformedKind};
pub use otlp::Signal;
pub use rope::Rope;
