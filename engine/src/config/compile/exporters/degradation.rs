//! What an exporter gives up: its rules, and what it comes to.

use crate::config::compile::Exporter;
use crate::config::field::Reader;
use crate::config::raw::degradation::Degradation;
use crate::config::raw::shared::Connections;
use crate::config::{DegradationConfig, LadderConfig, OnlySampled};

/// What valid sections come to.
pub(super) fn degradation(exporter: &Exporter) -> DegradationConfig {
    let ours = match exporter {
        Exporter::OtlpGrpc(exporter) => &exporter.tailrace,
        Exporter::OtlpHttp(exporter) => &exporter.tailrace.connections,
        Exporter::Debug(_) | Exporter::File(_) | Exporter::Nop(_) => {
            return DegradationConfig {
                ladder: None,
                only_sampled: OnlySampled::Off,
            };
        }
    };
    DegradationConfig {
        ladder: ours.degradation.0.as_ref().map(ladder),
        only_sampled: ours.export_only_sampled,
    }
}

fn ladder(steps: &Degradation) -> LadderConfig {
    let mark = |percent: u32| (percent > 0).then(|| f64::from(percent) / 100.0);
    LadderConfig {
        compress_harder: mark(steps.compress_harder),
        defer_low: mark(steps.defer_low),
        sample_low: mark(steps.sample_low),
        sample_medium: mark(steps.sample_medium),
        reject: mark(steps.reject),
        low_ratio: steps.sample_low_ratio,
        medium_ratio: steps.sample_medium_ratio,
        hold: steps.hold,
    }
}

/// Notes every rule that is broken.
pub(super) fn check(ours: &Connections, reader: &mut Reader) {
    let Some(steps) = &ours.degradation.0 else {
        return;
    };
    reader
        .path
        .extend(["tailrace".into(), "degradation".into()]);
    let marks = [
        ("compress_harder", steps.compress_harder),
        ("defer_low", steps.defer_low),
        ("sample_low", steps.sample_low),
        ("sample_medium", steps.sample_medium),
        ("reject", steps.reject),
    ];
    let mut before = 0;
    for (key, mark) in marks {
        if mark > 100 {
            reader.rule(key, "must be from 1 to 100, or 0 to leave the step out");
        } else if mark > 0 && mark < before {
            reader.rule(key, "must not be below the mark of a step before it");
        }
        before = before.max(mark);
    }
    if marks.iter().all(|(_, mark)| *mark == 0) {
        reader.rule(
            "compress_harder",
            "every step is left out: remove the section",
        );
    }
    for (key, ratio) in [
        ("sample_low_ratio", steps.sample_low_ratio),
        ("sample_medium_ratio", steps.sample_medium_ratio),
    ] {
        if !(ratio > 0.0 && ratio <= 1.0) {
            reader.rule(key, "must be over 0 and at most 1");
        }
    }
    if steps.hold.is_zero() {
        reader.rule("hold", "must be positive");
    }
    reader.path.truncate(reader.path.len() - 2);
}
