//! Processor time and memory of processes, as the kernel counts them.

use std::fs;
use std::process;
use std::time::Duration;
use tailrace_engine::runtime::process_cpu_time;

/// Nanoseconds on a processor of all threads of this process whose name starts with `prefix`.
pub fn thread_nanos(prefix: &str) -> u64 {
    process_nanos(process::id(), prefix)
}

/// Nanoseconds on a processor, user and system, of the threads of a process whose name starts with
/// `prefix`, ended ones excluded.
///
/// Source: `/proc/PID/task/TID/schedstat`, first field: time spent on the cpu, in nanoseconds.
pub fn process_nanos(pid: u32, prefix: &str) -> u64 {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
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

/// Nanoseconds on a processor, user and system, of a process and all that it has started: of their
/// threads, ended ones included, but not of processes that have ended.
pub fn tree_nanos(pid: u32) -> u64 {
    let times = tree(pid).into_iter().map(process_cpu_time);
    let total: Duration = times.filter_map(Result::ok).sum();
    u64::try_from(total.as_nanos()).unwrap_or(u64::MAX)
}

/// The most that a process and all that it has started have had resident, each at its own moment,
/// in bytes.
pub fn tree_peak_bytes(pid: u32) -> u64 {
    let peak = |pid: u32| status_bytes(&format!("/proc/{pid}/status"), "VmHWM:");
    tree(pid).into_iter().map(peak).sum()
}

/// A process and all that it has started, itself first.
pub fn tree(pid: u32) -> Vec<u32> {
    let mut tree = vec![pid];
    let mut next = 0;
    while let Some(parent) = tree.get(next) {
        let tasks = fs::read_dir(format!("/proc/{parent}/task"));
        for task in tasks.into_iter().flatten().filter_map(Result::ok) {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            let pids = children.split_whitespace();
            tree.extend(pids.filter_map(|pid| pid.parse::<u32>().ok()));
        }
        next += 1;
    }
    tree
}

/// What a process has resident now, in bytes.
pub fn resident_bytes(pid: u32) -> u64 {
    status_bytes(&format!("/proc/{pid}/status"), "VmRSS:")
}

/// The most memory this process has had resident, in bytes.
pub fn resident_peak_bytes() -> u64 {
    status_bytes("/proc/self/status", "VmHWM:")
}

fn status_bytes(path: &str, key: &str) -> u64 {
    let status = fs::read_to_string(path).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(key));
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
        assert!(resident_bytes(process::id()) > 1 << 20);
    }
}
