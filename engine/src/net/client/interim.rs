//! interim
use crate::exchange::Failure;
use bytes::Bytes;
use http::HeaderValue;
use tailrace_codec::grpc::Code;

pub(super) fn percent_decode(b: &[u8]) -> String {
    String::from_utf8_lossy(b).into_owned()
}
pub(super) fn decode_binary(_: &[u8]) -> Option<Bytes> {
    None
}
pub(super) fn from_number(n: u32) -> Option<Code> {
    use Code::*;
    [
        Ok,
        Cancelled,
        Unknown,
        InvalidArgument,
        DeadlineExceeded,
        NotFound,
        AlreadyExists,
        PermissionDenied,
        ResourceExhausted,
        FailedPrecondition,
        Aborted,
        OutOfRange,
        Unimplemented,
        Internal,
        Unavailable,
        DataLoss,
        Unauthenticated,
    ]
    .get(n as usize)
    .copied()
}
pub(super) fn inflated(
    encoding: Option<&HeaderValue>,
    body: Bytes,
    _max: usize,
) -> Result<Bytes, Failure> {
    match encoding {
        None => Ok(body),
        Some(v) if v == "identity" => Ok(body),
        Some(_) => Err(Failure::Malformed),
    }
}
