//! The attributes of `target_info`: what the process is, and which of its kind.

use std::hash::{BuildHasher, RandomState};

/// `service.name`, `service.version` and `service.instance.id` as the Collector sets them, each
/// unless the configuration says it, then what the configuration says. A value of `None` leaves its
/// attribute out.
///
/// Source: <https://opentelemetry.io/docs/collector/internal-telemetry/>
pub(super) fn attributes(
    configured: &[(String, Option<String>)],
    instance: &str,
) -> Vec<(String, String)> {
    let automatic = [
        ("service.name", "tailrace"),
        ("service.version", env!("CARGO_PKG_VERSION")),
        ("service.instance.id", instance),
    ];
    let said = |name: &str| configured.iter().any(|(key, _)| key == name);
    let unsaid = automatic.into_iter().filter(|(name, _)| !said(name));
    let unsaid = unsaid.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let given = configured
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), value.clone()?)));
    unsaid.chain(given).collect()
}

/// A UUID of version 4 (RFC 9562, 5.4), a new one for each engine. The randomness is that of the
/// standard library's hash keys, which come from the system: it has to be unlike others, not secret.
pub(super) fn new_instance() -> String {
    let random = || RandomState::new().hash_one(0);
    let version = random() & !0xf000 | 0x4000;
    let variant = random() >> 2 | 1 << 63;
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        version >> 32,
        version >> 16 & 0xffff,
        version & 0xffff,
        variant >> 48,
        variant & 0xffff_ffff_ffff,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(configured: &[(&str, Option<&str>)]) -> Vec<String> {
        let configured: Vec<_> = configured
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned)))
            .collect();
        let attributes = attributes(&configured, "an-id");
        let text = attributes
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        text.collect()
    }

    #[test]
    fn the_process_names_itself_unless_it_is_named() {
        let version = format!("service.version={}", env!("CARGO_PKG_VERSION"));
        let id = "service.instance.id=an-id";
        assert_eq!(text(&[]), ["service.name=tailrace", &version, id]);
        let configured = [("service.name", Some("edge")), ("region", Some("eu"))];
        assert_eq!(
            text(&configured),
            [version.as_str(), id, "service.name=edge", "region=eu"]
        );
    }

    #[test]
    fn null_leaves_an_attribute_out() {
        let configured = [
            ("service.instance.id", None),
            ("service.version", None),
            ("region", None),
        ];
        assert_eq!(text(&configured), ["service.name=tailrace"]);
    }

    #[test]
    fn instances_have_ids_of_their_own() {
        let (one, other) = (new_instance(), new_instance());
        assert_ne!(one, other);
        for id in [one, other] {
            let lengths: Vec<_> = id.split('-').map(str::len).collect();
            assert_eq!(lengths, [8, 4, 4, 4, 12], "{id}");
            let digits = id.as_bytes();
            assert_eq!(digits[14], b'4', "{id}");
            assert!(b"89ab".contains(&digits[19]), "{id}");
        }
    }
}
