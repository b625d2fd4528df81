//! An attempt as an HTTP/2 request.

use crate::exchange::{Attempt, AttemptHead, Framing};
use crate::time::Instant;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderValue, Request, Version};
use std::rc::Rc;
use std::time::Duration;

/// Makes requests. What the attempts of a lane have in common is put together once: to clone a
/// header map costs two allocations, to add to the clone another two.
#[derive(Debug, Default)]
pub(super) struct Requests {
    last: Option<Template>,
}

/// A head with the header that most attempts share.
#[derive(Debug)]
struct Template {
    head: Rc<AttemptHead>,
    timeout: Option<Timeout>,
    headers: HeaderMap,
}

/// At most eight digits and a unit.
/// Source: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Timeout {
    amount: u32,
    unit: char,
}

impl Requests {
    /// The request of `attempt`, all but its body.
    pub(super) fn request(&mut self, attempt: &Attempt, now: Instant) -> Request<()> {
        let head = &attempt.head;
        let timeout = match head.framing {
            Framing::Grpc if attempt.deadline != Instant::NEVER => {
                Some(Timeout::of(attempt.deadline - now))
            }
            Framing::Grpc | Framing::Plain => None,
        };
        let mut request = Request::new(());
        *request.method_mut() = head.method.clone();
        *request.uri_mut() = head.uri.clone();
        *request.version_mut() = Version::HTTP_2;
        let headers = request.headers_mut();
        headers.clone_from(self.headers(head, timeout));
        if let Some(extra) = &attempt.extra {
            headers.extend(extra.clone());
        }
        if head.framing == Framing::Plain {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(attempt.body.len()));
        }
        request
    }

    fn headers(&mut self, head: &Rc<AttemptHead>, timeout: Option<Timeout>) -> &HeaderMap {
        let is_same = |last: &Template| Rc::ptr_eq(&last.head, head) && last.timeout == timeout;
        if !self.last.as_ref().is_some_and(is_same) {
            self.last = None;
        }
        let template = self
            .last
            .get_or_insert_with(|| Template::new(head, timeout));
        &template.headers
    }
}

impl Template {
    fn new(head: &Rc<AttemptHead>, timeout: Option<Timeout>) -> Self {
        let mut headers = head.headers.clone();
        if let Some(Timeout { amount, unit }) = timeout {
            let value = HeaderValue::try_from(format!("{amount}{unit}"));
            let value = value.expect("digits and a letter are a header value");
            headers.insert("grpc-timeout", value);
        }
        Self {
            head: Rc::clone(head),
            timeout,
            headers,
        }
    }
}

impl Timeout {
    /// Rounded up, so that the peer never gives up before we do: to 100 ms where that changes
    /// little, so that the value stays the same however long an attempt waited to be sent, and
    /// takes one byte on the wire from the second time on.
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
