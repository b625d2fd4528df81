//! An HTTP/2 client connection: one future that serves all of its attempts.
//!
//! ```text
//!   handshake --SETTINGS--> open --GOAWAY, Drain, age, stall--> draining --idle--> closing --> gone
//! ```
//!
//! A turn of the poll takes commands, opens streams, lets h2 read and write, and polls the streams
//! that h2 woke. Nothing is spawned, and the task is woken only from outside (see [`Wakes`]).

mod ending;
mod life;
mod request;
mod stream;
#[cfg(test)]
mod tests;

use self::ending::Ending;
use self::stream::{Limits, Opening, Stream};
use super::answer::Reader;
use super::keepalive::Pinger;
use super::queue::Queue;
use super::settings::Settings;
use super::upload::{Slices, Written};
use super::{Link, Machine};
use crate::exchange::{Answer, Attempt, CloseReason, Failure, Outbound};
use crate::net::flood::Peer;
use crate::net::wakes::Wakes;
use crate::net::wire::Wire;
use crate::time::Instant;
use crate::units::AttemptId;
use h2::PingPong;
use h2::client::{Connection, SendRequest};
use slab::Slab;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// Slots of [`Wakes`]: h2 itself, the mailbox with h2's readiness for a stream, then the streams.
const CONNECTION: usize = 0;
const COMMANDS: usize = 1;
const STREAMS: usize = 2;

/// Before the peer's SETTINGS, h2 knows this limit; no peer can set it: a value of SETTINGS has 32
/// bits, and none means `usize::MAX`.
const STREAMS_MAX_UNKNOWN: usize = usize::MAX - 1;

/// Turns in one poll, before the other tasks of the shard get theirs.
const TURNS_MAX: usize = 16;

/// How long a connection that is done may take to say so to its peer.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// An attempt that timed out unsent says that the connection is stuck if no body moved on it for
/// this long; a shorter timeout may be the attempt's own.
const STALL_MIN: Duration = Duration::from_secs(1);

/// Where the connection stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The peer's SETTINGS are awaited until then.
    Handshake {
        until: Instant,
    },
    Open,
    /// No attempt is taken; those that are open go on.
    Draining,
    /// Nothing is open and h2 says goodbye, until then.
    Closing {
        until: Instant,
    },
}

/// The connection as a state machine over h2: time comes in with each poll.
///
/// Invariant: `earliest` is no later than the deadline of any open stream.
pub(super) struct Driver<IO, O> {
    link: Link<O>,
    queue: Queue,
    connection: Connection<Wire<IO>, Slices>,
    /// `None` once no stream may be opened: h2 closes when the last stream is done.
    sender: Option<SendRequest<Slices>>,
    ping_pong: Option<PingPong>,
    wire: Wire<IO>,
    wakes: Wakes,
    streams: Slab<Stream>,
    earliest: Instant,
    limits: Limits,
    written: Written,
    requests: request::Requests,
    pinger: Pinger,
    phase: Phase,
    /// The engine was told so.
    connected: bool,
    ending: Ending,
    /// As told to the engine.
    streams_max: u32,
    opened_at: Instant,
    /// Since when no stream is open and none waits.
    idle_since: Option<Instant>,
    /// When a body last moved.
    moved_at: Instant,
    moved: u64,
}

/// A connection whose preface and SETTINGS are on their way.
pub(super) struct Begun<IO> {
    sender: SendRequest<Slices>,
    connection: Connection<Wire<IO>, Slices>,
    wire: Wire<IO>,
}

/// Begins HTTP/2 on a connected socket; the peer's SETTINGS are awaited by [`Driver`].
pub(super) async fn handshake<IO>(
    io: IO,
    settings: &Settings,
    now: Instant,
) -> Result<Begun<IO>, CloseReason>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let wire = Wire::new(io, Peer::Server, now);
    match builder(settings).handshake(wire.clone()).await {
        Ok((sender, connection)) => Ok(Begun {
            sender,
            connection,
            wire,
        }),
        // Only the socket can fail before a frame is read.
        Err(_) => Err(CloseReason::Lost),
    }
}

