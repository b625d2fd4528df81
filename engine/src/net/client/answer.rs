//! What a response means, in the words of its protocol.

use crate::exchange::{Answer, Failure, Framing};
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tailrace_codec::Rope;
use tailrace_codec::compress::{Decompressor, Encoding, InflateError};
use tailrace_codec::grpc::{self, Code, Frame, FrameError};

/// Names as the header map has them: a name given as text is parsed for each look.
static STATUS: HeaderName = HeaderName::from_static("grpc-status");
static MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
static DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");

/// Makes answers of responses.
pub(super) struct Reader {
    /// The largest body, compressed and decompressed.
    bytes_max: usize,
    decompressor: Decompressor,
}

/// A response whose body was read to its end.
#[derive(Debug)]
pub(super) struct Response<'a> {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Absent where the headers ended the response.
    pub(super) trailers: Option<&'a HeaderMap>,
    pub(super) body: Bytes,
}

impl Reader {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            decompressor: Decompressor::new(),
        }
    }

    /// What a body may measure on the wire so that its message is within the limit.
    pub(super) const fn wire_bytes_max(&self, framing: Framing) -> usize {
        match framing {
            Framing::Plain => self.bytes_max,
            Framing::Grpc => self.bytes_max.saturating_add(grpc::PREFIX_BYTES),
        }
    }

    /// Whether the headers declare a body over the limit.
    pub(super) fn is_declared_too_large(&self, framing: Framing, headers: &HeaderMap) -> bool {
        let declared = headers
            .get(CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok());
        let declared = declared.and_then(|text| text.parse::<u64>().ok());
        declared.is_some_and(|bytes| bytes > self.wire_bytes_max(framing) as u64)
    }

    pub(super) fn answer(&mut self, framing: Framing, response: Response<'_>) -> Answer {
        match framing {
            Framing::Plain => self.http(response),
            Framing::Grpc => self.grpc(&response),
        }
    }

    fn http(&mut self, response: Response<'_>) -> Answer {
        let encoding = response.headers.get(CONTENT_ENCODING);
        let encoding = encoding.map_or(Some(Encoding::Identity), |value| {
            Encoding::from_content_encoding(value.as_bytes())
        });
        let body = match self.inflated(encoding, response.body) {
            Ok(body) => body,
            Err(failure) if response.status.is_success() => return Answer::Failed(failure),
            // A refusal stands whatever its body is.
            Err(_) => Bytes::new(),
        };
        Answer::Http {
            status: response.status,
            headers: response.headers,
            body,
        }
    }

    /// The status stands in the trailers, or in the headers of a response that is trailers only.
    /// Where it is missing, the HTTP status says what it can.
    /// Source: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>
    fn grpc(&mut self, response: &Response<'_>) -> Answer {
        let Response {
            status,
            headers,
            trailers,
            body,
        } = response;
        let in_trailers = trailers.and_then(|trailers| Some((trailers.get(&STATUS)?, trailers)));
        let in_headers = || Some((headers.get(&STATUS)?, headers));
        let Some((code, carrier)) = in_trailers.or_else(in_headers) else {
            return Answer::Grpc {
                code: code_of_http_status(*status),
                message: format!("the response has no grpc-status; its HTTP status is {status}"),
                details: Bytes::new(),
                body: Bytes::new(),
            };
        };
        let code = Code::from_header(code.as_bytes());
        // A refusal stands whatever its body is; an acceptance may carry a partial success.
        let body = match code {
            Code::Ok => match self.message(headers, body.clone()) {
                Ok(body) => body,
                Err(failure) => return Answer::Failed(failure),
            },
            _ => Bytes::new(),
        };
        let text = carrier.get(&MESSAGE).map(HeaderValue::as_bytes);
        let details = carrier.get(&DETAILS).map(HeaderValue::as_bytes);
        // A status must not be lost because its details are broken.
        let details = details.and_then(|details| grpc::decode_details(details).ok());
        Answer::Grpc {
            code,
            message: text.map(grpc::decode_message).unwrap_or_default(),
            details: details.map(Bytes::from).unwrap_or_default(),
            body,
        }
    }

    /// The one message of a unary response. No body at all, which some servers send, is an empty
    /// message.
    fn message(&mut self, headers: &HeaderMap, body: Bytes) -> Result<Bytes, Failure> {
        if body.is_empty() {
            return Ok(body);
        }
        let frame =
            Frame::read(&Rope::from(body), self.bytes_max).map_err(|error| match error {
                FrameError::TooLarge { .. } => Failure::ResponseTooLarge,
                FrameError::Truncated { .. }
                | FrameError::Flag(_)
                | FrameError::Trailing { .. } => Failure::Malformed,
            })?;
        let message = frame.message.to_bytes();
        if !frame.compressed {
            return Ok(message);
        }
        let encoding = headers.get("grpc-encoding");
        let encoding = encoding.and_then(|value| Encoding::from_grpc_encoding(value.as_bytes()));
        match encoding {
            // The flag says that there is one.
            Some(Encoding::Identity) => Err(Failure::Malformed),
            encoding => self.inflated(encoding, message),
        }
    }

    /// The body as it was before it was compressed. `None`: in a way we do not know.
    fn inflated(&mut self, encoding: Option<Encoding>, body: Bytes) -> Result<Bytes, Failure> {
        let encoding = encoding.ok_or(Failure::Malformed)?;
        if encoding == Encoding::Identity {
            return Ok(body);
        }
        let inflated =
            self.decompressor
                .inflate(encoding, &Rope::from(body), self.bytes_max, |_| true);
        if encoding == Encoding::Zstd {
            // The peer chose the window, and the context would keep it: up to 8.5 MiB.
            self.decompressor = Decompressor::new();
        }
        match inflated {
            Ok(body) => Ok(body.to_bytes()),
            Err(InflateError::TooLarge { .. }) => Err(Failure::ResponseTooLarge),
            Err(
                InflateError::Corrupt { .. }
                | InflateError::Truncated
                | InflateError::WindowTooLarge
                | InflateError::TooManyMembers
                | InflateError::Refused,
            ) => Err(Failure::Malformed),
        }
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("bytes_max", &self.bytes_max)
            .finish_non_exhaustive()
    }
}

