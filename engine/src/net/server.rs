//! The server half: connections of a listener, as HTTP/2 or HTTP/1.1, to calls of [`Inbound`].
//!
//! One task for each connection, none for a request: [`serve`] is that task's future.
//!
//! ```text
//!   socket -> sniff -> h2    -> stream  \
//!                                        intake -> Inbound -> reply
//!                   -> http1 ----------/
//! ```

mod alarm;
mod deadlines;
mod h2;
mod http1;
mod intake;
mod reply;
mod session;
mod settings;
mod sniff;

pub use self::settings::{Lifetime, Pings, Protocol, Settings, Timeouts};

use self::session::Session;
use self::sniff::{Rewind, Spoken};
use crate::exchange::{Arrival, Inbound, ServerCommand};
use crate::net::Clock;
use crate::net::flood::Peer;
use crate::net::wire::Wire;
use crate::time::Instant;
use bytes::Bytes;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use tokio::io::{AsyncRead, AsyncWrite};

/// Serves one connection to its end.
///
/// Returns when the connection is closed, by either side or because the engine refuses it. May be
/// dropped at any time: the engine is then told that every open request was abandoned.
/// Cost: a request is served inside the connection's poll; nothing is spawned.
pub async fn serve<IO, S, C>(
    io: IO,
    arrival: Arrival,
    settings: Rc<Settings>,
    inbound: S,
    mut clock: C,
) where
    IO: AsyncRead + AsyncWrite + Unpin,
    S: Inbound + Unpin,
    C: Clock + Unpin,
{
    let Some(session) = Session::open(inbound, arrival) else {
        return;
    };
    let now = clock.now();
    let opening = async {
        let (spoken, io) = match settings.protocol {
            Protocol::Http2 => (Spoken::Http2, Rewind::fresh(io)),
            Protocol::Any => sniff::sniff(io).await.ok()?,
        };
        match spoken {
            Spoken::Http2 => {
                let builder = settings::h2_builder(&settings, &session.terms.windows);
                let wire = Wire::new(io, Peer::Client, now);
                let h2 = builder.handshake(wire.clone()).await.ok()?;
                Some(Opened::Http2(Box::new(h2), wire))
            }
            Spoken::Http1 => Some(Opened::Http1(io)),
        }
    };
    let until = now + settings.timeouts.handshake;
    let opened = before(until, opening, &session, &mut clock).await.flatten();
    let settings = Rc::clone(&settings);
    match opened {
        Some(Opened::Http2(h2, wire)) => {
            h2::Connection::new(*h2, wire, session, settings, clock).await;
        }
        Some(Opened::Http1(io)) => http1::Connection::new(io, session, settings, clock).await,
        None => {}
    }
}

/// A connection whose protocol is known.
enum Opened<IO> {
    Http2(
        Box<::h2::server::Connection<Wire<Rewind<IO>>, Bytes>>,
        Wire<Rewind<IO>>,
    ),
    Http1(Rewind<IO>),
}

/// Runs the handshake, which no request is part of yet. `None`: it took too long, or the engine
/// told the connection to drain.
async fn before<F, S, C>(
    until: Instant,
    opening: F,
    session: &Session<S>,
    clock: &mut C,
) -> Option<F::Output>
where
    F: Future,
    S: Inbound,
    C: Clock,
{
    let mut opening = pin!(opening);
    poll_fn(|cx| {
        while let Poll::Ready(command) = session.poll_command(cx) {
            if matches!(command, ServerCommand::Drain) {
                return Poll::Ready(None);
            }
        }
        if let Poll::Ready(opened) = opening.as_mut().poll(cx) {
            return Poll::Ready(Some(opened));
        }
        clock.poll_until(cx, until).map(|()| None)
    })
    .await
}
