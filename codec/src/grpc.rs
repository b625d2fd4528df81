//! gRPC on the wire: status codes, the five-byte prefix, and the text of its headers.
//!
//! Source: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>

mod frame;
mod header;

pub use frame::{Frame, FrameError, PREFIX_BYTES, Prefix};
pub use header::{decode_details, decode_message, encode_details, encode_message};
pub use header::{format_timeout, parse_timeout};

/// A gRPC status code.
///
/// Source: <https://grpc.github.io/grpc/core/md_doc_statuscodes.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[repr(u8)]
pub enum Code {
    #[default]
    Ok = 0,
    Cancelled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

impl Code {
    /// In the order of their numbers.
    pub const ALL: [Self; 17] = [
        Self::Ok,
        Self::Cancelled,
        Self::Unknown,
        Self::InvalidArgument,
        Self::DeadlineExceeded,
        Self::NotFound,
        Self::AlreadyExists,
        Self::PermissionDenied,
        Self::ResourceExhausted,
        Self::FailedPrecondition,
        Self::Aborted,
        Self::OutOfRange,
        Self::Unimplemented,
        Self::Internal,
        Self::Unavailable,
        Self::DataLoss,
        Self::Unauthenticated,
    ];

    /// The code with this number. A number that means nothing is [`Code::Unknown`], as gRPC says.
    pub const fn from_number(number: u64) -> Self {
        if number < Self::ALL.len() as u64 {
            Self::ALL[number as usize]
        } else {
            Self::Unknown
        }
    }

    /// Reads a `grpc-status` header; what is not a number is [`Code::Unknown`].
    pub fn from_header(value: &[u8]) -> Self {
        match value {
            [units @ b'0'..=b'9'] => Self::from_number(u64::from(units - b'0')),
            [b'1', units @ b'0'..=b'9'] => Self::from_number(10 + u64::from(units - b'0')),
            _ => Self::Unknown,
        }
    }

    /// The number as a `grpc-status` header has it.
    pub const fn header(self) -> &'static str {
        const HEADERS: [&str; 17] = [
            "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15",
            "16",
        ];
        HEADERS[self as usize]
    }

    /// The name in documents and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Cancelled => "CANCELLED",
            Self::Unknown => "UNKNOWN",
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::NotFound => "NOT_FOUND",
            Self::AlreadyExists => "ALREADY_EXISTS",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Self::FailedPrecondition => "FAILED_PRECONDITION",
            Self::Aborted => "ABORTED",
            Self::OutOfRange => "OUT_OF_RANGE",
            Self::Unimplemented => "UNIMPLEMENTED",
            Self::Internal => "INTERNAL",
            Self::Unavailable => "UNAVAILABLE",
            Self::DataLoss => "DATA_LOSS",
            Self::Unauthenticated => "UNAUTHENTICATED",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_their_numbers() {
        for (number, code) in Code::ALL.into_iter().enumerate() {
            assert_eq!(code as usize, number);
            assert_eq!(Code::from_number(number as u64), code);
            assert_eq!(code.header(), number.to_string());
            assert_eq!(Code::from_header(code.header().as_bytes()), code);
        }
        assert_eq!(Code::from_number(17), Code::Unknown);
        assert_eq!(Code::from_number(u64::MAX), Code::Unknown);
        for header in ["", "17", "007", "-1", "4294967296", "OK"] {
            assert_eq!(Code::from_header(header.as_bytes()), Code::Unknown);
        }
    }
}
