//! A device between a load and a sink, and what a load through it has cost the device.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};
use tailrace_bench::IdSet;
use tailrace_bench::device::{self, Device};
use tailrace_bench::load::{Load, Plan, ReplyCode};
use tailrace_bench::sink::{Settings, Sink};
use tailrace_bench::workload::Spec;
use tailrace_codec::Signal;
use tailrace_engine::exchange::Address;
use tailrace_engine::runtime::RuntimeKind;

/// Load and sink wait by epoll, whatever the device does.
const PEERS: RuntimeKind = RuntimeKind::Epoll;

/// How long what was accepted may take to arrive once the load has ended.
const DRAIN: Duration = Duration::from_secs(30);

/// Where things run, and for how long.
#[derive(Debug, Clone)]
pub struct Lab {
    pub program: PathBuf,
    /// The device's processor.
    pub core: usize,
    /// The processor of load and sink.
    pub peers_core: usize,
    pub rounds: usize,
    /// Of one run.
    pub seconds: f64,
    pub runtimes: Vec<RuntimeKind>,
}

/// What is to stand between load and sink.
#[derive(Debug, Clone)]
pub struct Build {
    pub runtime: RuntimeKind,
    pub shards: usize,
    pub core: Option<usize>,
    /// Of the sink, in bytes.
    pub frame: u32,
    /// The exporter's.
    pub compression: &'static str,
    /// Of the process, by a `memory_limiter`.
    pub limit_mib: Option<u32>,
    /// YAML of the exporter's `sending_queue`, indented by six.
    pub sending_queue: &'static str,
    /// YAML of the exporter beside it, indented by four, and of `service`, by two; with line ends.
    pub exporter: &'static str,
    pub engine: &'static str,
}

#[derive(Debug)]
pub struct Rig {
    pub device: Device,
    /// `None` once it has been ended.
    sink: Option<Sink>,
    next_item: u64,
    /// Of all runs.
    accepted: IdSet,
}

/// What one load through a device has cost it.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    pub cpu_ns: u64,
    pub payload_bytes: u64,
    pub requests: u64,
    pub failed_requests: u64,
    /// Of these, those that no status refused: lost with a connection, unanswered.
    pub lost_requests: u64,
    pub items: u64,
    pub elapsed: Duration,
    pub p99_us: u64,
}

impl Run {
    pub fn ns_per_byte(&self) -> f64 {
        self.cpu_ns as f64 / self.payload_bytes as f64
    }

    pub fn requests_per_cpu_second(&self) -> f64 {
        self.requests as f64 * 1e9 / self.cpu_ns as f64
    }
}

impl Rig {
    pub fn start(lab: &Lab, build: &Build) -> io::Result<Self> {
        let anywhere = Address::Tcp(([127, 0, 0, 1], 0).into());
        let settings = Settings {
            frame: build.frame,
            cpu: Some(lab.peers_core),
            ..Settings::default()
        };
        let sink = Sink::start(PEERS, &anywhere, settings)?;
        let metrics = nobody()?;
        let Address::Tcp(backend) = *sink.address() else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let device = Device::start(&device::Plan {
            program: lab.program.clone(),
            runtime: build.runtime,
            shards: build.shards,
            core: build.core,
            yaml: yaml(backend, metrics.port(), build),
            metrics: Some(metrics),
        })?;
        Ok(Self {
            device,
            sink: Some(sink),
            next_item: 0,
            accepted: IdSet::default(),
        })
    }

    /// A plan to this device from the lab's other processor: a closed loop with 64 requests of so
    /// many spans in flight.
    pub fn plan(&self, lab: &Lab, spans: usize) -> Plan {
        let spec = Spec::standard(Signal::Traces, spans);
        let duration = Duration::from_secs_f64(lab.seconds);
        Plan {
            first_item: self.next_item,
            cpu: Some(lab.peers_core),
            ..Plan::closed(self.device.address().clone(), spec, 64, duration)
        }
    }

