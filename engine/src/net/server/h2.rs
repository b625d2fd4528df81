//! One HTTP/2 connection: a future that serves all of its requests inside its own poll.
//!
//! A poll goes in rounds, until a round finds nothing new:
//!
//! ```text
//!   commands of the engine -> accept -> streams with news -> .. -> send -> time
//!        replies are queued      |         replies are queued
//!                     h2 reads and writes here: one flush for all that was queued
//! ```

mod conduct;
mod resets;
mod stream;

use self::conduct::{Conduct, Verdict};
use self::resets::ResetMeter;
use self::stream::{Progress, Stream, Surroundings};
use super::alarm::Alarm;
use super::deadlines::{Deadlines, Due};
use super::session::Session;
use super::settings::Settings;
use crate::exchange::{Inbound, ServerCommand};
use crate::net::Clock;
use crate::net::wakes::Wakes;
use crate::net::wire::Wire;
use crate::time::Instant;
use crate::units::RequestId;
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Ping, PingPong, Reason, RecvStream};
use http::Request;
use slab::Slab;
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite};

/// Rounds of one poll, so that a connection that always has news does not own its shard.
const ROUNDS_MAX: usize = 8;

/// The slot of [`Wakes`] for all that is not a stream: h2, the engine's commands, the clock.
const CONNECTION: usize = 0;
/// The slot of the first stream.
const STREAMS: usize = 1;

type Accepted = (Request<RecvStream>, SendResponse<Bytes>);

/// A connection whose handshake is done.
#[derive(Debug)]
pub(super) struct Connection<IO, S: Inbound, C> {
    h2: h2::server::Connection<Wire<IO>, Bytes>,
    wire: Wire<IO>,
    ping_pong: Option<PingPong>,
    session: Session<S>,
    settings: Rc<Settings>,
    streams: Slab<Stream>,
    /// The slots of the requests whose replies come by mailbox.
    waiting: HashMap<RequestId, usize>,
    wakes: Wakes,
    deadlines: Deadlines,
    resets: ResetMeter,
    conduct: Conduct,
    /// Not later than the earliest `due` of a stream.
    streams_due: Instant,
    alarm: Alarm<C>,
    now: Instant,
    /// Empty between rounds; kept for its buffer.
    accepted: Vec<Accepted>,
}

