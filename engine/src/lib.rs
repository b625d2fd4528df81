//! The export engine: shards, receivers, lanes, delivery, and the runtime under them.

pub mod config;
pub mod delivery;
pub mod exchange;
pub mod flow;
pub mod ingress;
pub mod net;
pub mod runtime;
pub mod telemetry;
pub mod time;
pub mod units;
