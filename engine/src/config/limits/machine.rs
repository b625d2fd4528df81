//! What memory there is: the container's, where it is in one, else the machine's.

use crate::units::ByteCount;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// How much memory the process can have at all, and who says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine {
    pub memory: ByteCount,
    pub source: MemorySource,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemorySource {
    CgroupV2,
    CgroupV1,
    Host,
    /// Nothing could be read.
    Assumed,
}

impl fmt::Display for MemorySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CgroupV2 => "the cgroup (v2)",
            Self::CgroupV1 => "the cgroup (v1)",
            Self::Host => "the machine",
            Self::Assumed => "an assumed machine",
        })
    }
}

impl Machine {
    /// Reads `/proc` and `/sys/fs/cgroup`. Source: cgroups(7), proc_meminfo(5).
    pub fn detect() -> Self {
        Self::read(Path::new("/"))
    }

    /// As [`Machine::detect`], with another root, for tests.
    fn read(root: &Path) -> Self {
        let host = meminfo(&text(&root.join("proc/meminfo")));
        let memberships = text(&root.join("proc/self/cgroup"));
        let (limit, source) = match cgroup_v2(root, &memberships) {
            Some(limit) => (Some(limit), MemorySource::CgroupV2),
            None => (cgroup_v1(root, &memberships), MemorySource::CgroupV1),
        };
        match (limit, host) {
            // Without a limit, cgroup v1 says a number near 2^63.
            (Some(limit), Some(host)) if limit >= host => Self::host(host),
            (Some(limit), _) => Self {
                memory: ByteCount(limit),
                source,
            },
            (None, Some(host)) => Self::host(host),
            (None, None) => Self {
                memory: ByteCount::mib(1024),
                source: MemorySource::Assumed,
            },
        }
    }

    const fn host(bytes: u64) -> Self {
        Self {
            memory: ByteCount(bytes),
            source: MemorySource::Host,
        }
    }
}

/// The smallest `memory.max` of the group and all above it.
fn cgroup_v2(root: &Path, memberships: &str) -> Option<u64> {
    let own = memberships
        .lines()
        .find_map(|line| line.strip_prefix("0::"))?;
    let mount = root.join("sys/fs/cgroup");
    smallest(&mount, own, "memory.max")
}

fn cgroup_v1(root: &Path, memberships: &str) -> Option<u64> {
    let own = memberships.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let controllers = parts.next()?;
        let path = parts.next()?;
        controllers
            .split(',')
            .any(|name| name == "memory")
            .then_some(path)
    })?;
    let mount = root.join("sys/fs/cgroup/memory");
    smallest(&mount, own, "memory.limit_in_bytes")
}

/// A limit above binds too. Inside a container the path may not exist below the mount, which is
/// then the container's own group.
fn smallest(mount: &Path, own: &str, file: &str) -> Option<u64> {
    let mut group: PathBuf = own.trim_start_matches('/').into();
    let mut least = None;
    loop {
        let limit = text(&mount.join(&group).join(file))
            .trim()
            .parse::<u64>()
            .ok();
        least = match (least, limit) {
            (Some(a), Some(b)) => Some(u64::min(a, b)),
            (a, b) => a.or(b),
        };
        if !group.pop() {
            return least;
        }
    }
}

fn meminfo(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    kib.checked_mul(1024)
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A root with these files, in a directory of its own.
    fn machine(name: &str, files: &[(&str, &str)]) -> Machine {
        let root =
            std::env::temp_dir().join(format!("tailrace-machine-{name}-{}", std::process::id()));
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            fs::write(path, text).expect("a file");
        }
        let machine = Machine::read(&root);
        fs::remove_dir_all(&root).expect("removed");
        machine
    }

    const MEMINFO: (&str, &str) = (
        "proc/meminfo",
        "MemTotal:        4194304 kB\nMemFree: 1 kB\n",
    );

    #[test]
    fn the_smallest_limit_above_binds() {
        let found = machine(
            "v2",
            &[
                MEMINFO,
                ("proc/self/cgroup", "0::/a/b\n"),
                ("sys/fs/cgroup/a/memory.max", "1073741824\n"),
                ("sys/fs/cgroup/a/b/memory.max", "max\n"),
            ],
        );
        assert_eq!(
            found,
            Machine {
                memory: ByteCount::mib(1024),
                source: MemorySource::CgroupV2
            }
        );
    }

    #[test]
    fn version_one() {
        let found = machine(
            "v1",
            &[
                MEMINFO,
                ("proc/self/cgroup", "3:cpu,cpuacct:/x\n2:memory:/x\n"),
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n"),
            ],
        );
        assert_eq!(
            found,
            Machine {
                memory: ByteCount::mib(512),
                source: MemorySource::CgroupV1
            }
        );
    }

    #[test]
    fn no_limit_leaves_the_machine() {
        let found = machine(
            "none",
            &[
                MEMINFO,
                ("proc/self/cgroup", "2:memory:/x\n"),
                (
                    "sys/fs/cgroup/memory/x/memory.limit_in_bytes",
                    "9223372036854771712\n",
                ),
            ],
        );
        assert_eq!(
            found,
            Machine {
                memory: ByteCount::mib(4096),
                source: MemorySource::Host
            }
        );
        assert_eq!(
            machine("nothing", &[("x", "")]).source,
            MemorySource::Assumed
        );
    }
}
