//! The counter that is read for every span.

use std::time::Instant;

/// What is counted.
#[derive(Debug)]
pub(super) struct Counter {
    /// Cycles of the time stamp counter; otherwise nanoseconds of the monotonic clock.
    is_tsc: bool,
    base: Instant,
}

impl Counter {
    /// The fastest that can be trusted.
    pub(super) fn of_this_machine() -> Self {
        Self {
            is_tsc: tsc_is_trusted(),
            base: Instant::now(),
        }
    }

    #[inline]
    pub(super) fn ticks(&self) -> u64 {
        #[cfg(target_arch = "x86_64")]
        if self.is_tsc {
            // SAFETY: every x86_64 has this instruction. Measured: 22 ns where `clock_gettime` takes
            // 88 (a virtual machine on EPYC), twice in each span.
            return unsafe { core::arch::x86_64::_rdtsc() };
        }
        self.monotonic()
    }

    /// Nanoseconds of the monotonic clock since this was made.
    pub(super) fn monotonic(&self) -> u64 {
        self.base.elapsed().as_nanos() as u64
    }
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
const fn tsc_is_trusted() -> bool {
    false
}

/// What the processor promises, and whether the kernel still believes it: one that found the counters
/// of processors to differ no longer lists it.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
fn tsc_is_trusted() -> bool {
    const CLOCK_SOURCES: &str =
        "/sys/devices/system/clocksource/clocksource0/available_clocksource";
    let processors = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let sources = std::fs::read_to_string(CLOCK_SOURCES).unwrap_or_default();
    !cfg!(miri) && is_invariant(&processors) && has_word(&sources, "tsc")
}

/// Whether every processor of `/proc/cpuinfo` counts at one rate and in all sleep states.
#[cfg_attr(not(all(target_arch = "x86_64", target_os = "linux")), cfg(test))]
fn is_invariant(processors: &str) -> bool {
    let mut flags = processors
        .lines()
        .filter_map(|line| line.strip_prefix("flags"))
        .peekable();
    flags.peek().is_some()
        && flags.all(|flags| has_word(flags, "constant_tsc") && has_word(flags, "nonstop_tsc"))
}

#[cfg_attr(not(all(target_arch = "x86_64", target_os = "linux")), cfg(test))]
fn has_word(text: &str, word: &str) -> bool {
    text.split_ascii_whitespace().any(|found| found == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_processors_have_to_count_evenly() {
        let good = "processor\t: 0\nflags\t\t: fpu tsc constant_tsc nonstop_tsc\n";
        let other = "processor\t: 1\nflags\t\t: fpu tsc constant_tsc\n";
        assert!(is_invariant(good));
        assert!(!is_invariant(&[good, other].concat()));
        assert!(!is_invariant("") && !is_invariant("flags : not_constant_tsc nonstop_tsc"));
    }

    #[test]
    fn it_does_not_go_back() {
        let counter = Counter::of_this_machine();
        let ticks: Vec<_> = (0..100).map(|_| counter.ticks()).collect();
        assert!(ticks.is_sorted());
    }
}
