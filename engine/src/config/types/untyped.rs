//! Values that nothing looks into: those of keys without effect, or of keys that are refused.

use crate::config::fault::FaultKind;
use crate::config::field::{Field, Reader, Shape};
use crate::config::node::{Node, Value};
use crate::config::printed::Printed;

/// A value that nothing looks into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) struct Anything {
    pub given: bool,
}

impl Field for Anything {
    fn shape() -> Shape {
        Shape::Any
    }

    fn read(node: &Node, _: &mut Reader) -> Option<Self> {
        Some(Self {
            given: !node.is_null(),
        })
    }

    /// It has no effect and may hold secrets.
    fn print(&self) -> Printed {
        Printed::Absent
    }
}

/// A value that nothing looks into but for its outermost kind. One that is empty says nothing.
macro_rules! untyped {
    ($(#[doc = $doc:literal])* $name:ident, $expected:literal, $kind:ident) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub(in crate::config) struct $name {
            given: bool,
        }

        impl Field for $name {
            fn shape() -> Shape {
                Shape::Any
            }

            fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
                match &node.value {
                    Value::Null => Some(Self { given: false }),
                    Value::$kind(entries) => Some(Self {
                        given: !entries.is_empty(),
                    }),
                    _ => {
                        let found = node.kind().to_owned();
                        let expected = $expected;
                        reader.fault(FaultKind::WrongType { expected, found });
                        None
                    }
                }
            }

            /// It has no effect and may hold secrets.
            fn print(&self) -> Printed {
                Printed::Absent
            }
        }
    };
}

untyped!(
    /// A map.
    AnyMap,
    "a map",
    Mapping
);

untyped!(
    /// A list.
    AnyList,
    "a list",
    Sequence
);
