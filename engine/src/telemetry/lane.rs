//! What one lane counts: each item is somewhere, and each somewhere is a field.

use super::{BATCH_BYTE_BOUNDS, Histogram, ITEM_BOUNDS, LaneSize, QueueFlow, REQUEST_BYTE_BOUNDS};
use crate::units::{DegradationStep, ItemCount, Priority};

/// Why the destination did not take items for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RejectReason {
    /// The destination said so in a partial success.
    PartialSuccess,
    /// Refused with an answer that must not be retried.
    Refused,
    /// One item alone is over the destination's limit.
    TooLarge,
}

/// Why items were given up without the destination's word on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// `max_elapsed_time` is over, or retries are off.
    RetriesExhausted,
    /// Still there when the shutdown timeout was over.
    Shutdown,
    /// Pushed out of a full queue by its overflow policy.
    Overflow,
    /// The bytes could not be made into what the destination takes.
    Unconvertible,
    /// Not among the share that is kept while the queue is full.
    Sampled,
    /// Not sampled upstream, and only what was is exported.
    Unsampled,
}

impl RejectReason {
    pub const ALL: [Self; 3] = [Self::PartialSuccess, Self::Refused, Self::TooLarge];

    pub const fn name(self) -> &'static str {
        match self {
            Self::PartialSuccess => "partial_success",
            Self::Refused => "refused",
            Self::TooLarge => "too_large",
        }
    }
}

impl DropReason {
    pub const ALL: [Self; 6] = [
        Self::RetriesExhausted,
        Self::Shutdown,
        Self::Overflow,
        Self::Unconvertible,
        Self::Sampled,
        Self::Unsampled,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::RetriesExhausted => "retries_exhausted",
            Self::Shutdown => "shutdown",
            Self::Overflow => "overflow",
            Self::Unconvertible => "unconvertible",
            Self::Sampled => "sampled",
            Self::Unsampled => "unsampled",
        }
    }
}

/// Why a lane sends nothing though it could.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hold {
    /// The destination asked for a pause.
    Throttle,
    /// After a pause, until answers come.
    Ramp,
    /// The circuit is open, or its probes are on their way.
    Circuit,
    /// As many are on their way as the destination answers in its usual time.
    Concurrency,
    /// What may be sent in this time was sent.
    RateLimit,
    /// What failed waits for its share of the traffic; what is new goes.
    RetryBudget,
}

/// What a destination's circuit breaker does, by its place in [`LaneCounters::circuit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Circuit {
    Closed,
    Open,
    HalfOpen,
}

/// What opened a circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OpenedBy {
    ConsecutiveFailures,
    FailureRatio,
    /// Half open, it failed again.
    Probe,
}

impl Circuit {
    pub const ALL: [Self; 3] = [Self::Closed, Self::Open, Self::HalfOpen];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

impl OpenedBy {
    pub const ALL: [Self; 3] = [Self::ConsecutiveFailures, Self::FailureRatio, Self::Probe];

    pub const fn name(self) -> &'static str {
        match self {
            Self::ConsecutiveFailures => "consecutive_failures",
            Self::FailureRatio => "failure_ratio",
            Self::Probe => "probe",
        }
    }
}

impl Hold {
    pub const ALL: [Self; 6] = [
        Self::Throttle,
        Self::Ramp,
        Self::Circuit,
        Self::Concurrency,
        Self::RateLimit,
        Self::RetryBudget,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Throttle => "throttle",
            Self::Ramp => "ramp",
            Self::Circuit => "circuit",
            Self::Concurrency => "concurrency",
            Self::RateLimit => "rate_limit",
            Self::RetryBudget => "retry_budget",
        }
    }
}

/// One endpoint of several, of one lane.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EndpointCounters {
    /// Attempts it was chosen for.
    pub requests: u64,
    /// Attempts that it did not answer, or with a failure that may pass.
    pub failed: u64,
    /// Times that it was left alone, probes that failed included.
    pub ejections: u64,
    /// Gauges; summed, in how many shards it is so.
    pub in_flight: u64,
    pub ejected: u64,
    /// Its level is in use.
    pub in_use: u64,
}

impl EndpointCounters {
    const fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.failed += other.failed;
        self.ejections += other.ejections;
        self.in_flight += other.in_flight;
        self.ejected += other.ejected;
        self.in_use += other.in_use;
    }
}

/// What is of one priority, where a lane sorts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PriorityCounters {
    pub admitted: ItemCount,
    pub delivered: ItemCount,
    /// Rejected by the destination, or dropped.
    pub lost: ItemCount,
    /// Parts that were sent for the first time, and how long all of them had waited (ns).
    pub started: u64,
    pub waited_nanos: u64,
}

