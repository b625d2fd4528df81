//! Where configuration comes from: `--config`, `--set`, and what expansions fetch.

use super::fault::{Fault, FaultKind};
use super::node::{Entry, Node, Position, Value};
use super::yaml;
use std::ffi::OsString;
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;

/// The most bytes of one source.
const SOURCE_BYTES_MAX: u64 = 4 << 20;

/// What the command line says about configuration.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    /// `--config`, in order: a path, or `file:`, `env:` or `yaml:` before the rest.
    pub configs: Vec<String>,
    /// `--set`, in order, after all of those: `a.b=value`.
    pub sets: Vec<String>,
}

/// The only effects of reading a configuration.
pub trait Environment {
    /// `None`: it is not set.
    fn variable(&self, name: &str) -> io::Result<Option<String>>;

    /// The whole file, of at most `bytes_max` bytes.
    fn read(&self, path: &Path, bytes_max: u64) -> io::Result<String>;
}

/// The process's own environment and files.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn variable(&self, name: &str) -> io::Result<Option<String>> {
        match std::env::var_os(name).map(OsString::into_string) {
            None => Ok(None),
            Some(Ok(value)) => Ok(Some(value)),
            Some(Err(_)) => Err(ErrorKind::InvalidData.into()),
        }
    }

    fn read(&self, path: &Path, bytes_max: u64) -> io::Result<String> {
        let mut text = String::new();
        let file = std::fs::File::open(path)?;
        file.take(bytes_max + 1).read_to_string(&mut text)?;
        if text.len() as u64 > bytes_max {
            return Err(ErrorKind::FileTooLarge.into());
        }
        Ok(text)
    }
}

/// What a scheme fetched.
pub(super) struct Fetched {
    pub text: String,
    /// `false`: an environment variable that is not set and has no default.
    pub exists: bool,
}

/// Fetches `scheme:rest`.
pub(super) fn fetch(
    scheme: &str,
    rest: &str,
    environment: &dyn Environment,
) -> Result<Fetched, FaultKind> {
    match scheme {
        "env" => variable(rest, environment),
        "file" => {
            let read = environment.read(Path::new(rest), SOURCE_BYTES_MAX);
            let text = read.map_err(|error| unreadable(rest, error.kind()))?;
            Ok(Fetched { text, exists: true })
        }
        "yaml" => Ok(Fetched {
            text: rest.to_owned(),
            exists: true,
        }),
        "http" | "https" => Err(FaultKind::RemoteScheme {
            scheme: scheme.into(),
        }),
        _ => Err(FaultKind::UnknownScheme {
            scheme: scheme.into(),
        }),
    }
}

fn unreadable(path: &str, error: ErrorKind) -> FaultKind {
    match error {
        ErrorKind::FileTooLarge => FaultKind::TooLarge {
            source: path.into(),
            max: SOURCE_BYTES_MAX,
        },
        error => FaultKind::Unreadable {
            source: path.into(),
            error,
        },
    }
}

/// `NAME` or `NAME:-default`.
fn variable(text: &str, environment: &dyn Environment) -> Result<Fetched, FaultKind> {
    let (name, default) = match text.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (text, None),
    };
    let valid = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !valid {
        return Err(FaultKind::InvalidVariableName { name: name.into() });
    }
    let read = environment.variable(name);
    let value =
        read.map_err(|error| unreadable(&format!("environment variable {name}"), error.kind()))?;
    Ok(match value.or_else(|| default.map(str::to_owned)) {
        Some(text) => Fetched { text, exists: true },
        None => Fetched {
            text: String::new(),
            exists: false,
        },
    })
}

/// All inputs, merged.
pub(super) struct Sources {
    pub root: Node,
    pub faults: Vec<Fault>,
    /// Each `--config env:NAME` whose variable is not set.
    pub unset: Vec<String>,
}

/// Reads all inputs and merges them in order: maps merge, anything else replaces.
pub(super) fn read(inputs: &Inputs, environment: &dyn Environment) -> Sources {
    let mut faults = Vec::new();
    let mut unset = Vec::new();
    let at = Position {
        source: "(none)".into(),
        line: 1,
        column: 1,
    };
    let mut root = Node::new(Value::Null, at);
    for config in &inputs.configs {
        match read_config(config, environment, &mut unset) {
            // A source that says nothing takes nothing back.
            Ok(node) if node.is_null() && !root.is_null() => {}
            Ok(node) => merge(&mut root, node),
            Err(more) => faults.extend(more),
        }
    }
    for set in &inputs.sets {
        match read_set(set) {
            Ok(node) => merge(&mut root, node),
            Err(more) => faults.extend(more),
        }
    }
    Sources {
        root,
        faults,
        unset,
    }
}

