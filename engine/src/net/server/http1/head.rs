//! The head of a request, read strictly: where two readers could disagree about where a request
//! ends, it is refused. Nothing is passed on, so nothing is gained by being generous.
//!
//! Source: <https://www.rfc-editor.org/rfc/rfc9112>

use super::body::BodyReader;
use crate::net::chunked::{Chunked, LineEnd};
use bytes::{Buf, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, Version};

/// Header fields of one request, at most. OTLP senders have about ten.
const FIELDS_MAX: usize = 100;

/// A request without its body.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) parts: Parts,
    pub(super) body: BodyReader,
    /// The connection may be used again after the reply.
    pub(super) is_kept: bool,
    /// The sender waits for leave to send its body.
    pub(super) expects_leave: bool,
}

/// Not a request that is read further; the status says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable(pub(super) StatusCode);

const BAD_REQUEST: Unreadable = Unreadable(StatusCode::BAD_REQUEST);
const TOO_LARGE: Unreadable = Unreadable(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
const UNKNOWN_VERSION: Unreadable = Unreadable(StatusCode::HTTP_VERSION_NOT_SUPPORTED);

/// Takes a head from the start of `input`. `None`: more bytes are needed.
///
/// `headers` is an empty map, so that its memory is used again.
/// Cost: one allocation for the path; names and values are slices of the bytes read.
pub(super) fn parse(
    input: &mut BytesMut,
    len_max: usize,
    headers: HeaderMap,
) -> Result<Option<Head>, Unreadable> {
    // A line end before the request line is passed over, as section 2.2 asks.
    while input.starts_with(b"\r\n") {
        input.advance(2);
    }
    if input
        .first()
        .is_some_and(|first| !first.is_ascii_alphabetic())
    {
        return Err(BAD_REQUEST);
    }
    let searched = &input[..input.len().min(len_max)];
    let Some(end) = searched.windows(4).position(|window| window == b"\r\n\r\n") else {
        return match input.len() < len_max {
            true => Ok(None),
            false => Err(TOO_LARGE),
        };
    };
    let bytes = input.split_to(end + 4).freeze();
    if has_bare_line_feed(&bytes) {
        return Err(BAD_REQUEST);
    }
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut parsed = httparse::Request::new(&mut fields);
    match parsed.parse(&bytes) {
        Ok(httparse::Status::Complete(len)) if len == bytes.len() => {}
        Err(httparse::Error::TooManyHeaders) => return Err(TOO_LARGE),
        Err(httparse::Error::Version) => return Err(UNKNOWN_VERSION),
        _ => return Err(BAD_REQUEST),
    }
    let mut request = Request::new(());
    *request.headers_mut() = headers;
    *request.method_mut() = Method::from_bytes(parsed.method.unwrap_or_default().as_bytes())
        .map_err(|_| BAD_REQUEST)?;
    let target = parsed.path.unwrap_or_default().as_bytes();
    *request.uri_mut() =
        Uri::from_maybe_shared(bytes.slice_ref(target)).map_err(|_| BAD_REQUEST)?;
    *request.version_mut() = match parsed.version {
        Some(1) => Version::HTTP_11,
        _ => Version::HTTP_10,
    };
    request.headers_mut().reserve(parsed.headers.len());
    for field in parsed.headers {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| BAD_REQUEST)?;
        let value = HeaderValue::from_maybe_shared(bytes.slice_ref(field.value))
            .map_err(|_| BAD_REQUEST)?;
        request.headers_mut().append(name, value);
    }
    Head::new(request.into_parts().0).map(Some)
}

impl Head {
    fn new(parts: Parts) -> Result<Self, Unreadable> {
        let headers = &parts.headers;
        let is_http_11 = parts.version == Version::HTTP_11;
        let hosts = headers.get_all(HOST).iter().count();
        if hosts > 1 || (is_http_11 && hosts == 0) {
            return Err(BAD_REQUEST);
        }
        let expects_leave = match headers.get(EXPECT) {
            None => false,
            Some(value) if value.as_bytes().eq_ignore_ascii_case(b"100-continue") => is_http_11,
            Some(_) => return Err(Unreadable(StatusCode::EXPECTATION_FAILED)),
        };
        let is_kept = match is_http_11 {
            true => !has_connection_option(headers, "close"),
            false => has_connection_option(headers, "keep-alive"),
        };
        Ok(Self {
            body: body(&parts)?,
            is_kept: is_kept && parts.method != Method::CONNECT,
            expects_leave,
            parts,
        })
    }
}

/// How the body is framed. Both ways at once, or one of them twice, is how requests are smuggled.
fn body(parts: &Parts) -> Result<BodyReader, Unreadable> {
    let mut codings = parts.headers.get_all(TRANSFER_ENCODING).iter();
    let mut lengths = parts.headers.get_all(CONTENT_LENGTH).iter();
    let (coding, length) = (codings.next(), lengths.next());
    if codings.next().is_some() || lengths.next().is_some() {
        return Err(BAD_REQUEST);
    }
    match (coding, length) {
        (None, None) => Ok(BodyReader::Exactly { left: 0 }),
        (None, Some(length)) => {
            let digits = length.to_str().map_err(|_| BAD_REQUEST)?;
            // `parse` would take a sign.
            if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(BAD_REQUEST);
            }
            let left = digits.parse().map_err(|_| BAD_REQUEST)?;
            Ok(BodyReader::Exactly { left })
        }
        (Some(coding), None) if parts.version == Version::HTTP_11 => {
            match coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
                true => Ok(BodyReader::Chunked(Chunked::new(LineEnd::CrLf))),
                false => Err(Unreadable(StatusCode::NOT_IMPLEMENTED)),
            }
        }
        (Some(_), _) => Err(BAD_REQUEST),
    }
}

