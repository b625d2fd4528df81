//! An attempt as an HTTP/2 request.

use crate::exchange::{Attempt, Framing};
use crate::time::Instant;
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Request, Version};
use std::time::Duration;

/// Values of `grpc-timeout`, the last one kept: attempts of a lane have the same timeout, and the
/// same value every time takes one byte on the wire.
#[derive(Debug, Default)]
pub(super) struct Timeouts {
    last: Option<(Timeout, HeaderValue)>,
}

/// At most eight digits and a unit.
/// Source: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Timeout {
    amount: u32,
    unit: char,
}

impl Timeouts {
    /// The request of `attempt`, all but its body.
    pub(super) fn request(&mut self, attempt: &Attempt, now: Instant) -> Request<()> {
        let head = &attempt.head;
        let mut request = Request::new(());
        *request.method_mut() = head.method.clone();
        *request.uri_mut() = head.uri.clone();
        *request.version_mut() = Version::HTTP_2;
        let headers = request.headers_mut();
        *headers = head.headers.clone();
        if let Some(extra) = &attempt.extra {
            headers.extend(extra.clone());
        }
        match head.framing {
            Framing::Plain => {
                headers.insert(CONTENT_LENGTH, HeaderValue::from(attempt.body.len()));
            }
            Framing::Grpc if attempt.deadline == Instant::NEVER => {}
            Framing::Grpc => {
                let timeout = Timeout::of(attempt.deadline - now);
                headers.insert("grpc-timeout", self.value(timeout));
            }
        }
        request
    }

    fn value(&mut self, timeout: Timeout) -> HeaderValue {
        if let Some((last, value)) = &self.last
            && *last == timeout
        {
            return value.clone();
        }
        let text = format!("{}{}", timeout.amount, timeout.unit);
        let value = HeaderValue::try_from(text).expect("digits and a letter are a header value");
        self.last = Some((timeout, value.clone()));
        value
    }
}

impl Timeout {
    /// Rounded up, so that the peer never gives up before we do: to 100 ms where that changes
    /// little, so that the value stays the same however long an attempt waited to be sent.
    fn of(remaining: Duration) -> Self {
        const AMOUNT_MAX: u128 = 99_999_999;
        let millis = remaining.as_nanos().div_ceil(1_000_000);
        let millis = if millis < 1000 {
            millis
        } else {
            millis.next_multiple_of(100)
        };
        let (amount, unit) = if millis <= AMOUNT_MAX {
            (millis, 'm')
        } else {
            (millis.div_ceil(1000).min(AMOUNT_MAX), 'S')
        };
        Self {
            amount: u32::try_from(amount).expect("at most eight digits"),
            unit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_have_at_most_eight_digits_and_are_rounded_up() {
        let text = |duration| {
            let Timeout { amount, unit } = Timeout::of(duration);
            format!("{amount}{unit}")
        };
        assert_eq!(text(Duration::ZERO), "0m");
        assert_eq!(text(Duration::from_nanos(1)), "1m");
        assert_eq!(text(Duration::from_millis(999)), "999m");
        assert_eq!(text(Duration::from_micros(4_999_300)), "5000m");
        assert_eq!(text(Duration::from_secs(5)), "5000m");
        assert_eq!(text(Duration::from_secs(99_999)), "99999000m");
        assert_eq!(text(Duration::from_secs(100_000)), "100000S");
        assert_eq!(text(Duration::MAX), "99999999S");
    }
}
