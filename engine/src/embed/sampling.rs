//! Which spans are recorded, decided when they start.
//!
//! Sources: <https://opentelemetry.io/docs/specs/otel/trace/sdk/#sampling> and
//! <https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/>

use super::propagation::{SpanContext, TraceId, TraceState};
use tailrace_codec::otlp::sampling::{self, Precision, Randomness, Threshold};

/// What is recorded: `OTEL_TRACES_SAMPLER`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampler {
    /// Of a trace that begins here, and of every span where `parent_based` is off.
    pub root: RootSampler,
    /// A span with a parent is recorded where its parent is.
    pub parent_based: bool,
}

/// How it is decided where no parent decides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RootSampler {
    AlwaysOn,
    AlwaysOff,
    /// This share of the traces, 0 to 1, the same ones wherever it is decided: by the last 56 bits of
    /// the trace id, or the `rv` of the tracestate. The share is passed on as `ot=th:...` in the
    /// tracestate, so that whoever counts knows what a span stands for.
    TraceIdRatio(f64),
}

impl Default for Sampler {
    /// `parentbased_always_on`.
    fn default() -> Self {
        Self {
            root: RootSampler::AlwaysOn,
            parent_based: true,
        }
    }
}

/// A sampler, and what it would compute again for each span.
#[derive(Debug)]
pub(super) struct Deciding {
    sampler: Sampler,
    threshold: Threshold,
    /// Of a trace that begins here and is recorded.
    root_state: TraceState,
}

/// What becomes of a span that starts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) is_sampled: bool,
    pub(super) trace_state: TraceState,
}

impl Deciding {
    pub(super) fn new(sampler: Sampler) -> Self {
        let threshold = match sampler.root {
            RootSampler::AlwaysOn => Threshold::ALWAYS,
            RootSampler::AlwaysOff => Threshold::NEVER,
            RootSampler::TraceIdRatio(ratio) => {
                Threshold::from_probability(ratio, Precision::default())
            }
        };
        let is_ratio = matches!(sampler.root, RootSampler::TraceIdRatio(_));
        let root_state = if is_ratio && threshold != Threshold::NEVER {
            with_threshold(&TraceState::default(), Some(threshold))
        } else {
            TraceState::default()
        };
        Self {
            sampler,
            threshold,
            root_state,
        }
    }

    /// Cost: a comparison. Where a share is decided for a span with a parent, its tracestate is read
    /// and written, with an allocation.
    #[inline]
    pub(super) fn decide(&self, parent: Option<&SpanContext>, trace_id: TraceId) -> Decision {
        match parent {
            Some(parent) if self.sampler.parent_based => Decision {
                is_sampled: parent.is_sampled(),
                trace_state: parent.trace_state.clone(),
            },
            Some(parent) => self.decide_again(parent),
            None => {
                let is_sampled = match Randomness::from_trace_id(&trace_id.0) {
                    Some(randomness) => self.threshold.keeps(randomness),
                    None => false,
                };
                let trace_state = if is_sampled {
                    self.root_state.clone()
                } else {
                    TraceState::default()
                };
                Decision {
                    is_sampled,
                    trace_state,
                }
            }
        }
    }

    #[cold]
    fn decide_again(&self, parent: &SpanContext) -> Decision {
        let fixed = |is_sampled| Decision {
            is_sampled,
            trace_state: parent.trace_state.clone(),
        };
        match self.sampler.root {
            RootSampler::AlwaysOn => return fixed(true),
            RootSampler::AlwaysOff => return fixed(false),
            RootSampler::TraceIdRatio(_) => {}
        }
        let told = sampling::TraceState::parse(parent.trace_state.as_str().as_bytes());
        let of_trace = Randomness::from_trace_id(&parent.trace_id.0);
        let randomness = told.randomness.or(of_trace);
        let is_sampled = randomness.is_some_and(|randomness| self.threshold.keeps(randomness));
        // A span that is not recorded has no threshold: one that an earlier stage left would be a lie.
        let threshold = is_sampled.then_some(self.threshold);
        Decision {
            is_sampled,
            trace_state: with_threshold(&parent.trace_state, threshold),
        }
    }
}

