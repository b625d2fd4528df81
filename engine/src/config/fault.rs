//! What can be wrong with a configuration, each with its place and no secret in it.

use super::node::{Node, Position};
use std::fmt;

/// One fault: where in the tree, where in the text, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The keys from the root: `["exporters", "otlp", "endpoint"]`. Empty for the whole file.
    pub path: Vec<String>,
    /// `None` where nothing of the path is in any source.
    pub at: Option<Position>,
    pub kind: FaultKind,
}

/// Of the variable that `--config env:NAME` names.
pub(super) const NOT_SET: &str = "the environment variable is not set and counts as empty";

/// Texts are names from the file and constants, never values that may be secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultKind {
    /// Not YAML, in the parser's words.
    Syntax(String),
    SecondDocument,
    RecursiveAlias,
    TooDeep {
        max: usize,
    },
    TooManyValues {
        max: usize,
    },
    KeyNotText,
    DuplicateKey,
    MergeKeyNotMap,
    /// A file or an environment variable could not be read.
    Unreadable {
        source: String,
        error: std::io::ErrorKind,
    },
    TooLarge {
        source: String,
        max: u64,
    },
    /// `--config env:NAME`, said beside the faults that may come of it.
    NotSet {
        source: String,
    },
    /// An expansion or a `--config` of a scheme that is not here.
    UnknownScheme {
        scheme: String,
    },
    RemoteScheme {
        scheme: String,
    },
    InvalidExpansion {
        expansion: String,
    },
    /// What is wrong with it is not said, because that names it.
    NestedExpansion,
    InvalidVariableName {
        name: String,
    },
    ExpansionNotText {
        expansion: String,
    },
    TooManyExpansions,
    SetWithoutValue,
    UnknownKey {
        nearest: Option<String>,
        valid: Vec<String>,
    },
    UnknownComponent {
        class: &'static str,
        nearest: Option<String>,
        valid: Vec<String>,
    },
    /// A component of the Collector that this build has not.
    NotInThisBuild {
        class: &'static str,
        valid: Vec<String>,
    },
    InvalidId,
    WrongType {
        expected: &'static str,
        found: String,
    },
    NotOneOf {
        valid: Vec<&'static str>,
        found: String,
    },
    OutOfRange {
        min: i128,
        max: i128,
        found: String,
    },
    NotConfigured {
        class: &'static str,
        /// `None`: an expansion brought it.
        id: Option<String>,
        nearest: Option<String>,
    },
    Twice {
        class: &'static str,
        id: String,
    },
    /// A forward connector must stand between two pipelines.
    ConnectorUnused {
        id: String,
        side: &'static str,
    },
    Cycle {
        id: String,
    },
    /// The key is known and this build refuses it.
    Refused(&'static str),
    /// A rule between values, mostly the Collector's own words.
    Rule(&'static str),
    /// The limits do not add up; see [`super::limits`].
    Memory(super::limits::LimitFault),
}

impl Fault {
    pub(super) fn new(path: &[String], kind: FaultKind) -> Self {
        Self {
            path: path.to_vec(),
            at: None,
            kind,
        }
    }

    pub(super) const fn at(at: Position, kind: FaultKind) -> Self {
        Self {
            path: Vec::new(),
            at: Some(at),
            kind,
        }
    }

    pub(super) fn with(mut self, at: &Position) -> Self {
        self.at = Some(at.clone());
        self
    }

    /// Finds the place in the text, where it is not known yet.
    pub(super) fn locate(&mut self, root: &Node) {
        if self.at.is_none() && !self.path.is_empty() {
            self.at = Some(root.locate(&self.path).clone());
        }
    }
}

impl std::error::Error for Fault {}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(at) = &self.at {
            write!(f, "{at}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path.join("."))?;
        }
        write!(f, "{}", self.kind)
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(info) => write!(f, "not valid YAML: {info}"),
            Self::SecondDocument => f.write_str("a second document; only one is read"),
            Self::RecursiveAlias => f.write_str("the alias is inside its own anchor"),
            Self::TooDeep { max } => write!(f, "more than {max} levels of lists and maps"),
            Self::TooManyValues { max } => write!(f, "more than {max} values"),
            Self::KeyNotText => f.write_str("a key must be text"),
            Self::DuplicateKey => f.write_str("the key is given twice"),
            Self::MergeKeyNotMap => f.write_str("<< takes a map or a list of maps"),
            Self::Unreadable {
                source,
                error: std::io::ErrorKind::InvalidData,
            } => write!(f, "cannot read {source}: it is not UTF-8"),
            Self::Unreadable { source, error } => write!(f, "cannot read {source}: {error}"),
            Self::TooLarge { source, max } => write!(f, "{source} is larger than {max} bytes"),
            Self::NotSet { source } => write!(f, "--config {source}: {NOT_SET}"),
            Self::UnknownScheme { scheme } => write!(
                f,
                "scheme \"{scheme}\" is not supported; use env:, file: or yaml:, as in \
                 ${{env:NAME:-default}}"
            ),
            Self::RemoteScheme { scheme } => write!(
                f,
                "scheme \"{scheme}\" is refused: configuration is not fetched over the network; \
                 download it and name the file"
            ),
            Self::InvalidExpansion { expansion } => write!(f, "invalid expansion {expansion}"),
            Self::NestedExpansion => {
                f.write_str("an expansion whose name another expansion brought cannot be made")
            }
            Self::InvalidVariableName { name } => write!(
                f,
                "environment variable \"{name}\" has an invalid name: letters, digits and _ only, \
                 not beginning with a digit"
            ),
            Self::ExpansionNotText { expansion } => {
                write!(
                    f,
                    "{expansion} is a list or a map and cannot be part of a text"
                )
            }
            Self::TooManyExpansions => f.write_str("too many recursive expansions"),
            Self::SetWithoutValue => f.write_str("--set takes key=value"),
            Self::UnknownKey { nearest, valid } => {
                f.write_str("unknown key")?;
                suggest(f, nearest.as_deref(), valid)
            }
            Self::UnknownComponent {
                class,
                nearest,
                valid,
            } => {
                write!(f, "unknown {class}")?;
                suggest(f, nearest.as_deref(), valid)
            }
            Self::NotInThisBuild { class, valid } => {
                write!(
                    f,
                    "this build does not have that {class}; it has {}",
                    valid.join(", ")
                )
            }
            Self::InvalidId => f.write_str("an id is a type, or type/name"),
            Self::WrongType { expected, found } => write!(f, "expected {expected}, found {found}"),
            Self::NotOneOf { valid, found } => {
                // An empty name stands for a default, which nobody needs to be told to write.
                let names = valid.iter().filter(|name| !name.is_empty());
                let names: Vec<_> = names.copied().collect();
                write!(f, "expected one of {}, found {found}", names.join(", "))
            }
            Self::OutOfRange { min, max, found } => {
                write!(f, "expected a number from {min} to {max}, found {found}")
            }
            Self::NotConfigured { class, id, nearest } => {
                match id {
                    Some(id) => write!(f, "references {class} \"{id}\"")?,
                    None => write!(f, "references {class} from an expansion")?,
                }
                f.write_str(" which is not configured")?;
                suggest(f, nearest.as_deref(), &[])
            }
            Self::Twice { class, id } => write!(f, "references {class} \"{id}\" multiple times"),
            Self::ConnectorUnused { id, side } => write!(
                f,
                "connector \"{id}\" is not used as {side} of a pipeline of this signal"
            ),
            Self::Cycle { id } => write!(f, "connector \"{id}\" leads back to this pipeline"),
            Self::Refused(why) | Self::Rule(why) => f.write_str(why),
            Self::Memory(fault) => write!(f, "{fault}"),
        }
    }
}

fn suggest(f: &mut fmt::Formatter<'_>, nearest: Option<&str>, valid: &[String]) -> fmt::Result {
    match nearest {
        Some(nearest) => write!(f, "; did you mean \"{nearest}\"?"),
        None if valid.is_empty() => Ok(()),
        None => write!(f, "; valid here: {}", valid.join(", ")),
    }
}
