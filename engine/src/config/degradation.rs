//! What an exporter gives up while more comes than goes.

use std::time::Duration;

/// `tailrace.degradation` and `tailrace.export_only_sampled`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DegradationConfig {
    /// `None`: nothing is given up but what finds no room.
    pub ladder: Option<LadderConfig>,
    pub only_sampled: OnlySampled,
}

/// `degradation`. Fills of the queue are shares in (0, 1]; `None` leaves a step out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LadderConfig {
    pub compress_harder: Option<f64>,
    pub defer_low: Option<f64>,
    pub sample_low: Option<f64>,
    pub sample_medium: Option<f64>,
    pub reject: Option<f64>,
    /// The shares that are kept, in (0, 1].
    pub low_ratio: f64,
    pub medium_ratio: f64,
    /// Never zero.
    pub hold: Duration,
}

/// Which spans are exported, by whether upstream sampled them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnlySampled {
    /// All.
    Off,
    /// Those whose flags do not say that they are not.
    Marked,
    /// Those with the sampled flag, and those without any flags.
    Strict,
}
