//! Changing attributes of resources, scopes and items by splicing.
//!
//! ```text
//!   ... | length | span ...  attributes | KeyValue | KeyValue |  ... span | ...
//!           ^^                                ^^ replaced            ^ added
//!           patched, as are those of the scope entry and the resource entry around it
//! ```
//!
//! The bytes between stay slices of the request. Edits are compiled once, when a configuration is
//! read: several of one key are folded into what they come to, and their bytes are written.

mod plan;
mod rules;

use super::Signal;
use crate::Rope;
use crate::field::Malformed;
use plan::Plan;
use rules::Rules;
use std::fmt;

/// What an attribute belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    Resource,
    Scope,
    /// A span, a log record, a data point.
    Item,
}

/// One change, made to every resource, scope or item of a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Edit {
    pub target: Target,
    pub key: String,
    pub action: Action,
}

/// What is done about a key: the actions of the Collector's `attributes` and `resource`
/// processors. Of several attributes with the key, the first is the one that is set.
///
/// Source: <https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/processor/attributesprocessor>
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Adds the attribute where the key is not there.
    Insert(Value),
    /// Sets the value where the key is there.
    Update(Value),
    /// Sets the value where the key is there, else adds the attribute.
    Upsert(Value),
    /// Removes every attribute with the key.
    Delete,
}

/// An attribute's new value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    String(String),
    Bool(bool),
    Int(i64),
    Double(f64),
    Bytes(Vec<u8>),
    Array(Vec<Value>),
    Map(Vec<(String, Value)>),
}

/// An edit that a signal has no place for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EditError {
    /// The attributes of profiles and samples are indices into the request's dictionary, which
    /// is not edited.
    ProfileItems,
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ProfileItems => f.write_str("attributes of profiles cannot be edited"),
        }
    }
}

impl std::error::Error for EditError {}

/// Edits of one signal's requests, ready to be made in one pass.
#[derive(Debug)]
pub struct Edits {
    signal: Signal,
    resource: Rules,
    scope: Rules,
    item: Rules,
}

impl Edits {
    /// Compiles `edits`, which take effect one after the other.
    pub fn new(signal: Signal, edits: &[Edit]) -> Result<Self, EditError> {
        let of = |target| {
            let edits = edits.iter().filter(|edit| edit.target == target);
            Rules::new(edits.map(|edit| (edit.key.as_str(), &edit.action)))
        };
        let item = of(Target::Item);
        if signal == Signal::Profiles && !item.is_empty() {
            return Err(EditError::ProfileItems);
        }
        Ok(Self {
            signal,
            resource: of(Target::Resource),
            scope: of(Target::Scope),
            item,
        })
    }

    /// The request with the edits made. One that they do not change is returned as it is.
    ///
    /// A resource or scope that is missing is added where an attribute is added to it. Errors:
    /// [`Malformed`] with its offset, in what had to be read.
    /// Cost: one pass over the tags down to the attributes (items are entered only where their
    /// own attributes are edited), then one over the changes.
    pub fn apply(&self, request: &Rope) -> Result<Rope, Malformed> {
        let splices = Plan::splices(self, request)?;
        if splices.is_empty() {
            return Ok(request.clone());
        }
        Ok(splices.apply(request))
    }
}
