//! One attempt on an HTTP/2 stream: its body going out, its answer coming in.
//!
//! ```text
//!   opened --> body (as flow control permits) --> done
//!          \-> awaiting headers --> reading body --> trailers --> answer
//! ```
//!
//! Both halves run at once: a peer may answer before it has read the body.

use crate::exchange::{Answer, AttemptHead, Failure, Framing};
use crate::net::client::answer;
use crate::net::client::response::{Collector, TooLarge};
use crate::net::client::upload::{Slices, Written};
use crate::time::Instant;
use crate::units::AttemptId;
use bytes::Buf;
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, StatusCode};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// What h2 is asked to reserve for one body at once; the rest of a longer one follows.
const RESERVE_MAX: usize = 1 << 30;

/// Flow-control credit is given back in pieces of at least this, so that short answers, which end
/// before, cost nothing.
const RELEASE_MIN: usize = 4096;

pub(super) struct Stream {
    pub(super) attempt: AttemptId,
    pub(super) deadline: Instant,
    /// [`Written::connection`] when the stream opened.
    pub(super) moved_before: u64,
    head: Rc<AttemptHead>,
    body_len: usize,
    written: Written,
    send: SendStream<Slices>,
    /// What h2 did not take yet.
    rest: Option<Slices>,
    /// The longest DATA frame.
    frame_max: usize,
    awaited: ResponseFuture,
    response: Option<Response>,
}

/// What a stream is made of when it opens.
pub(super) struct Opening {
    pub(super) attempt: AttemptId,
    pub(super) deadline: Instant,
    pub(super) head: Rc<AttemptHead>,
    pub(super) body: Slices,
    pub(super) frame_max: usize,
    pub(super) written: Written,
    pub(super) response: ResponseFuture,
    pub(super) send: SendStream<Slices>,
}

impl Stream {
    pub(super) fn new(opening: Opening) -> Self {
        let body_len = opening.body.remaining();
        let mut send = opening.send;
        send.reserve_capacity(body_len.min(RESERVE_MAX));
        Self {
            attempt: opening.attempt,
            deadline: opening.deadline,
            moved_before: opening.written.connection(),
            written: opening.written,
            head: opening.head,
            body_len,
            send,
            rest: Some(opening.body).filter(Buf::has_remaining),
            frame_max: opening.frame_max,
            awaited: opening.response,
            response: None,
        }
    }

    /// Moves both halves on. `Ready` once, with the answer.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, limits: &mut Limits) -> Poll<Answer> {
        self.send_body(cx);
        let answer = match ready!(self.poll_answer(cx, limits)) {
            Ok(answer) => answer,
            Err(ReadError::TooLarge) => Answer::Failed(Failure::ResponseTooLarge),
            Err(ReadError::H2(error)) => Answer::Failed(self.failure(&error)),
        };
        Poll::Ready(answer)
    }

    /// Resets the stream; its buffers are let go at once.
    pub(super) fn reset(&mut self) {
        self.send.send_reset(Reason::CANCEL);
    }

    /// What the attempt's answer took of [`Limits::budget`].
    pub(super) fn held(&self) -> isize {
        self.response.as_ref().map_or(0, |response| response.held)
    }

    /// Whether its answer is the one of [`Limits::is_led`].
    pub(super) fn leads(&self) -> bool {
        let response = self.response.as_ref();
        response.is_some_and(|response| response.leads)
    }

    /// Whether a part of the body was not given to the socket yet.
    pub(super) fn is_unsent(&self) -> bool {
        self.written.body() < self.body_len
    }

    /// Whether no byte of the body was given to the socket: nobody can have processed it.
    pub(super) fn is_untouched(&self) -> bool {
        self.body_len > 0 && self.written.body() == 0
    }

    fn send_body(&mut self, cx: &mut Context<'_>) {
        while let Some(rest) = &mut self.rest {
            let mut capacity = match self.send.poll_capacity(cx) {
                Poll::Pending => return,
                Poll::Ready(Some(Ok(capacity))) => capacity,
                // The stream is closed for sending. The receiving half knows why.
                Poll::Ready(None | Some(Err(_))) => {
                    self.rest = None;
                    return;
                }
            };
            // h2 tells of capacity once: all of it is used before it is asked again.
            while capacity > 0 {
                let piece = rest.split_to(capacity.min(self.frame_max));
                capacity -= piece.remaining();
                let remaining = rest.remaining();
                if self.send.send_data(piece, remaining == 0).is_err() || remaining == 0 {
                    self.rest = None;
                    return;
                }
            }
            // After the pieces: h2 counts what it buffered as part of the reservation. This
            // changes it only for a body beyond the first one.
            let remaining = rest.remaining();
            self.send.reserve_capacity(remaining.min(RESERVE_MAX));
        }
    }

    fn poll_answer(
        &mut self,
        cx: &mut Context<'_>,
        limits: &mut Limits,
    ) -> Poll<Result<Answer, ReadError>> {
        let framing = self.head.framing;
        let response = match &mut self.response {
            Some(response) => response,
            None => {
                let head = ready!(Pin::new(&mut self.awaited).poll(cx))?;
                self.response
                    .insert(Response::new(head, framing, &limits.reader)?)
            }
        };
        if !response.body_ended {
            ready!(response.poll_body(cx, limits))?;
        }
        let trailers = if response.trailers_ended {
            None
        } else {
            match ready!(response.stream.poll_trailers(cx)) {
                Ok(trailers) => trailers,
                Err(error) if is_early_end(&error) => None,
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        };
        let response = answer::Response {
            status: response.status,
            headers: std::mem::take(&mut response.headers),
            trailers: trailers.as_ref(),
            body: response.body.take(),
        };
        Poll::Ready(Ok(limits.reader.answer(framing, response)))
    }

    fn failure(&self, error: &h2::Error) -> Failure {
        // A remote GOAWAY reaches only the streams above its last stream id.
        if error.is_remote() && error.is_go_away() {
            return Failure::Unprocessed;
        }
        if error.is_reset() {
            return match (error.is_remote(), error.reason()) {
                (true, Some(Reason::REFUSED_STREAM)) => Failure::Unprocessed,
                (true, _) => Failure::ConnectionLost,
                // h2 reset it: the peer broke the protocol on this stream.
                (false, _) => Failure::Malformed,
            };
        }
        if self.is_untouched() {
            return Failure::Unprocessed;
        }
        Failure::ConnectionLost
    }
}

