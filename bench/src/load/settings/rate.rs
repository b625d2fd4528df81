//! How fast: `50000/s` in items, `500req/s` in requests, `max`.

use std::fmt;

/// A rate as users write it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rate {
    /// Spans, log records or data points a second.
    Items(f64),
    /// Requests a second.
    Requests(f64),
    /// A closed loop.
    Max,
}

impl Rate {
    /// What [`Rate::parse`] reads, in the words of an error.
    pub const EXPECTED: &str = "a rate such as 50000/s (items), 500req/s (requests) or max";
    pub const OPEN: &str = "a rate such as 50000/s (items) or 500req/s (requests)";

    /// Reads a rate. `k` and `M` are thousands and millions: `50k/s`.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "max" {
            return Some(Self::Max);
        }
        let rate = text.strip_suffix("/s")?;
        let (number, of_requests) = match rate.strip_suffix("req") {
            Some(number) => (number, true),
            None => (rate, false),
        };
        let (number, factor) = match number.as_bytes().last()? {
            b'k' => (&number[..number.len() - 1], 1e3),
            b'M' => (&number[..number.len() - 1], 1e6),
            _ => (number, 1.0),
        };
        // More than a billion a second is beyond any machine, and below 2^63 nanoseconds apart.
        let number = number.trim_end().parse::<f64>().ok()? * factor;
        let valid = (0.0..=1e9).contains(&number) && (number == 0.0 || number >= 1e-6);
        valid.then_some(if of_requests {
            Self::Requests(number)
        } else {
            Self::Items(number)
        })
    }

    /// As [`Rate::parse`], but not `max`.
    pub fn parse_open(text: &str) -> Option<Self> {
        Self::parse(text).filter(|rate| *rate != Self::Max)
    }

    /// Of requests of `items` items; infinite for a closed loop.
    pub fn requests_per_second(self, items: usize) -> f64 {
        match self {
            Self::Items(rate) => rate / items as f64,
            Self::Requests(rate) => rate,
            Self::Max => f64::INFINITY,
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Items(rate) => write!(f, "{rate}/s"),
            Self::Requests(rate) => write!(f, "{rate}req/s"),
            Self::Max => f.write_str("max"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_as_users_write_them() {
        for (text, rate) in [
            ("50000/s", Rate::Items(50_000.0)),
            ("50k/s", Rate::Items(50_000.0)),
            ("1.5M/s", Rate::Items(1_500_000.0)),
            ("500req/s", Rate::Requests(500.0)),
            ("2kreq/s", Rate::Requests(2000.0)),
            ("0/s", Rate::Items(0.0)),
            ("max", Rate::Max),
        ] {
            assert_eq!(Rate::parse(text), Some(rate), "{text}");
        }
        for text in [
            "", "/s", "50000", "-1/s", "nan/s", "inf/s", "k/s", "1e99/s", "1/min", "fast",
        ] {
            assert_eq!(Rate::parse(text), None, "{text}");
        }
        assert_eq!(Rate::parse_open("max"), None);
        assert!((Rate::Items(1000.0).requests_per_second(100) - 10.0).abs() < 1e-9);
    }
}
