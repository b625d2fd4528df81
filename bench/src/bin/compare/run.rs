//! Runs of a load through a device into a sink, each verified.

use super::describe::{Case, Description, Places};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};
use tailrace_bench::load::{Load, Plan, Protocol, Sent, Version, Wire};
use tailrace_bench::process::{Directory, Process};
use tailrace_bench::sink::script::Script;
use tailrace_bench::sink::{Settings, Sink};
use tailrace_bench::workload::Spec;
use tailrace_bench::{IdSet, Verdict};
use tailrace_codec::Signal;
use tailrace_engine::exchange::Address;
use tailrace_engine::runtime::RuntimeKind;

/// Load and sink wait by epoll, whatever the device does.
const PEERS: RuntimeKind = RuntimeKind::Epoll;

/// How long a device may take to listen, and what was accepted to arrive.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where things run.
#[derive(Debug, Clone)]
pub struct Lab {
    /// The device's processor.
    pub core: usize,
    /// The processor of load and sink.
    pub peers_core: usize,
    /// Of one run.
    pub duration: Duration,
}

/// A device between a load and a sink of its own. Without a process, the load goes to the sink.
#[derive(Debug)]
pub struct Rig {
    process: Option<Process>,
    sink: Sink,
    address: SocketAddr,
    case: Case,
    next_item: u64,
    accepted: IdSet,
    may_resend: bool,
}

/// What one run has cost.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    pub cpu_ns_per_item: f64,
    pub cpu_ns_per_byte: f64,
    pub requests_per_cpu_second: f64,
    /// Of the load generator.
    pub load_ns_per_request: f64,
    pub requests_per_second: f64,
    pub failed_requests: u64,
    /// Due at the rate, and never sent.
    pub unsent_requests: u64,
    /// p50, p99 and p99.9 in microseconds, from when a request was due.
    pub latency_us: [f64; 3],
}

impl Rig {
    /// Starts a device and waits until it listens. The backend behind it behaves by `script`.
    pub fn start(
        lab: &Lab,
        case: Case,
        device: Option<(&Description, &PathBuf)>,
        script: Script,
    ) -> io::Result<Self> {
        let anywhere = Address::Tcp(([127, 0, 0, 1], 0).into());
        let settings = Settings {
            cpu: Some(lab.peers_core),
            script,
            ..Settings::default()
        };
        let sink = Sink::start(PEERS, &anywhere, settings)?;
        let Address::Tcp(backend) = *sink.address() else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let mut rig = Self {
            process: None,
            sink,
            address: backend,
            case,
            next_item: 0,
            accepted: IdSet::default(),
            may_resend: device.is_some_and(|(device, _)| device.may_resend),
        };
        if let Some((device, program)) = device {
            rig.address = nobody()?;
            let directory = Directory::create()?;
            let places = Places {
                listen: rig.address,
                backend,
                directory: directory.path(),
            };
            let command = device.command(program, &case, &places)?;
            rig.process = Some(Process::start(command, Some(lab.core), directory)?);
            rig.wait_ready()?;
        }
        Ok(rig)
    }

    /// Sends for the lab's time, as fast as answers come or at so many requests a second, and waits
    /// until everything acknowledged has arrived.
    pub fn run(&mut self, lab: &Lab, rate: Option<f64>) -> io::Result<Run> {
        let before = self.cpu_nanos();
        let sent = self.send(lab, rate)?;
        self.wait_arrived()?;
        let total = &sent.statistics.total;
        let cpu = self.cpu_nanos().saturating_sub(before) as f64;
        let (items, requests) = (sent.acknowledged.len(), total.requests.acknowledged);
        if requests == 0 {
            return Err(io::Error::other("no request was answered with success"));
        }
        let micros = |quantile| total.latency_ns.value_at_quantile(quantile) as f64 / 1e3;
        Ok(Run {
            cpu_ns_per_item: cpu / items as f64,
            cpu_ns_per_byte: cpu / sent.message_bytes as f64,
            requests_per_cpu_second: requests as f64 * 1e9 / cpu,
            load_ns_per_request: sent.cpu.as_nanos() as f64 / requests as f64,
            requests_per_second: requests as f64 / sent.elapsed.as_secs_f64(),
            failed_requests: total.requests.failed,
            unsent_requests: total.requests.unsent,
            latency_us: [0.5, 0.99, 0.999].map(micros),
        })
    }