impl PriorityCounters {
    const fn add(&mut self, other: &Self) {
        self.admitted += other.admitted;
        self.delivered += other.delivered;
        self.lost += other.lost;
        self.started += other.started;
        self.waited_nanos += other.waited_nanos;
    }
}

/// One lane's counters, in items where nothing else is said.
///
/// Invariant, between two turns of the shard: [`unaccounted`](Self::unaccounted) is 0. Each field
/// of it is counted where its event happens, never computed from the others.
#[derive(Debug, Clone, PartialEq)]
pub struct LaneCounters {
    pub admitted: ItemCount,

    // Where admitted items are now: gauges.
    pub waiting: ItemCount,
    pub open: ItemCount,
    pub in_flight: ItemCount,
    pub backing_off: ItemCount,
    pub handed_over: ItemCount,

    // Where they went.
    pub delivered: ItemCount,
    pub rejected: [ItemCount; RejectReason::ALL.len()],
    pub dropped: [ItemCount; DropReason::ALL.len()],

    /// Items in failed attempts: an item that fails three times counts three.
    pub send_failed: ItemCount,
    /// Items that found no room: refused, never admitted.
    pub enqueue_failed: ItemCount,

    /// The queue's fill and limit in the unit of its `sizer`.
    pub queue_size: u64,
    pub queue_capacity: u64,
    pub requests_in_flight: u64,
    /// What it did of late.
    pub queue: QueueFlow,
    /// What is `auto`. Not summed: each shard has its own.
    pub sizes: Vec<LaneSize>,
    /// By [`Hold`], 1 where it holds the lane back; summed, in how many shards it does.
    pub held_back: [u64; Hold::ALL.len()],
    /// Requests that the destination is given at once, where that is adapted.
    pub concurrency_limit: Option<u64>,
    /// Times that the destination asked for a pause while there was none.
    pub throttled: u64,
    /// By [`Circuit`], 1 for the state it is in; all 0 without a breaker.
    pub circuit: [u64; Circuit::ALL.len()],
    /// By [`OpenedBy`].
    pub circuit_opened: [u64; OpenedBy::ALL.len()],

    /// By [`DegradationStep`], 1 for the one that it is on, where it has a ladder; summed, in how many shards.
    pub steps: [u64; DegradationStep::ALL.len()],
    /// By [`Priority`].
    pub priorities: [PriorityCounters; Priority::ALL.len()],
    /// Whether the lane sorts by priority.
    pub sorts: bool,

    /// By endpoint, where the exporter has several.
    pub endpoints: Vec<EndpointCounters>,

    pub batch_items: Histogram<{ ITEM_BOUNDS.len() }>,
    pub batch_bytes: Histogram<{ REQUEST_BYTE_BOUNDS.len() }>,
    /// The same, in the buckets of the `batch` processor.
    pub processor_batch_bytes: Histogram<{ BATCH_BYTE_BOUNDS.len() }>,
    pub batches_by_size: u64,
    pub batches_by_timeout: u64,
    /// Distinct metadata with an open batch.
    pub metadata_cardinality: u64,
}

impl LaneCounters {
    pub const fn reject(&mut self, reason: RejectReason, items: ItemCount) {
        self.rejected[reason as usize] += items;
    }

    pub const fn drop_items(&mut self, reason: DropReason, items: ItemCount) {
        self.dropped[reason as usize] += items;
    }

