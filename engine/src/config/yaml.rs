//! YAML text to a tree, with limits that keep any text harmless.
//!
//! Constraints: one document; at most [`DEPTH_MAX`] levels and [`NODES_MAX`] values after aliases
//! are followed, so that an alias bomb ends in an error, not in memory. Duplicate keys are faults,
//! as in the Collector; merge keys (`<<`) are followed, explicit keys win.

use super::fault::{Fault, FaultKind};
use super::node::{Entry, Node, Position, Value};
use super::scalar;
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Levels of lists and maps.
pub(super) const DEPTH_MAX: usize = 64;
/// Values of one document.
pub(super) const NODES_MAX: usize = 100_000;

/// Reads one document. Faults: the first that the syntax has, then every duplicate key.
pub(super) fn parse(text: &str, source: &Arc<str>) -> Result<Node, Vec<Fault>> {
    let mut builder = Builder {
        source,
        open: Vec::new(),
        anchors: HashMap::new(),
        nodes: 0,
        root: None,
        documents: 0,
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for event in Parser::new_from_str(text) {
        let step = match event {
            Ok((event, span)) => builder.handle(event, span.start),
            Err(error) => {
                let at = builder.position(*error.marker());
                Err(Box::new(Fault::at(
                    at,
                    FaultKind::Syntax(error.info().to_owned()),
                )))
            }
        };
        step.map_err(|fault| vec![*fault])?;
    }
    let start = Position {
        source: source.clone(),
        line: 1,
        column: 1,
    };
    let mut root = builder
        .root
        .unwrap_or_else(|| Node::new(Value::Null, start));
    let mut faults = Vec::new();
    settle(&mut root, &mut Vec::new(), &mut faults);
    if faults.is_empty() {
        Ok(root)
    } else {
        Err(faults)
    }
}

struct Builder<'a> {
    source: &'a Arc<str>,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    root: Option<Node>,
    documents: usize,
}

/// A list or map that is not closed yet.
struct Open {
    node: Node,
    anchor: usize,
    /// The key whose value comes next.
    key: Option<(Arc<str>, Position)>,
}

impl Builder<'_> {
    fn handle(&mut self, event: Event<'_>, mark: Marker) -> Result<(), Box<Fault>> {
        let at = self.position(mark);
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(Box::new(Fault::at(at, FaultKind::SecondDocument)));
                }
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                let value = match style {
                    ScalarStyle::Plain if !is_text(tag.as_deref()) => scalar::resolve(&text),
                    _ => Value::Text((&*text).into()),
                };
                self.add(Node::new(value, at), anchor)
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                Some(node) => {
                    let mut node = node.clone();
                    self.nodes += node.count();
                    node.at = at;
                    self.add(node, 0)
                }
                // The parser knows the name; it is still open, so it would contain itself.
                None => Err(Box::new(Fault::at(at, FaultKind::RecursiveAlias))),
            },
            Event::SequenceStart(anchor, _) => self.push(Value::Sequence(Vec::new()), at, anchor),
            Event::MappingStart(anchor, _) => self.push(Value::Mapping(Vec::new()), at, anchor),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(open) => self.add(open.node, open.anchor),
                None => Ok(()),
            },
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn push(&mut self, value: Value, at: Position, anchor: usize) -> Result<(), Box<Fault>> {
        if self.open.len() >= DEPTH_MAX {
            return Err(Box::new(Fault::at(
                at,
                FaultKind::TooDeep { max: DEPTH_MAX },
            )));
        }
        self.open.push(Open {
            node: Node::new(value, at),
            anchor,
            key: None,
        });
        Ok(())
    }

    /// Puts a complete value where it belongs: a key, a value, an element, or the root.
    fn add(&mut self, node: Node, anchor: usize) -> Result<(), Box<Fault>> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(Box::new(Fault::at(
                node.at,
                FaultKind::TooManyValues { max: NODES_MAX },
            )));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match (&mut parent.node.value, parent.key.take()) {
            (Value::Mapping(entries), Some((key, at))) => entries.push(Entry { key, at, node }),
            (Value::Mapping(_), None) => {
                let key = match &node.value {
                    Value::Null => "null".into(),
                    Value::Sequence(_) | Value::Mapping(_) => {
                        return Err(Box::new(Fault::at(node.at, FaultKind::KeyNotText)));
                    }
                    _ => node.text().cloned().unwrap_or_else(|| "".into()),
                };
                parent.key = Some((key, node.at));
            }
            (Value::Sequence(nodes), _) => nodes.push(node),
            _ => {}
        }
        Ok(())
    }

    fn position(&self, mark: Marker) -> Position {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Position {
            source: self.source.clone(),
            line: number(mark.line()),
            column: number(mark.col()).saturating_add(1),
        }
    }
}

