//! A span: its threshold stands in its tracestate.

use super::super::fields::{SPAN_FLAGS, SPAN_TRACE_ID, SPAN_TRACE_STATE};
use super::super::splice::{Splices, write_field_of};
use super::pass::Outcome;
use super::rule::{Decision, Reason};
use super::{Randomness, Rule, TraceState};
use crate::field::{Field, Fields, Malformed};
use crate::rope::Cursor;
use std::borrow::Cow;
use std::ops::Range;

/// What a span says about its sampling.
#[derive(Debug)]
struct Span<'a> {
    randomness_of_id: Option<Randomness>,
    /// Empty where there is none.
    trace_state: Cow<'a, [u8]>,
    /// Of the tracestate's field; at the end of the span where there is none.
    place: Range<usize>,
    flags: u32,
}

pub fn sample(rule: &Rule, splices: &mut Splices, field: &Field<'_>) -> Result<Outcome, Malformed> {
    let span = Span::read(field.content()?)?;
    if rule.unsampled.drops(span.flags) {
        return Ok(Outcome::Dropped(Reason::Unsampled));
    }
    let mut state = TraceState::parse(&span.trace_state);
    let randomness = state.randomness.or(span.randomness_of_id);
    let threshold = match rule.decide(state.threshold, randomness) {
        Decision::Drop(reason) => return Ok(Outcome::Dropped(reason)),
        Decision::Keep(threshold) => threshold,
    };
    if threshold == state.threshold {
        return Ok(Outcome::Kept { growth: 0 });
    }
    state.threshold = threshold;
    let growth = splices.message(field, |splices, _| {
        // Also where no member is left: an empty one ends what an earlier field said.
        let write =
            |out: &mut Vec<u8>| write_field_of(SPAN_TRACE_STATE, out, |out| state.write(out));
        Ok(splices.replace(span.place, write))
    })?;
    Ok(Outcome::Kept { growth })
}

impl<'a> Span<'a> {
    /// Of several fields with a number the last one counts.
    fn read(content: Cursor<'a>) -> Result<Self, Malformed> {
        let mut span = Self {
            randomness_of_id: None,
            trace_state: Cow::Borrowed(&[]),
            place: content.end()..content.end(),
            flags: 0,
        };
        let mut fields = Fields::new(content);
        let is_read = |number| matches!(number, SPAN_TRACE_ID | SPAN_TRACE_STATE | SPAN_FLAGS);
        while let Some(field) = fields.next_of(is_read) {
            let field = field?;
            match field.number {
                SPAN_TRACE_ID => {
                    span.randomness_of_id = Randomness::from_trace_id(&field.content()?.bytes());
                }
                SPAN_TRACE_STATE => {
                    // COPY: only of a tracestate that lies in two slices.
                    span.trace_state = field.content()?.bytes();
                    span.place = field.whole.offset()..field.whole.end();
                }
                _ => span.flags = field.fixed32()?,
            }
        }
        Ok(span)
    }
}
