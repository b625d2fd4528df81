//! `tailrace run` under test.

use crate::cpu;
use crate::page::{PageUrl, Sample};
use crate::process::{Directory, Process};
use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tailrace_engine::exchange::Address;
use tailrace_engine::runtime::RuntimeKind;

/// How a device is started.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The program: `tailrace`.
    pub program: PathBuf,
    pub runtime: RuntimeKind,
    pub shards: usize,
    /// The one processor it may use; `None`: all that this process may.
    pub core: Option<usize>,
    /// The configuration, which listens on port 0.
    pub yaml: String,
    /// Where the configuration asks for metrics, if it does.
    pub metrics: Option<SocketAddr>,
}

/// A running `tailrace run`. Dropped, it is killed.
#[derive(Debug)]
pub struct Device {
    process: Process,
    address: Address,
    metrics: Option<SocketAddr>,
}

/// How long a device may take to serve.
const PATIENCE: Duration = Duration::from_secs(20);

impl Device {
    /// Starts the device and waits until it serves.
    pub fn start(plan: &Plan) -> io::Result<Self> {
        let directory = Directory::create()?;
        let (config, ready) = {
            let path = directory.path();
            (path.join("config.yaml"), path.join("ready.json"))
        };
        std::fs::write(&config, &plan.yaml)?;
        let shards = plan.shards.to_string();
        let arguments: [OsString; 9] = [
            "run".into(),
            "--config".into(),
            config.into(),
            "--runtime".into(),
            plan.runtime.name().into(),
            "--shards".into(),
            shards.into(),
            "--ready-file".into(),
            ready.clone().into(),
        ];
        let mut command = Command::new(&plan.program);
        command.args(arguments).stdin(Stdio::null());
        let mut device = Self {
            process: Process::start(command, plan.core, directory)?,
            address: Address::Unix(PathBuf::new()),
            metrics: plan.metrics,
        };
        device.address = device.wait_ready(&ready)?;
        Ok(device)
    }

    /// Where it takes OTLP.
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// Nanoseconds of processor time of the process, user and system, up to now.
    pub fn cpu_nanos(&self) -> u64 {
        self.process.cpu_nanos()
    }

    /// The same of the threads whose name starts with `prefix`.
    pub fn thread_nanos(&self, prefix: &str) -> u64 {
        cpu::process_nanos(self.process.id(), prefix)
    }

    /// Resident memory now, in bytes.
    pub fn resident_bytes(&self) -> u64 {
        cpu::resident_bytes(self.process.id())
    }

    /// The most memory it has had resident, in bytes.
    pub fn resident_peak_bytes(&self) -> u64 {
        self.process.peak_bytes()
    }

    /// The sum of a metric's samples over all their labels; 0 where there is none.
    pub fn metric(&self, name: &str) -> io::Result<f64> {
        let address = self.metrics.ok_or(io::ErrorKind::NotFound)?;
        let page = PageUrl::of(address).fetch()?;
        let samples = page.lines().filter_map(Sample::parse);
        let values = samples.filter(|sample| sample.name == name);
        Ok(values.map(|sample| sample.value).sum())
    }

    fn wait_ready(&mut self, ready: &Path) -> io::Result<Address> {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Ok(text) = std::fs::read_to_string(ready) {
                let file: serde_json::Value = serde_json::from_str(&text)?;
                let address = file["listening"][0]["address"].as_str().unwrap_or_default();
                let address = address.parse().map_err(io::Error::other)?;
                return Ok(Address::Tcp(address));
            }
            if let Some(status) = self.process.ended()? {
                return Err(io::Error::other(format!("the device ended: {status}")));
            }
            if Instant::now() > until {
                return Err(io::Error::other("the device does not become ready"));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}
