//! `${env:NAME}`, `${env:NAME:-default}`, `${NAME}`, `${file:path}`, `${yaml:text}` and `$$`.
//!
//! As the Collector's confmap does it: the innermost `${...}` first, again and again up to
//! [`ROUNDS_MAX`] times; a scalar that is one expansion as a whole becomes whatever YAML the text
//! is (with the text kept for fields of text), one inside a longer text is put in as text; `$$`
//! becomes `$` at the very end, and `$${` is never an expansion.
//!
//! Source: <https://github.com/open-telemetry/opentelemetry-collector/blob/main/confmap/expand.go>

use super::Warning;
use super::fault::{Fault, FaultKind};
use super::node::{Node, Value};
use super::source::{self, Environment};
use super::yaml;
use std::sync::Arc;

const ROUNDS_MAX: usize = 100;
/// Of one text while it grows, in bytes: `${a}` that names itself twice doubles each round.
const TEXT_BYTES_MAX: usize = 4 << 20;

/// Replaces every expansion in the tree.
pub(super) fn expand(root: &mut Node, environment: &dyn Environment) -> (Vec<Fault>, Vec<Warning>) {
    let mut expander = Expander {
        environment,
        faults: Vec::new(),
        warnings: Vec::new(),
        path: Vec::new(),
        nodes: 0,
    };
    expander.node(root, 0);
    (expander.faults, expander.warnings)
}

struct Expander<'a> {
    environment: &'a dyn Environment,
    faults: Vec<Fault>,
    warnings: Vec<Warning>,
    path: Vec<String>,
    /// Values seen: a file that includes itself twice must end.
    nodes: usize,
}

impl Expander<'_> {
    fn node(&mut self, node: &mut Node, depth: usize) {
        self.nodes += 1;
        if depth > yaml::DEPTH_MAX || self.nodes > yaml::NODES_MAX {
            // Said once: every further value would say the same.
            if self.nodes <= yaml::NODES_MAX + 1 {
                self.fault(node, FaultKind::TooManyExpansions);
                self.nodes = yaml::NODES_MAX + 1;
            }
            return;
        }
        match &mut node.value {
            Value::Text(_) => self.text(node, depth),
            Value::Sequence(nodes) => {
                for (index, node) in nodes.iter_mut().enumerate() {
                    self.path.push(index.to_string());
                    self.node(node, depth + 1);
                    self.path.pop();
                }
            }
            Value::Mapping(entries) => {
                for entry in entries {
                    self.path.push(entry.key.to_string());
                    self.node(&mut entry.node, depth + 1);
                    self.path.pop();
                }
            }
            _ => {}
        }
    }

    fn text(&mut self, node: &mut Node, depth: usize) {
        let Value::Text(text) = &node.value else {
            return;
        };
        let mut text = text.to_string();
        let written = text.clone();
        let mut expanded = node.original.is_some();
        for _ in 0..ROUNDS_MAX {
            let Some(range) = innermost(&text) else {
                self.finish(node, &text, expanded);
                return;
            };
            let expansion = text[range.clone()].to_owned();
            let Some((fetched, scheme)) = self.fetch(node, &expansion, &written) else {
                return;
            };
            expanded = true;
            let parsed = yaml::parse(&fetched, &format!("{scheme}:").into()).ok();
            let whole = range.len() == text.len();
            match parsed.map(|node| node.value) {
                // A list or map is put in whole, and its own expansions follow.
                Some(value @ (Value::Sequence(_) | Value::Mapping(_))) if whole => {
                    node.value = value;
                    // A file that was fetched has no text that a field could want.
                    node.original = (scheme != "file").then(|| fetched.as_str().into());
                    relocate(node);
                    self.node(node, depth + 1);
                    return;
                }
                Some(Value::Sequence(_) | Value::Mapping(_)) if scheme == "file" => {
                    let kind = match written.contains(&expansion) {
                        true => FaultKind::ExpansionNotText { expansion },
                        false => FaultKind::NestedExpansion,
                    };
                    self.fault(node, kind);
                    return;
                }
                Some(value) if whole && !matches!(value, Value::Text(_)) => {
                    node.value = value;
                    node.original = (!fetched.is_empty()).then(|| fetched.as_str().into());
                    return;
                }
                _ if whole => text = fetched,
                _ => text.replace_range(range, &fetched),
            }
            if text.len() > TEXT_BYTES_MAX {
                break;
            }
        }
        self.fault(node, FaultKind::TooManyExpansions);
    }

    /// What an expansion stands for; `None` after a fault. One that is not in the text as it was
    /// `written` has its name from another, and that is not shown: it may be a secret.
    fn fetch(&mut self, node: &Node, expansion: &str, written: &str) -> Option<(String, String)> {
        let nested = !written.contains(expansion);
        let fault = |kind: FaultKind| {
            if nested {
                FaultKind::NestedExpansion
            } else {
                kind
            }
        };
        let inner = &expansion[2..expansion.len() - 1];
        let (scheme, rest) = match source::scheme(inner) {
            // `NAME:-default` is a variable, not a scheme called NAME.
            Some((_, rest)) if rest.starts_with('-') => ("env", inner),
            Some(parts) => parts,
            None if inner.contains(':') && !inner.contains(":-") => {
                let expansion = expansion.into();
                self.fault(node, fault(FaultKind::InvalidExpansion { expansion }));
                return None;
            }
            None => ("env", inner),
        };
        if rest.contains('$') {
            let expansion = expansion.into();
            self.fault(node, fault(FaultKind::InvalidExpansion { expansion }));
            return None;
        }
        match source::fetch(scheme, rest, self.environment) {
            Ok(fetched) => {
                if !fetched.exists {
                    self.warnings.push(Warning {
                        path: self.path.join("."),
                        why: match nested {
                            true => "an environment variable that an expansion names is not set \
                                     and counts as empty"
                                .into(),
                            false => {
                                format!(
                                    "environment variable {rest} is not set and counts as empty"
                                )
                            }
                        },
                    });
                }
                // Editors end files with a line break, secrets do not.
                let text = match scheme {
                    "file" => fetched.text.trim_end_matches(['\n', '\r']).to_owned(),
                    _ => fetched.text,
                };
                Some((text, scheme.to_owned()))
            }
            Err(kind) => {
                self.fault(node, fault(kind));
                None
            }
        }
    }

    fn finish(&self, node: &mut Node, text: &str, expanded: bool) {
        let text: Arc<str> = text.replace("$$", "$").into();
        node.original = expanded.then(|| text.clone());
        node.value = if text.is_empty() && expanded {
            Value::Null
        } else {
            Value::Text(text)
        };
        if matches!(node.value, Value::Null) {
            node.original = None;
        }
    }

    fn fault(&mut self, node: &Node, kind: FaultKind) {
        self.faults
            .push(Fault::new(&self.path, kind).with(&node.at));
    }
}

