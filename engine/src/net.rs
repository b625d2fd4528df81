//! Bytes to requests and back: HTTP/2, HTTP/1.1 and gRPC over any socket.

mod chunked;
pub mod client;
mod clock;
mod flood;
mod frames;
mod mailbox;
pub mod server;
mod wakes;
mod wire;

pub use clock::Clock;
pub use mailbox::Mailbox;