/// The tracestate with this threshold, or without one.
fn with_threshold(state: &TraceState, threshold: Option<Threshold>) -> TraceState {
    let text = state.as_str();
    let mut state = sampling::TraceState::parse(text.as_bytes());
    if state.threshold == threshold && threshold.is_none() {
        return TraceState::from_valid(text);
    }
    state.threshold = threshold;
    let mut out = Vec::new();
    state.write(&mut out);
    // Pieces of a text at its commas, and digits: it is one again.
    String::from_utf8(out).map_or_else(
        |_| TraceState::default(),
        |out| TraceState::from_valid(&out),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::propagation::extract;

    fn deciding(root: RootSampler, parent_based: bool) -> Deciding {
        Deciding::new(Sampler { root, parent_based })
    }

    /// A trace whose randomness is this share of all.
    fn trace(share: f64) -> TraceId {
        let random = (share * (1_u64 << 56) as f64) as u64;
        TraceId((1 << 100 | u128::from(random)).to_be_bytes())
    }

    fn parent(share: f64, sampled: bool, state: &str) -> SpanContext {
        let flags = u8::from(sampled) | 2;
        let text = format!("00-{}-00f067aa0ba902b7-0{flags}", trace(share));
        extract(&text, state).expect("valid")
    }

    #[test]
    fn a_parent_decides_where_it_is_asked() {
        for root in [RootSampler::AlwaysOn, RootSampler::AlwaysOff] {
            let deciding = deciding(root, true);
            for sampled in [true, false] {
                let parent = parent(0.1, sampled, "ot=th:8,x=1");
                let decision = deciding.decide(Some(&parent), parent.trace_id());
                assert_eq!(decision.is_sampled, sampled);
                assert_eq!(decision.trace_state.as_str(), "ot=th:8,x=1");
            }
            let decision = deciding.decide(None, trace(0.5));
            assert_eq!(decision.is_sampled, root == RootSampler::AlwaysOn);
        }
        for (root, is_sampled) in [
            (RootSampler::AlwaysOn, true),
            (RootSampler::AlwaysOff, false),
        ] {
            let parent = parent(0.1, !is_sampled, "x=1");
            let decision = deciding(root, false).decide(Some(&parent), parent.trace_id());
            assert_eq!(decision.is_sampled, is_sampled);
        }
    }

    #[test]
    fn a_share_of_the_traces_the_same_ones_everywhere() {
        let quarter = deciding(RootSampler::TraceIdRatio(0.25), true);
        assert!(!quarter.decide(None, trace(0.749)).is_sampled);
        assert_eq!(quarter.decide(None, trace(0.749)).trace_state.as_str(), "");
        let kept = quarter.decide(None, trace(0.751));
        assert!(kept.is_sampled);
        assert_eq!(kept.trace_state.as_str(), "ot=th:c");
        let half = deciding(RootSampler::TraceIdRatio(0.5), false);
        for share in [0.1, 0.4, 0.6, 0.8, 0.99] {
            let of_quarter = quarter.decide(None, trace(share)).is_sampled;
            let of_half = half.decide(None, trace(share)).is_sampled;
            assert!(of_half || !of_quarter, "{share}");
        }
        let never = deciding(RootSampler::TraceIdRatio(0.0), true);
        assert!(!never.decide(None, trace(0.999)).is_sampled);
        let always = deciding(RootSampler::TraceIdRatio(1.0), true);
        let kept = always.decide(None, trace(0.0));
        assert_eq!(
            (kept.is_sampled, kept.trace_state.as_str()),
            (true, "ot=th:0")
        );
    }

    #[test]
    fn a_share_that_is_decided_again_takes_the_place_of_the_one_before() {
        let half = deciding(RootSampler::TraceIdRatio(0.5), false);
        let decide = |share, state| {
            let parent = parent(share, true, state);
            let decision = half.decide(Some(&parent), parent.trace_id());
            (
                decision.is_sampled,
                decision.trace_state.as_str().to_owned(),
            )
        };
        assert_eq!(
            decide(0.9, "x=1,ot=th:c;a:b"),
            (true, "ot=th:8;a:b,x=1".to_owned())
        );
        assert_eq!(decide(0.1, "ot=th:c,x=1"), (false, "x=1".to_owned()));
        assert_eq!(decide(0.1, "x=1"), (false, "x=1".to_owned()));
        let explicit = "ot=rv:f0000000000000";
        let expected = "ot=th:8;rv:f0000000000000".to_owned();
        assert_eq!(decide(0.1, explicit), (true, expected), "rv is what counts");
    }
}
