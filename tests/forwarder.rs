//! The forwarder as a process: started with a configuration, found by its ready file, asked over
//! its own HTTP endpoints, ended by a signal.

mod config;

pub use config::Config;
pub use libc::SIGINT;

use crate::wait;
use serde_json::Value;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Which executor the forwarder runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runtime {
    Uring,
    Epoll,
}

impl Runtime {
    /// The value of `--runtime`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uring => "uring",
            Self::Epoll => "epoll",
        }
    }

    /// Whether this machine lets it run; where not, says so.
    ///
    /// Asks the kernel itself, so that a forwarder that wrongly refuses io_uring fails the test.
    pub fn is_available(self) -> bool {
        if self == Self::Epoll || io_uring::IoUring::new(8).is_ok() {
            return true;
        }
        wait::skip("io_uring (blocked by the kernel or a seccomp profile)");
        false
    }
}

/// Runs each named function of the enclosing module as a test on both executors.
#[macro_export]
macro_rules! on_each_runtime {
    ($($name:ident),+ $(,)?) => {
        mod uring {
            $(#[test]
            fn $name() {
                if $crate::Runtime::Uring.is_available() {
                    super::$name($crate::Runtime::Uring);
                }
            })+
        }
        mod epoll {
            $(#[test]
            fn $name() {
                super::$name($crate::Runtime::Epoll);
            })+
        }
    };
}

/// A running forwarder, killed when dropped.
#[derive(Debug)]
pub struct Forwarder {
    child: Child,
    folder: Folder,
    /// `{"listening": [{"component", "protocol", "address"}]}`, as the ready file has it.
    ready: Value,
}

impl Forwarder {
    /// Starts `binary` with two shards and waits until it is ready.
    ///
    /// Panics with what it logged if it ends before.
    pub fn start(binary: &str, runtime: Runtime, config: &Config) -> Self {
        Self::start_with(binary, runtime, config, &["--shards", "2"])
    }

    /// Starts `binary` with `args` besides the configuration, the runtime and the ready file.
    pub fn start_with(binary: &str, runtime: Runtime, config: &Config, args: &[&str]) -> Self {
        let mut command = Command::new(binary);
        command
            .args(["run", "--runtime", runtime.name()])
            .args(args);
        Self::spawn(command, config)
    }

    /// Starts `command`, which may be confined, with the configuration and the ready file.
    pub fn spawn(mut command: Command, config: &Config) -> Self {
        let folder = Folder::create();
        let config_file = folder.write("config.yaml", &config.to_yaml());
        let ready_file = folder.path("ready.json");
        let log = File::create(folder.path("log")).expect("a file in a folder of our own");
        let mut child = command
            .arg("--config")
            .arg(&config_file)
            .arg("--ready-file")
            .arg(&ready_file)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a duplicated descriptor"))
            .stderr(log)
            .spawn()
            .expect("the binary starts");
        let ready = wait::until("the forwarder to be ready", || {
            if let Some(status) = child.try_wait().expect("a child of ours") {
                panic!("the forwarder ended with {status}:\n{}", folder.read("log"));
            }
            let text = std::fs::read_to_string(&ready_file).ok()?;
            // Half-written is not ready.
            serde_json::from_str(&text).ok()
        });
        Self {
            child,
            folder,
            ready,
        }
    }

    /// Where the `otlp` receiver takes gRPC.
    pub fn grpc(&self) -> SocketAddr {
        self.address("otlp", "grpc")
    }

    /// Where the `otlp` receiver takes HTTP.
    pub fn http(&self) -> SocketAddr {
        self.address("otlp", "http")
    }

    /// Where `component` listens for `protocol`, from the ready file.
    pub fn address(&self, component: &str, protocol: &str) -> SocketAddr {
        let listeners = self.ready["listening"].as_array();
        let listener = listeners.into_iter().flatten().find(|listener| {
            listener["component"] == component && listener["protocol"] == protocol
        });
        listener
            .and_then(|listener| listener["address"].as_str()?.parse().ok())
            .unwrap_or_else(|| panic!("{component} has no {protocol} address in {}", self.ready))
    }

    /// Status and body of `GET path` on the health check's port.
    pub fn health(&self) -> Option<(u16, String)> {
        get(self.address("health_check", "http"), "/")
    }

    /// The text that Prometheus would fetch.
    pub fn metrics(&self) -> String {
        let (status, body) =
            get(self.address("metrics", "http"), "/metrics").expect("the metrics endpoint answers");
        assert_eq!(status, 200, "{body}");
        body
    }

