//! The types that `net` shares with `ingress` and `egress`: neither side knows the other.
//!
//! `net` turns bytes into these values and back; the pure half decides on them. The two traits are
//! the whole surface between the halves: `shard` implements them, `net` calls them from inside a
//! connection's poll. Every call is synchronous and returns at once; what takes time comes back
//! later through the connection's [`Mailbox`].
//!
//! ```text
//!   socket --> net::server --Inbound-->  shard { pipeline }  --ClientCommand--> net::client --> socket
//!                     <-- ServerCommand --                   <-- Outbound ----
//! ```

use crate::net::Mailbox;
use crate::time::Instant;
use crate::units::{AttemptId, ConnectionId, ListenerId, RequestId};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri, request};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;
use tailrace_codec::Rope;
use tailrace_codec::grpc::Code;

// ---------------------------------------------------------------------------------- incoming

/// How a connection came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    pub listener: ListenerId,
    /// As the kernel measured it in the handshake; `None` where there is no network between.
    pub round_trip: Option<Duration>,
}

impl Arrival {
    /// Over a path that nobody measured.
    pub const fn at(listener: ListenerId) -> Self {
        Self {
            listener,
            round_trip: None,
        }
    }
}

/// A request whose headers are known and whose body is not read yet.
#[derive(Debug)]
pub struct RequestHead<'a> {
    pub listener: ListenerId,
    pub connection: ConnectionId,
    /// Method, path, version and headers as h2 or hyper parsed them.
    pub parts: &'a request::Parts,
}

/// How the message stands in the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// The body is the message.
    Plain,
    /// Five bytes (compressed flag, length), then the message.
    Grpc,
}

/// What is decided about a request when its headers are known.
#[derive(Debug)]
pub enum Admission {
    /// Read the body and hand it to [`Inbound::complete`]. The reply must come before `deadline`.
    Receive {
        request: RequestId,
        framing: Framing,
        deadline: Instant,
    },
    /// Answer now; the body is drained up to a limit and dropped.
    Answer(Reply),
}

/// The answer to a request for credit.
#[derive(Debug)]
pub enum Credit {
    Granted,
    /// Nothing was taken; the request ends with this reply.
    Refused(Reply),
}

/// HTTP/2 flow-control sizes of one connection, reserved from credit when it opens.
///
/// Invariant: 16 KiB <= `frame` <= 1 MiB, `stream` <= `connection` (bytes).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// SETTINGS_MAX_FRAME_SIZE: the largest DATA frame the peer may send.
    pub frame: u32,
    /// SETTINGS_INITIAL_WINDOW_SIZE: what one stream may send before we read it.
    pub stream: u32,
    /// What all streams of the connection together may send before we read it.
    pub connection: u32,
}

/// What a new connection is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    pub connection: ConnectionId,
    pub windows: Windows,
}

/// A body read to its end.
#[derive(Debug)]
pub struct Body {
    /// The message, without its gRPC prefix: slices of the buffers the kernel filled.
    pub message: Rope,
    /// The gRPC compressed flag; `false` for plain framing, where `content-encoding` says it.
    pub compressed: bool,
}

/// The answer to a request, in the words of its protocol. `net` writes it, and adds nothing.
#[derive(Debug, Clone)]
pub enum Reply {
    Http(HttpReply),
    Grpc(GrpcReply),
    /// No answer: RST_STREAM with this error code, or the end of an HTTP/1.1 connection. For a
    /// backend that tries out what its senders make of it.
    Reset(u32),
}

#[derive(Debug, Clone)]
pub struct HttpReply {
    pub status: StatusCode,
    /// Complete but for `content-length` and `date`.
    pub headers: HeaderMap,
    pub body: Bytes,
}

#[derive(Debug, Clone)]
pub struct GrpcReply {
    pub code: Code,
    /// Text for `grpc-message`, not yet percent-encoded. Empty: the header is left out.
    pub message: String,
    /// An encoded `google.rpc.Status` for `grpc-status-details-bin`. Empty: left out.
    pub details: Bytes,
    /// The framed response message; empty for a reply that is trailers only.
    pub body: Bytes,
}

/// What a server connection asks of the engine. Implemented by the shard.
///
/// For each connection: `opened` once, first, and `closed` once, last, if it was given terms.
/// For each request: `head` once; after `Admission::Receive`, `reserve` any number of times, then
/// exactly one of `complete` and `abandon`, unless a `reserve` that refused has ended the request;
/// after a `complete` that returned `None`, one reply by mailbox or one `abandon` (the sender left,
/// or the deadline passed and `net` answered), whichever is first. An ended request's id may be
/// used again at once: `net` looks through its mailbox before it abandons.
pub trait Inbound {
    /// A connection was accepted. `None`: the cap is reached, close it without a word.
    fn opened(&self, arrival: Arrival, mailbox: Mailbox<ServerCommand>) -> Option<Terms>;

    /// The connection is gone; every request of it was answered or abandoned before.
    fn closed(&self, connection: ConnectionId);

