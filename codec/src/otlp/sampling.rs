//! Consistent probability sampling: the same items of a trace are kept wherever they pass.
//!
//! ```text
//!   randomness R: 56 bits of the trace id     threshold T: (1 - probability) * 2^56
//!   kept where R >= T
//! ```
//!
//! All stages compare the same `R`, so that what a stage of a lower probability keeps is kept by
//! each stage of a higher one, and the last threshold says how many items a kept one stands for.
//!
//! Source: <https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/>

mod threshold;
mod tracestate;

pub use threshold::{Precision, Randomness, Threshold};
pub use tracestate::TraceState;
