//! Bytes to requests and back: HTTP/2, HTTP/1.1 and gRPC over any socket.

pub mod client;
mod mailbox;
pub mod server;

pub use mailbox::Mailbox;
