//! One function for each decision.

use super::{Capacity, Decision, Targets, Workload};
use crate::flow::queueing::erlang::square_root_staffing;
use crate::flow::queueing::normal::normal_quantile;
use crate::flow::queueing::window::{
    bandwidth_delay_product, in_flight, throughput_of_lossy_path, throughput_of_window,
};
use crate::flow::queueing::{BatchCost, GeneralQueue};

/// Of the latency target, the part in which a batch may fill; the rest is for the round trip.
const FILL_SHARE: f64 = 0.25;
/// Of a core's time for sending, what should go into bytes and not into batches.
const EFFICIENCY: f64 = 0.9;
/// Of batches, the share that may find all consumers busy.
const WAITING_SHARE: f64 = 0.01;
/// A maximum segment of TCP over Ethernet, with timestamps.
const SEGMENT_BYTES: f64 = 1448.0;

/// The stream of batches that the stream of items becomes.
pub struct Batches {
    pub bytes: f64,
    pub rate: f64,
    pub arrival_scv: f64,
}

impl Batches {
    /// The time between batches is the sum of those between their requests: its variability is
    /// the requests' over their number (Kleinrock, section 4.2).
    pub fn new(workload: &Workload, items: f64) -> Self {
        let requests = (items / workload.request_items).max(1.0);
        Self {
            bytes: items * workload.item_bytes,
            rate: workload.item_rate / items,
            arrival_scv: workload.arrival_scv / requests,
        }
    }

    pub fn queue(&self, workload: &Workload, consumers: f64) -> GeneralQueue {
        GeneralQueue {
            arrival_rate: self.rate,
            service_seconds: workload.rtt_seconds,
            servers: consumers as u32,
            arrival_scv: self.arrival_scv,
            service_scv: workload.rtt_scv,
        }
    }
}

pub fn batch(workload: &Workload, targets: &Targets, capacity: &Capacity) -> Decision {
    let cost = BatchCost {
        batch_seconds: capacity.batch_seconds,
        item_seconds: workload.item_bytes * capacity.byte_seconds,
    };
    // efficiency(b) = EFFICIENCY, solved for b.
    let efficient = EFFICIENCY / (1.0 - EFFICIENCY) * cost.batch_seconds / cost.item_seconds;
    let filled = workload.item_rate * targets.latency_seconds * FILL_SHARE;
    let largest = capacity.message_bytes_max / workload.item_bytes;
    // A request that is larger than a batch is sent as it came.
    let whole = workload.request_items.min(largest);
    let items = efficient.min(filled).min(largest).max(whole).max(1.0);
    let items = items.ceil();
    let why = if items >= efficient {
        format!(
            "a batch costs {:.0} us and a byte {:.2} ns: {:.0} items spend {:.0} % of it on bytes",
            cost.batch_seconds * 1e6,
            capacity.byte_seconds * 1e9,
            items,
            EFFICIENCY * 100.0
        )
    } else if items <= whole.ceil() {
        format!(
            "one request, {:.0} items: more of them would not fill in time",
            workload.request_items
        )
    } else if filled <= largest {
        format!(
            "what arrives in {:.0} % of the latency target: {:.0}/s x {} x {FILL_SHARE}",
            FILL_SHARE * 100.0,
            workload.item_rate,
            seconds(targets.latency_seconds)
        )
    } else {
        format!(
            "the largest message, {} / {:.0} B",
            bytes(capacity.message_bytes_max),
            workload.item_bytes
        )
    };
    Decision {
        what: "batch",
        key: "sending_queue.batch.min_size",
        value: items,
        unit: "items",
        why,
    }
}

pub fn flush(targets: &Targets, batches: &Batches) -> Decision {
    let value = (targets.latency_seconds * FILL_SHARE).clamp(0.001, 10.0);
    Decision {
        what: "flush timeout",
        key: "sending_queue.batch.flush_timeout",
        value,
        unit: "s",
        why: format!(
            "{:.0} % of the latency target; at this rate a batch fills in {}",
            FILL_SHARE * 100.0,
            seconds(1.0 / batches.rate)
        ),
    }
}