/// Source: <https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md>
const fn code_of_http_status(status: StatusCode) -> Code {
    match status.as_u16() {
        400 => Code::Internal,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::Unimplemented,
        429 | 502 | 503 | 504 => Code::Unavailable,
        _ => Code::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tailrace_codec::compress::{Compressor, Level};

    const BYTES_MAX: usize = 1000;

    fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let fields = fields.iter().map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        fields.collect()
    }

    fn compressed(encoding: Encoding, len: usize) -> Bytes {
        let input = Rope::from(vec![b'x'; len]);
        let output = Compressor::new().compress(encoding, Level::DEFAULT, &input);
        output.unwrap().to_bytes()
    }

    fn framed(flag: u8, message: &[u8]) -> Bytes {
        let mut body = vec![flag];
        body.extend_from_slice(&(message.len() as u32).to_be_bytes());
        body.extend_from_slice(message);
        body.into()
    }

    fn grpc(
        status: u16,
        headers: &[(&'static str, &'static str)],
        trailers: Option<&[(&'static str, &'static str)]>,
        body: Bytes,
    ) -> Answer {
        let trailers = trailers.map(map);
        Reader::new(BYTES_MAX).answer(
            Framing::Grpc,
            Response {
                status: StatusCode::from_u16(status).unwrap(),
                headers: map(headers),
                trailers: trailers.as_ref(),
                body,
            },
        )
    }

    fn http(status: u16, headers: &[(&'static str, &'static str)], body: Bytes) -> Answer {
        Reader::new(BYTES_MAX).answer(
            Framing::Plain,
            Response {
                status: StatusCode::from_u16(status).unwrap(),
                headers: map(headers),
                trailers: None,
                body,
            },
        )
    }

    #[test]
    fn a_status_is_read_with_its_message_and_details() {
        let trailers = [
            ("grpc-status", "14"),
            ("grpc-message", "100%25 full"),
            ("grpc-status-details-bin", "CA4"),
        ];
        let in_trailers = grpc(200, &[], Some(&trailers), framed(0, b"ignored"));
        let in_headers = grpc(200, &trailers, None, Bytes::new());
        for answer in [in_trailers, in_headers] {
            let Answer::Grpc {
                code,
                message,
                details,
                body,
            } = answer
            else {
                panic!("{answer:?}");
            };
            assert_eq!(code, Code::Unavailable);
            assert_eq!(message, "100% full");
            assert_eq!(details, &[8, 14][..]);
            assert!(body.is_empty());
        }
        let broken = [("grpc-status", "99"), ("grpc-status-details-bin", "***")];
        let answer = grpc(200, &[], Some(&broken), Bytes::new());
        assert!(matches!(
            answer,
            Answer::Grpc {
                code: Code::Unknown,
                ..
            }
        ));
    }

    #[test]
    fn without_a_status_the_http_status_speaks() {
        for (status, expected) in [
            (200, Code::Unknown),
            (400, Code::Internal),
            (401, Code::Unauthenticated),
            (403, Code::PermissionDenied),
            (404, Code::Unimplemented),
            (429, Code::Unavailable),
            (500, Code::Unknown),
            (502, Code::Unavailable),
            (503, Code::Unavailable),
            (504, Code::Unavailable),
        ] {
            let answer = grpc(status, &[], Some(&[]), Bytes::from_static(b"<html>"));
            assert!(
                matches!(answer, Answer::Grpc { code, .. } if code == expected),
                "{status}"
            );
        }
    }

    #[test]
    fn compressed_messages_are_inflated_within_the_limit() {
        const OK: Option<&[(&str, &str)]> = Some(&[("grpc-status", "0")]);
        for (name, encoding) in [
            ("gzip", Encoding::Gzip),
            ("zstd", Encoding::Zstd),
            ("deflate", Encoding::Deflate),
            ("snappy", Encoding::SnappyFramed),
        ] {
            let headers = [("grpc-encoding", name)];
            let answer = grpc(
                200,
                &headers,
                OK,
                framed(1, &compressed(encoding, BYTES_MAX)),
            );
            assert!(
                matches!(answer, Answer::Grpc { body, .. } if body.len() == BYTES_MAX),
                "{name}"
            );
            let bomb = grpc(
                200,
                &headers,
                OK,
                framed(1, &compressed(encoding, BYTES_MAX + 1)),
            );
            assert!(
                matches!(bomb, Answer::Failed(Failure::ResponseTooLarge)),
                "{name}"
            );
        }
        for (headers, body) in [
            (&[][..], framed(1, &compressed(Encoding::Gzip, 10))),
            (&[("grpc-encoding", "identity")], framed(1, b"plain")),
            (&[("grpc-encoding", "lzma")], framed(1, b"what")),
            (&[("grpc-encoding", "gzip")], framed(1, b"not gzip")),
            (&[], framed(2, b"")),
            (
                &[],
                framed(0, b"one")
                    .iter()
                    .chain(&framed(0, b"two"))
                    .copied()
                    .collect(),
            ),
        ] {
            let answer = grpc(200, headers, OK, body);
            assert!(
                matches!(answer, Answer::Failed(Failure::Malformed)),
                "{headers:?} {answer:?}"
            );
        }
        let large = grpc(200, &[], OK, framed(0, &[0; BYTES_MAX + 1]));
        assert!(matches!(large, Answer::Failed(Failure::ResponseTooLarge)));
        let uncompressed = grpc(200, &[("grpc-encoding", "gzip")], OK, framed(0, b"plain"));
        assert!(matches!(uncompressed, Answer::Grpc { body, .. } if body == "plain"));
    }

    #[test]
    fn http_bodies_are_inflated_and_a_refusal_stands_without_one() {
        let gzip = [("content-encoding", "gzip")];
        let answer = http(200, &gzip, compressed(Encoding::Gzip, 500));
        assert!(matches!(answer, Answer::Http { body, .. } if body.len() == 500));
        let bomb = compressed(Encoding::Gzip, BYTES_MAX + 1);
        let answer = http(200, &gzip, bomb.clone());
        assert!(matches!(answer, Answer::Failed(Failure::ResponseTooLarge)));
        let unknown = http(200, &[("content-encoding", "br")], Bytes::from_static(b"?"));
        assert!(matches!(unknown, Answer::Failed(Failure::Malformed)));
        let answer = http(503, &gzip, bomb);
        assert!(
            matches!(answer, Answer::Http { status, body, .. } if status == 503 && body.is_empty())
        );
    }

    proptest! {
        #[test]
        fn any_body_is_answered(
            body in prop::collection::vec(any::<u8>(), 0..100),
            name in prop_oneof![Just("gzip"), Just("zstd"), Just("snappy"), Just("deflate")],
        ) {
            let headers = [("grpc-encoding", name), ("content-encoding", name)];
            let _ = http(200, &headers, body.clone().into());
            let _ = grpc(200, &headers, Some(&[("grpc-status", "0")]), framed(1, &body));
            let _ = grpc(200, &headers, Some(&[("grpc-status", "0")]), body.into());
        }
    }
}