/// Every limit explicit.
fn builder(settings: &Settings) -> h2::client::Builder {
    /// Answers are a few bytes; a stream that wants more asks by its window.
    const STREAM_WINDOW: u32 = 64 << 10;
    const CONNECTION_WINDOW: u32 = 1 << 20;
    /// Room for `grpc-status-details-bin`.
    const HEADERS_MAX: u32 = 64 << 10;
    /// Bodies are references into the store: this bounds how far h2 may run ahead of the socket.
    const SEND_BUFFER_MAX: usize = 4 << 20;
    /// h2 charges up to 256 bytes for each small DATA frame until it is read, and closes the
    /// connection when the budget is gone: it must cover an answer on every stream at once.
    const SMALL_FRAME_CHARGE: usize = 256;
    /// A stream that timed out is remembered, so that a late answer is ignored instead of being
    /// counted as the peer's error.
    const REMEMBERED: Duration = Duration::from_secs(30);

    let streams_max = settings.streams_max as usize;
    let mut builder = h2::client::Builder::new();
    builder
        .enable_push(false)
        .initial_max_send_streams(STREAMS_MAX_UNKNOWN)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(16 << 10)
        .max_header_list_size(HEADERS_MAX)
        .max_send_buffer_size(SEND_BUFFER_MAX)
        .max_concurrent_reset_streams(streams_max)
        .reset_stream_duration(REMEMBERED)
        .max_local_error_reset_streams(Some(1024))
        .data_frame_budget((4 * streams_max + 100) * SMALL_FRAME_CHARGE);
    builder
}

