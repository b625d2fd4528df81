//! What a receiver answers: the export response with its partial success, and `google.rpc.Status`.
//!
//! Both come from hostile peers too: nothing is allocated beyond the text that is kept, and of a
//! status's details only `RetryInfo` is read.
//!
//! Source: <https://opentelemetry.io/docs/specs/otlp/#partial-success>,
//! <https://github.com/googleapis/googleapis/blob/master/google/rpc/status.proto>

mod json;
mod status;

pub use status::Status;

use super::Signal;
use crate::Malformed;
use crate::Rope;
use crate::field::Fields;
use crate::writer::Writer;
use bytes::Bytes;

/// The receiver took the request but for some items, or has something to say about it.
///
/// The default (nothing rejected, no message) is a full success.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartialSuccess {
    /// Items refused for good. Zero with a message: a warning.
    pub rejected: u64,
    pub message: String,
}

/// A response body that says nothing one can rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseError {
    Protobuf(Malformed),
    Json,
}

impl From<Malformed> for ResponseError {
    fn from(malformed: Malformed) -> Self {
        Self::Protobuf(malformed)
    }
}

impl PartialSuccess {
    /// Reads an `Export*ServiceResponse`; a field that stands twice counts with its last value.
    pub fn from_protobuf(response: &Bytes) -> Result<Self, ResponseError> {
        let response = Rope::from(response.clone());
        let mut partial = Self::default();
        for field in Fields::new(response.cursor()) {
            let field = field?;
            if field.number != 1 {
                continue;
            }
            for field in field.message()? {
                let field = field?;
                match field.number {
                    // An int64: a negative count is nobody's items.
                    1 => partial.rejected = clamp(field.varint()?.cast_signed()),
                    2 => partial.message = text(&field.content()?.bytes()),
                    _ => {}
                }
            }
        }
        Ok(partial)
    }

    /// Reads the JSON form of the response.
    pub fn from_json(response: &Bytes, signal: Signal) -> Result<Self, ResponseError> {
        json::partial_success(response, signal).ok_or(ResponseError::Json)
    }

    /// An `Export*ServiceResponse`; empty for a full success.
    pub fn to_protobuf(&self) -> Bytes {
        let mut response = Writer::new(Vec::new());
        if *self != Self::default() {
            let partial = response.open(1, self.message.len() + 16);
            if self.rejected > 0 {
                response.varint(1, self.rejected);
            }
            if !self.message.is_empty() {
                response.bytes(2, self.message.as_bytes());
            }
            response.close(partial);
        }
        response.finish()
    }

    /// The JSON form of the response: `{}` for a full success.
    pub fn to_json(&self, signal: Signal) -> Bytes {
        json::response(self, signal)
    }
}

/// A count from the wire, where only what is above zero makes sense.
fn clamp(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

/// Text for a log: what is not UTF-8 is replaced.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::collector::trace::v1::{
        ExportTracePartialSuccess, ExportTraceServiceResponse,
    };
    use proptest::prelude::*;
    use prost::Message;

    proptest! {
        #[test]
        fn prost_and_we_agree_both_ways(rejected in 0..i64::MAX, message: String) {
            let ours = PartialSuccess { rejected: clamp(rejected), message: message.clone() };
            let theirs = ExportTraceServiceResponse {
                partial_success: Some(ExportTracePartialSuccess {
                    rejected_spans: rejected,
                    error_message: message,
                }),
            };
            let encoded = Bytes::from(theirs.encode_to_vec());
            prop_assert_eq!(PartialSuccess::from_protobuf(&encoded), Ok(ours.clone()));
            let decoded = ExportTraceServiceResponse::decode(ours.to_protobuf()).unwrap();
            let partial = decoded.partial_success.unwrap_or_default();
            prop_assert_eq!(clamp(partial.rejected_spans), ours.rejected);
            prop_assert_eq!(partial.error_message, ours.message);
        }

        #[test]
        fn json_comes_back(rejected: u64, message: String) {
            let rejected = rejected >> 1;
            let partial = PartialSuccess { rejected, message };
            for signal in Signal::ALL {
                let json = partial.to_json(signal);
                prop_assert_eq!(PartialSuccess::from_json(&json, signal), Ok(partial.clone()));
            }
        }

        #[test]
        fn anything_is_read_without_panic(bytes: Vec<u8>) {
            let bytes = Bytes::from(bytes);
            let _ = PartialSuccess::from_protobuf(&bytes);
            let _ = PartialSuccess::from_json(&bytes, Signal::Logs);
            let _ = Status::from_protobuf(&bytes);
            let _ = Status::from_json(&bytes);
        }
    }

    #[test]
    fn full_success_is_nothing() {
        assert_eq!(PartialSuccess::default().to_protobuf(), Bytes::new());
        assert_eq!(PartialSuccess::default().to_json(Signal::Traces), "{}");
        assert_eq!(
            PartialSuccess::from_protobuf(&Bytes::new()),
            Ok(PartialSuccess::default())
        );
    }
}
