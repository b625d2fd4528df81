//! The export engine: shards, receivers, lanes, delivery, and the runtime under them.

pub mod exchange;
pub mod flow;
pub mod net;
pub mod time;
pub mod units;
