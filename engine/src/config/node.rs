//! The file as a tree: every value knows where it stands, and whether it may be shown.

use std::fmt;
use std::sync::Arc;

/// A place in a source of configuration.
#[derive(Clone, PartialEq, Eq)]
pub struct Position {
    /// The file's path, or `env:NAME`, `yaml:`, `--set`.
    pub source: Arc<str>,
    /// Both from 1, in characters.
    pub line: u32,
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.source, self.line, self.column)
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// One value. It has no `Debug`: any text of a configuration may be a secret.
#[derive(Clone)]
pub(super) struct Node {
    pub value: Value,
    pub at: Position,
    /// What an expansion such as `${env:X}` was replaced by, before it was read as YAML: a field
    /// of text takes this, so that `007` or `#abc` stay what they are. Such values are never shown.
    pub original: Option<Arc<str>>,
}

#[derive(Clone)]
pub(super) enum Value {
    Null,
    Bool(bool, Arc<str>),
    Integer(i128, Arc<str>),
    Float(f64, Arc<str>),
    Text(Arc<str>),
    Sequence(Vec<Node>),
    Mapping(Vec<Entry>),
}

/// One key of a mapping with its value.
#[derive(Clone)]
pub(super) struct Entry {
    pub key: Arc<str>,
    pub at: Position,
    pub node: Node,
}

impl Node {
    pub fn new(value: Value, at: Position) -> Self {
        Self {
            value,
            at,
            original: None,
        }
    }

    pub const fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    /// The value as text, as it was written. `None` for null, sequences and mappings.
    pub fn text(&self) -> Option<&Arc<str>> {
        match &self.value {
            _ if self.original.is_some() => self.original.as_ref(),
            Value::Bool(_, text) | Value::Integer(_, text) | Value::Float(_, text) => Some(text),
            Value::Text(text) => Some(text),
            Value::Null | Value::Sequence(_) | Value::Mapping(_) => None,
        }
    }

    /// Text that was written as text, or that an expansion brought. `None` for everything else,
    /// numbers included.
    pub fn literal(&self) -> Option<&Arc<str>> {
        match &self.value {
            Value::Text(text) => Some(self.original.as_ref().unwrap_or(text)),
            _ => self.original.as_ref(),
        }
    }

    /// A text cut at its commas, each piece as secret as the whole.
    pub fn pieces(&self, text: &str) -> Vec<Self> {
        let piece = |piece: &str| {
            let piece: Arc<str> = piece.into();
            Self {
                value: Value::Text(piece.clone()),
                at: self.at.clone(),
                original: self.original.as_ref().map(|_| piece),
            }
        };
        let pieces = text.split(',').map(piece);
        pieces.filter(|_| !text.is_empty()).collect()
    }

    /// What kind of value this is, in the words of an error.
    pub const fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Bool(..) => "a boolean",
            Value::Integer(..) => "a whole number",
            Value::Float(..) => "a number",
            Value::Text(_) => "text",
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a map",
        }
    }

    /// Values in this tree, itself included.
    pub fn count(&self) -> usize {
        1 + match &self.value {
            Value::Sequence(nodes) => nodes.iter().map(Self::count).sum(),
            Value::Mapping(entries) => entries.iter().map(|entry| entry.node.count()).sum(),
            _ => 0,
        }
    }

    /// Whether an expansion brought this scalar, or one below.
    pub fn has_expansion(&self) -> bool {
        match &self.value {
            Value::Sequence(nodes) => nodes.iter().any(Self::has_expansion),
            Value::Mapping(entries) => entries.iter().any(|entry| entry.node.has_expansion()),
            _ => self.original.is_some(),
        }
    }

    /// The entry of a mapping.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Mapping(entries) => entries.iter().find(|entry| &*entry.key == key),
            _ => None,
        }
    }

    /// Where the deepest part of `path` that exists stands.
    pub fn locate(&self, path: &[String]) -> &Position {
        let Some((first, rest)) = path.split_first() else {
            return &self.at;
        };
        match &self.value {
            Value::Sequence(nodes) => match first.parse().ok().and_then(|i: usize| nodes.get(i)) {
                Some(node) => node.locate(rest),
                None => &self.at,
            },
            Value::Mapping(_) => match self.get(first) {
                Some(entry) if rest.is_empty() => &entry.at,
                Some(entry) => entry.node.locate_below(&entry.at, rest),
                None => &self.at,
            },
            _ => &self.at,
        }
    }

    /// As [`Node::locate`], but `above` where nothing of `path` is found here.
    fn locate_below<'a>(&'a self, above: &'a Position, path: &[String]) -> &'a Position {
        let found = self.locate(path);
        if std::ptr::eq(found, &raw const self.at) {
            above
        } else {
            found
        }
    }
}
