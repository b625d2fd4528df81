//! The JSON forms of responses: small, rare, and read by a library.

use super::status::RETRY_INFO;
use super::{PartialSuccess, Status};
use crate::grpc::Code;
use crate::otlp::Signal;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::time::Duration;

const fn rejected_key(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "rejectedSpans",
        Signal::Metrics => "rejectedDataPoints",
        Signal::Logs => "rejectedLogRecords",
        Signal::Profiles => "rejectedProfiles",
    }
}

pub(super) fn partial_success(response: &[u8], signal: Signal) -> Option<PartialSuccess> {
    let response: Map<String, Value> = serde_json::from_slice(response).ok()?;
    let Some(partial) = response
        .get("partialSuccess")
        .filter(|partial| !partial.is_null())
    else {
        return Some(PartialSuccess::default());
    };
    let partial = partial.as_object()?;
    let rejected = match partial.get(rejected_key(signal)) {
        None | Some(Value::Null) => 0,
        Some(Value::Number(count)) => count.as_u64().unwrap_or(0),
        Some(Value::String(count)) => count.parse().unwrap_or(0),
        Some(_) => return None,
    };
    let message = partial
        .get("errorMessage")
        .and_then(Value::as_str)
        .unwrap_or_default();
    Some(PartialSuccess {
        rejected,
        message: message.to_owned(),
    })
}

pub(super) fn response(partial: &PartialSuccess, signal: Signal) -> Bytes {
    let mut fields = Map::new();
    if partial.rejected > 0 {
        // 64-bit integers are strings in protobuf's JSON mapping.
        fields.insert(
            rejected_key(signal).into(),
            partial.rejected.to_string().into(),
        );
    }
    if !partial.message.is_empty() {
        fields.insert("errorMessage".into(), partial.message.clone().into());
    }
    if fields.is_empty() {
        return Bytes::from_static(b"{}");
    }
    json!({ "partialSuccess": fields }).to_string().into()
}

pub(super) fn status(status: &[u8]) -> Option<Status> {
    let status: Map<String, Value> = serde_json::from_slice(status).ok()?;
    let number = status.get("code").and_then(Value::as_u64).unwrap_or(0);
    let message = status
        .get("message")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let details = status.get("details").and_then(Value::as_array);
    let retry_delay = details.into_iter().flatten().find_map(|detail| {
        let is_retry_info = detail
            .get("@type")?
            .as_str()?
            .ends_with("/google.rpc.RetryInfo");
        if is_retry_info {
            duration(detail.get("retryDelay")?.as_str()?)
        } else {
            None
        }
    });
    Some(Status {
        code: Code::from_number(number),
        message,
        retry_delay,
    })
}

pub(super) fn from_status(status: &Status) -> Bytes {
    let mut fields = Map::new();
    fields.insert("code".into(), (status.code as u8).into());
    fields.insert("message".into(), status.message.clone().into());
    if let Some(delay) = status.retry_delay {
        let text = format!("{}.{:09}s", delay.as_secs(), delay.subsec_nanos());
        fields.insert(
            "details".into(),
            json!([{ "@type": RETRY_INFO, "retryDelay": text }]),
        );
    }
    Value::Object(fields).to_string().into()
}

/// `1.5s`, the JSON form of a `google.protobuf.Duration`. A negative one is no delay.
fn duration(text: &str) -> Option<Duration> {
    let number = text.strip_suffix('s')?;
    if number.starts_with('-') {
        return Some(Duration::ZERO);
    }
    let (seconds, fraction) = number.split_once('.').unwrap_or((number, ""));
    let nanos = if fraction.is_empty() {
        0
    } else {
        format!("{fraction:0<9.9}").parse().ok()?
    };
    Some(Duration::new(seconds.parse().ok()?, nanos))
}