    /// Sends as [`run`](Self::run) does, and does not wait for what was sent to arrive.
    pub fn send(&mut self, lab: &Lab, rate: Option<f64>) -> io::Result<Sent> {
        let spec = Spec::standard(Signal::Traces, self.case.spans);
        let address = Address::Tcp(self.address);
        let mut plan = Plan::closed(address, spec, self.case.streams, lab.duration);
        plan.wire = Wire {
            protocol: self.case.protocol,
            encoding: self.case.compression,
            ..plan.wire
        };
        if self.case.protocol != Protocol::Grpc {
            // As senders of OTLP/HTTP do: one request at a time on each of so many connections.
            plan.wire.version = Version::Http1;
            (plan.connections, plan.streams) = (self.case.streams, 1);
        }
        plan.first_item = self.next_item;
        plan.cpu = Some(lab.peers_core);
        if let Some(rate) = rate {
            plan = plan.at_rate(rate);
        }
        let sent = Load::start(PEERS, plan, None).and_then(Load::wait);
        let sent = sent.map_err(io::Error::other)?;
        self.next_item += sent.statistics.total.requests.sent * self.case.spans as u64;
        self.accepted.extend(&sent.acknowledged);
        Ok(sent)
    }

    /// Peak memory of the device, in bytes.
    pub fn peak_bytes(&self) -> u64 {
        let process = self.process.as_ref();
        process.map_or(0, Process::peak_bytes)
    }

    /// Ends both, and fails unless everything accepted arrived whole, and once where the device
    /// does not say that it may send again. Returns the duplicates.
    pub fn finish(self) -> io::Result<u64> {
        drop(self.process);
        let received = self.sink.stop()?;
        let verdict = received.verdict(0, &self.accepted);
        match is_whole(&verdict, self.may_resend) {
            true => Ok(verdict.duplicate_items),
            false => Err(io::Error::other(format!("{verdict:?}"))),
        }
    }

    fn cpu_nanos(&self) -> u64 {
        self.process.as_ref().map_or(0, Process::cpu_nanos)
    }

    fn wait_ready(&mut self) -> io::Result<()> {
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(self.address).is_err() {
            if let Some(process) = &mut self.process
                && let Some(status) = process.ended()?
            {
                let log = std::fs::read_to_string(process.directory().join("log"));
                let log = log.unwrap_or_default();
                let last = log.lines().last().unwrap_or_default();
                return Err(io::Error::other(format!("it ended with {status}: {last}")));
            }
            if Instant::now() > until {
                return Err(io::Error::other("it does not listen"));
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn wait_arrived(&self) -> io::Result<()> {
        let until = Instant::now() + PATIENCE;
        while self.sink.distinct_items() < self.accepted.len() {
            if Instant::now() > until {
                let (arrived, accepted) = (self.sink.distinct_items(), self.accepted.len());
                let what = format!("{accepted} spans were accepted, and {arrived} arrived");
                return Err(io::Error::other(what));
            }
            thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }
}

fn is_whole(verdict: &Verdict, may_resend: bool) -> bool {
    let has_arrived = verdict.delivered_items == verdict.accepted_items;
    has_arrived && verdict.corrupt_items == 0 && (may_resend || verdict.duplicate_items == 0)
}

/// An address where nobody listens.
fn nobody() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicates_fail_a_run_unless_the_device_may_send_again() {
        let verdict = Verdict {
            accepted_items: 5,
            delivered_items: 5,
            duplicate_items: 0,
            corrupt_items: 0,
        };
        assert!(is_whole(&verdict, false));
        let twice = Verdict {
            duplicate_items: 1,
            ..verdict
        };
        assert!(!is_whole(&twice, false) && is_whole(&twice, true));
        let corrupt = Verdict {
            corrupt_items: 1,
            ..verdict
        };
        let lost = Verdict {
            delivered_items: 4,
            ..verdict
        };
        assert!(!is_whole(&corrupt, true) && !is_whole(&lost, true));
    }
}
