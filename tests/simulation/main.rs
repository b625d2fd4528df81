//! What the engine promises, on a clock that only the test turns: real pipelines between simulated
//! senders and backends, one scenario a file. Hours take seconds, and a seed gives the same run.

mod any;
mod degradation;
mod endpoints;
mod flapping;
mod hang;
mod outage;
mod overload;
mod priority;
mod queueing;
mod rates;
mod retries;
mod sizing;
mod tenants;
mod world;
