//! Consistent probability sampling: the same items of a trace are kept wherever they pass.
//!
//! ```text
//!   randomness R: 56 bits of the trace id     threshold T: (1 - probability) * 2^56
//!   kept where R >= T
//! ```
//!
//! All stages compare the same `R`, so that what a stage of a lower probability keeps is kept by
//! each stage of a higher one, and the last threshold says how many items a kept one stands for.
//! Each stage writes its threshold into what it keeps: a span's into its tracestate, a log
//! record's into the attribute `sampling.threshold`, as the Collector's `probabilistic_sampler`.
//!
//! Sources: <https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/>,
//! <https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/processor/probabilisticsamplerprocessor>

mod pass;
mod record;
mod rule;
mod span;
mod threshold;
mod tracestate;

pub use rule::{Mode, Rule, Unsampled};
pub use threshold::{Precision, Randomness, Threshold};
pub use tracestate::TraceState;

use super::Signal;
use crate::Rope;
use crate::field::Malformed;
use pass::Pass;
use rule::Reason;

/// What sampling left of a request.
#[derive(Debug, Clone)]
pub struct Sampled {
    /// The request with the items that were kept, and their thresholds. A scope or resource entry
    /// that lost all it had is left out; where nothing was kept there is nothing in it to send.
    pub body: Rope,
    /// Items in `body`.
    pub kept: u64,
    /// Items that are not.
    pub dropped: Dropped,
}

/// How many items were dropped, by the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dropped {
    /// Their randomness is below the threshold.
    pub probability: u64,
    /// Spans without the sampled flag: see [`Unsampled`].
    pub unsampled: u64,
    /// Without randomness, or with a threshold that would have dropped them: see
    /// [`Rule::fail_closed`].
    pub inconsistent: u64,
}

impl Dropped {
    pub const fn total(&self) -> u64 {
        self.probability + self.unsampled + self.inconsistent
    }

    const fn of(&mut self, reason: Reason) -> &mut u64 {
        match reason {
            Reason::Probability => &mut self.probability,
            Reason::Unsampled => &mut self.unsampled,
            Reason::Inconsistent => &mut self.inconsistent,
        }
    }
}

/// Drops spans or log records by `rule`, and says in the others what it did.
///
/// `None` where every byte stays as it is: everything is kept, by a threshold that it has already.
/// Metrics and profiles are never sampled. A span's randomness is the `rv` of its tracestate, or
/// else the last seven bytes of its trace id. A log record's is its attribute
/// `sampling.randomness`, or else that of its trace id; a record without one gets the hash of its
/// own bytes, and the attribute, so that later stages decide alike. Records of equal bytes are
/// then kept or dropped together.
///
/// Errors: [`Malformed`] with its offset, in the framing down to the fields of the items.
/// Cost: one pass over the tags down to the items' own fields, for logs also those of their
/// attributes; one over the changes, of which an item has two or three. Bytes between them are
/// referred to, short ones copied.
pub fn sample(signal: Signal, request: &Rope, rule: &Rule) -> Result<Option<Sampled>, Malformed> {
    let item = match signal {
        Signal::Traces => span::sample,
        // Of records there is nothing else to ask.
        Signal::Logs if rule.mode == Mode::All => return Ok(None),
        Signal::Logs => record::sample,
        Signal::Metrics | Signal::Profiles => return Ok(None),
    };
    let mut pass = Pass::new(rule, item);
    let splices = pass.splices(request)?;
    if splices.is_empty() {
        return Ok(None);
    }
    Ok(Some(Sampled {
        body: splices.apply(request),
        kept: pass.kept,
        dropped: pass.dropped,
    }))
}
