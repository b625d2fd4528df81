//! The measuring instrument: a load whose every item can be told apart, a backend that checks
//! each, and the comparison of the two.
//!
//! Load and sink speak through the engine's own connection drivers, so that one core can saturate
//! a forwarder; what they send and what they count is theirs alone, never the forwarder's figures.

pub mod chart;
pub mod conditions;
pub mod cpu;
pub mod device;
pub mod ids;
pub mod ledger;
pub mod load;
pub mod page;
pub mod paired;
pub mod process;
pub mod random;
pub mod relay;
pub mod role;
pub mod sink;
pub mod workload;

pub use ids::{IdSet, Verdict};
