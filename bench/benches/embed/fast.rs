//! fastrace, whose reporter here throws away what it is given.

use crate::variants::{ATTRIBUTES, Maker, NAME};
use fastrace::collector::{Config, Reporter, SpanRecord};
use fastrace::prelude::{LocalSpan, Span, SpanContext};
use tailrace_codec::otlp::encode::Value;

/// Children of one root.
pub const CHILDREN: usize = 10;

struct Nowhere;

impl Reporter for Nowhere {
    fn report(&mut self, _: Vec<SpanRecord>) {}
}

/// What one call makes.
pub enum Shape {
    /// A root with attributes.
    Attributes(usize),
    /// A root and its children, without attributes: the shape of its own benchmark.
    Children,
}

pub struct Fastrace {
    shape: Shape,
    attributes: Vec<(&'static str, String)>,
}

impl Fastrace {
    pub fn new(shape: Shape) -> Self {
        fastrace::set_reporter(Nowhere, Config::default());
        let text = |value| match value {
            Value::String(text) => text.to_owned(),
            Value::Int(int) => int.to_string(),
            Value::Bool(bool) => bool.to_string(),
            other => unreachable!("none of the eight is {other:?}"),
        };
        let attributes = ATTRIBUTES.map(|(key, value)| (key, text(value)));
        Self {
            shape,
            attributes: attributes.into(),
        }
    }
}

impl Maker for Fastrace {
    fn span(&mut self) {
        let root = Span::root(NAME, SpanContext::random());
        match self.shape {
            Shape::Attributes(count) => {
                let attributes = self.attributes.iter().take(count);
                let owned = attributes.map(|(key, value)| (*key, value.clone()));
                drop(root.with_properties(|| owned));
            }
            Shape::Children => {
                let _inside = root.set_local_parent();
                for _ in 0..CHILDREN {
                    let _child = LocalSpan::enter_with_local_parent(NAME);
                }
            }
        }
    }

    fn flush(&mut self) {
        fastrace::flush();
    }
}
