//! Queueing theory: what a queue of a given speed and length does under a given load.
//!
//! ```text
//!   arrivals, lambda --> [ waiting, L_q ] --> [ c servers, mu each ] --> departures
//!                        `------------- in the system: L, at most K -------------'
//!
//!   a   = lambda / mu        offered load, in erlangs: servers kept busy were there enough
//!   rho = a / c              utilisation
//!   L   = lambda W           Little's law, of any system that neither makes nor loses anything
//! ```
//!
//! Rates are per second and times in seconds, whatever is counted: requests, items or bytes. A
//! queue that has no steady state (rho >= 1 without a bound) has an infinite time, and is never an
//! error: a plan says so, an estimator shows it. Every function is total for finite arguments
//! that are not negative.
//!
//! | room | what it answers |
//! | --- | --- |
//! | [`erlang`] | how likely all servers are busy, and how many servers a target takes |
//! | [`finite`] | a bounded queue: blocking, lengths and times, exactly (M/M/c/K) |
//! | [`general`] | any arrivals and services, by their first two moments (G/G/c) |
//! | [`bulk`] | a server that takes many at once, and the batch size that suits it |
//! | [`normal`] | quantiles of the normal distribution |
//! | [`window`] | how much must be under way to keep a long path busy |
//!
//! None of it is exact about a real forwarder: arrivals and services are not independent, and rates
//! drift. Names are those of Kleinrock, "Queueing Systems", volume 1 (1975).

pub mod bulk;
pub mod erlang;
pub mod finite;
pub mod general;
pub mod normal;
pub mod window;

pub use bulk::{BatchCost, BulkService};
pub use finite::{FiniteQueue, Steady};
pub use general::GeneralQueue;
