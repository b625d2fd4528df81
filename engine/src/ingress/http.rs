//! OTLP/HTTP: admission of a request.

use super::reply::{self, ReplyKind};
use super::{Content, Cors, HttpReceiver, Ingress, Paths, Receiver, Refusal};
use crate::exchange::{Framing, HttpReply, Reply};
use ::http::header::{ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use ::http::{HeaderMap, HeaderValue, Method, StatusCode, request};
use bytes::Bytes;
use tailrace_codec::Signal;
use tailrace_codec::compress::Encoding;

/// What `content-encoding` may name.
pub(super) const ACCEPTED_ENCODINGS: &str =
    "identity, gzip, zstd, snappy, x-snappy-framed, deflate, zlib, lz4";

/// In the Collector's order: cross-origin, path, method, media type; then what its layers below
/// find out while reading: encoding and size.
pub(super) fn admit(
    parts: &request::Parts,
    receiver: &Receiver,
    settings: &HttpReceiver,
) -> Result<Ingress, Box<Reply>> {
    let request = &parts.headers;
    if let Some(cors) = settings
        .cors
        .as_ref()
        .filter(|_| Cors::is_preflight(&parts.method, request))
    {
        return Err(Box::new(Reply::Http(preflight(cors, request, settings))));
    }
    let extra = extra_headers(parts, settings);
    let refuse = |mut reply: HttpReply| {
        reply::add_headers(&mut reply.headers, extra.as_deref());
        Box::new(Reply::Http(reply))
    };
    let signal = signal(parts.uri.path(), &settings.paths)
        .filter(|&signal| receiver.signals.contains(signal))
        .ok_or_else(|| refuse(not_found()))?;
    if parts.method != Method::POST {
        let mut reply = reply::method_not_allowed();
        reply
            .headers
            .insert(ALLOW, HeaderValue::from_static("POST"));
        return Err(refuse(reply));
    }
    let content = content(request.get(CONTENT_TYPE), signal)
        .ok_or_else(|| refuse(unsupported_media_type(signal)))?;
    let kind = ReplyKind::http(signal, content, extra.clone());
    let encoding = encoding(request).ok_or_else(|| Box::new(unsupported_encoding(&kind)))?;
    if let Some(bytes) = declared_length(request).filter(|&bytes| bytes > receiver.message_max) {
        let refusal = Refusal::TooLarge {
            bytes,
            limit: receiver.message_max,
        };
        return Err(Box::new(kind.refusal(&refusal)));
    }
    Ok(Ingress {
        signal,
        content,
        encoding,
        framing: Framing::Plain,
        metadata: receiver.metadata_keys.collect(parts),
        timeout: None,
        reply: kind,
    })
}

fn preflight(cors: &Cors, request: &HeaderMap, settings: &HttpReceiver) -> HttpReply {
    let mut headers = settings.response_headers.clone();
    cors.preflight(request, &mut headers);
    HttpReply {
        status: StatusCode::NO_CONTENT,
        headers,
        body: Bytes::new(),
    }
}

/// What stands in every answer to this request besides the answer itself.
fn extra_headers(parts: &request::Parts, settings: &HttpReceiver) -> Option<Box<HeaderMap>> {
    if settings.cors.is_none() && settings.response_headers.is_empty() {
        return None;
    }
    let mut extra = settings.response_headers.clone();
    if let Some(cors) = &settings.cors {
        cors.actual(&parts.method, &parts.headers, &mut extra);
    }
    Some(Box::new(extra))
}

fn signal(path: &str, paths: &Paths) -> Option<Signal> {
    Signal::ALL
        .into_iter()
        .find(|&signal| path == paths.of(signal))
}

/// `None` for any other media type, and for none: what a body is must not be guessed.
///
/// Profiles have no JSON here: their mapping is still in development.
fn content(content_type: Option<&HeaderValue>, signal: Signal) -> Option<Content> {
    let value = content_type?.as_bytes();
    let media = value
        .split(|&byte| byte == b';')
        .next()
        .unwrap_or_default()
        .trim_ascii();
    if media.eq_ignore_ascii_case(reply::PROTOBUF.as_bytes()) {
        Some(Content::Protobuf)
    } else if media.eq_ignore_ascii_case(reply::JSON.as_bytes()) && signal != Signal::Profiles {
        Some(Content::Json)
    } else {
        None
    }
}

/// `None` where it is one we do not have, or several: nobody sends OTLP so, and each would
/// multiply what a small body inflates to.
fn encoding(headers: &HeaderMap) -> Option<Encoding> {
    let mut names = headers.get_all(CONTENT_ENCODING).iter();
    match (names.next(), names.next()) {
        (None, _) => Some(Encoding::Identity),
        (Some(name), None) => Encoding::from_content_encoding(name.as_bytes().trim_ascii()),
        (Some(_), Some(_)) => None,
    }
}

/// Net has checked that it is a number and that there is one; anything else is not ours to judge.
fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
}

fn not_found() -> HttpReply {
    reply::plain_text(StatusCode::NOT_FOUND, "404 page not found\n".into())
}

fn unsupported_media_type(signal: Signal) -> HttpReply {
    let supported = match signal {
        Signal::Profiles => reply::PROTOBUF,
        Signal::Traces | Signal::Metrics | Signal::Logs => {
            "application/json, application/x-protobuf"
        }
    };
    let text = format!("415 unsupported media type, supported: [{supported}]");
    reply::plain_text(StatusCode::UNSUPPORTED_MEDIA_TYPE, text)
}

/// The Collector answers 400 here; RFC 9110, 15.5.16 says 415 and `accept-encoding`.
fn unsupported_encoding(kind: &ReplyKind) -> Reply {
    let mut reply = kind.refusal(&Refusal::UnsupportedEncoding);
    if let Reply::Http(reply) = &mut reply {
        reply.headers.insert(
            ACCEPT_ENCODING,
            HeaderValue::from_static(ACCEPTED_ENCODINGS),
        );
    }
    reply
}

impl Paths {
    fn of(&self, signal: Signal) -> &str {
        match signal {
            Signal::Traces => &self.traces,
            Signal::Metrics => &self.metrics,
            Signal::Logs => &self.logs,
            Signal::Profiles => &self.profiles,
        }
    }
}