    /// The sum of all series of `name` whose labels contain every one of `labels`, each written
    /// `key="value"`; `None` where there is no such series.
    pub fn metric(&self, name: &str, labels: &[&str]) -> Option<f64> {
        let text = self.metrics();
        let mut sum = None;
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (series, value) = line.rsplit_once(' ').unwrap_or((line, ""));
            let (of, with) = series.split_once('{').unwrap_or((series, ""));
            if of == name && labels.iter().all(|label| with.contains(label)) {
                let value: f64 = value.parse().expect("a number ends each series");
                *sum.get_or_insert(0.0) += value;
            }
        }
        sum
    }

    /// Waits until [`Self::metric`] is `value`.
    pub fn wait_for_metric(&self, name: &str, labels: &[&str], value: f64) {
        wait::until_true(&format!("{name}{labels:?} to be {value}"), || {
            self.metric(name, labels) == Some(value)
        });
    }

    /// Checks the engine's own account once it is idle: nothing waits and nothing is missing.
    pub fn assert_accounted(&self) {
        self.wait_for_metric("otelcol_exporter_unaccounted_items", &[], 0.0);
    }

    /// Resident memory in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let path = format!("/proc/{}/statm", self.child.id());
        let statm = std::fs::read_to_string(path).expect("the process is alive");
        let pages: u64 = statm
            .split(' ')
            .nth(1)
            .and_then(|pages| pages.parse().ok())
            .expect("statm has the resident pages second");
        pages * 4096
    }

    /// Everything it has logged so far.
    pub fn log(&self) -> String {
        self.folder.read("log")
    }

    /// Sends a signal by number.
    pub fn signal(&self, number: i32) {
        signal(&self.child, number);
    }

    /// Asks it to end and returns at once.
    pub fn terminate(&self) {
        self.signal(libc::SIGTERM);
    }

    /// What a terminal sends when it closes, and what reloads other programs.
    pub fn hang_up(&self) {
        self.signal(libc::SIGHUP);
    }

    /// The names of its threads, sorted.
    pub fn threads(&self) -> Vec<String> {
        let folder = format!("/proc/{}/task", self.child.id());
        let threads = std::fs::read_dir(folder).expect("the process is alive");
        let name = |thread: std::io::Result<std::fs::DirEntry>| {
            // A thread may end between the listing and the reading.
            let name = std::fs::read_to_string(thread.ok()?.path().join("comm")).ok()?;
            Some(name.trim_end().to_owned())
        };
        let mut names: Vec<_> = threads.filter_map(name).collect();
        names.sort();
        names
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child of ours").is_none()
    }

    /// Waits until it has ended.
    pub fn wait(&mut self) -> ExitStatus {
        wait::until("the forwarder to end", || {
            self.child.try_wait().expect("a child of ours")
        })
    }

    /// Ends it with SIGTERM and checks that it drained and went without a fault.
    pub fn stop(mut self) -> String {
        self.terminate();
        let status = self.wait();
        let log = self.log();
        assert!(
            status.success(),
            "the forwarder ended with {status}:\n{log}"
        );
        assert!(!log.contains("panicked"), "{log}");
        log
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<_> = log.lines().rev().take(40).collect();
            let tail: Vec<_> = tail.into_iter().rev().collect();
            eprintln!("the forwarder's log ends with:\n{}", tail.join("\n"));
        }
        // Fails only where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a child that has not been waited for.
pub fn signal(child: &Child, number: i32) {
    let pid = i32::try_from(child.id()).expect("a process id");
    // SAFETY: `kill` takes two integers and touches no memory of ours; the child has not been
    // waited for, so the id is still its own.
    let sent = unsafe { libc::kill(pid, number) };
    assert_eq!(sent, 0, "the process is there to be signalled");
}

/// What a command that ends by itself did.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs `binary` with `args` and the text of a configuration file, to its end.
pub fn run_to_end(binary: &str, args: &[&str], config: &str) -> Ended {
    let mut command = Command::new(binary);
    command.args(args);
    end_of(command, config)
}

/// Runs `command`, which may be confined, with the text of a configuration file, to its end.
pub fn end_of(mut command: Command, config: &str) -> Ended {
    let folder = Folder::create();
    command
        .arg("--config")
        .arg(folder.write("config.yaml", config));
    end_of_command(command)
}

/// Runs a command that takes no configuration, to its end.
pub fn end_of_command(mut command: Command) -> Ended {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let ended = wait::until_or(|| child.try_wait().expect("a child of ours"));
    if ended.is_none() {
        child.kill().expect("a child of ours");
    }
    let output = child.wait_with_output().expect("a child of ours");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(
        ended.is_some(),
        "{command:?} did not end:\n{stdout}\n{stderr}"
    );
    Ended {
        code: output.status.code(),
        stdout,
        stderr,
    }
}

/// One HTTP/1.1 GET over a socket: status and body, `None` where nobody answers.
pub fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    request(address, "GET", path, "", b"")
}

/// One HTTP/1.1 request over a connection of its own: status and body, `None` without an answer.
pub fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    content_type: &str,
    body: &[u8],
) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .ok()?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    if !content_type.is_empty() {
        head += &format!(
            "content-type: {content_type}\r\ncontent-length: {}\r\n",
            body.len()
        );
    }
    let message = [head.as_bytes(), b"\r\n", body].concat();
    stream.write_all(&message).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}

/// A folder of one test, removed with it.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    pub fn create() -> Self {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let name = format!("tailrace-test-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).expect("a new folder among the temporary files");
        Self(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a file in a folder of our own");
        path
    }

    fn read(&self, name: &str) -> String {
        let bytes = std::fs::read(Path::new(&self.path(name))).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left behind is among the temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