    /// Decides on the headers alone.
    fn head(&self, head: &RequestHead<'_>) -> Admission;

    /// Asks for credit for `bytes` more of body, before they are buffered: the declared length at
    /// once where there is one, else as the body grows. A refusal answers and ends the request.
    fn reserve(&self, request: RequestId, bytes: u64) -> Credit;

    /// The body is complete. Returns the reply if it is known already.
    fn complete(&self, request: RequestId, body: Body) -> Option<Reply>;

    /// The sender left, timed out or broke the protocol. The request may be complete already, and
    /// then what was accepted stays accepted.
    fn abandon(&self, request: RequestId);
}

/// What the engine tells a server connection.
#[derive(Debug)]
pub enum ServerCommand {
    Reply(RequestId, Reply),
    /// Send GOAWAY (HTTP/2) or `connection: close` (HTTP/1.1), finish what is open, then close.
    Drain,
}

// ---------------------------------------------------------------------------------- outgoing

/// The part of an attempt that is the same for every request of a lane to a destination.
#[derive(Debug)]
pub struct AttemptHead {
    pub method: Method,
    pub uri: Uri,
    /// Complete but for `content-length` and `grpc-timeout`.
    pub headers: HeaderMap,
    pub framing: Framing,
}

/// One try at sending a batch.
#[derive(Debug)]
pub struct Attempt {
    pub id: AttemptId,
    pub head: Rc<AttemptHead>,
    /// Headers of this attempt alone, such as a tenant's. Usually empty.
    pub extra: Option<HeaderMap>,
    /// As it goes on the wire: compressed and, for gRPC, with its five-byte prefix.
    pub body: Rope,
    /// When `net` gives up and answers `Failure::TimedOut`.
    pub deadline: Instant,
}

/// How an attempt ended.
#[derive(Debug)]
pub enum Answer {
    Grpc {
        code: Code,
        /// `grpc-message`, percent-decoded.
        message: String,
        /// `grpc-status-details-bin`, decoded from base64. Empty where absent.
        details: Bytes,
        /// The message without its prefix, decompressed. Empty where there is none.
        body: Bytes,
    },
    Http {
        status: StatusCode,
        headers: HeaderMap,
        /// Decompressed, within the response limit.
        body: Bytes,
    },
    Failed(Failure),
}

/// An attempt that got no answer from the destination's application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Certainly not processed: never written, REFUSED_STREAM, or above GOAWAY's last stream id.
    /// Safe to send again at once, on another connection.
    Unprocessed,
    /// The connection ended, or the stream was reset, with the request on the wire.
    ConnectionLost,
    /// The deadline passed.
    TimedOut,
    /// The response was over the limit (4 MiB). Never retried, by the OTLP specification.
    ResponseTooLarge,
    /// The answer was not what the protocol allows.
    Malformed,
}

/// What the engine tells a client connection.
#[derive(Debug)]
pub enum ClientCommand {
    Send(Attempt),
    /// Reset the stream if it is still open. No answer follows.
    Cancel(AttemptId),
    /// Finish what is open, then close.
    Drain,
}

/// Where a connection goes: resolved, so that connecting asks nobody.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// Why a client connection is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloseReason {
    /// As asked, or idle too long.
    Drained,
    /// `connect` failed: the error's number, where the system gave one.
    Unreachable {
        os_error: Option<i32>,
    },
    ConnectTimedOut,
    /// The peer ended it, or did not answer a keepalive PING in time.
    Lost,
    KeepaliveTimedOut,
    /// GOAWAY with ENHANCE_YOUR_CALM: our PINGs were too many; the next connection pings less.
    TooManyPings,
    /// The peer does not speak the protocol.
    Protocol {
        what: String,
    },
}

/// What a client connection reports to the engine. Implemented by the shard.
///
/// For each connection: `connected` at most once and first, then any number of `streams_max`,
/// `answered` and at most one `draining`, and exactly one `closed`, last. Every attempt sent gets
/// exactly one `answered` before `closed`, unless it was cancelled.
pub trait Outbound {
    /// The handshake is done; up to `streams_max` attempts may be open at once.
    fn connected(&self, connection: ConnectionId, streams_max: u32);

    /// The peer changed MAX_CONCURRENT_STREAMS.
    fn streams_max(&self, connection: ConnectionId, streams_max: u32);

    fn answered(&self, connection: ConnectionId, attempt: AttemptId, answer: Answer);

    /// GOAWAY came: attempts that are open go on, no new ones are taken.
    fn draining(&self, connection: ConnectionId);

    fn closed(&self, connection: ConnectionId, reason: CloseReason);
}

/// Keepalive of a client connection: the Collector's `keepalive` keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalive {
    /// PING after this long without a frame from the peer.
    pub time: Duration,
    /// Close when the answer takes longer than this.
    pub timeout: Duration,
    /// Also while no stream is open.
    pub permit_without_stream: bool,
}