fn read_config(
    config: &str,
    environment: &dyn Environment,
    unset: &mut Vec<String>,
) -> Result<Node, Vec<Fault>> {
    let (scheme, rest) = scheme(config).unwrap_or(("file", config));
    let fetched = fetch(scheme, rest, environment).map_err(|kind| vec![Fault::new(&[], kind)])?;
    if !fetched.exists {
        unset.push(config.to_owned());
    }
    let (source, inline) = match scheme {
        "file" => (rest.to_owned(), false),
        "env" => (config.to_owned(), false),
        _ => ("yaml:".to_owned(), true),
    };
    let mut node = yaml::parse(&fetched.text, &source.into())?;
    if inline {
        spread(&mut node, &["::"]);
    }
    if !matches!(node.value, Value::Mapping(_) | Value::Null) {
        let found = node.kind().to_owned();
        let fault = Fault::new(
            &[],
            FaultKind::WrongType {
                expected: "a map",
                found,
            },
        );
        return Err(vec![fault.with(&node.at)]);
    }
    Ok(node)
}

/// `a.b=value` or `a::b=value`; the value is YAML.
fn read_set(set: &str) -> Result<Node, Vec<Fault>> {
    let source: Arc<str> = "--set".into();
    let at = Position {
        source: source.clone(),
        line: 1,
        column: 1,
    };
    let (key, value) = match set.split_once('=') {
        Some((key, value)) if !key.is_empty() => (key, value),
        _ => return Err(vec![Fault::at(at, FaultKind::SetWithoutValue)]),
    };
    let node = yaml::parse(value, &source)?;
    let entry = Entry {
        key: key.into(),
        at: at.clone(),
        node,
    };
    let mut node = Node::new(Value::Mapping(vec![entry]), at);
    spread(&mut node, &["::", "."]);
    Ok(node)
}

/// Takes the keys of the outermost map apart at `separators`: `a::b: 1` becomes `a: {b: 1}`.
fn spread(node: &mut Node, separators: &[&str]) {
    let Value::Mapping(entries) = &mut node.value else {
        return;
    };
    let mut spread = Node::new(Value::Mapping(Vec::new()), node.at.clone());
    for entry in std::mem::take(entries) {
        let mut key = entry.key.to_string();
        for separator in separators {
            key = key.replace(separator, "\0");
        }
        let mut parts: Vec<&str> = key.split('\0').collect();
        // A bound on levels, as for files: beyond it the key stays in one piece.
        if parts.len() > yaml::DEPTH_MAX {
            parts = vec![&entry.key];
        }
        let mut node = entry.node;
        for part in parts.into_iter().rev() {
            let at = entry.at.clone();
            let entry = Entry {
                key: part.into(),
                at: at.clone(),
                node,
            };
            node = Node::new(Value::Mapping(vec![entry]), at);
        }
        merge(&mut spread, node);
    }
    *node = spread;
}

/// Lays `over` on `base`.
fn merge(base: &mut Node, over: Node) {
    match (&mut base.value, over) {
        (
            Value::Mapping(entries),
            Node {
                value: Value::Mapping(more),
                ..
            },
        ) => {
            for entry in more {
                match entries.iter_mut().find(|known| known.key == entry.key) {
                    Some(known) => {
                        known.at = entry.at;
                        merge(&mut known.node, entry.node);
                    }
                    None => entries.push(entry),
                }
            }
        }
        (_, over) => *base = over,
    }
}

/// `scheme:rest`, where a scheme has at least two characters, so that `C:\x` is a path.
///
/// Source: <https://github.com/open-telemetry/opentelemetry-collector/blob/main/confmap/expand.go>
pub(super) fn scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let mut bytes = scheme.bytes();
    let wellformed = bytes.next().is_some_and(|b| b.is_ascii_alphabetic())
        && bytes.len() > 0
        && bytes.all(|b| b.is_ascii_alphanumeric() || b"+.-".contains(&b));
    wellformed.then_some((scheme, rest))
}
