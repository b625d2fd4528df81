//! The head of a request, as bytes.

use crate::exchange::{Attempt, AttemptHead};
use bytes::{BufMut, Bytes, BytesMut};
use http::header::HOST;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::io::Write;
use std::rc::Rc;

/// Writes request heads. What the attempts of a lane have in common is written once.
#[derive(Debug, Default)]
pub(super) struct Heads {
    last: Option<(Rc<AttemptHead>, Bytes)>,
}

impl Heads {
    /// The head of `attempt`, complete with `content-length` and the empty line.
    pub(super) fn bytes(&mut self, attempt: &Attempt) -> Bytes {
        let shared = self.shared(&attempt.head);
        // COPY: the few hundred bytes of a head, cheaper than another iovec.
        let mut out = BytesMut::with_capacity(shared.len() + 64);
        out.put_slice(&shared);
        for (name, value) in attempt.extra.iter().flat_map(HeaderMap::iter) {
            put_header(&mut out, name, value);
        }
        let length = attempt.body.len();
        write!((&mut out).writer(), "content-length: {length}\r\n\r\n")
            .expect("memory does not fail to be written");
        out.freeze()
    }

    fn shared(&mut self, head: &Rc<AttemptHead>) -> Bytes {
        if let Some((last, bytes)) = &self.last
            && Rc::ptr_eq(last, head)
        {
            return bytes.clone();
        }
        let bytes = shared(head);
        self.last = Some((Rc::clone(head), bytes.clone()));
        bytes
    }
}

/// The request line, `host` and the headers of all attempts.
fn shared(head: &AttemptHead) -> Bytes {
    let mut out = BytesMut::new();
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    for part in [head.method.as_str(), " ", path, " HTTP/1.1\r\n"] {
        out.put_slice(part.as_bytes());
    }
    if let (None, Some(authority)) = (head.headers.get(HOST), head.uri.authority()) {
        // User information is not for the wire.
        let host = authority.as_str().rsplit('@').next().unwrap_or_default();
        for part in ["host: ", host, "\r\n"] {
            out.put_slice(part.as_bytes());
        }
    }
    for (name, value) in &head.headers {
        put_header(&mut out, name, value);
    }
    out.freeze()
}

fn put_header(out: &mut BytesMut, name: &HeaderName, value: &HeaderValue) {
    for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
        out.put_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::Framing;
    use crate::time::Instant;
    use crate::units::AttemptId;
    use http::Method;
    use tailrace_codec::Rope;

    #[test]
    fn heads_are_complete() {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        let mut extra = HeaderMap::new();
        extra.append("x-tenant", HeaderValue::from_static("a"));
        extra.append("x-tenant", HeaderValue::from_static("b"));
        let mut attempt = Attempt {
            id: AttemptId(0),
            head: Rc::new(AttemptHead {
                method: Method::POST,
                uri: "http://me:secret@sink:4318/v1/logs?x=1".parse().unwrap(),
                headers,
                framing: Framing::Plain,
            }),
            extra: Some(extra),
            body: Rope::from(Bytes::from_static(b"{}")),
            deadline: Instant::NEVER,
        };
        let mut heads = Heads::default();
        assert_eq!(
            heads.bytes(&attempt),
            "POST /v1/logs?x=1 HTTP/1.1\r\nhost: sink:4318\r\ncontent-type: application/json\r\n\
             x-tenant: a\r\nx-tenant: b\r\ncontent-length: 2\r\n\r\n"
        );
        attempt.extra = None;
        attempt.body = Rope::new();
        assert_eq!(
            heads.bytes(&attempt),
            "POST /v1/logs?x=1 HTTP/1.1\r\nhost: sink:4318\r\ncontent-type: application/json\r\n\
             content-length: 0\r\n\r\n"
        );
    }
}
