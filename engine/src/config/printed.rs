//! The effective configuration as text: YAML or JSON, both in the order of the keys.

use super::node::{Entry, Node, Value};
use super::secret::MASK;
use std::fmt::Write;

/// A value ready to be shown: secrets are masked already.
#[derive(Debug, Clone, PartialEq)]
pub enum Printed {
    /// Left out altogether.
    Absent,
    Null,
    Bool(bool),
    /// A number as it is written.
    Number(String),
    Text(String),
    /// Text of a closed set: a choice, a duration, the id of a component. It is no secret.
    Word(String),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
}

impl Printed {
    /// Block YAML; every text is quoted unless it is plainly a word.
    pub fn to_yaml(&self) -> String {
        let mut out = String::new();
        self.write_yaml(&mut out, 0);
        if !out.ends_with('\n') {
            out.push('\n');
        }
        out
    }

    /// JSON, indented, in the same order.
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        self.write_json(&mut out, 2);
        out.push('\n');
        out
    }

    /// Masks the texts that an expansion brought: those that `tree`, which this was read from,
    /// has at the same place. Numbers, truth values and words stay.
    pub(super) fn mask(&mut self, tree: &Node) {
        match (&mut *self, &tree.value) {
            (Self::Map(entries), Value::Mapping(_)) => mask_map(entries, tree),
            (Self::List(values), Value::Sequence(nodes)) if values.len() == nodes.len() => {
                for (value, node) in values.iter_mut().zip(nodes) {
                    value.mask(node);
                }
            }
            _ if tree.has_expansion() => self.mask_whole(),
            _ => {}
        }
    }

    fn mask_whole(&mut self) {
        match self {
            Self::Text(text) => MASK.clone_into(text),
            Self::List(values) => values.iter_mut().for_each(Self::mask_whole),
            Self::Map(entries) => entries.iter_mut().for_each(|(_, value)| value.mask_whole()),
            Self::Absent | Self::Null | Self::Bool(_) | Self::Number(_) | Self::Word(_) => {}
        }
    }

    /// `indent`: of what is inside this value.
    fn write_json(&self, out: &mut String, indent: usize) {
        let mut lines = |open: char, close: char, lines: &mut dyn Iterator<Item = String>| {
            out.push(open);
            let mut separator = "";
            for line in lines {
                let _ = write!(out, "{separator}\n{:indent$}{line}", "");
                separator = ",";
            }
            if !separator.is_empty() {
                let _ = write!(out, "\n{:width$}", "", width = indent - 2);
            }
            out.push(close);
        };
        let nested = |value: &Self| {
            let mut text = String::new();
            value.write_json(&mut text, indent + 2);
            text
        };
        match self {
            Self::List(values) => lines('[', ']', &mut values.iter().map(nested)),
            Self::Map(entries) => lines(
                '{',
                '}',
                &mut present(entries)
                    .map(|(key, value)| format!("{}: {}", quoted(key), nested(value))),
            ),
            Self::Text(text) | Self::Word(text) => out.push_str(&quoted(text)),
            Self::Absent | Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Number(text) => out.push_str(text),
        }
    }

    fn write_yaml(&self, out: &mut String, indent: usize) {
        match self {
            Self::Absent | Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Number(text) => out.push_str(text),
            Self::Text(text) | Self::Word(text) => write_text(out, text),
            Self::List(values) if values.is_empty() => out.push_str("[]"),
            Self::List(values) => {
                for value in values {
                    let _ = write!(out, "\n{:indent$}- ", "");
                    let start = out.len();
                    value.write_yaml(out, indent + 2);
                    // A map begins on the dash's own line.
                    if out[start..].starts_with('\n') {
                        out.replace_range(start..start + 1 + indent + 2, "");
                    }
                }
            }
            Self::Map(entries) if present(entries).next().is_none() => out.push_str("{}"),
            Self::Map(entries) => {
                for (key, value) in present(entries) {
                    if !(out.is_empty() && indent == 0) {
                        out.push('\n');
                    }
                    let _ = write!(out, "{:indent$}", "");
                    write_text(out, key);
                    out.push(':');
                    let start = out.len();
                    value.write_yaml(out, indent + 2);
                    if !out[start..].starts_with('\n') {
                        out.insert(start, ' ');
                    }
                }
            }
        }
    }
}

/// What is printed by another key than it was read from is masked as a whole, if anything that
/// is not printed by its own key has an expansion: attributes as a list are printed as a map.
fn mask_map(entries: &mut [(String, Printed)], tree: &Node) {
    let Value::Mapping(nodes) = &tree.value else {
        return;
    };
    let moved = |node: &Entry| {
        node.node.has_expansion() && !entries.iter().any(|(key, _)| **key == *node.key)
    };
    let moved = nodes.iter().any(moved);
    for (key, value) in entries {
        match tree.get(key) {
            Some(entry) => value.mask(&entry.node),
            None if moved => value.mask_whole(),
            None => {}
        }
    }
}

fn present(entries: &[(String, Printed)]) -> impl Iterator<Item = &(String, Printed)> {
    entries
        .iter()
        .filter(|(_, value)| *value != Printed::Absent)
}

/// A word goes bare; anything that YAML might take for something else is quoted.
fn write_text(out: &mut String, text: &str) {
    // Older readers of YAML take these for booleans.
    const BOOLEANS: [&str; 6] = ["yes", "no", "on", "off", "y", "n"];
    let word = !BOOLEANS.contains(&text.to_lowercase().as_str())
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c))
        && matches!(super::scalar::resolve(text), Value::Text(_));
    if word {
        out.push_str(text);
    } else {
        out.push_str(&quoted(text));
    }
}

/// As JSON, which YAML reads too. Dollars are doubled: the text is read again as a configuration.
fn quoted(text: &str) -> String {
    serde_json::Value::String(text.replace('$', "$$")).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_is_what_people_write() {
        let text = |text: &str| Printed::Text(text.into());
        let value = Printed::Map(vec![
            (
                "empty".into(),
                Printed::Map(vec![("gone".into(), Printed::Absent)]),
            ),
            (
                "a".into(),
                Printed::Map(vec![("b".into(), Printed::Number("1".into()))]),
            ),
            ("none".into(), Printed::List(vec![])),
            (
                "list".into(),
                Printed::List(vec![
                    text("otlp/x"),
                    text("true"),
                    Printed::Map(vec![("k".into(), text("5s")), ("l".into(), text("$"))]),
                    Printed::List(vec![text("x")]),
                ]),
            ),
        ]);
        let expected = "empty: {}\na:\n  b: 1\nnone: []\nlist:\n  - otlp/x\n  - \"true\"\n  \
                        - k: \"5s\"\n    l: \"$$\"\n  - - x\n";
        assert_eq!(value.to_yaml(), expected);
        assert!(super::super::yaml::parse(expected, &"x".into()).is_ok());
        let json = "{\n  \"empty\": {},\n  \"a\": {\n    \"b\": 1\n  },\n  \"none\": [],\n";
        assert!(value.to_json().starts_with(json), "{}", value.to_json());
        assert!(serde_json::from_str::<serde_json::Value>(&value.to_json()).is_ok());
    }
}