/// What answers may hold.
#[derive(Debug)]
pub(super) struct Limits {
    /// One answer.
    pub(super) reader: answer::Reader,
    /// What all answers of the connection may still hold together. Once it is used up, streams
    /// keep their flow-control credit, so that the peer stops.
    pub(super) budget: isize,
    /// One of them goes on all the same, up to its own limit: if all stopped, none would end.
    pub(super) is_led: bool,
}

struct Response {
    status: StatusCode,
    headers: HeaderMap,
    stream: RecvStream,
    body: Collector,
    /// The body says nothing about the answer and is read only to end the stream in peace.
    is_ignored: bool,
    /// Flow-control bytes that were read and not given back to the peer yet.
    withheld: usize,
    /// What was taken of [`Limits::budget`].
    held: isize,
    /// This is the answer of [`Limits::is_led`].
    leads: bool,
    body_ended: bool,
    trailers_ended: bool,
}

impl Response {
    fn new(
        head: http::Response<RecvStream>,
        framing: Framing,
        reader: &answer::Reader,
    ) -> Result<Self, ReadError> {
        let (parts, stream) = head.into_parts();
        let is_ignored = framing == Framing::Grpc && parts.status != StatusCode::OK;
        if !is_ignored && reader.is_declared_too_large(framing, &parts.headers) {
            return Err(ReadError::TooLarge);
        }
        let ended = stream.is_end_stream();
        Ok(Self {
            status: parts.status,
            headers: parts.headers,
            stream,
            body: Collector::new(reader.wire_bytes_max(framing)),
            is_ignored,
            withheld: 0,
            held: 0,
            leads: false,
            body_ended: ended,
            trailers_ended: ended,
        })
    }

    fn may_go_on(&mut self, limits: &mut Limits) -> bool {
        if limits.budget > 0 || self.leads {
            return true;
        }
        self.leads = !limits.is_led;
        limits.is_led = true;
        self.leads
    }

    fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        limits: &mut Limits,
    ) -> Poll<Result<(), ReadError>> {
        loop {
            // What is left below the threshold returns when the stream is dropped.
            if self.withheld >= RELEASE_MIN && self.may_go_on(limits) {
                self.stream.flow_control().release_capacity(self.withheld)?;
                self.withheld = 0;
            }
            match ready!(self.stream.poll_data(cx)) {
                Some(Ok(piece)) => {
                    self.withheld += piece.len();
                    if !self.is_ignored {
                        let len = piece.len();
                        self.body
                            .push(piece)
                            .map_err(|TooLarge| ReadError::TooLarge)?;
                        self.held += len.cast_signed();
                        limits.budget -= len.cast_signed();
                    }
                }
                Some(Err(error)) if is_early_end(&error) => {
                    self.trailers_ended = true;
                    self.body_ended = true;
                    return Poll::Ready(Ok(()));
                }
                Some(Err(error)) => return Poll::Ready(Err(error.into())),
                None => {
                    self.body_ended = true;
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

enum ReadError {
    H2(h2::Error),
    TooLarge,
}

impl From<h2::Error> for ReadError {
    fn from(error: h2::Error) -> Self {
        Self::H2(error)
    }
}

/// RST_STREAM with NO_ERROR: the peer answered in full and does not want the rest of the body.
/// Source: <https://www.rfc-editor.org/rfc/rfc9113#section-8.1>
fn is_early_end(error: &h2::Error) -> bool {
    error.is_remote() && error.is_reset() && error.reason() == Some(Reason::NO_ERROR)
}
