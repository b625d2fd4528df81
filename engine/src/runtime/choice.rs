//! Whether io_uring works here, asked of the kernel before glommio would panic over it.

use super::RuntimeKind;
use io_uring::{IoUring, Probe, opcode};
use std::fmt;

/// What the user asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Requested {
    /// io_uring where it works, epoll elsewhere.
    #[default]
    Auto,
    Only(RuntimeKind),
}

/// Why io_uring cannot be used. `Display` is one line: the cause, then what allows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocked {
    /// `kernel.io_uring_disabled` is 1 (needs CAP_SYS_ADMIN or `kernel.io_uring_group`) or 2.
    Sysctl { value: u8 },
    /// EPERM or EACCES although the sysctl allows it: a seccomp profile, as containers have.
    Seccomp,
    /// ENOSYS: no io_uring in this kernel, or a sandbox that hides it.
    NotImplemented,
    /// RLIMIT_MEMLOCK is too small for the rings, or the kernel could not lock their memory.
    LockedMemory { limit_bytes: u64 },
    /// The kernel is too old for an operation that the executor needs.
    MissingOperation { name: &'static str },
    /// Any other refusal of the kernel.
    Refused { os_error: i32 },
}

/// glommio refuses to start below this, whatever the rings really take.
const LOCKED_MEMORY_MIN_BYTES: u64 = 512 << 10;

/// Asks the kernel for rings like those of the executor and for the operations it uses.
///
/// Cost: two rings of eight entries set up and torn down, well under a millisecond.
pub fn probe() -> Result<(), Blocked> {
    let limit_bytes = locked_memory_limit();
    if limit_bytes < LOCKED_MEMORY_MIN_BYTES {
        return Err(Blocked::LockedMemory { limit_bytes });
    }
    let blocked =
        |error: std::io::Error| diagnose(error.raw_os_error().unwrap_or(0), sysctl(), limit_bytes);
    let ring = IoUring::new(8).map_err(blocked)?;
    let mut polled = IoUring::<io_uring::squeue::Entry>::builder();
    polled.setup_iopoll().build(8).map_err(blocked)?;
    let mut supported = Probe::new();
    ring.submitter()
        .register_probe(&mut supported)
        .map_err(blocked)?;
    match OPERATIONS
        .iter()
        .find(|(_, code)| !supported.is_supported(*code))
    {
        Some((name, _)) => Err(Blocked::MissingOperation { name }),
        None => Ok(()),
    }
}

/// Decides on the executor, given what [`probe`] found.
///
/// `Ok` carries what stands in io_uring's way where `Auto` fell back, so that it can be said.
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

/// The operations glommio asserts at its start; a missing one ends the process there.
const OPERATIONS: &[(&str, u8)] = &[
    ("NOP", opcode::Nop::CODE),
    ("READV", opcode::Readv::CODE),
    ("WRITEV", opcode::Writev::CODE),
    ("FSYNC", opcode::Fsync::CODE),
    ("READ_FIXED", opcode::ReadFixed::CODE),
    ("WRITE_FIXED", opcode::WriteFixed::CODE),
    ("POLL_ADD", opcode::PollAdd::CODE),
    ("POLL_REMOVE", opcode::PollRemove::CODE),
    ("SENDMSG", opcode::SendMsg::CODE),
    ("RECVMSG", opcode::RecvMsg::CODE),
    ("TIMEOUT", opcode::Timeout::CODE),
    ("TIMEOUT_REMOVE", opcode::TimeoutRemove::CODE),
    ("ACCEPT", opcode::Accept::CODE),
    ("LINK_TIMEOUT", opcode::LinkTimeout::CODE),
    ("CONNECT", opcode::Connect::CODE),
    ("FALLOCATE", opcode::Fallocate::CODE),
    ("OPENAT", opcode::OpenAt::CODE),
    ("CLOSE", opcode::Close::CODE),
    ("STATX", opcode::Statx::CODE),
    ("READ", opcode::Read::CODE),
    ("WRITE", opcode::Write::CODE),
    ("SEND", opcode::Send::CODE),
    ("RECV", opcode::Recv::CODE),
];

