//! From what arrives and what is wanted to what is configured: pure arithmetic, each decision with
//! its formula and its numbers.
//!
//! ```text
//!   Workload  lambda, bytes, RTT, variability --.
//!   Targets   outage, loss, latency ------------+--> Sizing: decisions, one queue, its forecast
//!   Capacity  memory, what a core carries ------'
//! ```
//!
//! The model is one queue of batches before `num_consumers` servers, each busy for a round trip
//! (G/G/c). A batch fills, waits for a server, and is answered; an outage stops the servers and the
//! queue grows by what arrives.

pub mod auto;
mod decide;
mod forecast;
mod observed;

pub use forecast::{Forecast, LoadPoint};
pub use observed::{Expected, Observed};

use super::queueing::GeneralQueue;
use forecast::Filling;

/// What arrives, and how the destination answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Workload {
    /// Items a second.
    pub item_rate: f64,
    /// Bytes of an item on the wire.
    pub item_bytes: f64,
    /// Items of an incoming request.
    pub request_items: f64,
    /// Squared coefficient of variation of the time between requests; Poisson: 1.
    pub arrival_scv: f64,
    /// From a batch's first byte to its answer, the backend's own work included.
    pub rtt_seconds: f64,
    /// Squared coefficient of variation of that.
    pub rtt_scv: f64,
    /// Share of packets that the path to the destination loses.
    pub packet_loss: f64,
}

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Targets {
    /// How long the destination may be away.
    pub outage_seconds: f64,
    /// How long the backlog may take to drain beside what still arrives.
    pub catch_up_seconds: f64,
    /// The share of items that may be refused while the destination works. In (0, 1).
    pub loss: f64,
    /// The 99th percentile of the time from arrival to answer.
    pub latency_seconds: f64,
}

/// What there is to do it with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Capacity {
    /// What the queue may hold in memory.
    pub memory_bytes: f64,
    /// Time of a core for each byte, in and out.
    pub byte_seconds: f64,
    /// Time of a core for each incoming request.
    pub request_seconds: f64,
    /// Time of a core for each batch sent.
    pub batch_seconds: f64,
    /// How busy a core is planned to be. In (0, 1).
    pub utilisation: f64,
    /// The largest message that the destination takes.
    pub message_bytes_max: f64,
    /// Requests at once that the destination allows on a connection.
    pub streams_max: f64,
    /// What one connection may have under way.
    pub window_bytes: f64,
}

impl Default for Capacity {
    /// Costs: without compression, rounded up from what `just measure` finds on a virtual core
    /// (bench/record). A core at 60 % still takes a peak of one and a half. Messages: half of the
    /// 4 MiB that gRPC servers take by default. Streams: what RFC 9113, section 6.5.2, asks servers
    /// not to go below. Window: the end of Linux's `tcp_wmem`.
    fn default() -> Self {
        Self {
            memory_bytes: 512.0 * 1_048_576.0,
            byte_seconds: 1e-9,
            request_seconds: 10e-6,
            batch_seconds: 25e-6,
            utilisation: 0.6,
            message_bytes_max: 2.0 * 1_048_576.0,
            streams_max: 100.0,
            window_bytes: 4.0 * 1_048_576.0,
        }
    }
}

/// One answer: what to set, to what, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    pub what: &'static str,
    /// The configuration key that takes it; empty where there is none.
    pub key: &'static str,
    pub value: f64,
    pub unit: &'static str,
    /// The formula with its numbers.
    pub why: String,
}

/// All decisions for one exporter.
#[derive(Debug, Clone, PartialEq)]
pub struct Sizing {
    /// Items.
    pub batch: Decision,
    /// Seconds.
    pub flush: Decision,
    /// Batches under way at once.
    pub consumers: Decision,
    /// Connections, in the whole process.
    pub connections: Decision,
    /// Requests at once on each.
    pub streams: Decision,
    /// Bytes in memory.
    pub queue: Decision,
    /// Bytes on disk.
    pub disk: Decision,
    /// Threads.
    pub shards: Decision,
    /// Seconds, of one try.
    pub timeout: Decision,
    /// Seconds, of all tries of a batch.
    pub retries: Decision,
    /// The queue of batches that these make.
    pub model: GeneralQueue,
    /// Batches that may wait before one is refused.
    pub room_batches: f64,
    request_items: f64,
}

impl Sizing {
    /// Sizes one exporter. Rates, bytes and round trips are above zero; the rest may be zero.
    pub fn new(workload: &Workload, targets: &Targets, capacity: &Capacity) -> Self {
        let batch = decide::batch(workload, targets, capacity);
        let batches = decide::Batches::new(workload, batch.value);
        let flush = decide::flush(targets, &batches);
        let timeout = decide::timeout(workload);
        let consumers = decide::consumers(workload, targets, &batches);
        let connections = decide::connections(workload, capacity, consumers.value);
        let streams = decide::streams(consumers.value, connections.value);
        let model = batches.queue(workload, consumers.value);
        let backlog = decide::Backlog::new(workload, targets, &model, &batches);
        let queue = decide::queue(&backlog, targets, capacity);
        let disk = decide::disk(&backlog, workload, targets, capacity);
        let room_bytes = (queue.value - backlog.in_flight_bytes).max(0.0);
        let room_batches = room_bytes / batches.bytes;
        Self {
            shards: decide::shards(workload, capacity, &batches),
            retries: decide::retries(targets),
            batch,
            flush,
            consumers,
            connections,
            streams,
            queue,
            disk,
            timeout,
            model,
            room_batches,
            request_items: workload.request_items,
        }
    }

    /// In the order in which one follows from the other.
    pub fn decisions(&self) -> [&Decision; 10] {
        [
            &self.batch,
            &self.flush,
            &self.consumers,
            &self.connections,
            &self.streams,
            &self.queue,
            &self.disk,
            &self.shards,
            &self.timeout,
            &self.retries,
        ]
    }

    /// What to expect with these settings.
    pub fn forecast(&self) -> Forecast {
        Forecast::new(&self.model, &self.filling(), self.room_batches)
    }

    /// Delay over load, from a tenth of what the consumers carry to nearly all of it.
    pub fn curve(&self) -> Vec<LoadPoint> {
        forecast::curve(&self.model, &self.filling())
    }

    fn filling(&self) -> Filling {
        Filling {
            batch_items: self.batch.value,
            request_items: self.request_items,
            flush_seconds: self.flush.value,
        }
    }
}

#[cfg(test)]
mod tests;
