//! The file's shape: each section as a struct of its keys, before anything is made of it.
//!
//! Names, defaults and meanings are the Collector's (v0.140 and the names it had before), but for
//! the `tailrace` sections, which are ours. What a key does to the engine is decided in
//! [`super::compile`].

pub(super) mod balancing;
pub(super) mod degradation;
pub(super) mod exporters;
pub(super) mod extensions;
pub(super) mod priority;
pub(super) mod processors;
pub(super) mod protection;
pub(super) mod receivers;
pub(super) mod service;
pub(super) mod shared;
pub(super) mod tenants;

use super::field::section;
use super::node::{Node, Value};
use super::types::Map;
use service::Service;

section! {
    /// The top level. Components are read by their type: see [`super::components`].
    Root {
        /// Where telemetry comes in, by id.
        receivers: Components = "{}",
        /// What happens on the way, by id. Each is compiled into the lanes behind it.
        processors: Components = "{}",
        /// Where telemetry goes, by id.
        exporters: Components = "{}",
        /// What joins pipelines, by id.
        connectors: Components = "{}",
        /// What is served beside the pipelines, by id.
        extensions: Components = "{}",
        /// Which of all these are used, and how the process reports on itself.
        service: Service = "{}",
    }
}

/// One map of components, kept as it is until their types are known.
#[derive(Clone)]
pub(super) struct Components(pub Vec<(String, Node)>);

impl PartialEq for Components {
    /// Only an empty one is compared: with the default.
    fn eq(&self, other: &Self) -> bool {
        self.0.len() == other.0.len()
    }
}

impl std::fmt::Debug for Components {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(id, _)| id))
            .finish()
    }
}

impl super::field::Field for Components {
    fn shape() -> super::field::Shape {
        super::field::Shape::Map(Box::new(super::field::Shape::Any))
    }

    fn read(node: &Node, reader: &mut super::field::Reader) -> Option<Self> {
        // The map itself is checked as any other; its values are read later.
        Map::<super::types::Anything>::read(node, reader)?;
        let Value::Mapping(entries) = &node.value else {
            return Some(Self(Vec::new()));
        };
        let component = |entry: &super::node::Entry| (entry.key.to_string(), entry.node.clone());
        Some(Self(entries.iter().map(component).collect()))
    }

    fn print(&self) -> super::printed::Printed {
        super::printed::Printed::Absent
    }
}
