//! The Retry-After header: seconds, or a date.
//!
//! Source: RFC 9110, 10.2.3.

use super::SERVER_DELAY_MAX;
use http::HeaderMap;
use http::header::RETRY_AFTER;
use std::time::{Duration, SystemTime};

/// `None` where there is none that can be read; a date that is past is no pause.
pub(super) fn delay(headers: &HeaderMap, wall_clock: SystemTime) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let delay = if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // Too many digits for a number are still digits: a very long pause.
        value.parse().map_or(Duration::MAX, Duration::from_secs)
    } else {
        let date = httpdate::parse_http_date(value).ok()?;
        date.duration_since(wall_clock).unwrap_or(Duration::ZERO)
    };
    Some(delay.min(SERVER_DELAY_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn delay_of(value: &'static str) -> Option<Duration> {
        // Sun, 06 Nov 1994 08:49:37 GMT, the date of RFC 9110's examples.
        let wall_clock = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static(value));
        delay(&headers, wall_clock)
    }

    #[test]
    fn seconds_and_all_three_kinds_of_date() {
        let table = [
            ("0", Some(0)),
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sunday, 06-Nov-94 08:50:37 GMT", Some(60)),
            ("Sun Nov  6 08:50:37 1994", Some(60)),
            ("Sun, 06 Nov 1994 08:49:36 GMT", Some(0)),
            ("86400", Some(3600)),
            ("99999999999999999999999", Some(3600)),
            ("Sat, 06 Nov 2094 08:50:37 GMT", Some(3600)),
            ("1.5", None),
            ("-1", None),
            ("soon", None),
            ("", None),
        ];
        for (value, seconds) in table {
            assert_eq!(
                delay_of(value),
                seconds.map(Duration::from_secs),
                "{value:?}"
            );
        }
    }
}
