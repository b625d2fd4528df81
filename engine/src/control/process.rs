//! What the process as a whole uses, as the kernel counts it.

use crate::runtime::now;
use crate::telemetry::Process;

/// Uptime since the engine first asked for the time; processor time and memory of the process.
pub(super) fn usage() -> Process {
    Process {
        uptime_seconds: now().0 as f64 / 1e9,
        cpu_seconds: cpu_seconds(),
        memory_rss_bytes: resident_bytes(),
    }
}

fn cpu_seconds() -> f64 {
    // SAFETY: an all-zero rusage is valid, and getrusage only writes to it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

/// The second field of `/proc/self/statm`, in pages.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok())
        .unwrap_or(0);
    // SAFETY: sysconf has no preconditions.
    let page = u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096);
    pages * page
}
