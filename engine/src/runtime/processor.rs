//! The calling thread and the processor it runs on.

use std::io;
use std::time::Duration;

/// Lets this thread, and those that it starts, run on one processor alone.
///
/// Errors: there is no such processor, or this process may not use it.
pub fn bind_to_processor(cpu: usize) -> io::Result<()> {
    bind_to_processors(&[cpu])
}

/// Lets this thread, and those that it starts, run on these processors alone.
///
/// Errors: none of them is there for this process.
pub fn bind_to_processors(cpus: &[usize]) -> io::Result<()> {
    // SAFETY: an all-zero `cpu_set_t` is the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    for &cpu in cpus {
        if cpu >= 8 * size_of::<libc::cpu_set_t>() {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        // SAFETY: `cpu` was checked to lie within the set.
        unsafe { libc::CPU_SET(cpu, &mut set) };
    }
    // SAFETY: 0 names the calling thread; `set` is valid for its own size and only read.
    match unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Lets this thread, and those that it starts, run only where no other wants to: one that wakes takes
/// its processor at once. A process without privileges cannot take this back.
///
/// Errors: the process may not, where system calls are filtered.
pub fn give_way() -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: 0 names the calling thread; `parameters` is only read.
    match unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const parameters) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The processor time that this thread has used.
pub fn thread_cpu_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the clock exists on Linux, and `time` is a valid timespec to write to.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    duration(&time)
}

/// The processor time of a process, of all its threads and of those that it had.
///
/// Errors: there is no such process, or another user's is hidden.
pub fn process_cpu_time(pid: u32) -> io::Result<Duration> {
    // A clock's number has 29 bits for that of the process: more would be another one's.
    let pid = libc::pid_t::try_from(pid).map_err(|_| io::ErrorKind::InvalidInput)?;
    if !(1..=PID_MAX).contains(&pid) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut clock = 0;
    // SAFETY: `clock` is a valid clockid_t to write to.
    match unsafe { libc::clock_getcpuclockid(pid, &raw mut clock) } {
        0 => {}
        error => return Err(io::Error::from_raw_os_error(error)),
    }
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid timespec to write to; a clock that has gone is an error.
    match unsafe { libc::clock_gettime(clock, &raw mut time) } {
        0 => Ok(duration(&time)),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The largest that Linux gives, `PID_MAX_LIMIT`. Source: proc_sys_kernel(5), `pid_max`.
const PID_MAX: libc::pid_t = 1 << 22;

fn duration(time: &libc::timespec) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The time that this thread has had something to do: that it ran, or was ready to run and waited
/// for a processor that others had. Only the first where the kernel does not account for the second.
///
/// Cost: a read of a file of the kernel, some 10 us. Source: proc_pid_schedstat(5).
pub fn thread_busy_time() -> Duration {
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let waited = schedstat.split_ascii_whitespace().nth(1);
    let waited = waited.and_then(|nanos| nanos.parse().ok());
    thread_cpu_time() + Duration::from_nanos(waited.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_had_the_time_of_threads_that_have_ended() {
        let this = std::process::id();
        let before = process_cpu_time(this).expect("this process");
        let work = Duration::from_millis(5);
        let worker = std::thread::spawn(move || while thread_cpu_time() < work {});
        worker.join().expect("it ends");
        assert!(process_cpu_time(this).expect("this process") >= before + work);
    }

    #[test]
    fn a_process_that_is_not_has_no_time() {
        for pid in [0, 1 << 22, 1 << 30, u32::MAX] {
            assert!(process_cpu_time(pid).is_err(), "{pid}");
        }
    }
}
