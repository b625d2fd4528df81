//! One HTTP/2 request, from its headers to the last byte of its reply.
//!
//! ```text
//!   head --admitted--> receiving --body complete--> waiting --reply--> sending --> done
//!     \                    |                           (known at once: straight to sending)
//!      +--answered at once-+--refused, malformed--> sending --> draining --> done
//! ```

use crate::exchange::{Admission, Framing, Inbound, Reply};
use crate::net::server::intake::{Intake, Stop};
use crate::net::server::reply::{self, Outgoing};
use crate::net::server::session::Session;
use crate::net::server::settings::Timeouts;
use crate::time::Instant;
use crate::units::RequestId;
use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::header::{CONTENT_LENGTH, EXPECT};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use std::task::{Context, Poll};

/// How much of a refused body is read and dropped before the stream is reset. Many clients report
/// a broken connection, not the refusal, when they cannot send what they began.
const DRAIN_MAX: usize = 64 << 10;

/// A request that is open.
#[derive(Debug)]
pub(super) struct Stream {
    /// `None` once the body was read to its end.
    body: Option<RecvStream>,
    respond: SendResponse<Bytes>,
    framing: Framing,
    /// The method was HEAD.
    head: bool,
    state: State,
    /// When the state must have moved on.
    due: Instant,
}

#[derive(Debug)]
enum State {
    Receiving {
        request: RequestId,
        intake: Intake,
        deadline: Instant,
    },
    /// The reply comes by mailbox.
    Waiting {
        request: RequestId,
    },
    /// The reply waits for the peer's windows.
    Sending(Outgoing),
    /// The reply is out; what comes of the body is dropped, up to `left` bytes more.
    Draining {
        left: usize,
    },
    /// The sender reset the stream.
    Reset,
    Done,
}

/// What became of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// Nothing more to do until its waker fires.
    Pending,
    /// The body is complete and the reply comes later.
    Waiting(RequestId),
    /// The sender left a request whose reply was still awaited. Its holder abandons it, unless
    /// the reply turns out to have been sent meanwhile.
    Left(RequestId),
    /// The sender reset a request in the middle of its body, and the engine knows it.
    Reset,
    Done,
}

/// What a stream needs of its connection to move on.
#[derive(Debug)]
pub(super) struct Surroundings<'a, S: Inbound> {
    pub(super) session: &'a Session<S>,
    pub(super) timeouts: &'a Timeouts,
    pub(super) now: Instant,
}

impl Stream {
    /// Decides on the headers and begins the body, or the reply.
    pub(super) fn open<S: Inbound>(
        request: Request<RecvStream>,
        respond: SendResponse<Bytes>,
        around: &Surroundings<'_, S>,
    ) -> Self {
        let (parts, body) = request.into_parts();
        let mut stream = Self {
            body: Some(body),
            respond,
            framing: Framing::Plain,
            head: parts.method == Method::HEAD,
            state: State::Done,
            due: Instant::NEVER,
        };
        match around.session.head(&parts) {
            Admission::Answer(reply) => stream.answer(reply, around),
            Admission::Receive {
                request,
                framing,
                deadline,
            } => {
                stream.framing = framing;
                let mut intake = Intake::new(framing, content_length(&parts));
                match intake.begin(|bytes| around.session.reserve(request, bytes)) {
                    Ok(()) => {
                        stream.go_on(&parts);
                        stream.due = deadline.min(around.now + around.timeouts.body_progress);
                        stream.state = State::Receiving {
                            request,
                            intake,
                            deadline,
                        };
                    }
                    Err(stop) => stream.stop(request, stop, around),
                }
            }
        }
        stream
    }

    /// When [`Self::expire`] is to be called if nothing happens until then.
    pub(super) const fn due(&self) -> Instant {
        self.due
    }

    /// The request that the engine must be told about if the stream is dropped now.
    pub(super) const fn owed(&self) -> Option<RequestId> {
        match self.state {
            State::Receiving { request, .. } | State::Waiting { request } => Some(request),
            State::Sending(_) | State::Draining { .. } | State::Reset | State::Done => None,
        }
    }

    /// Moves on as far as it can without waiting.
    pub(super) fn advance<S: Inbound>(
        &mut self,
        cx: &mut Context<'_>,
        around: &Surroundings<'_, S>,
    ) -> Progress {
        loop {
            match &mut self.state {
                State::Receiving { request, .. } => {
                    let request = *request;
                    if self.receive(request, cx, around).is_pending() {
                        return Progress::Pending;
                    }
                }
                State::Waiting { request } => {
                    let request = *request;
                    return match self.respond.poll_reset(cx) {
                        Poll::Pending => Progress::Waiting(request),
                        Poll::Ready(_) => Progress::Left(request),
                    };
                }
                State::Sending(outgoing) => match outgoing.poll(cx) {
                    Poll::Pending => return Progress::Pending,
                    Poll::Ready(Ok(())) => self.replied(around),
                    Poll::Ready(Err(_)) => self.state = State::Done,
                },
                State::Draining { left } => {
                    let Some(body) = &mut self.body else {
                        return Progress::Done;
                    };
                    match body.poll_data(cx) {
                        Poll::Pending => return Progress::Pending,
                        Poll::Ready(Some(Ok(piece))) if piece.len() <= *left => {
                            *left -= piece.len();
                            release(body, piece.len());
                        }
                        Poll::Ready(_) => self.state = State::Done,
                    }
                }
                State::Reset => return Progress::Reset,
                State::Done => return Progress::Done,
            }
        }
    }