fn has_connection_option(headers: &HeaderMap, option: &str) -> bool {
    let lines = headers.get_all(CONNECTION).iter();
    let mut options = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','));
    options.any(|found| found.trim().eq_ignore_ascii_case(option))
}

/// Whether a line ends without its carriage return: httparse takes such lines.
fn has_bare_line_feed(bytes: &[u8]) -> bool {
    bytes
        .windows(2)
        .any(|pair| pair[1] == b'\n' && pair[0] != b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LEN_MAX: usize = 4096;

    fn parse(text: &[u8]) -> Result<Option<Head>, Unreadable> {
        super::parse(&mut BytesMut::from(text), LEN_MAX, HeaderMap::new())
    }

    /// A request with these header lines besides its host.
    fn with(lines: &str) -> Result<Option<Head>, Unreadable> {
        parse(format!("POST /v1/traces HTTP/1.1\r\nhost: x\r\n{lines}\r\n").as_bytes())
    }

    #[test]
    fn a_head_is_read_whole_and_its_body_is_left() {
        let mut input = BytesMut::from(
            &b"\r\nPOST /v1/traces?x=y HTTP/1.1\r\nHost: x\r\nX-Own:  a b \r\n\
               Content-Length: 12\r\n\r\nbody"[..],
        );
        let head = super::parse(&mut input, LEN_MAX, HeaderMap::new())
            .unwrap()
            .unwrap();
        assert_eq!(head.parts.method, Method::POST);
        assert_eq!(head.parts.uri.path(), "/v1/traces");
        assert_eq!(head.parts.headers["x-own"], "a b");
        assert_eq!(head.body.left(), Some(12));
        assert!(head.is_kept && !head.expects_leave);
        assert_eq!(input, "body");
    }

    #[test]
    fn a_head_may_come_in_pieces() {
        let text = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
        for len in 0..text.len() {
            assert!(parse(&text[..len]).unwrap().is_none(), "{len}");
        }
        assert!(parse(text).unwrap().is_some());
    }

    #[test]
    fn reuse_and_leave() {
        let head = |lines| with(lines).unwrap().unwrap();
        assert!(!head("connection: x, Close\r\n").is_kept);
        assert!(head("connection: keep-alive\r\n").is_kept);
        assert!(head("expect: 100-Continue\r\n").expects_leave);
        assert!(head("transfer-encoding: Chunked\r\n").body.left().is_none());
        let old = |lines: &str| parse(format!("GET / HTTP/1.0\r\n{lines}\r\n").as_bytes());
        assert!(!old("").unwrap().unwrap().is_kept);
        assert!(old("connection: keep-alive\r\n").unwrap().unwrap().is_kept);
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        for lines in [
            "content-length: 5\r\ntransfer-encoding: chunked\r\n",
            "transfer-encoding: chunked\r\ncontent-length: 5\r\n",
            "content-length: 5\r\ncontent-length: 6\r\n",
            "content-length: 5\r\ncontent-length: 5\r\n",
            "content-length: 5, 5\r\n",
            "content-length: +5\r\n",
            "content-length:\r\n",
            "content-length: 99999999999999999999\r\n",
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
            "x: y\r\n folded\r\n",
            "x: y\nz: w\r\n",
            "x : y\r\n",
            " x: y\r\n",
            "x\r\n",
            "x: a\0b\r\n",
            "x: a\rb\r\n",
            "host: other\r\n",
        ] {
            assert_eq!(with(lines).unwrap_err(), BAD_REQUEST, "{lines:?}");
        }
        let old = b"POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n";
        assert_eq!(parse(old).unwrap_err(), BAD_REQUEST);
        let nameless = b"GET / HTTP/1.1\r\n\r\n";
        assert_eq!(parse(nameless).unwrap_err(), BAD_REQUEST);
    }

    #[test]
    fn what_is_refused_says_why() {
        let codings = with("transfer-encoding: gzip, chunked\r\n");
        assert_eq!(codings.unwrap_err().0, StatusCode::NOT_IMPLEMENTED);
        let other = with("expect: else\r\n");
        assert_eq!(other.unwrap_err().0, StatusCode::EXPECTATION_FAILED);
        let many = with(&"x: y\r\n".repeat(FIELDS_MAX));
        assert_eq!(many.unwrap_err(), TOO_LARGE);
        let large = with(&format!("x: {}\r\n", "y".repeat(LEN_MAX)));
        assert_eq!(large.unwrap_err(), TOO_LARGE);
        let newer = parse(b"GET / HTTP/3.0\r\nhost: x\r\n\r\n");
        assert_eq!(newer.unwrap_err(), UNKNOWN_VERSION);
        assert_eq!(parse(&[0x16, 3, 1]).unwrap_err(), BAD_REQUEST);
    }

    proptest! {
        #[test]
        fn garbage_never_panics(wire in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&wire);
            let mut with_start = b"GET / HTTP/1.1\r\nhost: x\r\n".to_vec();
            with_start.extend(wire);
            with_start.extend(b"\r\n\r\n");
            let _ = parse(&with_start);
        }
    }
}
