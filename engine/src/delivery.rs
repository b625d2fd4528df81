//! What became of what was sent: answers to verdicts, and what a verdict asks for next.

pub mod notice;
pub mod recovery;
pub mod verdict;

pub use notice::{Notice, Notices, What};
pub use recovery::{Cut, Divisible, Limits, Recovery, Rejected, Try, Why};
pub use verdict::{Sent, TooLarge, Verdict, verdict};
