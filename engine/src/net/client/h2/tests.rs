//! The HTTP/2 client against peers that behave, misbehave and leave.

mod answers;
mod faults;
mod frames;
mod limits;

use super::{Driver, handshake};
use crate::exchange::{CloseReason, Outbound};
use crate::net::client::Link;
use crate::net::client::rig::{CONNECTION_ID, Machine, Rig};
use crate::net::client::settings::{Protocol, Settings};
use crate::time::Instant;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};

impl<IO: AsyncRead + AsyncWrite + Unpin, O: Outbound> Machine for Driver<IO, O> {
    fn poll(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<CloseReason> {
        Self::poll(self, cx, now)
    }

    fn next_timeout(&self) -> Instant {
        Self::next_timeout(self)
    }
}

fn settings() -> Settings {
    Settings::new(Protocol::Http2)
}

/// A connection with these settings, and the peer's end of its socket.
fn start(settings: Settings) -> (Rig, DuplexStream) {
    Rig::start(
        settings,
        1 << 20,
        |io, settings, outbound, queue| async move {
            let begun = handshake(io, &settings).await.unwrap();
            let link = Link {
                id: CONNECTION_ID,
                settings,
                outbound,
            };
            Driver::new(link, queue, begun, Instant(0))
        },
    )
}