/// Everything below stands where the expansion does, and came from it: none of it may be shown.
fn relocate(node: &mut Node) {
    fn mark(node: &mut Node, at: &super::node::Position) {
        node.at = at.clone();
        match &mut node.value {
            Value::Sequence(nodes) => nodes.iter_mut().for_each(|node| mark(node, at)),
            Value::Mapping(entries) => {
                for entry in entries {
                    entry.at = at.clone();
                    mark(&mut entry.node, at);
                }
            }
            _ => node.original = node.text().cloned(),
        }
    }
    let at = node.at.clone();
    let original = node.original.take();
    mark(node, &at);
    node.original = original;
}

/// The first `${...}` with no other inside, and not after an odd number of further dollars.
fn innermost(text: &str) -> Option<std::ops::Range<usize>> {
    let mut from = 0;
    loop {
        let end = from + text[from..].find('}')? + 1;
        let Some(start) = text[from..end].rfind("${") else {
            from = end;
            continue;
        };
        let start = from + start;
        let dollars = text[..start]
            .bytes()
            .rev()
            .take_while(|&b| b == b'$')
            .count();
        if dollars % 2 == 0 {
            return Some(start..end);
        }
        from = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::node::Position;
    use proptest::prelude::*;
    use std::io;
    use std::path::Path;

    struct Fake;

    impl Environment for Fake {
        fn variable(&self, name: &str) -> io::Result<Option<String>> {
            let value = match name {
                "PORT" => "4317",
                "HOST" => "gw",
                "ZERO" => "007",
                "EMPTY" => "",
                "LIST" => "[a, '${HOST}']",
                "NESTED" => "${HOST}:${env:PORT}",
                "NAME" => "HOST",
                "SELF" => "${SELF}${SELF}",
                "LOOP" => "x${LOOP}",
                "MAPLIKE" => "a: b",
                "DOLLAR" => "pa$$word",
                "COMMENT" => "#abc",
                "BINARY" => return Err(io::ErrorKind::InvalidData.into()),
                _ => return Ok(None),
            };
            Ok(Some(value.into()))
        }

        fn read(&self, path: &Path, _: u64) -> io::Result<String> {
            match path.to_str() {
                Some("/token") => Ok("s3cret\n".into()),
                Some("/map") => Ok("x: 1\ny: ${HOST}\n".into()),
                Some("/loop") => Ok("a: ${file:/loop}\nb: ${file:/loop}\n".into()),
                _ => Err(io::ErrorKind::NotFound.into()),
            }
        }
    }

    fn expanded(text: &str) -> (Node, Vec<Fault>, Vec<Warning>) {
        let at = Position {
            source: "t".into(),
            line: 1,
            column: 1,
        };
        let mut node = Node::new(Value::Text(text.into()), at);
        let (faults, warnings) = expand(&mut node, &Fake);
        (node, faults, warnings)
    }

    fn text(input: &str) -> String {
        let (node, faults, _) = expanded(input);
        assert_eq!(faults, [], "{input}");
        node.text().map(ToString::to_string).unwrap_or_default()
    }

    #[test]
    fn texts() {
        for (input, output) in [
            ("plain", "plain"),
            ("${env:HOST}", "gw"),
            ("${HOST}", "gw"),
            ("http://${HOST}:${env:PORT}/x", "http://gw:4317/x"),
            ("${env:NONE:-fallback}", "fallback"),
            ("${env:NONE:-${HOST}}", "gw"),
            ("${NONE:-fallback}", "fallback"),
            ("${NO_NE:-fallback}", "fallback"),
            ("${NESTED}", "gw:4317"),
            ("${env:${NAME}}", "gw"),
            ("$$HOST", "$HOST"),
            ("$${HOST}", "${HOST}"),
            ("$$${HOST}", "$gw"),
            ("$HOST", "$HOST"),
            ("${file:/token}", "s3cret"),
            ("Bearer ${file:/token}", "Bearer s3cret"),
            ("${yaml:5}", "5"),
            ("${DOLLAR}", "pa$word"),
            ("${MAPLIKE}", "a: b"),
            ("x ${MAPLIKE}", "x a: b"),
            ("${COMMENT}", "#abc"),
            ("a}b${", "a}b${"),
        ] {
            assert_eq!(text(input), output, "{input}");
        }
    }

    #[test]
    fn a_whole_scalar_takes_the_type_of_its_text() {
        assert!(matches!(
            expanded("${PORT}").0.value,
            Value::Integer(4317, _)
        ));
        let (zero, ..) = expanded("${ZERO}");
        assert!(matches!(zero.value, Value::Integer(7, _)));
        assert_eq!(zero.text().map(|text| &**text), Some("007"));
        assert!(expanded("${EMPTY}").0.is_null());
        let (list, ..) = expanded("${LIST}");
        let Value::Sequence(nodes) = list.value else {
            panic!("a list")
        };
        assert_eq!(nodes[1].text().map(|text| &**text), Some("gw"));
        let (map, ..) = expanded("${file:/map}");
        assert_eq!(
            map.get("y").and_then(|e| e.node.text()).map(|text| &**text),
            Some("gw")
        );
    }

    #[test]
    fn an_unset_variable_is_empty_and_warned_of() {
        let (node, faults, warnings) = expanded("${env:NONE}");
        assert!(node.is_null() && faults.is_empty());
        assert_eq!(
            warnings[0].why,
            "environment variable NONE is not set and counts as empty"
        );
    }

    #[test]
    fn faults() {
        for (input, fault) in [
            (
                "${https://x/y}",
                "t:1:1: scheme \"https\" is refused: configuration is not fetched over the \
                 network; download it and name the file",
            ),
            (
                "${vault:x}",
                "t:1:1: scheme \"vault\" is not supported; use env:, file: or yaml:, as in \
                 ${env:NAME:-default}",
            ),
            (
                "${env:1X}",
                "t:1:1: environment variable \"1X\" has an invalid name: letters, digits and _ \
                 only, not beginning with a digit",
            ),
            (
                "${file:/none}",
                "t:1:1: cannot read /none: entity not found",
            ),
            (
                "${env:BINARY}",
                "t:1:1: cannot read environment variable BINARY: it is not UTF-8",
            ),
            (
                "${env:${DOLLAR}}",
                "t:1:1: an expansion whose name another expansion brought cannot be made",
            ),
            (
                "${file:/${HOST}}",
                "t:1:1: an expansion whose name another expansion brought cannot be made",
            ),
            (
                "x ${file:/map}",
                "t:1:1: ${file:/map} is a list or a map and cannot be part of a text",
            ),
            ("${A_B:x}", "t:1:1: invalid expansion ${A_B:x}"),
            ("${LOOP}", "t:1:1: too many recursive expansions"),
            ("${SELF}", "t:1:1: too many recursive expansions"),
        ] {
            let (_, faults, _) = expanded(input);
            assert_eq!(
                faults.iter().map(ToString::to_string).collect::<Vec<_>>(),
                [fault]
            );
        }
        let (_, faults, _) = expanded("${file:/loop}");
        assert!(
            faults[0]
                .to_string()
                .ends_with("too many recursive expansions")
        );
        assert!(faults.len() < 100, "{}", faults.len());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(\\$|\\{|\\}|:|-|HOST|env|[a-z]){0,24}") {
            let _ = expanded(&text);
        }
    }
}
