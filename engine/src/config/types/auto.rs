//! A value, or `auto`: found while running.

use super::super::field::{Field, Reader, Shape};
use super::super::node::Node;
use super::super::printed::Printed;
use std::time::Duration;

/// `None`: `auto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) struct Auto<T>(pub Option<T>);

macro_rules! auto {
    ($($type:ty => $shape:literal),+) => {$(
        impl Field for Auto<$type> {
            fn shape() -> Shape {
                Shape::Scalar($shape)
            }

            fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
                if node.literal().is_some_and(|text| &**text == "auto") {
                    return Some(Self(None));
                }
                <$type>::read(node, reader).map(|value| Self(Some(value)))
            }

            fn print(&self) -> Printed {
                match &self.0 {
                    Some(value) => value.print(),
                    None => Printed::Text("auto".to_owned()),
                }
            }
        }
    )+};
}

auto!(
    u32 => "a whole number, or auto",
    u64 => "a whole number, or auto",
    Duration => "a duration, or auto"
);
