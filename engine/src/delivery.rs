//! What became of what was sent: answers to verdicts, and what a verdict asks for next.

pub mod recovery;

pub use recovery::{Cut, Divisible, Limits, Recovery, Rejected, Why};
