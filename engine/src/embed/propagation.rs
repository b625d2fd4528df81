//! Which span of which trace, and how that goes from process to process: W3C Trace Context, and B3.
//!
//! Source: <https://www.w3.org/TR/trace-context-2/>

mod b3;
mod context;
mod propagators;
mod traceparent;
mod tracestate;

pub use context::{SpanContext, SpanId, TraceFlags, TraceId};
pub use propagators::Propagators;
pub use traceparent::{TRACEPARENT_LEN, TraceParent};
pub use tracestate::TraceState;

use http::header::{HeaderMap, HeaderName, HeaderValue};

/// The header that says who the parent is.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The header in which vendors tell each other the rest.
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Reads the two headers of a request as text. `None`: there is no parent, or it is not valid, and
/// then its tracestate means nothing either.
///
/// Cost: one allocation where there is a tracestate.
pub fn extract(traceparent: &str, tracestate: &str) -> Option<SpanContext> {
    let parent = TraceParent::parse(traceparent)?;
    Some(parent.into_context(TraceState::parse(&[tracestate]).unwrap_or_default()))
}

/// Reads the headers of a request. Several tracestate headers count as one, in their order; a second
/// traceparent makes both void.
pub fn extract_headers(headers: &HeaderMap) -> Option<SpanContext> {
    let mut parents = headers.get_all(TRACEPARENT).iter();
    let (Some(parent), None) = (parents.next(), parents.next()) else {
        return None;
    };
    let parent = TraceParent::parse(parent.to_str().ok()?)?;
    let states = headers.get_all(TRACESTATE).iter();
    let states: Option<Vec<&str>> = states.map(|state| state.to_str().ok()).collect();
    let state = states.and_then(|states| TraceState::parse(&states));
    Some(parent.into_context(state.unwrap_or_default()))
}

/// Writes the headers of a request that this span is the parent of, in the place of any that are
/// there. A context that is not valid writes none.
pub fn inject_headers(context: &SpanContext, headers: &mut HeaderMap) {
    headers.remove(TRACEPARENT);
    headers.remove(TRACESTATE);
    if !context.is_valid() {
        return;
    }
    let parent = TraceParent::of(context).to_text();
    if let Ok(parent) = HeaderValue::from_bytes(&parent) {
        headers.insert(TRACEPARENT, parent);
    }
    let state = context.trace_state().as_str();
    if let (false, Ok(state)) = (state.is_empty(), HeaderValue::from_str(state)) {
        headers.insert(TRACESTATE, state);
    }
}

#[cfg(test)]
mod tests;
