//! A program under test: a process of its own on its own processor, seen from outside.

use crate::cpu;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
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
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
