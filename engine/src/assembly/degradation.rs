//! What a lane gives up, and when.

use crate::config::{DegradationConfig, LadderConfig, OnlySampled};
use crate::egress::lane::{Degradation, SamplingRule};
use crate::flow::ladder::LadderRule;
use tailrace_codec::otlp::sampling::Unsampled;

/// How far below its mark the queue must be for a step to be left.
const MARGIN: f64 = 0.1;

/// A mark that no queue reaches.
const NEVER: f64 = 2.0;

pub(super) fn degradation(config: &DegradationConfig) -> Degradation {
    Degradation {
        ladder: config.ladder.as_ref().map(ladder),
        sampling: SamplingRule {
            unsampled: match config.only_sampled {
                OnlySampled::Off => Unsampled::Keep,
                OnlySampled::Marked => Unsampled::DropMarked,
                OnlySampled::Strict => Unsampled::Drop,
            },
            low: config.ladder.map_or(1.0, |ladder| ladder.low_ratio),
            medium: config.ladder.map_or(1.0, |ladder| ladder.medium_ratio),
        },
    }
}

fn ladder(config: &LadderConfig) -> LadderRule {
    let marks = [
        config.compress_harder,
        config.defer_low,
        config.sample_low,
        config.sample_medium,
        config.reject,
    ];
    LadderRule {
        marks: marks.map(|mark| mark.unwrap_or(NEVER)),
        margin: MARGIN,
        hold: config.hold,
    }
}
