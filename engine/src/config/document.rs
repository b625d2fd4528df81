//! Other files in the manner of the configuration: YAML with places, typed keys, nearest names.
//!
//! A scenario of a load or a script of a backend is no configuration of the engine, and is read
//! with the same care: every fault at once, each with its path, its place and what was meant. There
//! are no expansions.

use super::fault::{Fault, FaultKind};
use super::field::{Reader, found};
use super::load::Faults;
use super::nearest::nearest;
use super::node::{Entry, Node, Value};
use super::{duration, yaml};
use std::ops::RangeInclusive;
use std::time::Duration;

/// Reads `text`, whose place in messages is `source`: `read` takes the keys of the outermost map.
///
/// Errors: every fault, in the order of the file; keys that nobody took are among them.
pub fn document<T>(
    text: &str,
    source: &str,
    read: impl FnOnce(&mut Map<'_>) -> T,
) -> Result<T, Faults> {
    let root = yaml::parse(text, &source.into()).map_err(Faults)?;
    let mut reader = Reader::default();
    let value = take_map(&root, &mut reader, read);
    let mut faults = reader.faults;
    for fault in &mut faults {
        fault.locate(&root);
    }
    faults.sort_by_key(|fault| fault.at.as_ref().map(|at| (at.line, at.column)));
    match value {
        Some(value) if faults.is_empty() => Ok(value),
        _ => Err(Faults(faults)),
    }
}

/// A map whose keys are taken one by one; a key that is left out or null is `None`.
///
/// A value that cannot be read is `None` too: its fault is noted, and the whole will fail.
pub struct Map<'a> {
    entries: &'a [Entry],
    reader: &'a mut Reader,
    asked: Vec<&'static str>,
}

impl std::fmt::Debug for Map<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Map").field("asked", &self.asked).finish()
    }
}

impl Map<'_> {
    /// Whether the file gives the key a value.
    pub fn has(&self, key: &str) -> bool {
        let entry = self.entries.iter().find(|entry| &*entry.key == key);
        entry.is_some_and(|entry| !entry.node.is_null())
    }

    pub fn boolean(&mut self, key: &'static str) -> Option<bool> {
        self.take(key, |node, reader| match node.value {
            Value::Bool(value, _) => Some(value),
            _ => reader.wrong_type("true or false", node),
        })
    }

    /// A whole number within `range`.
    pub fn whole(&mut self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        self.take(key, |node, reader| {
            let Value::Integer(value, _) = node.value else {
                return reader.wrong_type("a whole number", node);
            };
            let read = u64::try_from(value)
                .ok()
                .filter(|value| range.contains(value));
            if read.is_none() {
                reader.fault(FaultKind::OutOfRange {
                    min: i128::from(*range.start()),
                    max: i128::from(*range.end()),
                    found: found(node),
                });
            }
            read
        })
    }

    /// A duration as Go writes it.
    pub fn duration(&mut self, key: &'static str) -> Option<Duration> {
        self.parsed(key, "a duration such as 5s", duration::parse)
    }

    pub fn text(&mut self, key: &'static str) -> Option<String> {
        self.parsed(key, "text", |text| Some(text.to_owned()))
    }

    /// A scalar that `parse` understands; `expected` says in an error what that is.
    pub fn parsed<T>(
        &mut self,
        key: &'static str,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        self.take(key, |node, reader| {
            let value = node.text().and_then(|text| parse(text));
            value.or_else(|| reader.wrong_type(expected, node))
        })
    }

    /// One of the names of `values`.
    pub fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        values: &[(&'static str, T)],
    ) -> Option<T> {
        self.take(key, |node, reader| {
            let text = node.text().map(|text| text.to_lowercase());
            let named = |name: &str| text.as_deref() == Some(name);
            let value = values.iter().find(|(name, _)| named(name));
            if value.is_none() {
                reader.fault(FaultKind::NotOneOf {
                    valid: values.iter().map(|(name, _)| *name).collect(),
                    found: found(node),
                });
            }
            value.map(|(_, value)| *value)
        })
    }

    /// A map inside this one.
    pub fn map<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Map<'_>) -> T) -> Option<T> {
        self.take(key, |node, reader| take_map(node, reader, read))
    }

    /// A list of maps.
    pub fn list<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(&mut Map<'_>) -> T,
    ) -> Option<Vec<T>> {
        self.take(key, |node, reader| {
            let Value::Sequence(nodes) = &node.value else {
                return reader.wrong_type("a list", node);
            };
            let elements = nodes.iter().enumerate();
            let values = elements.map(|(index, node)| {
                reader.at(&index.to_string(), |reader| {
                    take_map(node, reader, &mut read)
                })
            });
            // Every element is read, so that the faults of all are seen.
            values.collect::<Vec<_>>().into_iter().collect()
        })
    }

    /// Notes that this map breaks a rule between its values.
    pub fn rule(&mut self, rule: &'static str) {
        self.reader.fault(FaultKind::Rule(rule));
    }

    fn take<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Node, &mut Reader) -> Option<T>,
    ) -> Option<T> {
        self.asked.push(key);
        let entry = self.entries.iter().find(|entry| &*entry.key == key)?;
        if entry.node.is_null() {
            return None;
        }
        self.reader.at(key, |reader| read(&entry.node, reader))
    }

    /// Faults for the keys that nobody asked for.
    fn finish(self) {
        for entry in self.entries {
            if self.asked.iter().any(|asked| *asked == &*entry.key) {
                continue;
            }
            let nearest = nearest(&entry.key, self.asked.iter().copied());
            let valid = self.asked.iter().map(|&key| key.to_owned()).collect();
            self.reader.at(&entry.key, |reader| {
                let fault = Fault::new(&reader.path, FaultKind::UnknownKey { nearest, valid });
                reader.faults.push(fault.with(&entry.at));
            });
        }
    }
}

