//! Replies as HTTP/1.1 bytes on their way to the socket.

use crate::exchange::{HttpReply, Reply};
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, DATE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, StatusCode};
use std::io::{self, IoSlice, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;
use tokio::io::AsyncWrite;

/// What a connection keeps of its buffer between replies.
const KEPT_LEN_MAX: usize = 4 << 10;

/// What is to be said about the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Announce {
    /// Nothing: it is kept, as HTTP/1.1 does by itself.
    Nothing,
    /// That it is kept, for an HTTP/1.0 sender that asked for it.
    Kept,
    Close,
}

/// Bytes that the socket has not taken yet: a head, then a body.
///
/// Invariant: `sent <= head.len() + body.len()` (bytes).
#[derive(Debug, Default)]
pub(super) struct Outbox {
    head: Vec<u8>,
    body: Bytes,
    sent: usize,
    /// The connection ends instead of what is here.
    aborted: bool,
}

impl Outbox {
    /// Gives the sender leave to send its body.
    pub(super) fn push_continue(&mut self) {
        self.head
            .extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
    }

    /// Adds a reply. `is_head`: the method was HEAD, the body stays out.
    pub(super) fn push_reply(&mut self, reply: Reply, is_head: bool, announce: Announce) {
        let reply = match reply {
            Reply::Http(reply) => reply,
            // Its trailers cannot be said here: gRPC is HTTP/2 only.
            Reply::Grpc(_) => plain(StatusCode::HTTP_VERSION_NOT_SUPPORTED),
            Reply::Reset(_) => {
                self.aborted = true;
                return;
            }
        };
        let status = reply.status;
        let reason = status.canonical_reason().unwrap_or_default();
        put(
            &mut self.head,
            format_args!("HTTP/1.1 {} {reason}\r\n", status.as_u16()),
        );
        for (name, value) in &reply.headers {
            // Framing is ours to say.
            if ![CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION, DATE].contains(name) {
                self.put_line(name.as_str(), value.as_bytes());
            }
        }
        let has_body = !status.is_informational()
            && status != StatusCode::NO_CONTENT
            && status != StatusCode::NOT_MODIFIED;
        if has_body {
            put(
                &mut self.head,
                format_args!("content-length: {}\r\n", reply.body.len()),
            );
        }
        match announce {
            Announce::Nothing => {}
            Announce::Kept => self.put_line("connection", b"keep-alive"),
            Announce::Close => self.put_line("connection", b"close"),
        }
        let date = httpdate::HttpDate::from(SystemTime::now());
        put(&mut self.head, format_args!("date: {date}\r\n\r\n"));
        if has_body && !is_head {
            self.body = reply.body;
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.head.is_empty() && self.body.is_empty() && !self.aborted
    }

    /// Writes until all is taken by the socket.
    pub(super) fn poll_write(
        &mut self,
        io: &mut (impl AsyncWrite + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.aborted {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let total = self.head.len() + self.body.len();
        while self.sent < total {
            let head = self.head.get(self.sent..).unwrap_or_default();
            let body = &self.body[self.sent.saturating_sub(self.head.len())..];
            let slices = [IoSlice::new(head), IoSlice::new(body)];
            // Without a head the first slice would be empty, which a socket may take for the end.
            let slices = &slices[usize::from(head.is_empty())..];
            match ready!(Pin::new(&mut *io).poll_write_vectored(cx, slices))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.sent += written,
            }
        }
        if total > 0 {
            self.sent = 0;
            self.body = Bytes::new();
            self.head.clear();
            self.head.shrink_to(KEPT_LEN_MAX);
        }
        Pin::new(io).poll_flush(cx)
    }

    fn put_line(&mut self, name: &str, value: &[u8]) {
        for part in [name.as_bytes(), b": ", value, b"\r\n"] {
            self.head.extend_from_slice(part);
        }
    }
}

fn put(head: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing to a Vec does not fail.
    let _ = head.write_fmt(text);
}

/// A reply that is this room's own: to a request that could not be read.
pub(super) fn plain(status: StatusCode) -> HttpReply {
    let mut headers = HeaderMap::new();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    HttpReply {
        status,
        headers,
        body: Bytes::from_static(status.canonical_reason().unwrap_or_default().as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::GrpcReply;
    use std::task::Waker;
    use tailrace_codec::grpc::Code;

    fn written(outbox: &mut Outbox) -> String {
        let mut io = io::Cursor::new(Vec::new());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(matches!(
            outbox.poll_write(&mut io, &mut cx),
            Poll::Ready(Ok(()))
        ));
        assert!(outbox.is_empty());
        String::from_utf8(io.into_inner()).unwrap()
    }

    /// The text without its date, which stands last.
    fn undated(text: &str) -> String {
        let (before, after) = text.split_once("date: ").unwrap();
        format!("{before}{}", after.split_once("\r\n").unwrap().1)
    }

    #[test]
    fn a_reply_has_its_own_framing_and_no_other() {
        let mut outbox = Outbox::default();
        let mut headers = HeaderMap::new();
        headers.insert("x-own", HeaderValue::from_static("a"));
        headers.insert("content-length", HeaderValue::from_static("77"));
        let reply = Reply::Http(HttpReply {
            status: StatusCode::SERVICE_UNAVAILABLE,
            headers,
            body: Bytes::from_static(b"full"),
        });
        outbox.push_continue();
        outbox.push_reply(reply.clone(), false, Announce::Close);
        assert_eq!(
            undated(&written(&mut outbox)),
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 Service Unavailable\r\nx-own: a\r\n\
             content-length: 4\r\nconnection: close\r\n\r\nfull"
        );
        outbox.push_reply(reply, true, Announce::Kept);
        assert_eq!(
            undated(&written(&mut outbox)),
            "HTTP/1.1 503 Service Unavailable\r\nx-own: a\r\n\
             content-length: 4\r\nconnection: keep-alive\r\n\r\n"
        );
    }

    #[test]
    fn a_reply_without_a_body_has_no_length() {
        let mut outbox = Outbox::default();
        let reply = plain(StatusCode::NO_CONTENT);
        outbox.push_reply(Reply::Http(reply), false, Announce::Nothing);
        assert!(!written(&mut outbox).contains("content-length"));
    }

    #[test]
    fn grpc_cannot_be_answered_here() {
        let mut outbox = Outbox::default();
        let reply = Reply::Grpc(GrpcReply {
            code: Code::Ok,
            message: String::new(),
            details: Bytes::new(),
            body: Bytes::new(),
        });
        outbox.push_reply(reply, false, Announce::Nothing);
        assert!(written(&mut outbox).starts_with("HTTP/1.1 505 "));
    }
}