impl<IO, S, C> Connection<IO, S, C>
where
    IO: AsyncRead + AsyncWrite + Unpin,
    S: Inbound,
    C: Clock,
{
    pub(super) fn new(
        mut h2: h2::server::Connection<Wire<IO>, Bytes>,
        wire: Wire<IO>,
        session: Session<S>,
        settings: Rc<Settings>,
        clock: C,
    ) -> Self {
        let now = clock.now();
        Self {
            ping_pong: h2.ping_pong(),
            h2,
            wire,
            deadlines: Deadlines::new(&settings, now, session.terms.connection.0),
            resets: ResetMeter::new(now),
            conduct: Conduct::new(settings.pings, settings.timeouts.header),
            session,
            streams: Slab::new(),
            waiting: HashMap::new(),
            wakes: Wakes::new(STREAMS + slots_max(&settings)),
            streams_due: Instant::NEVER,
            alarm: Alarm::new(clock),
            now,
            settings,
            accepted: Vec::new(),
        }
    }

    /// One round. `Ready`: the connection is over.
    fn round(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.now = self.alarm.now();
        self.take_commands(cx);
        if self.accept(cx).is_ready() {
            return Poll::Ready(());
        }
        let mut accepted = std::mem::take(&mut self.accepted);
        for (request, respond) in accepted.drain(..) {
            self.open(request, respond, cx);
        }
        self.accepted = accepted;
        while let Some(slot) = self.wakes.take_next(STREAMS) {
            self.advance(slot - STREAMS, cx);
        }
        Poll::Pending
    }

    /// Lets h2 read and write, and collects the requests that came. `Ready`: it is closed.
    fn accept(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            // A peer that resets streams as fast as it opens them may have more of them than
            // its limit; those we have not looked at yet keep their slots until the next round.
            if self.streams.len() + self.accepted.len() >= slots_max(&self.settings) {
                return self.h2.poll_closed(cx).map(|_| ());
            }
            match self.h2.poll_accept(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(accepted))) => self.accepted.push(accepted),
                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(()),
            }
        }
    }

    fn take_commands(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(command) = self.session.poll_command(cx) {
            match command {
                ServerCommand::Reply(request, reply) => {
                    // A miss is a reply that crossed with our abandoning the request.
                    let Some(slot) = self.waiting.remove(&request) else {
                        continue;
                    };
                    let around = surroundings(&self.session, &self.settings, self.now);
                    if let Some(stream) = self.streams.get_mut(slot) {
                        stream.answer(reply, &around);
                        self.advance(slot, cx);
                    }
                }
                ServerCommand::Drain => self.drain(),
            }
        }
    }

    fn drain(&mut self) {
        self.deadlines.handle_drain(self.now);
        self.h2.graceful_shutdown();
        // h2 does not ask for the poll that sends the GOAWAY.
        self.wakes.set(CONNECTION);
    }

    /// Starts a request; most small ones are done, or wait for their reply, when this returns.
    fn open(
        &mut self,
        request: Request<RecvStream>,
        respond: SendResponse<Bytes>,
        cx: &mut Context<'_>,
    ) {
        let around = surroundings(&self.session, &self.settings, self.now);
        let stream = Stream::open(request, respond, &around);
        let slot = self.streams.insert(stream);
        self.advance(slot, cx);
    }

    fn advance(&mut self, slot: usize, cx: &mut Context<'_>) {
        let around = surroundings(&self.session, &self.settings, self.now);
        let Some(stream) = self.streams.get_mut(slot) else {
            // The slot was freed after its bit was set.
            return;
        };
        let mut slot_cx = Context::from_waker(self.wakes.waker(STREAMS + slot));
        match stream.advance(&mut slot_cx, &around) {
            Progress::Pending => self.streams_due = self.streams_due.min(stream.due()),
            Progress::Waiting(request) => {
                self.streams_due = self.streams_due.min(stream.due());
                self.waiting.insert(request, slot);
            }
            Progress::Left(request) => {
                // The reply may be in the mailbox, and the request's number in use again: only
                // what is still awaited afterwards is abandoned.
                self.waiting.insert(request, slot);
                self.take_commands(cx);
                if self.waiting.remove(&request).is_some() {
                    self.session.abandon(request);
                    self.streams.remove(slot);
                }
                let verdict = self.resets.handle_reset(self.now);
                self.obey(verdict);
            }
            Progress::Reset => {
                self.streams.remove(slot);
                let verdict = self.resets.handle_reset(self.now);
                self.obey(verdict);
            }
            Progress::Done => {
                self.streams.remove(slot);
                self.conduct.handle_reply();
            }
        }
    }

    fn obey(&mut self, verdict: Verdict) {
        if verdict == Verdict::TooMuch {
            self.h2.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
            self.wakes.set(CONNECTION);
        }
    }

    /// Notes how the connection stands after all was read, done and sent.
    fn take_stock(&mut self) {
        if self.wire.take_heard() {
            self.deadlines.handle_sign(self.now);
        }
        let is_open = !self.streams.is_empty();
        let is_owing = !is_open && (self.wire.is_sending() || self.h2.has_streams());
        self.deadlines.handle_load(is_open, is_owing, self.now);
        if !is_open && !is_owing {
            self.wire.shrink();
        }
        self.conduct
            .handle_incomplete(self.wire.incomplete(), self.now);
        let pings = self.wire.take_pings();
        let verdict = self.conduct.handle_pings(pings, is_open, self.now);
        self.obey(verdict);
    }

    /// Does what is due and arms the timer for what is due next. `Ready`: cut the connection.
    fn keep_time(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.poll_pong(cx) {
            self.deadlines.handle_pong(self.now);
        }
        loop {
            if self.now >= self.conduct.next_timeout() {
                return Poll::Ready(());
            }
            while let Some(due) = self.deadlines.poll(self.now) {
                match due {
                    Due::Drain => self.drain(),
                    Due::Ping => self.ping(cx),
                    Due::Cut => return Poll::Ready(()),
                }
            }
            if self.now >= self.streams_due {
                self.expire_streams(cx);
            }
            let next = self
                .streams_due
                .min(self.deadlines.next_timeout())
                .min(self.conduct.next_timeout());
            if self.alarm.poll(cx, next, self.now).is_pending() {
                return Poll::Pending;
            }
            self.now = self.alarm.now();
        }
    }

    fn expire_streams(&mut self, cx: &mut Context<'_>) {
        let slots: Vec<usize> = self.streams.iter().map(|(slot, _)| slot).collect();
        self.streams_due = Instant::NEVER;
        for slot in slots {
            // A reply that is in the mailbox already is in time, and its request's number may be
            // in use again: it goes out before anything is abandoned.
            self.take_commands(cx);
            let Some(stream) = self.streams.get_mut(slot) else {
                continue;
            };
            if stream.due() > self.now {
                self.streams_due = self.streams_due.min(stream.due());
                continue;
            }
            if let Some(request) = stream.owed() {
                self.waiting.remove(&request);
            }
            stream.expire(&surroundings(&self.session, &self.settings, self.now));
            self.advance(slot, cx);
        }
    }

    fn ping(&mut self, cx: &mut Context<'_>) {
        if let Some(ping_pong) = &mut self.ping_pong {
            // Fails only while another is out, and there is never a second one.
            let _ = ping_pong.send_ping(Ping::opaque());
            let _ = ping_pong.poll_pong(cx);
        }
    }

    /// Whether the answer to our PING has come.
    fn poll_pong(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(ping_pong) = &mut self.ping_pong else {
            return false;
        };
        self.deadlines.pinged() && matches!(ping_pong.poll_pong(cx), Poll::Ready(Ok(_)))
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
        this.wakes.enter(cx.waker());
        let waker = this.wakes.waker(CONNECTION).clone();
        let cx_connection = &mut Context::from_waker(&waker);
        this.wire.begin(this.alarm.now());
        let mut is_over = false;
        for _ in 0..ROUNDS_MAX {
            this.wakes.take(CONNECTION);
            is_over = this.round(cx_connection).is_ready();
            if is_over || !this.wakes.any() {
                break;
            }
        }
        // Also when it is over: what was said last, a GOAWAY, goes out if the socket takes it.
        if let Poll::Ready(true) = this.wire.poll_send(cx_connection) {
            this.wakes.set(CONNECTION);
        }
        if is_over {
            if let Some(flood) = this.wire.flood() {
                tracing::debug!(%flood, "closed a connection");
            }
            return Poll::Ready(());
        }
        this.take_stock();
        if this.keep_time(cx_connection).is_ready() {
            return Poll::Ready(());
        }
        if this.wakes.leave() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

/// The engine is told of every request that was still owed an answer.
impl<IO, S: Inbound, C> Drop for Connection<IO, S, C> {
    fn drop(&mut self) {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        while let Poll::Ready(command) = self.session.poll_command(&mut cx) {
            if let ServerCommand::Reply(request, _) = command
                && let Some(slot) = self.waiting.remove(&request)
            {
                self.streams.remove(slot);
            }
        }
        for stream in self.streams.drain() {
            if let Some(request) = stream.owed() {
                self.session.abandon(request);
            }
        }
    }
}

fn surroundings<'a, S: Inbound>(
    session: &'a Session<S>,
    settings: &'a Settings,
    now: Instant,
) -> Surroundings<'a, S> {
    Surroundings {
        session,
        timeouts: &settings.timeouts,
        now,
    }
}

/// Slots of a connection: twice its streams, as those the peer has reset are still ours until
/// they are looked at.
fn slots_max(settings: &Settings) -> usize {
    settings.streams_max as usize * 2 + 1
}
