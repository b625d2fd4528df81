//! Which executor to run, and why io_uring cannot be had where it cannot.

use super::RuntimeKind;
use std::fmt;
use std::io;

/// What the user asked for: `--runtime`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Requested {
    /// io_uring where it works, else epoll.
    #[default]
    Auto,
    Only(RuntimeKind),
}

/// Why io_uring cannot be used here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocked {
    /// EPERM: a seccomp profile, or `kernel.io_uring_disabled`.
    Forbidden { sysctl: u8 },
    /// ENOSYS: the kernel has none.
    Missing,
    /// ENOMEM, or a limit below what the rings of one executor need.
    LockedMemory { limit_bytes: u64 },
    /// The kernel's io_uring lacks an operation that is needed (kernel before 5.8).
    Old,
    /// Anything else, by its number.
    Failed { os_error: i32 },
}

/// What glommio's three rings want to lock, with room for their growth.
const LOCKED_BYTES_MIN: u64 = 512 << 10;

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("io_uring is not available: ")?;
        match self {
            Self::Forbidden { sysctl: 0 } => f.write_str(
                "the container's seccomp profile forbids it; allow io_uring_setup, \
                 io_uring_enter and io_uring_register (docker run --security-opt \
                 seccomp=PROFILE.json, in Kubernetes a Localhost seccompProfile)",
            ),
            Self::Forbidden { sysctl } => write!(
                f,
                "kernel.io_uring_disabled is {sysctl}; allow it with \
                 sysctl -w kernel.io_uring_disabled=0",
            ),
            Self::Missing => f.write_str("this kernel has none; it needs Linux 5.8 or later"),
            Self::LockedMemory { limit_bytes } => write!(
                f,
                "at most {limit_bytes} bytes may be locked; raise the limit to {LOCKED_BYTES_MIN} \
                 a shard (ulimit -l, LimitMEMLOCK= in systemd, docker run --ulimit memlock=-1)",
            ),
            Self::Old => f.write_str("this kernel's is too old; it needs Linux 5.8 or later"),
            Self::Failed { os_error } => write!(f, "{}", io::Error::from_raw_os_error(*os_error)),
        }
    }
}

impl std::error::Error for Blocked {}

/// Asks the kernel for a ring and gives it back. glommio would panic where this says no.
pub fn probe() -> Result<(), Blocked> {
    let limit_bytes = locked_limit();
    if limit_bytes < LOCKED_BYTES_MIN {
        return Err(Blocked::LockedMemory { limit_bytes });
    }
    let ring = io_uring::IoUring::new(8).map_err(|error| blocked_by(&error))?;
    let mut probe = io_uring::Probe::new();
    ring.submitter()
        .register_probe(&mut probe)
        .map_err(|_| Blocked::Old)?;
    use io_uring::opcode::{Accept, AsyncCancel, Connect, PollAdd, Read, Timeout, Write};
    let needed = [
        PollAdd::CODE,
        Accept::CODE,
        Connect::CODE,
        Read::CODE,
        Write::CODE,
        Timeout::CODE,
        AsyncCancel::CODE,
    ];
    if needed.into_iter().all(|code| probe.is_supported(code)) {
        Ok(())
    } else {
        Err(Blocked::Old)
    }
}

/// Decides from what was asked for and what the probe found. The second value is to be reported:
/// io_uring was wanted and could not be had.
pub fn choose(
    requested: Requested,
    probed: Result<(), Blocked>,
) -> Result<(RuntimeKind, Option<Blocked>), Blocked> {
    match (requested, probed) {
        (Requested::Only(RuntimeKind::Epoll), _) => Ok((RuntimeKind::Epoll, None)),
        (_, Ok(())) => Ok((RuntimeKind::Uring, None)),
        (Requested::Auto, Err(blocked)) => Ok((RuntimeKind::Epoll, Some(blocked))),
        (Requested::Only(RuntimeKind::Uring), Err(blocked)) => Err(blocked),
    }
}

fn blocked_by(error: &io::Error) -> Blocked {
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => Blocked::Forbidden { sysctl: sysctl() },
        Some(libc::ENOSYS) => Blocked::Missing,
        Some(libc::ENOMEM) => Blocked::LockedMemory {
            limit_bytes: locked_limit(),
        },
        Some(os_error) => Blocked::Failed { os_error },
        None => Blocked::Failed { os_error: 0 },
    }
}

fn sysctl() -> u8 {
    let text = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled");
    text.ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(0)
}

fn locked_limit() -> u64 {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is a valid rlimit to write to.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &raw mut limit) };
    if result == 0 {
        limit.rlim_cur
    } else {
        u64::MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_falls_back_and_says_why_but_uring_by_name_does_not() {
        let blocked = Blocked::Forbidden { sysctl: 2 };
        let uring = Requested::Only(RuntimeKind::Uring);
        let epoll = Requested::Only(RuntimeKind::Epoll);
        assert_eq!(
            choose(Requested::Auto, Ok(())),
            Ok((RuntimeKind::Uring, None))
        );
        assert_eq!(
            choose(Requested::Auto, Err(blocked)),
            Ok((RuntimeKind::Epoll, Some(blocked)))
        );
        assert_eq!(choose(uring, Err(blocked)), Err(blocked));
        assert_eq!(choose(epoll, Err(blocked)), Ok((RuntimeKind::Epoll, None)));
    }

    #[test]
    fn each_cause_names_its_remedy_in_one_line() {
        let causes = [
            (Blocked::Forbidden { sysctl: 0 }, "seccomp"),
            (Blocked::Forbidden { sysctl: 2 }, "sysctl -w"),
            (Blocked::Missing, "5.8"),
            (Blocked::LockedMemory { limit_bytes: 65536 }, "ulimit -l"),
            (Blocked::Old, "5.8"),
        ];
        for (cause, remedy) in causes {
            let text = cause.to_string();
            assert!(text.contains(remedy) && !text.contains('\n'), "{text}");
        }
    }
}
