//! One attempt on an HTTP/1.1 connection: request out, response in, both at once.

use super::head::{BodyLength, Head};
use crate::exchange::{Answer, Attempt, Failure, Framing};
use crate::net::chunked::{Chunked, LineEnd, NotChunked, Piece};
use crate::net::client::answer::{self, Reader};
use crate::net::client::response::{Collector, TooLarge};
use crate::net::client::upload::{Slices, Written};
use crate::time::Instant;
use crate::units::AttemptId;
use bytes::{Buf, Bytes, BytesMut};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Slices given to the kernel at once.
const IOVECS_MAX: usize = 64;
const READ_LEN: usize = 16 << 10;

/// A socket and what was read from it and not used yet.
#[derive(Debug)]
pub(super) struct Wire<IO> {
    io: IO,
    inbox: BytesMut,
    scratch: Box<[u8]>,
    /// There was nothing to read, and the socket has not woken the task since.
    drained: bool,
}

impl<IO> Wire<IO> {
    pub(super) fn new(io: IO) -> Self {
        Self {
            io,
            inbox: BytesMut::new(),
            scratch: vec![0; READ_LEN].into(),
            drained: false,
        }
    }

    /// A poll of the connection begins; `is_ready`: the socket woke it.
    pub(super) const fn begin(&mut self, is_ready: bool) {
        self.drained = self.drained && !is_ready;
    }
}

impl<IO: AsyncRead + Unpin> Wire<IO> {
    /// Reads more. 0: the peer closed.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.drained {
            return Poll::Pending;
        }
        let mut buf = ReadBuf::new(&mut self.scratch);
        let polled = Pin::new(&mut self.io).poll_read(cx, &mut buf);
        self.drained = polled.is_pending();
        ready!(polled)?;
        let read = buf.filled();
        // COPY: answers are a few hundred bytes; a buffer of their own would stay with them.
        self.inbox.extend_from_slice(read);
        Poll::Ready(Ok(read.len()))
    }
}

/// How an exchange ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) answer: Answer,
    /// What becomes of the connection.
    pub(super) after: After,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    Reuse,
    /// The answer is complete, but the connection cannot be used again.
    Close,
    Lost,
    Foreign,
}

/// What ends a response early.
enum ReadError {
    Lost,
    NotHttp,
    TooLarge,
}

impl From<TooLarge> for ReadError {
    fn from(_: TooLarge) -> Self {
        Self::TooLarge
    }
}

impl From<NotChunked> for ReadError {
    fn from(_: NotChunked) -> Self {
        Self::NotHttp
    }
}

#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) attempt: AttemptId,
    pub(super) deadline: Instant,
    head: Bytes,
    body: Slices,
    body_len: usize,
    written: Written,
    sending: Sending,
    response: Option<Response>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sending {
    Writing,
    Done,
    /// The peer reads no more; it may have answered all the same.
    Broken,
}

#[derive(Debug)]
struct Response {
    head: Head,
    body: Collector,
    rest: Rest,
}

/// What is left of a response body.
#[derive(Debug)]
enum Rest {
    Exactly(u64),
    Chunked(Chunked),
    UntilClose,
}

impl Exchange {
    /// `head` is the request's head as bytes.
    pub(super) fn new(head: Bytes, attempt: Attempt) -> Self {
        let written = Written::default();
        Self {
            attempt: attempt.id,
            deadline: attempt.deadline,
            head,
            body_len: attempt.body.len(),
            body: Slices::new(attempt.body, written.clone()),
            written,
            sending: Sending::Writing,
            response: None,
        }
    }

