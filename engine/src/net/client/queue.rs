//! Attempts that were handed to a connection and are not on the wire yet.

use crate::exchange::{Attempt, ClientCommand};
use crate::net::Mailbox;
use crate::time::Instant;
use crate::units::AttemptId;
use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

/// The connection's end of its mailbox, and what came out of it and waits.
///
/// Invariant: `earliest` is no later than the deadline of any waiting attempt.
#[derive(Debug)]
pub(super) struct Queue {
    mailbox: Mailbox<ClientCommand>,
    waiting: VecDeque<Attempt>,
    earliest: Instant,
    /// No attempt is taken any more.
    closed: bool,
}

/// What the connection must do about a command.
#[derive(Debug)]
pub(super) enum Order {
    /// The attempt is not waiting: reset its stream.
    Cancel(AttemptId),
    Drain,
    /// The connection takes no more attempts: answer it unprocessed.
    Refuse(Attempt),
}

impl Queue {
    pub(super) const fn new(mailbox: Mailbox<ClientCommand>) -> Self {
        Self {
            mailbox,
            waiting: VecDeque::new(),
            earliest: Instant::NEVER,
            closed: false,
        }
    }

    /// Takes commands until one concerns the connection, or registers the task.
    pub(super) fn poll_order(&mut self, cx: &mut Context<'_>) -> Poll<Order> {
        loop {
            match std::task::ready!(self.mailbox.poll_recv(cx)) {
                ClientCommand::Send(attempt) if self.closed => {
                    return Poll::Ready(Order::Refuse(attempt));
                }
                ClientCommand::Send(attempt) => {
                    self.earliest = self.earliest.min(attempt.deadline);
                    self.waiting.push_back(attempt);
                }
                ClientCommand::Cancel(id) => {
                    let found = self.waiting.iter().position(|attempt| attempt.id == id);
                    match found {
                        Some(found) => drop(self.waiting.remove(found)),
                        None => return Poll::Ready(Order::Cancel(id)),
                    }
                }
                ClientCommand::Drain => return Poll::Ready(Order::Drain),
            }
        }
    }

    /// From now on attempts that come are refused; those that wait still go.
    pub(super) const fn close(&mut self) {
        self.closed = true;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn pop(&mut self) -> Option<Attempt> {
        self.waiting.pop_front()
    }

    /// Names every attempt that waits or stands in the mailbox; none is left.
    pub(super) fn refuse_all(&mut self, mut refuse: impl FnMut(AttemptId)) {
        self.close();
        for attempt in self.waiting.drain(..) {
            refuse(attempt.id);
        }
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(order) = self.poll_order(&mut cx) {
            if let Order::Refuse(attempt) = order {
                refuse(attempt.id);
            }
        }
    }

    /// Takes an attempt whose deadline passed, until `None`.
    pub(super) fn pop_expired(&mut self, now: Instant) -> Option<Attempt> {
        if now < self.earliest {
            return None;
        }
        let expired = self
            .waiting
            .iter()
            .position(|attempt| attempt.deadline <= now);
        if expired.is_none() {
            let deadlines = self.waiting.iter().map(|attempt| attempt.deadline);
            self.earliest = deadlines.min().unwrap_or(Instant::NEVER);
        }
        self.waiting.remove(expired?)
    }

    /// When an attempt's deadline may pass.
    pub(super) fn next_timeout(&self) -> Instant {
        if self.waiting.is_empty() {
            return Instant::NEVER;
        }
        self.earliest
    }
}