    /// Sends a load, waits until all of it has arrived, and says what that has cost.
    pub fn run(&mut self, plan: Plan) -> io::Result<Run> {
        let before = self.device.cpu_nanos();
        let run = self.send(plan)?;
        let until = Instant::now() + DRAIN;
        let arrived = || self.sink.as_ref().map_or(0, Sink::items);
        while arrived() < self.accepted.len() {
            if Instant::now() > until {
                return Err(io::Error::other("accepted items did not arrive"));
            }
            thread::sleep(Duration::from_millis(5));
        }
        let cpu_ns = self.device.cpu_nanos() - before;
        Ok(Run { cpu_ns, ..run })
    }

    /// Sends a load and does not wait for its arrival. The cost is not known.
    pub fn send(&mut self, plan: Plan) -> io::Result<Run> {
        let spans = plan.spec.items as u64;
        let sent = Load::start(PEERS, plan, None)
            .and_then(Load::wait)
            .map_err(io::Error::other)?;
        if sent.acknowledged.is_empty() {
            return Err(io::Error::other("no request was answered with success"));
        }
        let total = &sent.statistics.total;
        let codes = sent.statistics.codes.iter();
        let lost = codes.filter(|(code, _)| matches!(code, ReplyCode::Failed(_)));
        self.next_item += total.requests.sent * spans;
        self.accepted.extend(&sent.acknowledged);
        Ok(Run {
            cpu_ns: 0,
            payload_bytes: sent.message_bytes,
            requests: total.requests.acknowledged,
            failed_requests: total.requests.failed,
            lost_requests: lost.map(|(_, count)| count.answers).sum(),
            items: sent.acknowledged.len(),
            elapsed: sent.elapsed,
            p99_us: total.latency_ns.value_at_quantile(0.99) / 1000,
        })
    }

    /// The backend answers no more.
    pub fn freeze_backend(&self) {
        if let Some(sink) = &self.sink {
            sink.freeze();
        }
    }

    /// The backend is gone, and so are its connections.
    pub fn end_backend(&mut self) -> io::Result<()> {
        let sink = self.sink.take();
        sink.map_or(Ok(()), |sink| sink.stop().map(drop))
    }

    /// Ends the rig, and fails unless everything accepted arrived once and whole.
    pub fn finish(self) -> io::Result<()> {
        drop(self.device);
        let sink = self.sink.ok_or(io::ErrorKind::NotConnected)?;
        let received = sink.stop()?;
        let verdict = received.verdict(0, &self.accepted);
        match verdict.holds() {
            true => Ok(()),
            false => Err(io::Error::other(format!("{verdict:?}"))),
        }
    }
}

/// An address where nobody listens.
fn nobody() -> io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

fn yaml(backend: SocketAddr, metrics: u16, build: &Build) -> String {
    let Build {
        compression,
        sending_queue,
        limit_mib,
        exporter,
        engine,
        ..
    } = build;
    let (limiter, processors) = match limit_mib {
        None => (String::new(), ""),
        Some(limit) => (
            format!(
                "processors:
  memory_limiter:
    check_interval: 1s
    limit_mib: {limit}
    spike_limit_mib: 1
"
            ),
            "memory_limiter",
        ),
    };
    format!(
        "receivers:
  otlp:
    protocols:
      grpc:
        endpoint: 127.0.0.1:0
{limiter}exporters:
  otlp_grpc:
    endpoint: http://{backend}
    compression: {compression}
    timeout: 600s
    sending_queue:
{sending_queue}
{exporter}service:
{engine}  telemetry:
    logs:
      level: warn
    metrics:
      readers:
        - pull:
            exporter:
              prometheus:
                host: 127.0.0.1
                port: {metrics}
  pipelines:
    traces:
      receivers: [otlp]
      processors: [{processors}]
      exporters: [otlp_grpc]
"
    )
}