impl<IO, O> Machine for Driver<IO, O>
where
    IO: AsyncRead + AsyncWrite + Unpin,
    O: Outbound,
{
    fn poll(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<CloseReason> {
        self.wakes.enter(cx.waker());
        self.wire.begin(now);
        for _ in 0..TURNS_MAX {
            if let Poll::Ready(reason) = self.turn(now) {
                self.answer_all();
                return Poll::Ready(reason);
            }
            if !self.wakes.any() {
                break;
            }
        }
        let mut send_cx = Context::from_waker(self.wakes.waker(CONNECTION));
        if let Poll::Ready(true) = self.wire.poll_send(&mut send_cx) {
            self.wakes.set(CONNECTION);
        }
        if self.wakes.leave() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    fn next_timeout(&self) -> Instant {
        let settings = &self.link.settings;
        let phase = match self.phase {
            Phase::Handshake { until } | Phase::Closing { until } => until,
            Phase::Open => self.opened_at + settings.age_max,
            Phase::Draining => Instant::NEVER,
        };
        let idle = self
            .idle_since
            .map_or(Instant::NEVER, |since| since + settings.idle_timeout);
        let streams = if self.streams.is_empty() {
            Instant::NEVER
        } else {
            self.earliest
        };
        phase
            .min(idle)
            .min(streams)
            .min(self.queue.next_timeout())
            .min(self.pinger.next_timeout(!self.streams.is_empty()))
    }
}

impl<IO, O> Driver<IO, O>
where
    IO: AsyncRead + AsyncWrite + Unpin,
    O: Outbound,
{
    pub(super) fn new(link: Link<O>, queue: Queue, begun: Begun<IO>, now: Instant) -> Self {
        let Begun {
            sender,
            mut connection,
            wire,
        } = begun;
        let bytes_max = link.settings.response_bytes_max;
        Self {
            ping_pong: connection.ping_pong(),
            wakes: Wakes::new(STREAMS + link.settings.streams_max as usize),
            limits: Limits {
                reader: Reader::new(bytes_max),
                budget: bytes_max
                    .saturating_mul(2)
                    .min(isize::MAX as usize)
                    .cast_signed(),
                is_led: false,
            },
            pinger: Pinger::new(link.settings.keepalive, now),
            phase: Phase::Handshake {
                until: now + link.settings.connect_timeout,
            },
            connected: false,
            link,
            queue,
            connection,
            sender: Some(sender),
            wire,
            streams: Slab::new(),
            earliest: Instant::NEVER,
            written: Written::default(),
            requests: request::Requests::default(),
            ending: Ending::default(),
            streams_max: 0,
            opened_at: now,
            idle_since: None,
            moved_at: now,
            moved: 0,
        }
    }

    fn turn(&mut self, now: Instant) -> Poll<CloseReason> {
        if self.wakes.take(COMMANDS)
            && let Some(reason) = self.take_orders()
        {
            return Poll::Ready(reason);
        }
        self.open_streams(now);
        if self.wakes.take(CONNECTION) {
            let mut cx = Context::from_waker(self.wakes.waker(CONNECTION));
            let polled = Pin::new(&mut self.connection).poll(&mut cx);
            self.after_io(now);
            self.poll_streams();
            if let Some(flood) = self.wire.flood() {
                return Poll::Ready(CloseReason::Protocol {
                    what: flood.to_string(),
                });
            }
            if let Poll::Ready(result) = polled {
                let foreign = if self.connected {
                    None
                } else {
                    self.wire.foreign_protocol()
                };
                return Poll::Ready(self.ending.reason(result, foreign));
            }
        } else {
            self.poll_streams();
        }
        if let Some(reason) = self.check_time(now) {
            return Poll::Ready(reason);
        }
        self.close_when_done(now);
        Poll::Pending
    }

    fn open_streams(&mut self, now: Instant) {
        while self.streams.len() < self.streams_max as usize && !self.queue.is_empty() {
            let Some(sender) = &mut self.sender else {
                return;
            };
            let mut cx = Context::from_waker(self.wakes.waker(COMMANDS));
            // Not ready: the stream opened last waits for one that h2 is yet to reset. An error is
            // seen by `after_io`.
            let Poll::Ready(Ok(())) = sender.poll_ready(&mut cx) else {
                return;
            };
            let Some(attempt) = self.queue.pop() else {
                return;
            };
            self.open(attempt, now);
        }
    }

    fn open(&mut self, attempt: Attempt, now: Instant) {
        let Some(sender) = &mut self.sender else {
            return;
        };
        let request = self.requests.request(&attempt, now);
        let (response, send) = match sender.send_request(request, attempt.body.is_empty()) {
            Ok(opened) => opened,
            Err(error) => {
                // Either the connection is going away, or the request is one that h2 cannot send.
                let refused = error.is_go_away() || error.is_io();
                let failure = if refused {
                    Failure::Unprocessed
                } else {
                    Failure::Malformed
                };
                return self.answered(attempt.id, Answer::Failed(failure));
            }
        };
        self.earliest = self.earliest.min(attempt.deadline);
        let written = self.written.next_body();
        let slot = self.streams.insert(Stream::new(Opening {
            attempt: attempt.id,
            deadline: attempt.deadline,
            head: attempt.head,
            body: Slices::new(attempt.body, written.clone()),
            frame_max: self.link.settings.data_frame_max,
            written,
            response,
            send,
        }));
        self.wakes.set(STREAMS + slot);
    }

    fn poll_streams(&mut self) {
        let mut from = STREAMS;
        while let Some(slot) = self.wakes.take_next(from) {
            from = slot + 1;
            let Some(stream) = self.streams.get_mut(slot - STREAMS) else {
                continue;
            };
            let mut cx = Context::from_waker(self.wakes.waker(slot));
            if let Poll::Ready(answer) = stream.poll(&mut cx, &mut self.limits) {
                let stream = self.remove(slot - STREAMS);
                self.answered(stream.attempt, answer);
            }
        }
    }

    /// Takes a stream out; h2 resets it if it is not over.
    fn remove(&mut self, key: usize) -> Stream {
        let mut stream = self.streams.remove(key);
        if stream.is_unsent() {
            stream.reset();
        }
        let was_exhausted = self.limits.budget <= 0;
        self.limits.budget += stream.held();
        self.limits.is_led &= !stream.leads();
        if was_exhausted && (self.limits.budget > 0 || !self.limits.is_led) {
            for (key, _) in &self.streams {
                self.wakes.set(STREAMS + key);
            }
        }
        if !self.queue.is_empty() {
            self.wakes.set(COMMANDS);
        }
        stream
    }

    fn answered(&self, attempt: AttemptId, answer: Answer) {
        self.link.outbound.answered(self.link.id, attempt, answer);
    }
}
