//! The types that values of the file have: numbers, texts, durations, secrets, lists, maps.

mod auto;
mod reference;
mod untyped;

pub(super) use auto::Auto;
pub(super) use reference::Reference;
pub(super) use untyped::{AnyList, AnyMap, Anything};

use super::duration;
use super::fault::FaultKind;
use super::field::{Field, Fields, Key, Reader, Section, Shape};
use super::node::{Node, Value};
use super::printed::Printed;
use super::secret::{MASK, Secret};
use http::HeaderName;
use std::fmt;
use std::time::Duration;

/// A number or a truth value is not text: YAML would have made 1.10 of a version into 1.1.
const TEXT: &str = "text; write it in quotes";

impl Field for bool {
    fn shape() -> Shape {
        Shape::Scalar("true or false")
    }

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match node.value {
            Value::Bool(value, _) => Some(value),
            _ => reader.wrong_type("true or false", node),
        }
    }

    fn print(&self) -> Printed {
        Printed::Bool(*self)
    }
}

macro_rules! integers {
    ($($type:ty),+) => {$(
        impl Field for $type {
            fn shape() -> Shape {
                Shape::Scalar("a whole number")
            }

            fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
                let value = match node.value {
                    Value::Integer(value, _) => value,
                    // As the Collector reads it: `1e3` is 1000, and 1.5 loses its half.
                    Value::Float(value, _) if value.is_finite() => {
                        let whole = value.trunc();
                        if whole != value {
                            match node.original {
                                None => reader.warn(format!("{value} counts as {whole}")),
                                Some(_) => reader.warn("a fraction counts as the whole number below"),
                            }
                        }
                        // Saturates beyond 2^127, which no type here can hold.
                        whole as i128
                    }
                    _ => return reader.wrong_type("a whole number", node),
                };
                let read = Self::try_from(value).ok();
                if read.is_none() {
                    reader.fault(FaultKind::OutOfRange {
                        min: i128::from(Self::MIN),
                        max: i128::from(Self::MAX),
                        found: super::field::found(node),
                    });
                }
                read
            }

            fn print(&self) -> Printed {
                Printed::Number(self.to_string())
            }
        }
    )+};
}

integers!(u16, u32, u64, i32, i64);

impl Field for f64 {
    fn shape() -> Shape {
        Shape::Scalar("a number")
    }

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match node.value {
            // YAML's integers are within 2^64, where rounding is what every reader does.
            Value::Integer(value, _) => Some(value as Self),
            Value::Float(value, _) if value.is_finite() => Some(value),
            _ => reader.wrong_type("a number", node),
        }
    }

    fn print(&self) -> Printed {
        Printed::Number(self.to_string())
    }
}

impl Field for String {
    fn shape() -> Shape {
        Shape::Scalar("text")
    }

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match node.literal() {
            Some(text) => Some(text.to_string()),
            None if node.is_null() => Some(Self::new()),
            None => reader.wrong_type(TEXT, node),
        }
    }

    fn print(&self) -> Printed {
        Printed::Text(self.clone())
    }
}

/// Text, or a number or a truth value as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Literal(pub String);

impl Field for Literal {
    fn shape() -> Shape {
        Shape::Scalar("text")
    }

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match node.text() {
            Some(text) => Some(Self(text.to_string())),
            None if node.is_null() => Some(Self(String::new())),
            None => reader.wrong_type("text", node),
        }
    }

    fn print(&self) -> Printed {
        Printed::Text(self.0.clone())
    }
}

impl Field for Duration {
    fn shape() -> Shape {
        Shape::Scalar("a duration")
    }

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        const EXPECTED: &str = "a duration such as 5s or 1m30s, not negative";
        match &node.value {
            Value::Integer(0, _) => Some(Self::ZERO),
            // As the Collector reads it, which hardly anyone means.
            Value::Integer(..) | Value::Float(..) => {
                match u64::read(node, &mut Reader::default()) {
                    Some(nanos) => {
                        reader.warn(match node.original {
                            None => format!("{nanos} without a unit is {nanos} nanoseconds"),
                            Some(_) => "a number without a unit is nanoseconds".to_owned(),
                        });
                        Some(Self::from_nanos(nanos))
                    }
                    None => reader.wrong_type(EXPECTED, node),
                }
            }
            Value::Text(text) => match duration::parse(text.trim()) {
                Some(duration) => Some(duration),
                None => reader.wrong_type(EXPECTED, node),
            },
            _ => reader.wrong_type(EXPECTED, node),
        }
    }

    fn print(&self) -> Printed {
        Printed::Word(duration::format(*self))
    }
}

impl Field for Secret {
    fn shape() -> Shape {
        Shape::Scalar("text, never shown")
    }

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match node.literal() {
            Some(text) => Some(Self::new(text)),
            None if node.is_null() => Some(Self::new("")),
            None => {
                let found = node.kind().to_owned();
                reader.fault(FaultKind::WrongType {
                    expected: TEXT,
                    found,
                });
                None
            }
        }
    }

    fn print(&self) -> Printed {
        Printed::Text(MASK.into())
    }
}

/// An address that may carry credentials: `http://user:password@host/path?key=secret`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Endpoint(pub String);

