//! "Message too large" in the words of the gRPC implementations, and the limit they name.

use super::MESSAGE_MAX;
use tailrace_codec::grpc::Code;

/// The destination takes no message of this size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLarge {
    /// The limit, where the destination named it.
    pub limit: Option<SizeLimit>,
}

/// A limit in bytes, and what it is a limit on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SizeLimit {
    /// The message as it goes on the wire, compressed.
    Wire(u64),
    /// The message inflated.
    Inflated(u64),
}

impl SizeLimit {
    /// The limit in uncompressed bytes, for a message of `body` bytes that was `wire` bytes long
    /// when compressed: others of the lane compress about as well.
    pub fn uncompressed(self, body: u64, wire: u64) -> u64 {
        match self {
            Self::Inflated(limit) => limit,
            Self::Wire(limit) if wire == 0 => limit,
            Self::Wire(limit) => {
                let scaled = u128::from(limit) * u128::from(body) / u128::from(wire);
                u64::try_from(scaled).unwrap_or(u64::MAX)
            }
        }
    }
}

/// Texts that mean "too large", in lower case, each with whether the inflated size is meant.
///
/// grpc-go: "grpc: received message larger than max (N vs. M)", "grpc: message after decompression
/// larger than max (N vs. M)", "grpc: received message after decompression larger than max M".
/// gRPC core and grpc-js: "Received message larger than max (N vs. M)", "Received message that
/// decompresses to a size larger than M". grpc-java: "gRPC message exceeds maximum size M: N",
/// "Decompressed gRPC message exceeds maximum size M". tonic: "decoded message length too large:
/// found N bytes, the limit is: M bytes", "size limit, of M bytes, exceeded while decompressing
/// message". grpc-dotnet: "Received message exceeds the maximum configured message size.".
const TEXTS: [(&str, bool); 10] = [
    ("after decompression larger than max", true),
    ("decompresses to a size larger than", true),
    ("decompressed grpc message exceeds maximum size", true),
    ("exceeded while decompressing", true),
    ("larger than max", false),
    ("exceeds maximum size", false),
    ("message length too large", false),
    ("exceeds the maximum configured message size", false),
    ("payload too large", false),
    ("entity too large", false),
];

/// What stands directly before the limit in those texts.
const BEFORE_LIMIT: [&str; 7] = [
    " vs. ",
    " vs ",
    "maximum size ",
    "limit is: ",
    "size limit, of ",
    "size larger than ",
    "larger than max ",
];

/// `None` where the status is not about size.
///
/// OUT_OF_RANGE is tonic's code for it, UNKNOWN what becomes of a proxy's 413.
pub(super) fn from_grpc(code: Code, message: &str) -> Option<TooLarge> {
    if !matches!(
        code,
        Code::ResourceExhausted | Code::OutOfRange | Code::Unknown
    ) {
        return None;
    }
    let text = lower(message);
    TEXTS
        .iter()
        .any(|(words, _)| text.contains(words))
        .then(|| from_text(message))
}

/// The limit out of a text that is known to be about size.
pub(super) fn from_text(message: &str) -> TooLarge {
    let text = lower(message);
    let inflated = TEXTS
        .iter()
        .find(|(words, _)| text.contains(words))
        .is_some_and(|text| text.1);
    let limit = BEFORE_LIMIT
        .iter()
        .find_map(|before| number_after(&text, before));
    TooLarge {
        limit: limit.map(if inflated {
            SizeLimit::Inflated
        } else {
            SizeLimit::Wire
        }),
    }
}

fn lower(message: &str) -> String {
    message[..message.floor_char_boundary(MESSAGE_MAX)].to_ascii_lowercase()
}

fn number_after(text: &str, before: &str) -> Option<u64> {
    let (_, rest) = text.split_once(before)?;
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    rest[..end].parse().ok().filter(|&limit| limit > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_implementation_is_understood() {
        use SizeLimit::{Inflated, Wire};
        let exhausted = Code::ResourceExhausted;
        let table = [
            (
                exhausted,
                "grpc: received message larger than max (5 vs. 4)",
                Some(Wire(4)),
            ),
            (
                exhausted,
                "grpc: message after decompression larger than max (5 vs. 4)",
                Some(Inflated(4)),
            ),
            (
                exhausted,
                "grpc: received message after decompression larger than max 4",
                Some(Inflated(4)),
            ),
            (
                exhausted,
                "Received message larger than max (5 vs. 4)",
                Some(Wire(4)),
            ),
            (
                exhausted,
                "Received message larger than max (5 vs 4)",
                Some(Wire(4)),
            ),
            (
                exhausted,
                "Received message that decompresses to a size larger than 4",
                Some(Inflated(4)),
            ),
            (
                exhausted,
                "gRPC message exceeds maximum size 4: 5",
                Some(Wire(4)),
            ),
            (
                exhausted,
                "Decompressed gRPC message exceeds maximum size 4",
                Some(Inflated(4)),
            ),
            (
                Code::OutOfRange,
                "Error, decoded message length too large: found 5 bytes, the limit is: 4 bytes",
                Some(Wire(4)),
            ),
            (
                exhausted,
                "Error decompressing: size limit, of 4 bytes, exceeded while decompressing message",
                Some(Inflated(4)),
            ),
            (
                exhausted,
                "Received message exceeds the maximum configured message size.",
                None,
            ),
            (Code::Unknown, "Request Entity Too Large", None),
            (
                Code::Unknown,
                "the response has no grpc-status; its HTTP status is 413 Payload Too Large",
                None,
            ),
        ];
        for (code, message, limit) in table {
            assert_eq!(
                from_grpc(code, message),
                Some(TooLarge { limit }),
                "{message}"
            );
        }
    }

    #[test]
    fn other_trouble_is_not_about_size() {
        for (code, message) in [
            (Code::ResourceExhausted, "quota exceeded"),
            (Code::InvalidArgument, "attribute larger than max (5 vs. 4)"),
            (
                Code::Unavailable,
                "grpc: received message larger than max (5 vs. 4)",
            ),
            (Code::OutOfRange, ""),
        ] {
            assert_eq!(from_grpc(code, message), None, "{message}");
        }
    }

    #[test]
    fn a_limit_that_makes_no_sense_is_none() {
        for message in [
            "received message larger than max (5 vs. 0)",
            "received message larger than max (5 vs. 99999999999999999999999)",
            "received message larger than max (5 vs. -4)",
        ] {
            assert_eq!(from_text(message), TooLarge { limit: None }, "{message}");
        }
    }

    #[test]
    fn limits_on_the_wire_scale_with_the_compression() {
        assert_eq!(SizeLimit::Wire(100).uncompressed(1_000, 250), 400);
        assert_eq!(SizeLimit::Wire(100).uncompressed(1_000, 1_000), 100);
        assert_eq!(
            SizeLimit::Wire(u64::MAX).uncompressed(u64::MAX, 1),
            u64::MAX
        );
        assert_eq!(SizeLimit::Wire(100).uncompressed(5, 0), 100);
        assert_eq!(SizeLimit::Inflated(100).uncompressed(1_000, 250), 100);
    }
}
