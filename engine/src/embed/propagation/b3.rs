//! B3, as Zipkin's tracers and Envoy speak it: one header, or several.
//!
//! Source: <https://github.com/openzipkin/b3-propagation> and
//! <https://opentelemetry.io/docs/specs/otel/context/api-propagators/#b3-requirements>

use super::traceparent::{bytes, hex};
use super::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

/// The single header.
pub(super) const B3: &str = "b3";

pub(super) const TRACE_ID: &str = "x-b3-traceid";
pub(super) const SPAN_ID: &str = "x-b3-spanid";
pub(super) const SAMPLED: &str = "x-b3-sampled";
pub(super) const FLAGS: &str = "x-b3-flags";

/// Bytes of the single header that is written.
const LEN: usize = 51;

/// Reads `<trace id>-<span id>[-<sampled>[-<parent span id>]]`. A decision alone names no parent.
pub(super) fn parse(text: &str) -> Option<SpanContext> {
    let mut fields = text.trim_matches([' ', '\t']).split('-');
    let (trace_id, span_id) = (fields.next()?, fields.next()?);
    let is_sampled = match fields.next() {
        None | Some("0") => false,
        Some("1" | "d") => true,
        Some(_) => return None,
    };
    let is_parent = |parent: &str| bytes::<8>(parent.as_bytes()).is_some() && parent.len() == 16;
    if !fields.next().is_none_or(is_parent) || fields.next().is_some() {
        return None;
    }
    context(trace_id, span_id, is_sampled)
}

/// Reads the headers of the other form. Without a decision it is left to who samples: not sampled.
pub(super) fn parse_multi<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Option<SpanContext> {
    let is_sampled = match (get(FLAGS), get(SAMPLED)) {
        (Some("1"), _) => true,
        // Older tracers write it out.
        (_, Some("1" | "true")) => true,
        (_, Some("0" | "false") | None) => false,
        (_, Some(_)) => return None,
    };
    context(get(TRACE_ID)?, get(SPAN_ID)?, is_sampled)
}

pub(super) fn write(context: &SpanContext, mut set: impl FnMut(&'static str, &str)) {
    let mut text = [b'-'; LEN];
    hex(&context.trace_id().0, &mut text[..32]);
    hex(&context.span_id().0, &mut text[33..49]);
    text[50] = sampled(context).as_bytes()[0];
    set(B3, ascii(&text));
}

pub(super) fn write_multi(context: &SpanContext, mut set: impl FnMut(&'static str, &str)) {
    let (mut trace_id, mut span_id) = ([0; 32], [0; 16]);
    hex(&context.trace_id().0, &mut trace_id);
    hex(&context.span_id().0, &mut span_id);
    set(TRACE_ID, ascii(&trace_id));
    set(SPAN_ID, ascii(&span_id));
    set(SAMPLED, sampled(context));
}

const fn sampled(context: &SpanContext) -> &'static str {
    if context.is_sampled() { "1" } else { "0" }
}

/// Of a trace id of 16 digits the upper half is zero.
fn context(trace_id: &str, span_id: &str, is_sampled: bool) -> Option<SpanContext> {
    let mut whole = [0; 16];
    match trace_id.len() {
        32 => whole = bytes(trace_id.as_bytes())?,
        16 => whole[8..].copy_from_slice(&bytes::<8>(trace_id.as_bytes())?),
        _ => return None,
    }
    if span_id.len() != 16 {
        return None;
    }
    let span_id = SpanId(bytes(span_id.as_bytes())?);
    let flags = TraceFlags::default().with_sampled(is_sampled);
    let context = SpanContext::remote(TraceId(whole), span_id, flags, TraceState::default());
    context.is_valid().then_some(context)
}

fn ascii(text: &[u8]) -> &str {
    std::str::from_utf8(text).expect("digits and hyphens")
}
