//! One request, from its head to the reply: what is read, and what it leads to.

use super::body::BodyReader;
use super::head::{self, Head, Unreadable};
use super::outbox::{self, Announce};
use super::{Connection, Current, DISCARD_MAX, HEAD_READ, State, Then};
use crate::exchange::{Admission, Inbound, Reply};
use crate::net::Clock;
use crate::net::chunked::{NotChunked, Piece};
use crate::net::server::intake::{Intake, Stop};
use crate::net::server::reply;
use crate::units::RequestId;
use http::{Method, StatusCode, Version};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite};

/// Stands for a request whose head could not be read.
pub(super) const UNREADABLE: Current = Current {
    is_head: false,
    is_http_10: false,
    is_kept: false,
    wants_leave: false,
};

impl<IO, S, C> Connection<IO, S, C>
where
    IO: AsyncRead + AsyncWrite + Unpin,
    S: Inbound,
    C: Clock,
{
    pub(super) fn read_head(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_draining && self.input.is_empty() {
            self.state = State::Closed;
            return Poll::Ready(());
        }
        if !self.input.is_empty() {
            let headers = std::mem::take(&mut self.headers);
            let len_max = self.settings.header_list_max as usize;
            match head::parse(&mut self.input, len_max, headers) {
                Ok(Some(head)) => {
                    self.begin(head);
                    return Poll::Ready(());
                }
                Ok(None) => {}
                Err(Unreadable(status)) => {
                    self.give_up(status);
                    return Poll::Ready(());
                }
            }
        }
        let was_empty = self.input.is_empty();
        match self.poll_read(HEAD_READ, cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(read)) if read > 0 => {
                if was_empty {
                    self.due = self.now + self.settings.timeouts.header;
                }
            }
            Poll::Ready(_) => self.state = State::Closed,
        }
        Poll::Ready(())
    }

    /// Decides on a head.
    fn begin(&mut self, head: Head) {
        self.current = Current {
            is_head: head.parts.method == Method::HEAD,
            is_http_10: head.parts.version == Version::HTTP_10,
            is_kept: head.is_kept,
            wants_leave: head.expects_leave && self.input.is_empty(),
        };
        let declared = head.body.left();
        self.body = head.body;
        let admission = self.session.head(&head.parts);
        self.headers = head.parts.headers;
        self.headers.clear();
        let (request, framing, deadline) = match admission {
            Admission::Answer(reply) => return self.reply(reply),
            Admission::Receive {
                request,
                framing,
                deadline,
            } => (request, framing, deadline),
        };
        let mut intake = Intake::new(framing, declared);
        if let Err(stop) = intake.begin(|bytes| self.session.reserve(request, bytes)) {
            return self.stop(request, stop);
        }
        if self.current.wants_leave {
            self.current.wants_leave = false;
            self.outbox.push_continue();
        }
        self.due = deadline.min(self.now + self.settings.timeouts.body_progress);
        self.state = State::Body {
            request,
            framing,
            intake,
            deadline,
        };
    }

    pub(super) fn read_body(&mut self, request: RequestId, cx: &mut Context<'_>) -> Poll<()> {
        let State::Body {
            intake, deadline, ..
        } = &mut self.state
        else {
            return Poll::Ready(());
        };
        match self.body.next(&mut self.input) {
            Ok(Piece::Data(piece)) => {
                let taken = intake.push(piece, |bytes| self.session.reserve(request, bytes));
                if let Err(stop) = taken {
                    self.stop(request, stop);
                }
            }
            Ok(Piece::End) => self.finish(),
            Ok(Piece::More) => {
                if !self.outbox.is_empty() {
                    match self.outbox.poll_write(&mut self.io, cx) {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(Ok(())) => {}
                        Poll::Ready(Err(_)) => {
                            self.leave(request);
                            return Poll::Ready(());
                        }
                    }
                }
                let deadline = *deadline;
                match self.poll_read(self.body.wanted(), cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(read)) if read > 0 => {
                        let progress = self.now + self.settings.timeouts.body_progress;
                        self.due = deadline.min(progress);
                    }
                    Poll::Ready(_) => self.leave(request),
                }
            }
            Err(NotChunked) => {
                self.session.abandon(request);
                self.give_up(StatusCode::BAD_REQUEST);
            }
        }
        Poll::Ready(())
    }

    /// The body has ended.
    fn finish(&mut self) {
        self.body = BodyReader::Exactly { left: 0 };
        let State::Body {
            request,
            framing,
            intake,
            deadline,
        } = std::mem::replace(&mut self.state, State::Closed)
        else {
            return;
        };
        match intake.finish() {
            Ok(body) => match self.session.complete(request, body) {
                Some(reply) => self.reply(reply),
                None => {
                    self.due = deadline;
                    self.state = State::Waiting { request, framing };
                }
            },
            Err(malformed) => self.stop(request, Stop::Malformed(malformed)),
        }
    }

    /// Listens for a sender that leaves while its reply is awaited.
    pub(super) fn watch(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // The next request may stand there already; then there is no telling.
        if !self.input.is_empty() {
            return Poll::Pending;
        }
        match self.poll_read(HEAD_READ, cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(read)) if read > 0 => Poll::Pending,
            Poll::Ready(_) => {
                // A reply that is in the mailbox ended the request: its number may be in use again.
                self.take_commands(cx);
                if let State::Waiting { request, .. } = self.state {
                    self.leave(request);
                }
                Poll::Ready(())
            }
        }
    }

    /// The sender is gone in the middle of a request.
    fn leave(&mut self, request: RequestId) {
        self.session.abandon(request);
        self.state = State::Closed;
    }

    /// The body is read no further: answers, and ends the request where the engine did not.
    fn stop(&mut self, request: RequestId, stop: Stop) {
        match stop {
            Stop::Refused(reply) => self.reply(*reply),
            Stop::Malformed(malformed) => {
                self.session.abandon(request);
                self.reply(reply::malformed(malformed));
            }
        }
    }

    /// Answers what cannot be read on, and closes.
    pub(super) fn give_up(&mut self, status: StatusCode) {
        self.current = UNREADABLE;
        self.body = BodyReader::Exactly { left: u64::MAX };
        self.reply(Reply::Http(outbox::plain(status)));
    }

    pub(super) fn reply(&mut self, reply: Reply) {
        let is_kept = self.current.is_kept && !self.is_draining;
        let then = match self.body.left() {
            Some(0) if is_kept => Then::Next,
            // A sender that waits for leave may send the body or not: only closing is clear.
            Some(1..=DISCARD_MAX) if is_kept && !self.current.wants_leave => Then::Discard,
            _ => Then::Close,
        };
        let announce = match then {
            Then::Close => Announce::Close,
            Then::Next | Then::Discard if self.current.is_http_10 => Announce::Kept,
            Then::Next | Then::Discard => Announce::Nothing,
        };
        self.outbox
            .push_reply(reply, self.current.is_head, announce);
        self.due = self.now + self.settings.timeouts.reply;
        self.state = State::Replying { then };
    }
}
