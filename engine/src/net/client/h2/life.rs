//! What happens to a connection besides its streams: commands, GOAWAY, time, the end.

use super::{CLOSE_TIMEOUT, COMMANDS, CONNECTION, Driver, Phase, STALL_MIN, STREAMS_MAX_UNKNOWN};
use crate::exchange::{Answer, CloseReason, Failure, Outbound};
use crate::net::client::keepalive::Action;
use crate::net::client::queue::Order;
use crate::time::Instant;
use crate::units::AttemptId;
use h2::Ping;
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite};

impl<IO, O> Driver<IO, O>
where
    IO: AsyncRead + AsyncWrite + Unpin,
    O: Outbound,
{
    /// Takes what the engine sent. A reason: the connection is to end at once.
    pub(super) fn take_orders(&mut self) -> Option<CloseReason> {
        loop {
            let mut cx = Context::from_waker(self.wakes.waker(COMMANDS));
            match self.queue.poll_order(&mut cx) {
                Poll::Pending => return None,
                Poll::Ready(Order::Cancel(attempt)) => self.cancel(attempt),
                Poll::Ready(Order::Refuse(attempt)) => {
                    self.answered(attempt.id, Answer::Failed(Failure::Unprocessed));
                }
                Poll::Ready(Order::Drain) if !self.connected => return Some(CloseReason::Drained),
                Poll::Ready(Order::Drain) => {
                    self.ending.asked = true;
                    self.drain();
                }
            }
        }
    }

    fn cancel(&mut self, attempt: AttemptId) {
        let found = self
            .streams
            .iter()
            .find(|(_, stream)| stream.attempt == attempt);
        if let Some((key, _)) = found {
            self.remove(key).reset();
        }
    }

    /// Notes what h2 read: SETTINGS, GOAWAY, signs of life.
    pub(super) fn after_io(&mut self, now: Instant) {
        if self.wire.take_heard() {
            self.pinger.handle_heard(now);
        }
        if self.moved != self.written.connection() {
            self.moved = self.written.connection();
            self.moved_at = now;
        }
        let Some(sender) = &mut self.sender else {
            return;
        };
        let limit = sender.current_max_send_streams();
        let mut cx = Context::from_waker(self.wakes.waker(COMMANDS));
        let refusal = match sender.poll_ready(&mut cx) {
            Poll::Ready(Err(error)) => Some(error),
            Poll::Ready(Ok(())) | Poll::Pending => None,
        };
        if limit != STREAMS_MAX_UNKNOWN {
            self.handle_streams_max(limit, now);
        }
        if let Some(error) = refusal {
            self.ending.handle_refusal(&error);
            self.handle_going_away();
        }
    }

    fn handle_streams_max(&mut self, limit: usize, now: Instant) {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let limit = limit.min(self.link.settings.streams_max);
        if !self.connected {
            self.connected = true;
            self.phase = Phase::Open;
            self.opened_at = now;
            self.link.outbound.connected(self.link.id, limit);
        } else if limit != self.streams_max {
            self.link.outbound.streams_max(self.link.id, limit);
        }
        if limit > self.streams_max {
            self.wakes.set(COMMANDS);
        }
        self.streams_max = limit;
    }

    /// The peer takes no more streams: what waits goes to another connection.
    fn handle_going_away(&mut self) {
        self.sender = None;
        self.retire();
        while let Some(attempt) = self.queue.pop() {
            self.answered(attempt.id, Answer::Failed(Failure::Unprocessed));
        }
    }

    /// Takes no more attempts, by our own choice, and tells the engine.
    fn retire(&mut self) {
        if self.phase == Phase::Open {
            self.link.outbound.draining(self.link.id);
        }
        self.drain();
    }

    fn drain(&mut self) {
        self.queue.close();
        if self.phase == Phase::Open {
            self.phase = Phase::Draining;
        }
    }

    /// Does what time asks for. A reason: the connection is to end at once.
    pub(super) fn check_time(&mut self, now: Instant) -> Option<CloseReason> {
        match self.phase {
            Phase::Handshake { until } if until <= now => {
                return Some(match self.wire.foreign_protocol() {
                    Some(what) => CloseReason::Protocol {
                        what: what.to_owned(),
                    },
                    None => CloseReason::ConnectTimedOut,
                });
            }
            Phase::Closing { until } if until <= now => return Some(self.ending.own_reason()),
            Phase::Open if self.is_outlived(now) => {
                self.ending.asked = true;
                self.retire();
            }
            _ => {}
        }
        self.expire(now);
        match self.pinger.poll(!self.streams.is_empty(), now) {
            Action::Nothing => None,
            Action::Ping => {
                self.ping();
                None
            }
            Action::GiveUp => Some(CloseReason::KeepaliveTimedOut),
        }
    }

    /// Too old, or idle for too long.
    fn is_outlived(&self, now: Instant) -> bool {
        let settings = &self.link.settings;
        let is_idle = self
            .idle_since
            .is_some_and(|since| since + settings.idle_timeout <= now);
        is_idle || self.opened_at + settings.age_max <= now
    }

    fn ping(&mut self) {
        let Some(ping_pong) = &mut self.ping_pong else {
            return;
        };
        // Takes the last answer, without which h2 sends no PING; it was heard as a sign of life.
        let _ = ping_pong.poll_pong(&mut Context::from_waker(Waker::noop()));
        // An error means that a PING is unanswered yet, which serves as well, or that h2 is gone.
        let _ = ping_pong.send_ping(Ping::opaque());
        self.ending.pinged = true;
    }

    fn expire(&mut self, now: Instant) {
        while let Some(attempt) = self.queue.pop_expired(now) {
            self.answered(attempt.id, Answer::Failed(Failure::TimedOut));
        }
        if now < self.earliest {
            return;
        }
        let expired = self
            .streams
            .iter()
            .filter(|(_, stream)| stream.deadline <= now);
        let expired: Vec<usize> = expired.map(|(key, _)| key).collect();
        let mut stalled = false;
        for key in expired {
            let mut stream = self.remove(key);
            stream.reset();
            stalled =
                stalled || (stream.is_unsent() && stream.moved_before == self.written.connection());
            self.answered(stream.attempt, Answer::Failed(Failure::TimedOut));
        }
        let deadlines = self.streams.iter().map(|(_, stream)| stream.deadline);
        self.earliest = deadlines.min().unwrap_or(Instant::NEVER);
        // A peer that grants no window to anybody: the next connection may fare better.
        if stalled && now - self.moved_at >= STALL_MIN {
            self.ending.stalled = true;
            self.retire();
        }
    }

    /// Keeps account of idleness, and lets h2 close once nothing is left to do.
    pub(super) fn close_when_done(&mut self, now: Instant) {
        let is_idle = self.streams.is_empty() && self.queue.is_empty();
        if !is_idle {
            self.idle_since = None;
            return;
        }
        if self.idle_since.is_none() {
            self.idle_since = Some(now);
            self.wire.shrink();
        }
        if self.phase == Phase::Draining {
            self.phase = Phase::Closing {
                until: now + CLOSE_TIMEOUT,
            };
            self.sender = None;
            self.wakes.set(CONNECTION);
        }
    }

    /// The connection is gone: every attempt that has no answer yet gets one.
    pub(super) fn answer_all(&mut self) {
        for stream in self.streams.drain() {
            let untouched = stream.is_untouched();
            let failure = if untouched {
                Failure::Unprocessed
            } else {
                Failure::ConnectionLost
            };
            self.link
                .outbound
                .answered(self.link.id, stream.attempt, Answer::Failed(failure));
        }
        self.queue.refuse_all(|attempt| {
            let answer = Answer::Failed(Failure::Unprocessed);
            self.link.outbound.answered(self.link.id, attempt, answer);
        });
    }
}
