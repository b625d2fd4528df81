//! What tells one series of an instrument from another.

use tailrace_codec::otlp::encode::{Key, Metric, Value};
use tailrace_codec::writer::Writer;

/// One attribute of a measurement.
pub type Attribute<'a> = (&'a Key, Value<'a>);

/// Attributes as points have them, in the order of their keys, each key once with the last of its
/// values: the same bytes for the same set, in whatever order it is said.
pub(super) fn canonical(metric: &Metric, attributes: &[Attribute<'_>]) -> Box<[u8]> {
    let mut sorted: Vec<_> = attributes.iter().enumerate().collect();
    sorted.sort_by(|(at, (one, _)), (other_at, (other, _))| {
        one.as_str().cmp(other.as_str()).then(other_at.cmp(at))
    });
    sorted.dedup_by(|(_, (later, _)), (_, (kept, _))| later.as_str() == kept.as_str());
    let mut out = Writer::default();
    for (_, (key, value)) in sorted {
        metric.attribute(&mut out, *key, *value);
    }
    out.into_buffer().into()
}
