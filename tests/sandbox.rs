//! A process without io_uring, as a container's seccomp profile would have it.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// What the kernel says where io_uring is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Without {
    /// `EPERM`, as docker's profile.
    Permission,
    /// `ENOSYS`, as gVisor and kernels built without it.
    Support,
}

/// `io_uring_setup`, the same number on every architecture of this century.
const IO_URING_SETUP: u32 = 425;

/// Makes the command's process be refused its first call of io_uring.
pub fn forbid_io_uring(command: &mut Command, without: Without) {
    let errno = match without {
        Without::Permission => libc::EPERM,
        Without::Support => libc::ENOSYS,
    };
    // SAFETY: between fork and exec only `prctl` is called, which is async-signal-safe, on memory
    // of the closure's own.
    unsafe { command.pre_exec(move || install(errno)) };
}

fn install(errno: i32) -> io::Result<()> {
    let errno = u32::try_from(errno).unwrap_or_default();
    let instruction = |code: u32, jt, jf, k| libc::sock_filter {
        code: u16::try_from(code).unwrap_or_default(),
        jt,
        jf,
        k,
    };
    let filter = [
        // The system call's number stands first in `seccomp_data`.
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        instruction(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            0,
            1,
            IO_URING_SETUP,
        ),
        instruction(
            libc::BPF_RET | libc::BPF_K,
            0,
            0,
            libc::SECCOMP_RET_ERRNO | errno,
        ),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: 4,
        filter: filter.as_ptr().cast_mut(),
    };
    // SAFETY: takes integers only. Without it, setting a filter needs a privilege.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })?;
    // SAFETY: `program` and the filter it points to live until the call returns, which reads them.
    check(unsafe {
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &raw const program,
        )
    })
}

fn check(result: i32) -> io::Result<()> {
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