impl Endpoint {
    /// The address with user, password and the values of its query masked.
    pub fn masked(&self) -> String {
        let (address, query) = match self.0.split_once('?') {
            Some((address, _)) => (address, format!("?{MASK}")),
            None => (self.0.as_str(), String::new()),
        };
        let (scheme, rest) = match address.split_once("://") {
            Some((scheme, rest)) => (format!("{scheme}://"), rest),
            None => (String::new(), address),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let host = match authority.rsplit_once('@') {
            Some((_, host)) => format!("{MASK}@{host}"),
            None => authority.to_owned(),
        };
        scheme + &host + path + &query
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl Field for Endpoint {
    fn shape() -> Shape {
        Shape::Scalar("an address")
    }

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match node.literal() {
            Some(text) => Some(Self(text.trim().to_owned())),
            None if node.is_null() => Some(Self(String::new())),
            None => {
                let found = node.kind().to_owned();
                reader.fault(FaultKind::WrongType {
                    expected: "an address",
                    found,
                });
                None
            }
        }
    }

    fn print(&self) -> Printed {
        Printed::Text(self.masked())
    }
}

impl<T: Field> Field for Vec<T> {
    fn shape() -> Shape {
        Shape::List(Box::new(T::shape()))
    }

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let pieces;
        let nodes = match &node.value {
            Value::Sequence(nodes) => nodes.as_slice(),
            Value::Null => &[],
            // As the Collector reads it, so that one variable can hold a list.
            Value::Text(text) => {
                pieces = node.pieces(text);
                &pieces
            }
            _ => {
                let found = node.kind().to_owned();
                reader.fault(FaultKind::WrongType {
                    expected: "a list",
                    found,
                });
                return None;
            }
        };
        let read = |(index, node): (usize, &Node)| {
            reader.at(&index.to_string(), |reader| T::read(node, reader))
        };
        Some(nodes.iter().enumerate().filter_map(read).collect())
    }

    fn print(&self) -> Printed {
        Printed::List(self.iter().map(Field::print).collect())
    }
}

/// A map whose keys are free.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Map<T>(pub Vec<(String, T)>);

impl<T: Field> Field for Map<T> {
    fn shape() -> Shape {
        Shape::Map(Box::new(T::shape()))
    }

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let entries = match &node.value {
            Value::Mapping(entries) => entries.as_slice(),
            Value::Null => &[],
            _ => {
                let found = node.kind().to_owned();
                reader.fault(FaultKind::WrongType {
                    expected: "a map",
                    found,
                });
                return None;
            }
        };
        let mut map = Vec::new();
        for entry in entries {
            let value = reader.at(&entry.key, |reader| T::read(&entry.node, reader));
            map.extend(value.map(|value| (entry.key.to_string(), value)));
        }
        Some(Self(map))
    }

    fn print(&self) -> Printed {
        let print = |(key, value): &(String, T)| (key.clone(), value.print());
        Printed::Map(self.0.iter().map(print).collect())
    }
}

/// Headers: a map of name to value, or the newer list of `{name, value}`. Values are secret.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Headers(pub Vec<(String, Secret)>);

impl Field for Headers {
    fn shape() -> Shape {
        Shape::Map(Box::new(Secret::shape()))
    }

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let Value::Sequence(nodes) = &node.value else {
            return Map::<Secret>::read(node, reader).map(|map| Self(map.0));
        };
        let mut headers = Vec::new();
        for (index, node) in nodes.iter().enumerate() {
            let header = reader.at(&index.to_string(), |reader| {
                let header = HeaderEntry::read(node, reader)?;
                // Said here: what is no name may be a secret in the wrong place, and a path by
                // name would show it.
                if header.name.parse::<HeaderName>().is_err() {
                    reader.rule("name", "is not the name of a header");
                    return None;
                }
                Some((header.name, header.value))
            });
            headers.extend(header);
        }
        Some(Self(headers))
    }

    fn print(&self) -> Printed {
        Map(self.0.clone()).print()
    }
}

super::field::section! {
    /// One header of a list.
    HeaderEntry {
        /// The header's name.
        name: String = "''",
        /// The header's value.
        value: Secret = "''",
    }
}

/// A value that is absent unless given: null leaves it absent.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Optional<T>(pub Option<T>);

impl<T: Field> Field for Optional<T> {
    fn shape() -> Shape {
        T::shape()
    }

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        if node.is_null() {
            return Some(Self(None));
        }
        T::read(node, reader).map(|value| Self(Some(value)))
    }

    fn print(&self) -> Printed {
        self.0.as_ref().map_or(Printed::Absent, Field::print)
    }
}

/// A section that is absent unless its key is there; a null turns it on with its defaults.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Switched<T>(pub Option<T>);

impl<T: Field> Field for Switched<T> {
    fn shape() -> Shape {
        T::shape()
    }

    fn left_out() -> Option<Self> {
        Some(Self(None))
    }

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        T::read(node, reader).map(|value| Self(Some(value)))
    }

    fn print(&self) -> Printed {
        self.0.as_ref().map_or(Printed::Absent, Field::print)
    }
}

/// A section without keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Empty;

impl Section for Empty {
    fn keys() -> Vec<Key> {
        Vec::new()
    }

    fn read_fields(_: &mut Fields<'_>, _: &mut Reader) -> Self {
        Self
    }

    fn print_fields(&self, _: &mut Vec<(String, Printed)>) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_shown_without_what_is_secret() {
        for (text, shown) in [
            ("localhost:4317", "localhost:4317"),
            ("http://h:4318/v1", "http://h:4318/v1"),
            ("http://u:p@h:1/x", "http://[REDACTED]@h:1/x"),
            ("http://h/x?key=k", "http://h/x?[REDACTED]"),
            ("u:p@h:1", "[REDACTED]@h:1"),
        ] {
            assert_eq!(Endpoint(text.into()).masked(), shown);
        }
    }
}
