//! Quantities of flags.

use tailrace_bench::load::settings::Rate;

/// `200k/s`, `5000/s`, `1.5M/s`: more than none, at most a billion.
pub fn items_per_second(text: &str) -> Result<f64, String> {
    match Rate::parse(text) {
        Some(Rate::Items(rate)) if rate > 0.0 => Ok(rate),
        _ => Err("expected items a second, such as 200k/s".to_owned()),
    }
}

/// `360`, `1.5KiB`, `512MiB`, `2GB`: from 1 B to 1 PiB.
pub fn bytes(text: &str) -> Result<f64, String> {
    const UNITS: [(&str, f64); 8] = [
        ("KiB", 1024.0),
        ("MiB", 1_048_576.0),
        ("GiB", 1_073_741_824.0),
        ("TiB", 1_099_511_627_776.0),
        ("kB", 1e3),
        ("MB", 1e6),
        ("GB", 1e9),
        ("B", 1.0),
    ];
    let unit = UNITS
        .iter()
        .find_map(|(name, factor)| Some((text.strip_suffix(name)?, *factor)));
    let (number, factor) = unit.unwrap_or((text, 1.0));
    let value = number.trim_end().parse::<f64>().ok();
    let value = value.map(|number| number * factor);
    value
        .filter(|value| (1.0..=1e15).contains(value))
        .ok_or_else(|| "expected a number of bytes, such as 360 or 512MiB".to_owned())
}

/// A coefficient of variation.
pub fn coefficient(text: &str) -> Result<f64, String> {
    number_in(text, 0.0..=30.0).ok_or_else(|| "expected a number from 0 to 30".to_owned())
}

/// At least 0 and less than 1.
pub fn share(text: &str) -> Result<f64, String> {
    number_in(text, 0.0..=0.99).ok_or_else(|| "expected a share from 0 to 0.99".to_owned())
}

fn number_in(text: &str, range: std::ops::RangeInclusive<f64>) -> Option<f64> {
    let number = text.parse().ok();
    number.filter(|number| range.contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_take_both_kinds_of_units() {
        assert_eq!(bytes("360"), Ok(360.0));
        assert_eq!(bytes("1.5KiB"), Ok(1536.0));
        assert_eq!(bytes("2GB"), Ok(2e9));
        assert_eq!(bytes("7B"), Ok(7.0));
        for wrong in ["", "0", "-1", "NaN", "inf", "1e300", "MiB", "3 parsecs"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn rates_are_of_items() {
        assert_eq!(items_per_second("200k/s"), Ok(200e3));
        for wrong in ["0/s", "200k", "5req/s", "max"] {
            assert!(items_per_second(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn shares_end_below_one() {
        assert_eq!(share("1e-6"), Ok(1e-6));
        for wrong in ["1", "-0.1", "NaN", "half"] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
    }
}
