//! Counters, gauges and histograms, measured on the application's threads and collected by the
//! engine's.
//!
//! ```text
//!   application's threads                              shard's thread
//!   Counter   --> Page of this thread (sums) -------read--> Collector, once in an export interval
//!   Histogram --> Local of this thread -----------taken-->  and before a flush:
//!   Gauge     --> Last value of the series ---------read-->   totals --> points --> pipeline
//! ```
//!
//! **Instrument.** Shared by all threads. [`Meter`] gives the same one to all who ask for it by name, so
//! that their measurements are one metric.
//!
//! **Series.** One set of attributes of an instrument. Bound ([`Counter::bind`]) it is found once, and a
//! measurement costs some nanoseconds; otherwise it is looked up with each. An instrument has a limited
//! number of them: what comes beyond goes to one with the attribute `otel.metric.overflow`, for as long
//! as the engine lives, whatever the temporality.
//!
//! **Aggregation.** Each thread adds to memory of its own: no lock, no line of a cache that another
//! thread writes. What a thread leaves behind when it ends is kept.
//!
//! **Observed.** What is counted elsewhere is asked for: [`Meter::observable_counter`] and its like take a
//! callback, which a thread of the engine's calls before each collection. The shard never does.
//!
//! **Memory.** A thread's sums and distributions, and each series, come out of the budget of the
//! recorders. Where it is used up, a new set of attributes counts as overflow, and what a thread has no
//! room for is counted as dropped, as measurements are that are no number.
//!
//! **Exemplars.** Of what is measured in a sampled span, one measurement is kept for each bucket of a
//! histogram and each series of a counter, in each interval.
//!
//! ```no_run
//! use std::time::Duration;
//! use tailrace_codec::otlp::encode::{Key, Scope};
//! use tailrace_engine::embed::metrics::{Buckets, Instrument};
//! use tailrace_engine::embed::{Embedded, Settings};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let engine = Embedded::start(&Settings::from_environment()?)?;
//! let scope = Scope { name: "cart", ..Scope::default() };
//! let meter = engine.meter(&scope);
//! let served = meter.counter::<u64>("http.server.requests")?;
//! let duration = Instrument { name: "http.server.request.duration", unit: "s", ..Instrument::default() };
//! let duration = meter.histogram_with(duration, &Buckets::exponential())?;
//!
//! let route = Key::new("http.route");
//! let cart = [(&route, "/cart".into())];
//! let (served_cart, cart_duration) = (served.bind(&cart), duration.bind(&cart));
//!
//! // On any thread, for each request:
//! served_cart.add(1);
//! cart_duration.record(0.003);
//! // Or, where the attributes are not known ahead:
//! served.add(1, &[(&route, "/prices".into())]);
//!
//! // At the end:
//! engine.shutdown(Duration::from_secs(5))?;
//! # Ok(())
//! # }
//! ```

mod attributes;
mod collector;
mod counter;
mod distribution;
mod exemplar;
mod gauge;
mod histogram;
mod instrument;
mod meter;
mod number;
mod observable;
mod observed;
mod observers;
mod outbox;
mod page;
mod series;
mod thread;

pub use attributes::Attribute;
pub(super) use collector::{Collector, Message};
pub use counter::{BoundCounter, Counter};
pub use distribution::Buckets;
pub use exemplar::ExemplarFilter;
pub use gauge::{BoundGauge, Gauge};
pub use histogram::{BoundHistogram, Histogram};
pub use instrument::{Instrument, InstrumentError};
pub use meter::Meter;
pub(super) use meter::Registry;
pub use number::{Increment, Measured, Signed};
pub use observable::{Observable, Observer};
pub(super) use observers::Bell;