    /// Admitted items that are nowhere, or (negative) items that are somewhere but were never
    /// admitted. Anything but 0 is a defect.
    pub fn unaccounted(&self) -> i128 {
        let accounted = [self.waiting, self.open, self.in_flight, self.backing_off]
            .into_iter()
            .chain([self.handed_over, self.delivered])
            .chain(self.rejected)
            .chain(self.dropped)
            .map(i128::from)
            .sum::<i128>();
        i128::from(self.admitted) - accounted
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.admitted += other.admitted;
        self.waiting += other.waiting;
        self.open += other.open;
        self.in_flight += other.in_flight;
        self.backing_off += other.backing_off;
        self.handed_over += other.handed_over;
        self.delivered += other.delivered;
        for (sum, items) in self.rejected.iter_mut().zip(other.rejected) {
            *sum += items;
        }
        for (sum, items) in self.dropped.iter_mut().zip(other.dropped) {
            *sum += items;
        }
        self.send_failed += other.send_failed;
        self.enqueue_failed += other.enqueue_failed;
        self.queue_size += other.queue_size;
        // A lane without a queue has no limit: the largest number there is.
        self.queue_capacity = self.queue_capacity.saturating_add(other.queue_capacity);
        self.requests_in_flight += other.requests_in_flight;
        self.queue.add(&other.queue);
        for (sum, held) in self.held_back.iter_mut().zip(other.held_back) {
            *sum += held;
        }
        let limits = [self.concurrency_limit, other.concurrency_limit];
        self.concurrency_limit = limits.into_iter().flatten().reduce(|a, b| a + b);
        self.throttled += other.throttled;
        for (sum, state) in self.circuit.iter_mut().zip(other.circuit) {
            *sum += state;
        }
        for (sum, times) in self.circuit_opened.iter_mut().zip(other.circuit_opened) {
            *sum += times;
        }
        for (sum, step) in self.steps.iter_mut().zip(other.steps) {
            *sum += step;
        }
        for (sum, class) in self.priorities.iter_mut().zip(&other.priorities) {
            sum.add(class);
        }
        self.sorts |= other.sorts;
        if self.endpoints.len() < other.endpoints.len() {
            let several = other.endpoints.len();
            self.endpoints.resize(several, EndpointCounters::default());
        }
        for (sum, endpoint) in self.endpoints.iter_mut().zip(&other.endpoints) {
            sum.add(endpoint);
        }
        self.batch_items.add(&other.batch_items);
        self.batch_bytes.add(&other.batch_bytes);
        self.processor_batch_bytes.add(&other.processor_batch_bytes);
        self.batches_by_size += other.batches_by_size;
        self.batches_by_timeout += other.batches_by_timeout;
        self.metadata_cardinality += other.metadata_cardinality;
    }
}

impl Default for LaneCounters {
    fn default() -> Self {
        Self {
            admitted: 0,
            waiting: 0,
            open: 0,
            in_flight: 0,
            backing_off: 0,
            handed_over: 0,
            delivered: 0,
            rejected: [0; RejectReason::ALL.len()],
            dropped: [0; DropReason::ALL.len()],
            send_failed: 0,
            enqueue_failed: 0,
            queue_size: 0,
            queue_capacity: 0,
            requests_in_flight: 0,
            queue: QueueFlow::default(),
            sizes: Vec::new(),
            held_back: [0; Hold::ALL.len()],
            concurrency_limit: None,
            throttled: 0,
            circuit: [0; Circuit::ALL.len()],
            circuit_opened: [0; OpenedBy::ALL.len()],
            steps: [0; DegradationStep::ALL.len()],
            priorities: Default::default(),
            sorts: false,
            endpoints: Vec::new(),
            batch_items: Histogram::new(&ITEM_BOUNDS),
            batch_bytes: Histogram::new(&REQUEST_BYTE_BOUNDS),
            processor_batch_bytes: Histogram::new(&BATCH_BYTE_BOUNDS),
            batches_by_size: 0,
            batches_by_timeout: 0,
            metadata_cardinality: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Field = fn(&mut LaneCounters) -> &mut ItemCount;

    const FIELDS: [Field; 6] = [
        |c| &mut c.waiting,
        |c| &mut c.open,
        |c| &mut c.in_flight,
        |c| &mut c.backing_off,
        |c| &mut c.handed_over,
        |c| &mut c.delivered,
    ];

    fn balanced() -> LaneCounters {
        let mut counters = LaneCounters::default();
        for field in FIELDS {
            *field(&mut counters) = 10;
        }
        for reason in RejectReason::ALL {
            counters.reject(reason, 10);
        }
        for reason in DropReason::ALL {
            counters.drop_items(reason, 10);
        }
        counters.admitted = 150;
        counters
    }

    #[test]
    fn suppressing_any_one_count_is_seen() {
        assert_eq!(balanced().unaccounted(), 0);
        for field in FIELDS {
            let mut counters = balanced();
            *field(&mut counters) = 0;
            assert_eq!(counters.unaccounted(), 10);
        }
        for index in 0..RejectReason::ALL.len() {
            let mut counters = balanced();
            counters.rejected[index] = 0;
            assert_eq!(counters.unaccounted(), 10);
        }
        for index in 0..DropReason::ALL.len() {
            let mut counters = balanced();
            counters.dropped[index] = 0;
            assert_eq!(counters.unaccounted(), 10);
        }
        let mut counters = balanced();
        counters.admitted = 0;
        assert_eq!(counters.unaccounted(), -150);
    }

    #[test]
    fn reasons_stand_at_their_own_place() {
        for (index, reason) in RejectReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
        }
        for (index, reason) in DropReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index);
        }
        for (index, hold) in Hold::ALL.into_iter().enumerate() {
            assert_eq!(hold as usize, index);
        }
    }
}
