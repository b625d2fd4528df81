//! Replies as HTTP/2 frames, and the few replies that are this room's own: to bodies that break
//! their framing and to requests whose time is up.

use super::intake::Malformed;
use crate::exchange::{Framing, GrpcReply, HttpReply, Reply};
use bytes::Bytes;
use h2::SendStream;
use h2::server::SendResponse;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, DATE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use std::task::{Context, Poll};
use std::time::SystemTime;
use tailrace_codec::grpc::{self, Code};

const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC_DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");

/// What of a reply follows its headers.
#[derive(Debug)]
pub(super) struct Outgoing {
    stream: SendStream<Bytes>,
    body: Bytes,
    trailers: Option<HeaderMap>,
}

/// Queues the reply's headers. `None`: they were all of it.
///
/// `head` says that the request's method was HEAD: the headers are those of a GET, without its
/// body. Errors: the stream or the connection is gone.
/// Cost: one header map for an HTTP reply or a gRPC one without a body, else two.
pub(super) fn begin(
    respond: &mut SendResponse<Bytes>,
    reply: Reply,
    head: bool,
) -> Result<Option<Outgoing>, h2::Error> {
    match reply {
        Reply::Grpc(reply) => begin_grpc(respond, reply),
        Reply::Http(reply) => begin_http(respond, reply, head),
        Reply::Reset(code) => {
            respond.send_reset(code.into());
            Ok(None)
        }
    }
}

fn begin_grpc(
    respond: &mut SendResponse<Bytes>,
    reply: GrpcReply,
) -> Result<Option<Outgoing>, h2::Error> {
    let mut response = Response::new(());
    if reply.body.is_empty() {
        // Trailers-Only: the status stands in the one header block there is.
        let headers = response.headers_mut();
        headers.reserve(4);
        headers.insert(CONTENT_TYPE, GRPC);
        add_status(headers, &reply);
        respond.send_response(response, true)?;
        return Ok(None);
    }
    response.headers_mut().insert(CONTENT_TYPE, GRPC);
    let stream = respond.send_response(response, false)?;
    let mut trailers = HeaderMap::new();
    add_status(&mut trailers, &reply);
    Ok(Some(Outgoing {
        stream,
        body: reply.body,
        trailers: Some(trailers),
    }))
}

fn add_status(headers: &mut HeaderMap, reply: &GrpcReply) {
    headers.insert(GRPC_STATUS, HeaderValue::from_static(reply.code.header()));
    if !reply.message.is_empty() {
        add_text(headers, GRPC_MESSAGE, grpc::encode_message(&reply.message));
    }
    if !reply.details.is_empty() {
        add_text(headers, GRPC_DETAILS, grpc::encode_details(&reply.details));
    }
}

/// Adds encoded text: printable ASCII, which is always a header value.
fn add_text(headers: &mut HeaderMap, name: HeaderName, text: String) {
    if let Ok(value) = HeaderValue::try_from(text) {
        headers.insert(name, value);
    }
}

fn begin_http(
    respond: &mut SendResponse<Bytes>,
    reply: HttpReply,
    head: bool,
) -> Result<Option<Outgoing>, h2::Error> {
    let body_forbidden = has_no_body(reply.status);
    let mut response = Response::new(());
    *response.status_mut() = reply.status;
    *response.headers_mut() = reply.headers;
    let headers = response.headers_mut();
    if !body_forbidden {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(reply.body.len()));
    }
    if let Ok(date) = HeaderValue::try_from(httpdate::fmt_http_date(SystemTime::now())) {
        headers.insert(DATE, date);
    }
    let ends = body_forbidden || head || reply.body.is_empty();
    let stream = respond.send_response(response, ends)?;
    Ok((!ends).then_some(Outgoing {
        stream,
        body: reply.body,
        trailers: None,
    }))
}

/// RFC 9110, section 6.4.1.
fn has_no_body(status: StatusCode) -> bool {
    status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED
}

impl Outgoing {
    /// Queues as much as the peer's windows allow; `Ready` when all of it is queued.
    ///
    /// h2 would take the body regardless of the windows, but then a peer that grants none could
    /// make it hold replies for streams that we no longer watch.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        while !self.body.is_empty() {
            self.stream.reserve_capacity(self.body.len());
            let mut room = self.stream.capacity();
            if room == 0 {
                room = match self.stream.poll_capacity(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Some(room)) => room?,
                    // The stream is closed: the peer wants no reply.
                    Poll::Ready(None) => return Poll::Ready(Ok(())),
                };
            }
            let piece = self.body.split_to(room.min(self.body.len()));
            if !piece.is_empty() {
                let ends = self.body.is_empty() && self.trailers.is_none();
                self.stream.send_data(piece, ends)?;
            }
        }
        if let Some(trailers) = self.trailers.take() {
            self.stream.send_trailers(trailers)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Gives the rest of the reply up.
    pub(super) fn cancel(&mut self) {
        self.stream.send_reset(h2::Reason::CANCEL);
    }
}

/// The answer to a body that breaks its framing.
///
/// The codes are those that gRPC libraries generate themselves.
/// Source: <https://grpc.github.io/grpc/core/md_doc_statuscodes.html>
pub(super) fn malformed(malformed: Malformed) -> Reply {
    let (code, message) = match malformed {
        Malformed::Flag(flag) => (
            Code::Internal,
            format!("compressed flag is {flag}, must be 0 or 1"),
        ),
        Malformed::Empty => (
            Code::Unimplemented,
            "the call must have exactly one message, it had none".to_owned(),
        ),
        Malformed::Surplus => (
            Code::Unimplemented,
            "the call must have exactly one message, it had more".to_owned(),
        ),
        Malformed::Truncated { missing } => (
            Code::Internal,
            format!("the body ended {missing} bytes before its message"),
        ),
    };
    grpc_error(code, message)
}

/// The answer to a body that stopped coming.
pub(super) fn stalled(framing: Framing) -> Reply {
    match framing {
        Framing::Grpc => grpc_error(Code::DeadlineExceeded, "the body stopped coming".to_owned()),
        Framing::Plain => http_error(StatusCode::REQUEST_TIMEOUT, "the body stopped coming\n"),
    }
}

/// The answer to a request that was not decided by its deadline.
pub(super) fn expired(framing: Framing) -> Reply {
    match framing {
        Framing::Grpc => grpc_error(Code::DeadlineExceeded, "no answer in time".to_owned()),
        Framing::Plain => http_error(StatusCode::GATEWAY_TIMEOUT, "no answer in time\n"),
    }
}

fn grpc_error(code: Code, message: String) -> Reply {
    Reply::Grpc(GrpcReply {
        code,
        message,
        details: Bytes::new(),
        body: Bytes::new(),
    })
}

fn http_error(status: StatusCode, text: &'static str) -> Reply {
    let mut headers = HeaderMap::new();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    Reply::Http(HttpReply {
        status,
        headers,
        body: Bytes::from_static(text.as_bytes()),
    })
}
