//! Which headers a service reads and writes: `OTEL_PROPAGATORS`.

use super::{SpanContext, TraceParent, b3, extract};

/// How the identity of a span goes from process to process. Begins with W3C's.
///
/// Baggage is the service's own: the engine carries none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Propagators {
    /// `traceparent` and `tracestate`.
    pub trace_context: bool,
    /// `b3`.
    pub b3: bool,
    /// `x-b3-traceid` and its like.
    pub b3_multi: bool,
}

impl Default for Propagators {
    fn default() -> Self {
        Self {
            trace_context: true,
            ..Self::NONE
        }
    }
}

impl Propagators {
    /// Nothing is read or written.
    pub const NONE: Self = Self {
        trace_context: false,
        b3: false,
        b3_multi: false,
    };

    /// The parent that the headers of a request name: W3C's before those of B3, of which both forms are
    /// read where one is wanted. `get` finds a header by its name in lower case.
    ///
    /// Cost: one allocation where there is a tracestate.
    pub fn extract<'a>(&self, get: impl Fn(&str) -> Option<&'a str>) -> Option<SpanContext> {
        let w3c = || {
            let parent = get("traceparent").filter(|_| self.trace_context)?;
            extract(parent, get("tracestate").unwrap_or_default())
        };
        let takes_b3 = self.b3 || self.b3_multi;
        let single = || b3::parse(get(b3::B3).filter(|_| takes_b3)?);
        let multi = || takes_b3.then(|| b3::parse_multi(&get)).flatten();
        w3c().or_else(single).or_else(multi)
    }

    /// Gives `set` each header of a request that this span is the parent of, its name in lower case. It
    /// replaces one of that name. A context that is not valid writes none.
    ///
    /// Cost: no allocation of its own.
    pub fn inject(&self, context: &SpanContext, mut set: impl FnMut(&str, &str)) {
        if !context.is_valid() {
            return;
        }
        if self.trace_context {
            let parent = TraceParent::of(context).to_text();
            set("traceparent", std::str::from_utf8(&parent).expect("ASCII"));
            let state = context.trace_state();
            if !state.is_empty() {
                set("tracestate", state.as_str());
            }
        }
        if self.b3 {
            b3::write(context, &mut set);
        }
        if self.b3_multi {
            b3::write_multi(context, &mut set);
        }
    }
}
