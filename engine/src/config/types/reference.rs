//! The id of a component, where another place of the file names it.

use crate::config::field::{Field, Reader, Shape};
use crate::config::node::Node;
use crate::config::printed::Printed;

/// An id, and whether it may be shown before it is known to be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) struct Reference {
    pub id: String,
    /// By an expansion: where no component has this id, it may be a secret.
    brought: bool,
}

impl Reference {
    /// For the fault that nothing has this id.
    pub fn shown(&self) -> Option<String> {
        (!self.brought).then(|| self.id.clone())
    }
}

impl Field for Reference {
    fn shape() -> Shape {
        String::shape()
    }

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        String::read(node, reader).map(|id| Self {
            id,
            brought: node.original.is_some(),
        })
    }

    /// Nothing is printed of a file in which a reference leads nowhere.
    fn print(&self) -> Printed {
        Printed::Word(self.id.clone())
    }
}
