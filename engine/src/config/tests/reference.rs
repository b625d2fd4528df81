//! `docs/configuration.md` and `examples/` agree with the code.

use super::super::components::{CLASSES, Component};
use super::super::field::{Effect, Key, Section, Shape};
use super::super::raw::service::Service;
use super::config;
use crate::config::{Inputs, ProcessEnvironment, load};
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

const BEGIN: &str = "<!-- The tables below are written by a test from the code's own. -->\n";

/// Sections that several components have: one table, at the end.
const SHARED: [&str; 4] = ["sending_queue", "retry_on_failure", "tls", "cors"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// After a change of keys: `TAILRACE_WRITE_DOCS=1 cargo test -p tailrace-engine reference`.
#[test]
fn every_key_is_documented_as_it_is() {
    let path = root().join("docs/configuration.md");
    let text = fs::read_to_string(&path).expect("docs/configuration.md");
    let (prose, found) = text.split_once(BEGIN).expect("the mark before the tables");
    let expected = tables();
    if std::env::var_os("TAILRACE_WRITE_DOCS").is_some() {
        fs::write(&path, format!("{prose}{BEGIN}{expected}")).expect("written");
    } else {
        assert!(
            found == expected,
            "docs/configuration.md is not as the code is: run this test with TAILRACE_WRITE_DOCS=1"
        );
    }
}

#[test]
fn every_example_is_valid_and_without_warnings() {
    let mut count = 0;
    for entry in fs::read_dir(root().join("examples")).expect("examples/") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let inputs = Inputs {
            configs: vec![path.display().to_string()],
            sets: Vec::new(),
        };
        let loaded = load(&inputs, &ProcessEnvironment).unwrap_or_else(|faults| panic!("{faults}"));
        assert_eq!(loaded.config.warnings, [], "{}", path.display());
        count += 1;
    }
    assert!(count >= 2);
}

#[test]
fn the_configurations_in_the_documentation_are_valid() {
    let text = fs::read_to_string(root().join("docs/configuration.md")).expect("the file");
    let mut blocks = 0;
    for block in text.split("```yaml\n").skip(1) {
        let block = block.split("```").next().unwrap_or_default();
        // Fragments have no service.
        if block.contains("\nservice:") {
            config(block);
            blocks += 1;
        }
    }
    assert!(blocks > 0);
}

fn tables() -> String {
    let mut out = String::new();
    let mut shared = Vec::new();
    for class in CLASSES {
        for component in class.components {
            let keys = (component.keys)();
            let _ = write!(
                out,
                "\n### {} `{}`\n{}",
                class.name,
                component.name,
                names(component)
            );
            table(&mut out, &keys, &mut shared);
        }
    }
    out.push_str("\n### `service`\n");
    table(&mut out, &Service::keys(), &mut shared);
    shared.dedup_by(|a, b| a.0 == b.0);
    let mut seen = Vec::new();
    let mut more = Vec::new();
    for (name, keys) in shared {
        if !seen.contains(&name) {
            seen.push(name);
            let _ = write!(out, "\n### `{name}`\n");
            table(&mut out, &keys, &mut more);
        }
    }
    assert!(more.iter().all(|(name, _)| seen.contains(name)));
    out
}

fn names(component: &Component) -> String {
    match component.aliases {
        [] => String::new(),
        aliases => format!("\nAlso `{}`.\n", aliases.join("`, `")),
    }
}

fn table(out: &mut String, keys: &[Key], shared: &mut Vec<(&'static str, Vec<Key>)>) {
    if keys.is_empty() {
        out.push_str("\nIt has no keys.\n");
        return;
    }
    out.push_str("\n| key | default | |\n| --- | --- | --- |\n");
    rows(out, "", keys, shared);
}

fn rows(out: &mut String, above: &str, keys: &[Key], shared: &mut Vec<(&'static str, Vec<Key>)>) {
    for key in keys {
        let path = format!("{above}{}", key.name);
        let doc = key
            .doc
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .replace('|', "\\|");
        let effect = match key.effect {
            Effect::Full => String::new(),
            Effect::NoEffect(why) => format!(" **No effect:** {why}."),
            Effect::Refused(why) if doc == "Refused." => {
                let _ = writeln!(out, "| `{path}` | {} | **Refused:** {why}. |", default(key));
                continue;
            }
            Effect::Refused(why) => format!(" **Refused:** {why}."),
        };
        let _ = writeln!(out, "| `{path}` | {} | {doc}{effect} |", default(key));
        below(out, &path, &key.shape, key.name, shared);
    }
}

fn below(
    out: &mut String,
    path: &str,
    shape: &Shape,
    name: &'static str,
    shared: &mut Vec<(&'static str, Vec<Key>)>,
) {
    match shape {
        Shape::Section(keys) if SHARED.contains(&name) => shared.push((name, keys.clone())),
        Shape::Section(keys) => rows(out, &format!("{path}."), keys, shared),
        Shape::List(inner) => below(out, &format!("{path}[]"), inner, name, shared),
        Shape::Map(inner) => below(out, &format!("{path}.<name>"), inner, name, shared),
        Shape::Scalar(_) | Shape::Choice(_) | Shape::Any => {}
    }
}

fn default(key: &Key) -> String {
    match (&key.shape, key.default) {
        (Shape::Section(_), "" | "~") => "left out".into(),
        (Shape::Section(_), _) => String::new(),
        (_, "" | "~") => "left out".into(),
        (_, "''") => "empty".into(),
        (_, text) => format!("`{}`", text.trim_matches('\'')),
    }
}