/// `!!str` and `!` say that a plain scalar is text.
fn is_text(tag: Option<&Tag>) -> bool {
    tag.is_some_and(|tag| {
        (tag.is_yaml_core_schema() && tag.suffix == "str")
            || tag.handle.is_empty() && tag.suffix == "!"
    })
}

/// Follows merge keys and finds keys that are given twice.
fn settle(node: &mut Node, path: &mut Vec<String>, faults: &mut Vec<Fault>) {
    match &mut node.value {
        Value::Sequence(nodes) => {
            for (index, node) in nodes.iter_mut().enumerate() {
                path.push(index.to_string());
                settle(node, path, faults);
                path.pop();
            }
        }
        Value::Mapping(entries) => {
            for entry in entries.iter_mut() {
                path.push(entry.key.to_string());
                settle(&mut entry.node, path, faults);
                path.pop();
            }
            merge_keys(entries, path, faults);
            let mut seen = HashSet::new();
            for entry in entries.iter() {
                if !seen.insert(entry.key.clone()) {
                    path.push(entry.key.to_string());
                    faults.push(Fault::new(path, FaultKind::DuplicateKey).with(&entry.at));
                    path.pop();
                }
            }
        }
        _ => {}
    }
}

fn merge_keys(entries: &mut Vec<Entry>, path: &[String], faults: &mut Vec<Fault>) {
    while let Some(index) = entries.iter().position(|entry| &*entry.key == "<<") {
        let merged = entries.remove(index);
        let sources = match merged.node.value {
            Value::Sequence(nodes) => nodes,
            _ => vec![merged.node],
        };
        for source in sources {
            let Value::Mapping(more) = source.value else {
                faults.push(Fault::new(path, FaultKind::MergeKeyNotMap).with(&merged.at));
                continue;
            };
            for entry in more {
                if !entries.iter().any(|known| known.key == entry.key) {
                    entries.push(entry);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Node, Vec<Fault>> {
        parse(text, &"test.yaml".into())
    }

    fn fault(text: &str) -> String {
        read(text).err().expect("a fault")[0].to_string()
    }

    #[test]
    fn positions_are_those_of_an_editor() {
        let root = read("a:\n  b: [1, x]\n").expect("valid");
        let path = ["a", "b", "1"].map(String::from);
        assert_eq!(root.locate(&path).to_string(), "test.yaml:2:10");
        assert_eq!(root.locate(&path[..1]).to_string(), "test.yaml:1:1");
        let path = ["a", "c", "d"].map(String::from);
        assert_eq!(root.locate(&path).to_string(), "test.yaml:1:1");
    }

    #[test]
    fn anchors_and_merge_keys_are_followed() {
        let text = "base: &b {x: 1, y: 2}\nmore: &m {z: 3}\nboth: {<<: [*b, *m], y: 5}\n";
        let root = read(text).expect("valid");
        let both = &root.get("both").expect("there").node;
        let value = |key| both.get(key).and_then(|e| e.node.text().cloned());
        assert_eq!(value("x").as_deref(), Some("1"));
        assert_eq!(value("y").as_deref(), Some("5"));
        assert_eq!(value("z").as_deref(), Some("3"));
    }

    #[test]
    fn faults_say_where() {
        assert_eq!(
            fault("a: 1\na: 2\n"),
            "test.yaml:2:1: a: the key is given twice"
        );
        assert_eq!(
            fault("a: 1\n---\nb: 2\n"),
            "test.yaml:2:1: a second document; only one is read"
        );
        assert_eq!(fault("[a]: 1\n"), "test.yaml:1:1: a key must be text");
        assert_eq!(
            fault("a: {<<: 5}\n"),
            "test.yaml:1:5: a: << takes a map or a list of maps"
        );
        assert!(fault("a: [1, 2\n").starts_with("test.yaml:"));
    }

    #[test]
    fn many_levels_and_an_alias_bomb_are_refused() {
        assert_eq!(
            fault(&"[".repeat(100)),
            "test.yaml:1:65: more than 64 levels of lists and maps"
        );
        let mut bomb = String::from("a0: &a0 [1,1,1,1,1,1,1,1,1]\n");
        for level in 1..12 {
            let alias = format!("*a{},", level - 1).repeat(9);
            bomb.push_str(&format!("a{level}: &a{level} [{alias}]\n"));
        }
        assert!(fault(&bomb).ends_with("more than 100000 values"));
    }

    #[test]
    fn an_empty_file_is_null() {
        assert!(read("").is_ok_and(|node| node.is_null()));
        assert!(read("# nothing\n").is_ok_and(|node| node.is_null()));
        assert!(read("\u{feff}a: 1").is_ok_and(|node| node.get("a").is_some()));
    }
}
