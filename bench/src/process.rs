//! A program under test: a process of its own on its own processor, seen from outside.

use crate::cpu;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use tailrace_engine::runtime::bind_to_processor;

/// A running program with a directory of its own. Dropped, it is killed and the directory removed.
#[derive(Debug)]
pub struct Process {
    child: Child,
    directory: Directory,
}

/// A directory of this process, removed with the value.
#[derive(Debug)]
pub struct Directory(PathBuf);

impl Directory {
    pub fn create() -> io::Result<Self> {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tailrace-measure-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What is left behind is among the temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Process {
    /// Starts a command, bound to a processor if one is named.
    pub fn start(
        mut command: Command,
        core: Option<usize>,
        directory: Directory,
    ) -> io::Result<Self> {
        // A child has the processors of the thread that makes it.
        let spawn = thread::spawn(move || {
            if let Some(core) = core {
                bind_to_processor(core)?;
            }
            command.spawn()
        });
        let child = spawn
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("a thread panicked")))?;
        Ok(Self { child, directory })
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Nanoseconds of processor time of the process and what it has started, user and system, up to
    /// now.
    pub fn cpu_nanos(&self) -> u64 {
        cpu::tree_nanos(self.child.id())
    }

    /// The most memory that these have had resident, in bytes.
    pub fn peak_bytes(&self) -> u64 {
        cpu::tree_peak_bytes(self.child.id())
    }

    fn tree(&self) -> Vec<u32> {
        cpu::tree(self.child.id())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // What it has started would live on, and on the processor of the next. They are in no
        // group of their own, so that an interrupt from the terminal ends them with this process.
        let pids: Vec<String> = self.tree().iter().map(u32::to_string).collect();
        let kill = format!("kill -KILL {}", pids.join(" "));
        // Each fails only where they have ended already.
        let _ = Command::new("sh")
            .args(["-c", &kill])
            .stderr(Stdio::null())
            .status();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_starts_is_counted_and_ends_with_it() {
        let mut command = Command::new("sh");
        command.args(["-c", "sh -c 'while :; do :; done' & wait"]);
        let directory = Directory::create().expect("a directory");
        let process = Process::start(command, None, directory).expect("a shell");
        while process.tree().len() < 2 || process.cpu_nanos() < 20_000_000 {
            thread::yield_now();
        }
        assert!(process.peak_bytes() > 0);
        let child = process.tree()[1];
        drop(process);
        let runs = || {
            let stat = std::fs::read_to_string(format!("/proc/{child}/stat"));
            stat.is_ok_and(|stat| !stat.contains(") Z"))
        };
        // Killed, it is gone once the kernel has got round to it.
        while runs() {
            thread::yield_now();
        }
    }
}
