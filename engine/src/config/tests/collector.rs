//! What the Collector accepts and refuses, recorded from it, and what this build does.
//!
//! The verdicts were taken with `otelcol validate` of v0.162.0, built of the `otlp` and `nop`
//! receivers, the `batch` and `memory_limiter` processors, the `otlp_grpc`, `otlp_http`, `debug`,
//! `file` and `nop` exporters, the `forward` connector and the `health_check` extension.

use super::load_text;

const KEYS: &str = include_str!("collector/keys.txt");
const FILES: &str = include_str!("collector/files.txt");

/// What a verdict says of this build; `None` for a letter that is none.
fn accepted_here(verdict: char) -> Option<bool> {
    match verdict {
        '+' | 't' => Some(true),
        '-' | 'c' => Some(false),
        _ => None,
    }
}

fn differs(verdict: char) -> bool {
    matches!(verdict, 'c' | 't')
}

#[test]
fn every_value_of_every_key() {
    let (mut values, mut section, mut wrong) = (Vec::new(), "", Vec::new());
    let mut checked = 0;
    for line in KEYS.lines() {
        match line.split_once(' ').unwrap_or_default() {
            ("", _) | ("#", _) => {}
            ("values", rest) => values = rest[2..].split(" | ").collect(),
            ("@", rest) => section = rest,
            (key, rest) => {
                let (verdicts, why) = rest.split_once("  # ").unwrap_or((rest, ""));
                assert_eq!(verdicts.chars().count(), values.len(), "{line}");
                assert_eq!(verdicts.contains(differs), !why.is_empty(), "{line}");
                for (value, verdict) in values.iter().zip(verdicts.chars()) {
                    let text = whole(section, &format!("{key}: {}", value.trim_matches('~')));
                    let found = load_text(&text);
                    if accepted_here(verdict) != Some(found.is_ok()) {
                        let fault = found.err().unwrap_or_default();
                        wrong.push(format!("{section} {key}: {value} ({verdict}) {fault}"));
                    }
                    checked += 1;
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked > 3000);
}

#[test]
fn whole_files() {
    let mut wrong = Vec::new();
    let files = FILES.split("\n=== ").skip(1);
    for file in files.clone() {
        let (title, text) = file.split_once('\n').expect("a title and a text");
        let verdict = title.chars().next().unwrap_or_default();
        assert_eq!(differs(verdict), title.contains("  # "), "{title}");
        let found = load_text(text);
        if accepted_here(verdict) != Some(found.is_ok()) {
            wrong.push(format!("{title}: {}", found.err().unwrap_or_default()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(files.count() > 70);
}

/// A valid configuration but for `entry`, which stands in the place of the `@` of `section`.
fn whole(section: &str, entry: &str) -> String {
    let section = section.replace('@', entry);
    let mut words = section.splitn(3, ' ');
    let mut word = || words.next().expect("class, component and keys");
    let (class, name, keys) = (word(), word(), word());
    let of = |wanted: &str, default: &str| {
        if class != wanted {
            default.to_owned()
        } else if default.starts_with(&format!("{name}:")) {
            format!("{name}: {keys}")
        } else {
            format!("{default}, {name}: {keys}")
        }
    };
    let used = |wanted: &str, otherwise: &str| match class == wanted {
        true => name.to_owned(),
        false => otherwise.to_owned(),
    };
    format!(
        "receivers: {{{}}}\nprocessors: {{{}}}\nexporters: {{{}}}\nextensions: {{{}}}\n\
         service: {{extensions: [{}], {}pipelines: {{traces: \
         {{receivers: [otlp], processors: [{}], exporters: [{}]}}}}}}\n",
        of("receiver", "otlp: {protocols: {grpc: }}"),
        of("processor", "batch: "),
        of("exporter", "nop: "),
        of("extension", "health_check: "),
        used("extension", ""),
        if class == "service" {
            format!("{name} {keys}, ")
        } else {
            String::new()
        },
        used("processor", ""),
        used("exporter", "nop"),
    )
}
