//! An HTTP/1.1 client connection: one attempt at a time, kept alive between them.
//!
//! HTTP/1.1 has no way to take an attempt back, so a deadline or a cancellation in the middle of an
//! exchange closes the connection.

mod exchange;
mod head;
mod request;
#[cfg(test)]
mod tests;

use self::exchange::{After, Ended, Exchange, Wire};
use self::request::Heads;
use super::answer::Reader;
use super::queue::{Order, Queue};
use super::{Link, Machine};
use crate::exchange::{Answer, CloseReason, Failure, Outbound};
use crate::net::wakes::Wakes;
use crate::time::Instant;
use crate::units::AttemptId;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite};

/// Slots of [`Wakes`]. The socket is read only when it woke the task: where a read is a system call
/// though nothing came, asking it again for each command would be most of an exchange's cost.
const SOCKET: usize = 0;
const COMMANDS: usize = 1;

/// Exchanges in one poll, before the other tasks of the shard get theirs.
const EXCHANGES_MAX: usize = 16;

/// The connection as a state machine over its socket: time comes in with each poll.
pub(super) struct Driver<IO, O> {
    link: Link<O>,
    queue: Queue,
    wire: Wire<IO>,
    wakes: Wakes,
    heads: Heads,
    reader: Reader,
    exchange: Option<Exchange>,
    opened_at: Instant,
    idle_since: Instant,
    /// No attempt is taken any more.
    draining: bool,
}

impl<IO, O> Machine for Driver<IO, O>
where
    IO: AsyncRead + AsyncWrite + Unpin,
    O: Outbound,
{
    fn poll(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<CloseReason> {
        self.wakes.enter(cx.waker());
        self.wakes.take(COMMANDS);
        self.wire.begin(self.wakes.take(SOCKET));
        let advanced = self.advance(now);
        if self.wakes.leave() && advanced.is_pending() {
            cx.waker().wake_by_ref();
        }
        let reason = std::task::ready!(advanced);
        if let Some(exchange) = self.exchange.take() {
            self.answered(exchange.attempt, Answer::Failed(exchange.lost()));
        }
        let Self { link, queue, .. } = self;
        queue.refuse_all(|attempt| {
            let answer = Answer::Failed(Failure::Unprocessed);
            link.outbound.answered(link.id, attempt, answer);
        });
        Poll::Ready(reason)
    }

    fn next_timeout(&self) -> Instant {
        let settings = &self.link.settings;
        let aged = match self.draining {
            true => Instant::NEVER,
            false => self.opened_at + settings.age_max,
        };
        let step = match &self.exchange {
            Some(exchange) => exchange.deadline,
            None => self.idle_since + settings.idle_timeout,
        };
        aged.min(step).min(self.queue.next_timeout())
    }
}

impl<IO, O> Driver<IO, O>
where
    IO: AsyncRead + AsyncWrite + Unpin,
    O: Outbound,
{
    /// A connected socket is ready at once: HTTP/1.1 has no handshake.
    pub(super) fn new(link: Link<O>, queue: Queue, io: IO, now: Instant) -> Self {
        link.outbound.connected(link.id, 1);
        Self {
            reader: Reader::new(link.settings.response_bytes_max),
            link,
            queue,
            wire: Wire::new(io),
            wakes: wakes(),
            heads: Heads::default(),
            exchange: None,
            opened_at: now,
            idle_since: now,
            draining: false,
        }
    }

    fn advance(&mut self, now: Instant) -> Poll<CloseReason> {
        // The exchange before ended in this poll: the peer was heard just now.
        let mut is_fresh = false;
        for _ in 0..EXCHANGES_MAX {
            if let Some(reason) = self.take_orders() {
                return Poll::Ready(reason);
            }
            self.check_time(now);
            if self.exchange.is_none()
                && let Some(reason) = self.next_exchange(now, is_fresh)
            {
                return Poll::Ready(reason);
            }
            let Some(exchange) = &mut self.exchange else {
                return Poll::Pending;
            };
            if exchange.deadline <= now {
                let attempt = exchange.attempt;
                self.exchange = None;
                self.answered(attempt, Answer::Failed(Failure::TimedOut));
                return Poll::Ready(CloseReason::Lost);
            }
            let mut cx = Context::from_waker(self.wakes.waker(SOCKET));
            let polled = exchange.poll(&mut cx, &mut self.wire, &mut self.reader);
            let Ended { answer, after } = std::task::ready!(polled);
            let attempt = exchange.attempt;
            self.exchange = None;
            self.idle_since = now;
            is_fresh = true;
            self.answered(attempt, answer);
            match after {
                After::Reuse => {}
                After::Close => return Poll::Ready(CloseReason::Drained),
                After::Lost => return Poll::Ready(CloseReason::Lost),
                After::Foreign => return Poll::Ready(not_http()),
            }
        }
        self.wakes.set(COMMANDS);
        Poll::Pending
    }

    fn check_time(&mut self, now: Instant) {
        while let Some(attempt) = self.queue.pop_expired(now) {
            self.answered(attempt.id, Answer::Failed(Failure::TimedOut));
        }
        if !self.draining && self.opened_at + self.link.settings.age_max <= now {
            self.link.outbound.draining(self.link.id);
            self.drain();
        }
    }

    /// Begins the next exchange, if an attempt waits. A reason: the connection is to end.
    fn next_exchange(&mut self, now: Instant, is_fresh: bool) -> Option<CloseReason> {
        // A peer that closes an idle connection is noticed before a request is written to it.
        // Bytes that answer nothing, such as a 408 before the close, mean the same.
        let is_checked = is_fresh && !self.queue.is_empty();
        let mut cx = Context::from_waker(self.wakes.waker(SOCKET));
        if !is_checked && self.wire.poll_fill(&mut cx).is_ready() {
            return Some(CloseReason::Lost);
        }
        if let Some(attempt) = self.queue.pop() {
            let head = self.heads.bytes(&attempt);
            self.exchange = Some(Exchange::new(head, attempt));
            return None;
        }
        let is_idle_too_long = self.idle_since + self.link.settings.idle_timeout <= now;
        (self.draining || is_idle_too_long).then_some(CloseReason::Drained)
    }

    fn take_orders(&mut self) -> Option<CloseReason> {
        loop {
            let mut cx = Context::from_waker(self.wakes.waker(COMMANDS));
            let Poll::Ready(order) = self.queue.poll_order(&mut cx) else {
                return None;
            };
            match order {
                Order::Drain => self.drain(),
                Order::Refuse(attempt) => {
                    self.answered(attempt.id, Answer::Failed(Failure::Unprocessed));
                }
                Order::Cancel(attempt) => {
                    let open = self.exchange.as_ref().map(|exchange| exchange.attempt);
                    if open == Some(attempt) {
                        self.exchange = None;
                        return Some(CloseReason::Drained);
                    }
                }
            }
        }
    }

    const fn drain(&mut self) {
        self.draining = true;
        self.queue.close();
    }

    fn answered(&self, attempt: AttemptId, answer: Answer) {
        self.link.outbound.answered(self.link.id, attempt, answer);
    }
}

/// The socket is read first of all.
fn wakes() -> Wakes {
    let wakes = Wakes::new(2);
    while wakes.take_next(0).is_some() {}
    wakes.set(SOCKET);
    wakes
}

fn not_http() -> CloseReason {
    CloseReason::Protocol {
        what: "the peer did not answer in HTTP/1.1".to_owned(),
    }
}
