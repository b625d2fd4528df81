//! What the environment says of propagation.

use crate::embed::propagation::Propagators;

const PROPAGATORS: &str = "OTEL_PROPAGATORS";

/// One that is not known is left out with a warning: without a parent spans begin traces of their own, and
/// nothing is lost.
pub(super) fn read(set: &impl Fn(&str) -> Option<String>) -> Propagators {
    let Some(value) = set(PROPAGATORS) else {
        return Propagators::default();
    };
    let mut propagators = Propagators::NONE;
    for name in value.split(',').map(str::trim) {
        match name {
            "tracecontext" => propagators.trace_context = true,
            "b3" => propagators.b3 = true,
            "b3multi" => propagators.b3_multi = true,
            // Part of the specification's default: the service's own, if it has any.
            "baggage" | "" => {}
            "none" => return Propagators::NONE,
            other => tracing::warn!(
                "{PROPAGATORS}: {other:?} is left out; there are tracecontext, b3, b3multi and none: \
                 have the service's neighbours speak one of them, too"
            ),
        }
    }
    propagators
}