fn diagnose(os_error: i32, sysctl: Option<u8>, limit_bytes: u64) -> Blocked {
    match os_error {
        libc::EPERM | libc::EACCES => match sysctl {
            Some(value @ 1..) => Blocked::Sysctl { value },
            _ => Blocked::Seccomp,
        },
        libc::ENOSYS => Blocked::NotImplemented,
        libc::ENOMEM => Blocked::LockedMemory { limit_bytes },
        os_error => Blocked::Refused { os_error },
    }
}

/// `kernel.io_uring_disabled`, where the kernel (6.6 and later) has it.
fn sysctl() -> Option<u8> {
    std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled")
        .ok()?
        .trim()
        .parse()
        .ok()
}

fn locked_memory_limit() -> u64 {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is a valid `rlimit` that outlives the call, which only writes to it.
    match unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &raw mut limit) } {
        0 => limit.rlim_cur,
        // Unknown: let the rings themselves tell.
        _ => u64::MAX,
    }
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sysctl { value } => write!(
                f,
                "io_uring is disabled by kernel.io_uring_disabled={value}: \
                 allow it with `sysctl kernel.io_uring_disabled=0`"
            ),
            Self::Seccomp => f.write_str(
                "io_uring is blocked by a seccomp profile, as in most containers: allow \
                 io_uring_setup, io_uring_enter and io_uring_register with docker's \
                 `--security-opt seccomp=PROFILE.json` or Kubernetes' \
                 `seccompProfile: {type: Localhost}`",
            ),
            Self::NotImplemented => f.write_str(
                "this kernel or sandbox has no io_uring: Linux 5.8 or later with CONFIG_IO_URING is needed",
            ),
            Self::LockedMemory { limit_bytes } => write!(
                f,
                "io_uring cannot lock its memory (RLIMIT_MEMLOCK is {limit_bytes} bytes, at least \
                 {LOCKED_MEMORY_MIN_BYTES} are needed): raise it with `ulimit -l unlimited`, \
                 systemd's `LimitMEMLOCK=` or docker's `--ulimit memlock=-1`"
            ),
            Self::MissingOperation { name } => write!(
                f,
                "this kernel's io_uring lacks the operation {name}: Linux 5.8 or later is needed"
            ),
            Self::Refused { os_error } => write!(
                f,
                "io_uring cannot be set up ({}): use the epoll runtime",
                std::io::Error::from_raw_os_error(*os_error)
            ),
        }
    }
}

impl std::error::Error for Blocked {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_falls_back_and_says_why_but_uring_by_name_fails() {
        let blocked = Blocked::Seccomp;
        let uring = Requested::Only(RuntimeKind::Uring);
        let epoll = Requested::Only(RuntimeKind::Epoll);
        assert_eq!(
            choose(Requested::Auto, Ok(())),
            Ok((RuntimeKind::Uring, None))
        );
        assert_eq!(choose(uring, Ok(())), Ok((RuntimeKind::Uring, None)));
        assert_eq!(choose(epoll, Ok(())), Ok((RuntimeKind::Epoll, None)));
        assert_eq!(
            choose(Requested::Auto, Err(blocked)),
            Ok((RuntimeKind::Epoll, Some(blocked)))
        );
        assert_eq!(choose(uring, Err(blocked)), Err(blocked));
        assert_eq!(choose(epoll, Err(blocked)), Ok((RuntimeKind::Epoll, None)));
    }

    #[test]
    fn each_refusal_has_its_cause_and_a_remedy_on_one_line() {
        let cases = [
            (
                libc::EPERM,
                Some(2),
                Blocked::Sysctl { value: 2 },
                "sysctl kernel.io_uring_disabled=0",
            ),
            (
                libc::EPERM,
                Some(0),
                Blocked::Seccomp,
                "--security-opt seccomp=",
            ),
            (libc::EPERM, None, Blocked::Seccomp, "Localhost"),
            (libc::ENOSYS, None, Blocked::NotImplemented, "Linux 5.8"),
            (
                libc::ENOMEM,
                None,
                Blocked::LockedMemory { limit_bytes: 7 },
                "ulimit -l",
            ),
            (
                libc::EMFILE,
                None,
                Blocked::Refused {
                    os_error: libc::EMFILE,
                },
                "epoll",
            ),
        ];
        for (os_error, sysctl, expected, remedy) in cases {
            let blocked = diagnose(os_error, sysctl, 7);
            assert_eq!(blocked, expected);
            let line = blocked.to_string();
            assert!(line.contains(remedy) && !line.contains('\n'), "{line}");
        }
    }
}
