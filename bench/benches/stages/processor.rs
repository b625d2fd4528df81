//! Processor time as what criterion measures: the machine is shared, and wall time is also that of
//! whoever else runs on it.

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use std::time::Duration;
use tailrace_engine::runtime::process_cpu_time;

/// That of all threads of this process, in nanoseconds.
pub struct ProcessorTime;

impl ProcessorTime {
    fn so_far() -> Duration {
        process_cpu_time(std::process::id()).expect("this process runs")
    }
}

impl Measurement for ProcessorTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        Self::so_far()
    }

    fn end(&self, start: Duration) -> Duration {
        Self::so_far() - start
    }

    fn add(&self, one: &Duration, other: &Duration) -> Duration {
        *one + *other
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        value.as_nanos() as f64
    }

    /// Both are times, and written alike.
    fn formatter(&self) -> &dyn ValueFormatter {
        const { &WallTime }.formatter()
    }
}
