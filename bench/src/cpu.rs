//! Processor time by thread, so that a forwarder can be told from the load beside it.

use std::fs;

/// Nanoseconds on a processor of all threads whose name starts with `prefix`, ended ones excluded.
///
/// Source: `/proc/PID/task/TID/schedstat`, first field: time spent on the cpu, in nanoseconds.
pub fn thread_nanos(prefix: &str) -> u64 {
    let Ok(tasks) = fs::read_dir("/proc/self/task") else {
        return 0;
    };
    let nanos = |task: fs::DirEntry| {
        let name = fs::read_to_string(task.path().join("comm")).ok()?;
        let schedstat = fs::read_to_string(task.path().join("schedstat")).ok()?;
        let time = schedstat.split(' ').next()?.parse::<u64>().ok()?;
        name.starts_with(prefix).then_some(time)
    };
    tasks.filter_map(Result::ok).filter_map(nanos).sum()
}

/// The most memory the process has had resident, in bytes.
pub fn resident_peak_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_works_is_seen_by_its_name() {
        let worker = std::thread::Builder::new().name("worker-cpu-test".into());
        let thread = worker.spawn(|| {
            let start = thread_nanos("worker-cpu-test");
            let mut sum = 0_u64;
            while thread_nanos("worker-cpu-test") < start + 1_000_000 {
                sum = sum.wrapping_add(1);
            }
            sum
        });
        assert!(thread.expect("a thread").join().expect("it ends") > 0);
        assert!(resident_peak_bytes() > 1 << 20);
    }
}