    /// Begins the reply. For a request that is still owed one.
    pub(super) fn answer<S: Inbound>(&mut self, reply: Reply, around: &Surroundings<'_, S>) {
        match reply::begin(&mut self.respond, reply, self.head) {
            Ok(None) => self.replied(around),
            Ok(Some(outgoing)) => {
                self.due = around.now + around.timeouts.reply;
                self.state = State::Sending(outgoing);
            }
            // The stream was reset, or the connection is gone: nobody waits for the reply.
            Err(_) => self.state = State::Done,
        }
    }

    /// The time of the state is up. A request still owed a reply is abandoned and answered here.
    pub(super) fn expire<S: Inbound>(&mut self, around: &Surroundings<'_, S>) {
        match &mut self.state {
            State::Receiving {
                request, deadline, ..
            } => {
                let reply = if around.now >= *deadline {
                    reply::expired(self.framing)
                } else {
                    reply::stalled(self.framing)
                };
                around.session.abandon(*request);
                self.answer(reply, around);
            }
            State::Waiting { request } => {
                around.session.abandon(*request);
                self.answer(reply::expired(self.framing), around);
            }
            State::Sending(outgoing) => {
                outgoing.cancel();
                self.state = State::Done;
            }
            State::Draining { .. } | State::Reset | State::Done => self.state = State::Done,
        }
    }

    /// Takes the next piece of the body, or its end. `Ready` means that there may be more to do.
    fn receive<S: Inbound>(
        &mut self,
        request: RequestId,
        cx: &mut Context<'_>,
        around: &Surroundings<'_, S>,
    ) -> Poll<()> {
        let (
            Some(body),
            State::Receiving {
                intake, deadline, ..
            },
        ) = (&mut self.body, &mut self.state)
        else {
            return Poll::Ready(());
        };
        match body.poll_data(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Some(Ok(piece))) => {
                let len = piece.len();
                let taken = intake.push(piece, |bytes| around.session.reserve(request, bytes));
                // The bytes are the request's now, or dropped: the peer may send as many more.
                release(body, len);
                match taken {
                    Ok(()) => {
                        self.due = (*deadline).min(around.now + around.timeouts.body_progress);
                    }
                    Err(stop) => self.stop(request, stop, around),
                }
            }
            Poll::Ready(Some(Err(_))) => {
                around.session.abandon(request);
                self.state = State::Reset;
            }
            Poll::Ready(None) => self.finish(request, around),
        }
        Poll::Ready(())
    }

    /// The body has ended.
    fn finish<S: Inbound>(&mut self, request: RequestId, around: &Surroundings<'_, S>) {
        let State::Receiving {
            intake, deadline, ..
        } = std::mem::replace(&mut self.state, State::Done)
        else {
            return;
        };
        self.body = None;
        match intake.finish() {
            Ok(body) => {
                if let Some(reply) = around.session.complete(request, body) {
                    self.answer(reply, around);
                } else {
                    self.due = deadline;
                    self.state = State::Waiting { request };
                }
            }
            Err(malformed) => self.stop(request, Stop::Malformed(malformed), around),
        }
    }

    /// The body is not read further: answers, and ends the request where the engine did not.
    fn stop<S: Inbound>(&mut self, request: RequestId, stop: Stop, around: &Surroundings<'_, S>) {
        let reply = match stop {
            Stop::Refused(reply) => *reply,
            Stop::Malformed(malformed) => {
                around.session.abandon(request);
                reply::malformed(malformed)
            }
        };
        self.answer(reply, around);
    }

    /// The reply is queued whole.
    fn replied<S: Inbound>(&mut self, around: &Surroundings<'_, S>) {
        self.state = match &self.body {
            Some(body) if !body.is_end_stream() => {
                self.due = around.now + around.timeouts.body_progress;
                State::Draining { left: DRAIN_MAX }
            }
            _ => State::Done,
        };
    }

    /// A sender that waits for leave to send its body gets it.
    fn go_on(&mut self, parts: &Parts) {
        if parts.headers.contains_key(EXPECT) {
            let mut response = Response::new(());
            *response.status_mut() = StatusCode::CONTINUE;
            // Fails only if the stream is gone, which the body will tell.
            let _ = self.respond.send_informational(response);
        }
    }
}

/// Gives `len` bytes of window back to the peer.
fn release(body: &mut RecvStream, len: usize) {
    // Fails only for more than was received.
    let _ = body.flow_control().release_capacity(len);
}

/// The declared length; h2 has checked it to be one number, and checks the body against it.
fn content_length(parts: &Parts) -> Option<u64> {
    parts
        .headers
        .get(CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}
