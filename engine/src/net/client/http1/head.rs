//! The head of a response: status, headers, and how its body is framed.

use bytes::{Buf, Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// What a head may measure, so that a peer cannot make us buffer without end.
const HEAD_BYTES_MAX: usize = 64 << 10;
const HEADERS_MAX: usize = 128;

/// How the end of a body is known.
/// Source: <https://www.rfc-editor.org/rfc/rfc9112#section-6.3>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyLength {
    Exactly(u64),
    Chunked,
    UntilClose,
}

/// A response without its body.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) length: BodyLength,
    /// Whether the connection may be used again once the body is read.
    pub(super) is_reusable: bool,
}

/// Not a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotHttp;

impl Head {
    /// Takes a final head from the start of `input`, passing over interim ones. `None`: more bytes
    /// are needed.
    pub(super) fn parse(input: &mut BytesMut) -> Result<Option<Self>, NotHttp> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
            let mut response = httparse::Response::new(&mut headers);
            let parsed = response.parse(input).map_err(|_| NotHttp)?;
            let httparse::Status::Complete(head_len) = parsed else {
                return match input.len() > HEAD_BYTES_MAX {
                    true => Err(NotHttp),
                    false => Ok(None),
                };
            };
            let code = response.code.unwrap_or_default();
            // Switching protocols was not asked for.
            if code == 101 {
                return Err(NotHttp);
            }
            if (100..200).contains(&code) {
                input.advance(head_len);
                continue;
            }
            let is_http_11 = response.version == Some(1);
            let head = Self::new(code, is_http_11, response.headers)?;
            input.advance(head_len);
            return Ok(Some(head));
        }
    }

    fn new(code: u16, is_http_11: bool, fields: &[httparse::Header<'_>]) -> Result<Self, NotHttp> {
        let status = StatusCode::from_u16(code).map_err(|_| NotHttp)?;
        let mut headers = HeaderMap::with_capacity(fields.len());
        for field in fields {
            let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| NotHttp)?;
            let value = HeaderValue::from_maybe_shared(Bytes::copy_from_slice(field.value));
            headers.append(name, value.map_err(|_| NotHttp)?);
        }
        let length = body_length(status, &headers)?;
        let is_ambiguous =
            headers.contains_key(TRANSFER_ENCODING) && headers.contains_key(CONTENT_LENGTH);
        let is_kept = match is_http_11 {
            true => !has_token(&headers, CONNECTION, "close"),
            false => has_token(&headers, CONNECTION, "keep-alive"),
        };
        Ok(Self {
            status,
            headers,
            length,
            is_reusable: is_kept && !is_ambiguous && length != BodyLength::UntilClose,
        })
    }
}

fn body_length(status: StatusCode, headers: &HeaderMap) -> Result<BodyLength, NotHttp> {
    if status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED {
        return Ok(BodyLength::Exactly(0));
    }
    if headers.contains_key(TRANSFER_ENCODING) {
        // No coding but this one was offered.
        let mut codings = tokens(headers, TRANSFER_ENCODING);
        let is_chunked = codings
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case("chunked"));
        return match is_chunked && codings.next().is_none() {
            true => Ok(BodyLength::Chunked),
            false => Err(NotHttp),
        };
    }
    let mut lengths = tokens(headers, CONTENT_LENGTH);
    let Some(length) = lengths.next() else {
        return match headers.contains_key(CONTENT_LENGTH) {
            true => Err(NotHttp),
            false => Ok(BodyLength::UntilClose),
        };
    };
    // The same length repeated is tolerated, as the RFC allows; a sign is not a digit.
    let is_number = length.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number || lengths.any(|other| other != length) {
        return Err(NotHttp);
    }
    Ok(BodyLength::Exactly(length.parse().map_err(|_| NotHttp)?))
}

fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    tokens(headers, name).any(|found| found.eq_ignore_ascii_case(token))
}

/// The members of a comma-separated header, over all its lines.
fn tokens(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(name).into_iter();
    let lines = lines.filter_map(|value| value.to_str().ok());
    lines
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn head(text: &str) -> Result<Option<(u16, BodyLength, bool)>, NotHttp> {
        let parsed = Head::parse(&mut BytesMut::from(text.as_bytes()))?;
        Ok(parsed.map(|head| (head.status.as_u16(), head.length, head.is_reusable)))
    }

    #[test]
    fn framing_and_reuse() {
        use BodyLength::{Chunked, Exactly, UntilClose};
        for (text, expected) in [
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n",
                (200, Exactly(2), true),
            ),
            (
                "HTTP/1.1 200\r\nContent-Length: 2, 2\r\n\r\n",
                (200, Exactly(2), true),
            ),
            (
                "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n",
                (200, Exactly(2), false),
            ),
            (
                "HTTP/1.0 200 OK\r\ncontent-length: 2\r\nconnection: Keep-Alive\r\n\r\n",
                (200, Exactly(2), true),
            ),
            (
                "HTTP/1.1 503 No\r\nconnection: x, Close\r\ncontent-length: 0\r\n\r\n",
                (503, Exactly(0), false),
            ),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n",
                (200, Chunked, true),
            ),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n",
                (200, Chunked, false),
            ),
            ("HTTP/1.1 200 OK\r\n\r\n", (200, UntilClose, false)),
            ("HTTP/1.1 204 OK\r\n\r\n", (204, Exactly(0), true)),
            (
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nx: y\r\n\r\n\
                 HTTP/1.1 202 OK\r\ncontent-length: 0\r\n\r\n",
                (202, Exactly(0), true),
            ),
        ] {
            assert_eq!(head(text), Ok(Some(expected)), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_response() {
        for text in [
            "SSH-2.0-OpenSSH_9.2\r\n",
            "HTTP/1.1 101 Switching Protocols\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length:\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\n\r\n",
        ] {
            assert_eq!(head(text), Err(NotHttp), "{text}");
        }
        assert_eq!(head("HTTP/1.1 200 OK\r\nx: y"), Ok(None));
        let endless = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(HEAD_BYTES_MAX));
        assert_eq!(head(&endless), Err(NotHttp));
        let many = format!(
            "HTTP/1.1 200 OK\r\n{}\r\n",
            "x: y\r\n".repeat(HEADERS_MAX + 1)
        );
        assert_eq!(head(&many), Err(NotHttp));
    }

    proptest! {
        #[test]
        fn garbage_never_panics(wire in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Head::parse(&mut BytesMut::from(&wire[..]));
            let mut with_start = b"HTTP/1.1 200 OK\r\n".to_vec();
            with_start.extend(wire);
            let _ = Head::parse(&mut BytesMut::from(&with_start[..]));
        }
    }
}
