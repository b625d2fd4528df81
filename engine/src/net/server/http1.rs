//! One HTTP/1.1 connection: a future that serves its requests one after the other.
//!
//! ```text
//!   head --admitted--> body --complete--> waiting --reply--> replying --kept--> head
//!     |                 |       (known at once: straight to replying)  \
//!     +--answered-------+--refused--> replying --> discarding --kept--> head
//!                                             \--> closing
//! ```
//!
//! Our own reader on httparse, not hyper's server: hyper takes requests whose length is said in
//! two ways, wants its timers `Send`, which glommio's are not, hands a body over by a channel that
//! it allocates for each request, and leaves no say in how much of a refused body is read.

mod body;
mod head;
mod outbox;
mod request;

use self::body::BodyReader;
use self::outbox::Outbox;
use self::request::UNREADABLE;
use super::alarm::Alarm;
use super::deadlines::{Deadlines, Due};
use super::intake::Intake;
use super::reply;
use super::session::Session;
use super::settings::Settings;
use crate::exchange::{Framing, Inbound, ServerCommand};
use crate::net::Clock;
use crate::net::chunked::{NotChunked, Piece};
use crate::time::Instant;
use crate::units::RequestId;
use bytes::BytesMut;
use http::{HeaderMap, StatusCode};
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};

/// How much of a body that nobody wants is read and dropped. Closing a socket with unread bytes
/// resets it, and the reset may overtake the reply.
const DISCARD_MAX: u64 = 256 << 10;

/// How long a connection that is being closed listens to what still comes.
const LINGER: Duration = Duration::from_secs(2);

/// Room for a head, and for the small body that follows it.
const HEAD_READ: usize = 8 << 10;

/// Steps of one poll, so that a connection that always has news does not own its shard.
const STEPS_MAX: usize = 16;

/// A connection that speaks HTTP/1.1.
#[derive(Debug)]
pub(super) struct Connection<IO, S: Inbound, C> {
    io: IO,
    session: Session<S>,
    settings: Rc<Settings>,
    deadlines: Deadlines,
    alarm: Alarm<C>,
    now: Instant,
    /// Read and not yet understood.
    input: BytesMut,
    outbox: Outbox,
    /// What is left of the current request's body.
    body: BodyReader,
    current: Current,
    state: State,
    /// When the state must have moved on.
    due: Instant,
    is_draining: bool,
    /// Empty; kept for its memory.
    headers: HeaderMap,
}

/// What of the current request's head the reply depends on.
#[derive(Debug, Clone, Copy)]
struct Current {
    is_head: bool,
    is_http_10: bool,
    is_kept: bool,
    /// The sender may wait for leave that it does not have yet.
    wants_leave: bool,
}

#[derive(Debug)]
enum State {
    /// Between requests, or within a head.
    Head,
    Body {
        request: RequestId,
        framing: Framing,
        intake: Intake,
        deadline: Instant,
    },
    Waiting {
        request: RequestId,
        framing: Framing,
    },
    Replying {
        then: Then,
    },
    /// The rest of the body is dropped, then the next request is read.
    Discarding,
    /// Nothing more is said; up to `left` bytes more are listened to.
    Closing {
        left: u64,
    },
    Closed,
}

/// What follows a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Next,
    Discard,
    Close,
}