fn take_map<T>(
    node: &Node,
    reader: &mut Reader,
    read: impl FnOnce(&mut Map<'_>) -> T,
) -> Option<T> {
    let entries: &[Entry] = match &node.value {
        Value::Mapping(entries) => entries,
        Value::Null => &[],
        _ => return reader.wrong_type("a map", node),
    };
    let mut map = Map {
        entries,
        reader,
        asked: Vec::new(),
    };
    let value = read(&mut map);
    map.finish();
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Read = (Option<Duration>, Option<u64>, Option<Vec<Option<u8>>>);

    fn read(text: &str) -> Result<Read, String> {
        let read = document(text, "file.yaml", |map| {
            let each = |map: &mut Map<'_>| map.choice("kind", &[("one", 1), ("two", 2)]);
            (
                map.duration("timeout"),
                map.whole("streams", 1..=9),
                map.list("phases", each),
            )
        });
        read.map_err(|faults| faults.to_string())
    }

    #[test]
    fn values_are_read() {
        let text = "timeout: 1.5s\nphases:\n  - kind: two\n  - {}\n";
        let expected = (
            Some(Duration::from_millis(1500)),
            None,
            Some(vec![Some(2), None]),
        );
        assert_eq!(read(text), Ok(expected));
        assert_eq!(read(""), Ok((None, None, None)));
    }

    #[test]
    fn every_fault_has_its_path_and_what_was_meant() {
        let text = "timeot: 5s\nstreams: 10\nphases:\n  - kind: three\n  - kid: one\n  - 7\n";
        let expected = "\
file.yaml:1:1: timeot: unknown key; did you mean \"timeout\"?
file.yaml:2:1: streams: expected a number from 1 to 9, found a whole number \"10\"
file.yaml:4:5: phases.0.kind: expected one of one, two, found text \"three\"
file.yaml:5:5: phases.1.kid: unknown key; did you mean \"kind\"?
file.yaml:6:5: phases.2: expected a map, found a whole number \"7\"";
        assert_eq!(read(text), Err(expected.to_owned()));
        assert!(read("- 1").is_err_and(|fault| fault.contains("expected a map")));
        assert!(read("a: {").is_err());
    }
}