pub fn consumers(workload: &Workload, targets: &Targets, batches: &Batches) -> Decision {
    let offered = in_flight(batches.rate, workload.rtt_seconds);
    let staffed = f64::from(square_root_staffing(offered, WAITING_SHARE));
    let surplus = 1.0 + targets.outage_seconds / targets.catch_up_seconds.max(1.0);
    let draining = (offered * surplus).ceil();
    let load = format!(
        "a = {:.1}/s x {} = {offered:.2} under way",
        batches.rate,
        seconds(workload.rtt_seconds)
    );
    let why = match staffed >= draining {
        true => format!("{load}; a + beta sqrt(a), so that 1 % of batches wait"),
        false => format!("{load}, times {surplus:.2} to drain an outage in time"),
    };
    Decision {
        what: "consumers",
        key: "sending_queue.num_consumers",
        value: staffed.max(draining),
        unit: "under way at once",
        why,
    }
}

pub fn connections(workload: &Workload, capacity: &Capacity, consumers: f64) -> Decision {
    let rate = workload.item_rate * workload.item_bytes;
    let product = bandwidth_delay_product(rate, workload.rtt_seconds);
    let windowed = throughput_of_window(capacity.window_bytes, workload.rtt_seconds);
    let lossy = throughput_of_lossy_path(SEGMENT_BYTES, workload.rtt_seconds, workload.packet_loss);
    let one = windowed.min(lossy);
    let by_rate = (rate / one).ceil();
    let by_streams = (consumers / capacity.streams_max).ceil();
    let why = match by_rate >= by_streams {
        true => format!(
            "{}/s x {} = {} under way; one connection carries {}/s",
            bytes(rate),
            seconds(workload.rtt_seconds),
            bytes(product),
            bytes(one)
        ),
        false => format!(
            "{consumers:.0} under way / {:.0} streams a connection",
            capacity.streams_max
        ),
    };
    Decision {
        what: "connections",
        key: "tailrace.connections_max",
        value: by_rate.max(by_streams).max(1.0).min(consumers),
        unit: "in the whole process",
        why,
    }
}

pub fn streams(consumers: f64, connections: f64) -> Decision {
    Decision {
        what: "streams",
        key: "",
        value: (consumers / connections).ceil(),
        unit: "on each connection",
        why: format!("{consumers:.0} under way / {connections:.0} connections"),
    }
}

/// What an outage leaves, and what waits without one.
pub struct Backlog {
    pub in_flight_bytes: f64,
    /// Room to wait in at the loss target, without an outage.
    pub room_bytes: f64,
    /// Of the outage.
    pub outage_bytes: f64,
    outage_mean_bytes: f64,
}

impl Backlog {
    /// Arrivals over a long time are normal: mean lambda T, variance c_a^2 lambda T (Whitt,
    /// "Stochastic-Process Limits", 2002, section 7.3). The loss target names the quantile.
    pub fn new(
        workload: &Workload,
        targets: &Targets,
        queue: &GeneralQueue,
        batches: &Batches,
    ) -> Self {
        let request_bytes = workload.request_items * workload.item_bytes;
        let requests = workload.item_rate / workload.request_items * targets.outage_seconds;
        let swing = normal_quantile(1.0 - targets.loss) * (workload.arrival_scv * requests).sqrt();
        Self {
            in_flight_bytes: f64::from(queue.servers) * batches.bytes,
            // One batch is being filled beside those that wait.
            room_bytes: (queue.room_for_blocking(targets.loss) + 1.0) * batches.bytes,
            outage_bytes: (requests + swing.max(0.0)) * request_bytes,
            outage_mean_bytes: requests * request_bytes,
        }
    }

    fn bytes(&self) -> f64 {
        self.in_flight_bytes + self.room_bytes + self.outage_bytes
    }
}

pub fn queue(backlog: &Backlog, targets: &Targets, capacity: &Capacity) -> Decision {
    let working = backlog.in_flight_bytes + backlog.room_bytes;
    let sum = format!(
        "{} under way + {} so that {:.0e} is refused",
        bytes(backlog.in_flight_bytes),
        bytes(backlog.room_bytes),
        targets.loss
    );
    let fits = backlog.bytes() <= capacity.memory_bytes;
    let why = match fits {
        true => format!("{sum} + {} of an outage", bytes(backlog.outage_bytes)),
        false => format!(
            "{sum} = {} at least; all of {}, since the outage does not fit",
            bytes(working),
            bytes(capacity.memory_bytes)
        ),
    };
    Decision {
        what: "queue",
        key: "sending_queue.queue_size",
        value: match fits {
            true => backlog.bytes().ceil(),
            false => capacity.memory_bytes.max(working).ceil(),
        },
        unit: "bytes in memory",
        why,
    }
}