impl<IO, S, C> Connection<IO, S, C>
where
    IO: AsyncRead + AsyncWrite + Unpin,
    S: Inbound,
    C: Clock,
{
    pub(super) fn new(io: IO, session: Session<S>, settings: Rc<Settings>, clock: C) -> Self {
        let now = clock.now();
        // There are no PINGs here.
        let mut unpinged = (*settings).clone();
        unpinged.pings.time = Duration::MAX;
        Self {
            io,
            deadlines: Deadlines::new(&unpinged, now, session.terms.connection.0),
            session,
            alarm: Alarm::new(clock),
            now,
            input: BytesMut::new(),
            outbox: Outbox::default(),
            body: BodyReader::Exactly { left: 0 },
            current: UNREADABLE,
            state: State::Head,
            due: now + settings.timeouts.header,
            settings,
            is_draining: false,
            headers: HeaderMap::new(),
        }
    }

    /// One move of the state. `Ready`: there may be more to do.
    fn step(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.take_commands(cx);
        match self.state {
            State::Head => self.read_head(cx),
            State::Body { request, .. } => self.read_body(request, cx),
            State::Waiting { .. } => self.watch(cx),
            State::Replying { then } => self.send(then, cx),
            State::Discarding => self.discard(cx),
            State::Closing { left } => self.linger(left, cx),
            State::Closed => Poll::Ready(()),
        }
    }

    fn take_commands(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(command) = self.session.poll_command(cx) {
            match (command, &self.state) {
                (ServerCommand::Reply(replied, reply), State::Waiting { request, .. })
                    if replied == *request =>
                {
                    self.reply(reply);
                }
                // It crossed with our abandoning the request.
                (ServerCommand::Reply(..), _) => {}
                (ServerCommand::Drain, _) => self.drain(),
            }
        }
    }

    fn drain(&mut self) {
        self.is_draining = true;
        self.deadlines.handle_drain(self.now);
    }

    fn send(&mut self, then: Then, cx: &mut Context<'_>) -> Poll<()> {
        match self.outbox.poll_write(&mut self.io, cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(())) => match then {
                Then::Next => self.next_request(),
                Then::Discard => {
                    self.due = self.now + self.settings.timeouts.body_progress;
                    self.state = State::Discarding;
                }
                Then::Close => self.close(),
            },
            Poll::Ready(Err(_)) => self.state = State::Closed,
        }
        Poll::Ready(())
    }

    fn next_request(&mut self) {
        if self.input.is_empty() && self.input.capacity() > HEAD_READ {
            // An idle connection does not hold the buffer of its last large body.
            self.input = BytesMut::new();
        }
        self.due = match self.input.is_empty() {
            true => Instant::NEVER,
            false => self.now + self.settings.timeouts.header,
        };
        self.state = State::Head;
    }

    fn close(&mut self) {
        self.due = self.now + LINGER;
        self.input = BytesMut::new();
        self.state = State::Closing { left: DISCARD_MAX };
    }

    fn discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.body.next(&mut self.input) {
            Ok(Piece::Data(_)) => {}
            Ok(Piece::End) => self.next_request(),
            Ok(Piece::More) => match self.poll_read(HEAD_READ, cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(read)) if read > 0 => {}
                Poll::Ready(_) => self.state = State::Closed,
            },
            Err(NotChunked) => self.state = State::Closed,
        }
        Poll::Ready(())
    }

    /// Says that we are done, and reads on for a while, so that the last reply arrives.
    fn linger(&mut self, left: u64, cx: &mut Context<'_>) -> Poll<()> {
        if Pin::new(&mut self.io).poll_shutdown(cx).is_pending() {
            return Poll::Pending;
        }
        self.input.clear();
        match self.poll_read(HEAD_READ, cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(read)) if read > 0 && read as u64 <= left => {
                self.state = State::Closing {
                    left: left - read as u64,
                };
            }
            Poll::Ready(_) => self.state = State::Closed,
        }
        Poll::Ready(())
    }

    /// Reads once. `Ok(0)`: the peer will send no more.
    fn poll_read(&mut self, wanted: usize, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let room = self.input.capacity() - self.input.len();
        if room < wanted.min(HEAD_READ / 2) || room == 0 {
            self.input.reserve(wanted.max(1));
        }
        // Nothing is lost when the future is dropped: it holds no bytes between its polls.
        pin!(self.io.read_buf(&mut self.input)).poll(cx)
    }

    /// `Ready`: something was due, and the state may have moved.
    fn keep_time(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let is_open = !matches!(self.state, State::Head);
        self.deadlines.handle_load(is_open, false, self.now);
        match self.deadlines.poll(self.now) {
            Some(Due::Drain) => self.is_draining = true,
            Some(Due::Cut) => self.cut(cx),
            Some(Due::Ping) => {}
            None if self.now >= self.due => self.expire(cx),
            None => {
                let next = self.due.min(self.deadlines.next_timeout());
                if self.alarm.poll(cx, next, self.now).is_pending() {
                    return Poll::Pending;
                }
                self.now = self.alarm.now();
            }
        }
        Poll::Ready(())
    }

    /// The time of the state is up.
    fn expire(&mut self, cx: &mut Context<'_>) {
        // A reply that is in the mailbox already is in time.
        self.take_commands(cx);
        if self.now < self.due {
            return;
        }
        match &self.state {
            State::Head => self.give_up(StatusCode::REQUEST_TIMEOUT),
            State::Body {
                request,
                framing,
                deadline,
                ..
            } => {
                let reply = if self.now >= *deadline {
                    reply::expired(*framing)
                } else {
                    reply::stalled(*framing)
                };
                self.session.abandon(*request);
                self.current.is_kept = false;
                self.reply(reply);
            }
            State::Waiting { request, framing } => {
                let reply = reply::expired(*framing);
                self.session.abandon(*request);
                self.reply(reply);
            }
            State::Discarding => self.close(),
            State::Replying { .. } | State::Closing { .. } | State::Closed => {
                self.state = State::Closed;
            }
        }
    }

    /// The grace of an old connection is over.
    fn cut(&mut self, cx: &mut Context<'_>) {
        self.take_commands(cx);
        if let State::Body { request, .. } | State::Waiting { request, .. } = self.state {
            self.session.abandon(request);
        }
        self.state = State::Closed;
    }
}

impl<IO, S, C> Future for Connection<IO, S, C>
where
    IO: AsyncRead + AsyncWrite + Unpin,
    S: Inbound + Unpin,
    C: Clock + Unpin,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.now = this.alarm.now();
        for _ in 0..STEPS_MAX {
            if matches!(this.state, State::Closed) {
                return Poll::Ready(());
            }
            if this.step(cx).is_pending() && this.keep_time(cx).is_pending() {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// The engine is told of a request that was still owed an answer.
impl<IO, S: Inbound, C> Drop for Connection<IO, S, C> {
    fn drop(&mut self) {
        let (State::Body { request, .. } | State::Waiting { request, .. }) = self.state else {
            return;
        };
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(command) = self.session.poll_command(&mut cx) {
            if matches!(command, ServerCommand::Reply(replied, _) if replied == request) {
                return;
            }
        }
        self.session.abandon(request);
    }
}
