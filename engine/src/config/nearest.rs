//! The valid name that a misspelt one was meant to be.

/// The closest of `valid` to `name`, if one is close enough to be meant.
///
/// Transposed letters count once; a third of the letters may differ. A name that begins with the
/// other is near too: `retry` for `retry_on_failure`.
pub(super) fn nearest<'a>(name: &str, valid: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let lower = name.to_lowercase();
    let mut best: Option<(usize, &str)> = None;
    for candidate in valid {
        let mut distance = strsim::damerau_levenshtein(&lower, candidate);
        let allowed = (candidate.chars().count().max(lower.chars().count()) / 3).max(1);
        if lower.len() >= 4 && (candidate.starts_with(&lower) || lower.starts_with(candidate)) {
            distance = distance.min(allowed);
        }
        if distance <= allowed && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant() {
        let valid = [
            "endpoint",
            "compression",
            "retry_on_failure",
            "sending_queue",
            "tls",
        ];
        for (name, expected) in [
            ("endpont", Some("endpoint")),
            ("Endpoint", Some("endpoint")),
            ("ednpoint", Some("endpoint")),
            ("retry", Some("retry_on_failure")),
            ("sending_que", Some("sending_queue")),
            ("tsl", Some("tls")),
            ("frobnicate", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, valid).as_deref(), expected, "{name}");
        }
    }
}
