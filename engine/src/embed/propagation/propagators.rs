//! Which headers a service reads and writes: `OTEL_PROPAGATORS`.

use super::{SpanContext, TraceParent, b3, extract, extract_headers, inject_headers};
use http::header::{HeaderMap, HeaderName, HeaderValue};

/// How the identity of a span goes from process to process. Begins with W3C's; those of the settings are
/// [`Embedded::propagators`](crate::embed::Embedded::propagators).
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
    /// read where one is wanted.
    ///
    /// Cost: one allocation where there is a tracestate.
    pub fn extract_headers(&self, headers: &HeaderMap) -> Option<SpanContext> {
        let w3c = self
            .trace_context
            .then(|| extract_headers(headers))
            .flatten();
        w3c.or_else(|| self.extract_b3(|name| headers.get(name)?.to_str().ok()))
    }

    /// As [`extract_headers`](Self::extract_headers), out of another carrier: `get` finds a header by its name in lower case.
    ///
    /// Cost: one allocation where there is a tracestate.
    pub fn extract<'a>(&self, get: impl Fn(&str) -> Option<&'a str>) -> Option<SpanContext> {
        let w3c = || {
            let parent = get("traceparent").filter(|_| self.trace_context)?;
            extract(parent, get("tracestate").unwrap_or_default())
        };
        w3c().or_else(|| self.extract_b3(&get))
    }

    fn extract_b3<'a>(&self, get: impl Fn(&str) -> Option<&'a str>) -> Option<SpanContext> {
        if !self.b3 && !self.b3_multi {
            return None;
        }
        let single = get(b3::B3).and_then(b3::parse);
        single.or_else(|| b3::parse_multi(get))
    }

    /// Writes the headers of a request that this span is the parent of, in the place of any that are
    /// there. A context that is not valid writes none.
    pub fn inject_headers(&self, context: &SpanContext, headers: &mut HeaderMap) {
        if self.trace_context {
            inject_headers(context, headers);
        }
        if self.b3 || self.b3_multi {
            for name in [b3::B3, b3::TRACE_ID, b3::SPAN_ID, b3::SAMPLED, b3::FLAGS] {
                headers.remove(name);
            }
        }
        self.inject_b3(context, |name, value| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        });
    }

    /// Gives `set` each header of a request that this span is the parent of, its name in lower case. It
    /// replaces one of that name. A context that is not valid writes none.
    ///
    /// Cost: no allocation of its own.
    pub fn inject(&self, context: &SpanContext, mut set: impl FnMut(&'static str, &str)) {
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
        self.inject_b3(context, set);
    }

    fn inject_b3(&self, context: &SpanContext, mut set: impl FnMut(&'static str, &str)) {
        if !context.is_valid() {
            return;
        }
        if self.b3 {
            b3::write(context, &mut set);
        }
        if self.b3_multi {
            b3::write_multi(context, &mut set);
        }
    }
}