    /// Moves both halves on. `Ready` once.
    pub(super) fn poll<IO>(
        &mut self,
        cx: &mut Context<'_>,
        wire: &mut Wire<IO>,
        reader: &mut Reader,
    ) -> Poll<Ended>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        if self.sending == Sending::Writing {
            match self.poll_write(cx, &mut wire.io) {
                Poll::Ready(Ok(())) => self.sending = Sending::Done,
                Poll::Ready(Err(_)) => self.sending = Sending::Broken,
                Poll::Pending => {}
            }
        }
        let (failure, after) = match ready!(self.poll_response(cx, wire, reader)) {
            Ok((answer, is_reusable)) => {
                let is_in_step = self.sending == Sending::Done && wire.inbox.is_empty();
                let after = if is_reusable && is_in_step {
                    After::Reuse
                } else {
                    After::Close
                };
                return Poll::Ready(Ended { answer, after });
            }
            Err(ReadError::Lost) => (self.lost(), After::Lost),
            Err(ReadError::NotHttp) => (Failure::Malformed, After::Foreign),
            Err(ReadError::TooLarge) => (Failure::ResponseTooLarge, After::Close),
        };
        let answer = Answer::Failed(failure);
        Poll::Ready(Ended { answer, after })
    }

    /// What the loss of the connection means for the attempt. Once the body is on the wire nobody
    /// can tell, even where the peer seems to have closed an idle connection just before.
    pub(super) fn lost(&self) -> Failure {
        if self.body_len > 0 && self.written.body() == 0 {
            return Failure::Unprocessed;
        }
        Failure::ConnectionLost
    }

    fn poll_write<IO: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut IO,
    ) -> Poll<io::Result<()>> {
        while self.head.has_remaining() || self.body.has_remaining() {
            let mut iovecs = [IoSlice::new(&[]); IOVECS_MAX];
            iovecs[0] = IoSlice::new(&self.head);
            let filled = 1 + self.body.chunks_vectored(&mut iovecs[1..]);
            let from = usize::from(self.head.is_empty());
            let iovecs = &iovecs[from..filled];
            let written = ready!(Pin::new(&mut *io).poll_write_vectored(cx, iovecs))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let of_head = written.min(self.head.len());
            self.head.advance(of_head);
            self.body.advance(written - of_head);
        }
        Pin::new(io).poll_flush(cx)
    }

    fn poll_response<IO: AsyncRead + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        wire: &mut Wire<IO>,
        reader: &mut Reader,
    ) -> Poll<Result<(Answer, bool), ReadError>> {
        let mut is_closed = false;
        loop {
            if self.response.is_none()
                && let Some(head) = Head::parse(&mut wire.inbox).map_err(|_| ReadError::NotHttp)?
            {
                self.response = Some(Response::new(head, reader)?);
            }
            if let Some(response) = &mut self.response
                && response.is_complete_with(&mut wire.inbox, is_closed)?
            {
                let is_reusable = response.head.is_reusable;
                return Poll::Ready(Ok((response.answer(reader), is_reusable)));
            }
            if is_closed {
                return Poll::Ready(Err(ReadError::Lost));
            }
            match ready!(wire.poll_fill(cx)) {
                Ok(0) | Err(_) => is_closed = true,
                Ok(_) => {}
            }
        }
    }
}

impl Response {
    fn new(head: Head, reader: &Reader) -> Result<Self, TooLarge> {
        let bytes_max = reader.wire_bytes_max(Framing::Plain);
        let rest = match head.length {
            BodyLength::Exactly(bytes) if bytes > bytes_max as u64 => return Err(TooLarge),
            BodyLength::Exactly(bytes) => Rest::Exactly(bytes),
            BodyLength::Chunked => Rest::Chunked(Chunked::new(LineEnd::LfToo)),
            BodyLength::UntilClose => Rest::UntilClose,
        };
        Ok(Self {
            head,
            body: Collector::new(bytes_max),
            rest,
        })
    }

    /// Takes what `input` has of the body. Whether it is complete.
    fn is_complete_with(
        &mut self,
        input: &mut BytesMut,
        is_closed: bool,
    ) -> Result<bool, ReadError> {
        match &mut self.rest {
            Rest::Exactly(left) => {
                let len = usize::try_from(*left)
                    .unwrap_or(usize::MAX)
                    .min(input.len());
                *left -= len as u64;
                self.body.push(input.split_to(len).freeze())?;
                Ok(*left == 0)
            }
            Rest::Chunked(chunked) => loop {
                match chunked.next(input)? {
                    Piece::Data(piece) => self.body.push(piece)?,
                    // What a chunk announces counts before it comes.
                    Piece::More if chunked.left() > self.body.room() as u64 => {
                        return Err(ReadError::TooLarge);
                    }
                    Piece::More => return Ok(false),
                    Piece::End => return Ok(true),
                }
            },
            Rest::UntilClose => {
                self.body.push(input.split().freeze())?;
                Ok(is_closed)
            }
        }
    }

    fn answer(&mut self, reader: &mut Reader) -> Answer {
        let response = answer::Response {
            status: self.head.status,
            headers: std::mem::take(&mut self.head.headers),
            trailers: None,
            body: self.body.take(),
        };
        reader.answer(Framing::Plain, response)
    }
}
