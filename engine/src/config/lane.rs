//! One exporter instance: what waits for it, how it is put together and how often it is tried.

use super::{
    CatchUpConfig, ComponentId, DegradationConfig, ExporterConfig, LoadBalancingConfig,
    ProtectionConfig,
};
use http::HeaderName;
use std::time::Duration;
use tailrace_codec::Signal;

/// One exporter for one signal, shared by all pipelines of the signal that name the exporter.
///
/// All numbers are totals of the process: each shard takes its part of them.
#[derive(Debug, Clone, PartialEq)]
pub struct LaneConfig {
    pub exporter: ComponentId,
    pub signal: Signal,
    /// The pipelines that end here, in the order of the file.
    pub pipelines: Vec<ComponentId>,
    pub queue: QueueConfig,
    /// `None`: every request is sent as it came.
    pub batch: Option<BatchConfig>,
    pub retry: RetryConfig,
    pub protection: ProtectionConfig,
    pub degradation: DegradationConfig,
    pub sizing: SizingConfig,
    /// Several endpoints; `kind` has the first of them.
    pub balancing: Option<LoadBalancingConfig>,
    pub kind: ExporterConfig,
}

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sizer {
    Requests,
    Items,
    Bytes,
}

/// What becomes of a request that a full queue has no room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Overflow {
    /// The sender is refused with a retryable status, and no other exporter takes the request.
    Reject,
    /// The sender waits.
    Block,
    /// The request is dropped here; other exporters take it, and the sender is not held up.
    DropNewest,
    /// What waits longest is dropped to make room for it.
    DropOldest,
    /// What waits longest of the lowest class is dropped, unless what comes is of a lower one yet.
    DropLowestPriority,
    /// From half of the queue on, what comes is sampled, more and more strictly.
    Sample,
}

impl Overflow {
    /// Whether a full queue gives up items of its own instead of turning to the sender.
    pub const fn drops(self) -> bool {
        matches!(
            self,
            Self::DropNewest | Self::DropOldest | Self::DropLowestPriority | Self::Sample
        )
    }
}

/// The Collector's `sending_queue`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QueueConfig {
    /// What may wait, by `sizer`: a bound beside the lane's share of memory, not a reservation.
    /// `u64::MAX` where the queue is disabled: then senders wait, and memory alone bounds them.
    pub size: u64,
    pub sizer: Sizer,
    pub overflow: Overflow,
    /// `None`: what waits goes as it came.
    pub catch_up: Option<CatchUpConfig>,
    /// Senders are answered after delivery. Also true where the queue is disabled, unless every
    /// pipeline to it has a `batch` processor, which answers at once in the Collector too.
    pub wait_for_result: bool,
    /// Batches on their way at once. `u32::MAX` where the queue is disabled.
    pub num_consumers: u32,
}

/// How requests are put together.
///
/// Invariant: `min_size <= max_size`; `sizer` is not `Requests`.
///
/// What a pipeline's `batch` processors ask and what the exporter's `sending_queue.batch` asks
/// hold together: the largest minimum, the smallest maximum (which lowers the minimum where they
/// cross), the longest timeout, all metadata keys. A lane that several pipelines share has one
/// rule for all of them. Where sizers differ, the exporter's own section decides alone, and a
/// warning says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchConfig {
    /// Sent when its oldest part is this old, however little it holds. Never zero.
    pub flush_timeout: Duration,
    pub sizer: Sizer,
    /// Sent at once when it holds this much.
    pub min_size: u64,
    /// Never more than this, a single larger item apart. `u64::MAX`: no limit.
    pub max_size: u64,
    /// Requests with different values of these headers never stand in one batch. Lower case.
    pub metadata_keys: Vec<HeaderName>,
}

/// What is `auto`, and what it aims at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SizingConfig {
    /// Then `num_consumers` is the most there may be.
    pub consumers: bool,
    /// Then `size` is without limit.
    pub queue: bool,
    /// Then `flush_timeout` is where it starts.
    pub flush: bool,
    pub outage: Duration,
    /// In (0, 1).
    pub loss: f64,
    /// Never zero.
    pub latency: Duration,
}

/// How a backoff is spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Jitter {
    /// Around the interval, by `randomization_factor`.
    Around,
    /// Anything up to the interval.
    Full,
}

/// The Collector's `retry_on_failure`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryConfig {
    /// `false`: the first failure is final.
    pub enabled: bool,
    pub initial_interval: Duration,
    /// 0 to 1.
    pub randomization_factor: f64,
    pub jitter: Jitter,
    pub multiplier: f64,
    pub max_interval: Duration,
    /// How long after the first try the last may start. `None` (0 in the file): for ever.
    pub max_elapsed_time: Option<Duration>,
}