pub fn disk(
    backlog: &Backlog,
    workload: &Workload,
    targets: &Targets,
    capacity: &Capacity,
) -> Decision {
    let rate = workload.item_rate * workload.item_bytes;
    let fits = backlog.bytes() <= capacity.memory_bytes;
    let why = match fits {
        true => "the outage fits into memory".to_owned(),
        false => format!(
            "lambda T = {}/s x {} = {}, and {} of swing; memory alone holds {} of it",
            bytes(rate),
            seconds(targets.outage_seconds),
            bytes(backlog.outage_mean_bytes),
            bytes(backlog.outage_bytes - backlog.outage_mean_bytes),
            seconds((capacity.memory_bytes - backlog.in_flight_bytes).max(0.0) / rate)
        ),
    };
    Decision {
        what: "disk",
        key: "",
        value: match fits {
            true => 0.0,
            false => backlog.outage_bytes.ceil(),
        },
        unit: "bytes of a durable queue",
        why,
    }
}

pub fn shards(workload: &Workload, capacity: &Capacity, batches: &Batches) -> Decision {
    let per_byte = workload.item_rate * workload.item_bytes * capacity.byte_seconds;
    let requests = workload.item_rate / workload.request_items;
    let per_request = requests * capacity.request_seconds;
    let per_batch = batches.rate * capacity.batch_seconds;
    let busy = per_byte + per_request + per_batch;
    Decision {
        what: "shards",
        key: "service.tailrace.shards",
        value: (busy / capacity.utilisation).ceil().max(1.0),
        unit: "of a core each",
        why: format!(
            "bytes {per_byte:.3} + requests {per_request:.3} + batches {per_batch:.3} = \
             {busy:.3} cores, at most {:.0} % busy",
            capacity.utilisation * 100.0
        ),
    }
}

pub fn timeout(workload: &Workload) -> Decision {
    let rare = super::forecast::lognormal_quantile(workload.rtt_seconds, workload.rtt_scv, 0.9999);
    Decision {
        what: "timeout",
        key: "timeout",
        // Up to the next tenth: nobody configures microseconds.
        value: ((20.0 * rare).ceil() / 10.0).max(1.0),
        unit: "s, of one try",
        why: format!(
            "twice the round trip that 1 in 10000 exceeds, {}: what is given up too early is sent \
             twice",
            seconds(rare)
        ),
    }
}

pub fn retries(targets: &Targets) -> Decision {
    let value = (2.0 * targets.outage_seconds).max(300.0);
    Decision {
        what: "retries",
        key: "retry_on_failure.max_elapsed_time",
        value,
        unit: "s, of one batch",
        why: format!(
            "twice the outage of {}, and no less than 5 minutes",
            seconds(targets.outage_seconds)
        ),
    }
}

/// `1.5 ms`, `80 ms`, `30 min`.
pub fn seconds(seconds: f64) -> String {
    match seconds {
        s if s >= 7200.0 => format!("{} h", short(s / 3600.0)),
        s if s >= 120.0 => format!("{} min", short(s / 60.0)),
        s if s >= 1.0 => format!("{} s", short(s)),
        s if s >= 1e-3 => format!("{} ms", short(s * 1e3)),
        s => format!("{} us", short(s * 1e6)),
    }
}

/// `72 MB`, `129.6 GB`: decimal, as rates are.
pub fn bytes(bytes: f64) -> String {
    match bytes {
        b if b >= 1e12 => format!("{} TB", short(b / 1e12)),
        b if b >= 1e9 => format!("{} GB", short(b / 1e9)),
        b if b >= 1e6 => format!("{} MB", short(b / 1e6)),
        b if b >= 1e3 => format!("{} kB", short(b / 1e3)),
        b => format!("{b:.0} B"),
    }
}

fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    text.to_owned()
}
