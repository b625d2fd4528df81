//! `memory_limiter`, or our own key, as the process limit.

use super::{Declared, Processor};
use crate::config::fault::FaultKind;
use crate::config::field::Reader;
use crate::config::raw::processors::MemoryLimiter;
use crate::config::{MemoryConfig, MemoryLimit};
use crate::units::ByteCount;

/// The process limit. Every `memory_limiter` is checked; the first that a pipeline names holds,
/// because a process has one memory.
pub(super) fn memory(declared: &Declared, reader: &mut Reader) -> MemoryConfig {
    reader.path = vec!["processors".into()];
    let mut holds: Option<MemoryConfig> = None;
    for (id, processor) in &declared.processors {
        let Processor::MemoryLimiter(limiter) = processor else {
            continue;
        };
        reader.at(id.as_str(), |reader| {
            check(limiter, reader);
            let used = declared.service.pipelines.0.iter().any(|(_, pipeline)| {
                pipeline
                    .processors
                    .iter()
                    .any(|processor| processor.id == id.as_str())
            });
            match holds {
                _ if !used => {}
                None => holds = Some(config(limiter)),
                Some(other) if other == config(limiter) => {}
                Some(_) => reader.warn(
                    "has no effect here: a process has one memory limit, and that of the first \
                     memory_limiter holds",
                ),
            }
        });
    }
    reader.path = vec!["service".into(), "tailrace".into()];
    let own = declared.service.tailrace.memory_limit_mib;
    let memory = match holds {
        Some(memory) => {
            if own > 0 {
                reader.at("memory_limit_mib", |reader| {
                    reader.warn("has no effect here: memory_limiter sets the limit");
                });
            }
            memory
        }
        None if own > MIB_MAX => {
            reader.rule("memory_limit_mib", "is larger than any memory");
            NONE
        }
        None if own > 0 => MemoryConfig {
            limit: MemoryLimit::Bytes(ByteCount::mib(own)),
            ..NONE
        },
        None => NONE,
    };
    reader.path.clear();
    memory
}

/// 1 EiB: beyond it the count in bytes overflows.
const MIB_MAX: u64 = 1 << 40;

const NONE: MemoryConfig = MemoryConfig {
    limit: MemoryLimit::Default,
    spike: MemoryLimit::Bytes(ByteCount(0)),
    recorders: ByteCount(0),
};

fn config(limiter: &MemoryLimiter) -> MemoryConfig {
    if limiter.limit_mib > 0 {
        let mib = |mib: u32| MemoryLimit::Bytes(ByteCount::mib(mib.into()));
        return MemoryConfig {
            limit: mib(limiter.limit_mib),
            spike: or_default(limiter.spike_limit_mib, mib),
            recorders: ByteCount(0),
        };
    }
    // Checked to be at most 100.
    let percent = |percent: u32| MemoryLimit::Percent(u8::try_from(percent).unwrap_or(100));
    MemoryConfig {
        limit: percent(limiter.limit_percentage),
        spike: or_default(limiter.spike_limit_percentage, percent),
        recorders: ByteCount(0),
    }
}

fn or_default(spike: u32, amount: impl Fn(u32) -> MemoryLimit) -> MemoryLimit {
    if spike == 0 {
        MemoryLimit::Default
    } else {
        amount(spike)
    }
}

/// Limits in MiB and in percent do not mix: those in MiB win.
fn warn_of_the_other_unit(limiter: &MemoryLimiter, reader: &mut Reader) {
    if limiter.limit_mib > 0 {
        for (key, percent) in [
            ("limit_percentage", limiter.limit_percentage),
            ("spike_limit_percentage", limiter.spike_limit_percentage),
        ] {
            if percent > 0 {
                reader.no_effect(key, "limit_mib is given and wins");
            }
        }
    } else if limiter.spike_limit_mib > 0 {
        let why = "beside limit_percentage, spike_limit_percentage counts";
        reader.no_effect("spike_limit_mib", why);
    }
}

fn check(limiter: &MemoryLimiter, reader: &mut Reader) {
    warn_of_the_other_unit(limiter, reader);
    if limiter.check_interval.is_zero() {
        reader.rule(
            "check_interval",
            "'check_interval' must be greater than zero",
        );
    }
    if limiter.min_gc_interval_when_soft_limited < limiter.min_gc_interval_when_hard_limited {
        reader.rule(
            "min_gc_interval_when_soft_limited",
            "'min_gc_interval_when_soft_limited' should be larger than \
             'min_gc_interval_when_hard_limited'",
        );
    }
    let [min_soft, min_hard, max_soft, max_hard] = [
        limiter.min_gc_interval_when_soft_limited,
        limiter.min_gc_interval_when_hard_limited,
        limiter.max_gc_interval_when_soft_limited,
        limiter.max_gc_interval_when_hard_limited,
    ];
    // Zero turns the growth of the interval off.
    if !max_soft.is_zero() && max_soft < min_soft.max(max_hard) {
        reader.rule(
            "max_gc_interval_when_soft_limited",
            "'max_gc_interval_when_soft_limited' must not be smaller than \
             'min_gc_interval_when_soft_limited' or 'max_gc_interval_when_hard_limited'",
        );
    }
    if !max_hard.is_zero() && max_hard < min_hard {
        reader.rule(
            "max_gc_interval_when_hard_limited",
            "'max_gc_interval_when_hard_limited' must not be smaller than \
             'min_gc_interval_when_hard_limited'",
        );
    }
    if limiter.limit_mib == 0 && limiter.limit_percentage == 0 {
        let rule = "'limit_mib' or 'limit_percentage' must be greater than zero";
        reader.fault(FaultKind::Rule(rule));
    }
    if limiter.limit_percentage > 100 || limiter.spike_limit_percentage > 100 {
        reader.fault(FaultKind::Rule(
            "'limit_percentage' and 'spike_limit_percentage' must be greater than zero and less \
             than or equal to hundred",
        ));
    }
    if limiter.limit_mib > 0 && limiter.limit_mib <= limiter.spike_limit_mib {
        reader.rule(
            "spike_limit_mib",
            "'spike_limit_mib' must be smaller than 'limit_mib'",
        );
    }
    if limiter.limit_percentage > 0 && limiter.limit_percentage <= limiter.spike_limit_percentage {
        reader.rule(
            "spike_limit_percentage",
            "'spike_limit_percentage' must be smaller than 'limit_percentage'",
        );
    }
}
