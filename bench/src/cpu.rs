//! Processor time and memory of processes, as the kernel counts them.

use std::fs;
use std::process;

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

/// The same of a process and all that it has started, each with its threads.
pub fn tree_nanos(pid: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    let tasks = tasks.into_iter().flatten().filter_map(Result::ok);
    let children = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let of_children = |children: String| {
        let pids = children
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok());
        pids.map(tree_nanos).sum::<u64>()
    };
    process_nanos(pid, "") + children.map(of_children).sum::<u64>()
}

/// The most a process has had resident, in bytes.
pub fn resident_peak_bytes_of(pid: u32) -> u64 {
    status_bytes(&format!("/proc/{pid}/status"), "VmHWM:")
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
