//! The HTTP/2 client against peers that behave, misbehave and leave.

mod answers;
mod faults;
mod frames;
mod hostile;
mod limits;

use crate::net::client::rig::Rig;
use crate::net::client::settings::{Protocol, Settings};
use tokio::io::DuplexStream;

fn settings() -> Settings {
    Settings::new(Protocol::Http2)
}

/// A connection with these settings, and the peer's end of its socket.
fn start(settings: Settings) -> (Rig, DuplexStream) {
    Rig::start(settings, 1 << 20)
}
