//! The least that a forwarder can cost: bytes received from one connection and sent on another.
//!
//! ```text
//!   source (core B) --TCP--> device (core A): recv, send --TCP--> sink (core B)
//! ```
//!
//! Run in the same minutes as what is compared with it, on the same cores:
//!
//! ```text
//!   relay [--via blocking|uring|epoll] [--buffer BYTES] [--bytes BYTES]
//!         [--core A] [--peers-core B] [--json]
//! ```
//!
//! Without `--buffer` each size from 64 KiB to 1 MiB is tried and the best is named. `blocking` is
//! the yardstick; `uring` and `epoll` are the same loop on the engine's runtime, which shows what
//! the runtime itself costs.

use serde::Serialize;
use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::pin::Pin;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};
use tailrace_engine::runtime::{self, AsyncRead, AsyncWrite, ReadBuf, RuntimeKind, Socket};

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(what) => {
            eprintln!("relay: {what}");
            return ExitCode::from(2);
        }
    };
    match measure(&options) {
        Ok(report) => {
            print(&report, options.json);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("relay: {error}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Via {
    /// `read` and `write` of a blocking socket: the yardstick.
    Blocking,
    Runtime(RuntimeKind),
}

#[derive(Debug)]
struct Options {
    via: Via,
    buffers: Vec<usize>,
    bytes: u64,
    core: Option<usize>,
    peers_core: Option<usize>,
    json: bool,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            via: Via::Blocking,
            buffers: (16..=20).map(|power| 1 << power).collect(),
            bytes: 4 << 30,
            core: None,
            peers_core: None,
            json: false,
        };
        while let Some(key) = arguments.next() {
            if key == "--json" {
                options.json = true;
                continue;
            }
            let value = arguments.next().ok_or(format!("{key} needs a value"))?;
            let number = || {
                let number = value.parse::<usize>().ok().filter(|number| *number > 0);
                number.ok_or(format!("{key} is a positive number, not {value}"))
            };
            match key.as_str() {
                "--via" => options.via = Via::parse(&value)?,
                "--buffer" => options.buffers = vec![number()?],
                "--bytes" => options.bytes = number()? as u64,
                "--core" => options.core = Some(core(&key, &value)?),
                "--peers-core" => options.peers_core = Some(core(&key, &value)?),
                _ => return Err(format!("unknown argument {key}")),
            }
        }
        Ok(options)
    }
}

impl Via {
    fn parse(name: &str) -> Result<Self, String> {
        if name == "blocking" {
            return Ok(Self::Blocking);
        }
        let kind = RuntimeKind::ALL
            .into_iter()
            .find(|kind| kind.name() == name);
        kind.map(Self::Runtime)
            .ok_or(format!("--via is blocking, uring or epoll, not {name}"))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Blocking => "blocking",
            Self::Runtime(kind) => kind.name(),
        }
    }
}

fn core(key: &str, value: &str) -> Result<usize, String> {
    value
        .parse()
        .map_err(|_| format!("{key} is a processor's number, not {value}"))
}

#[derive(Debug, Serialize)]
struct Report {
    via: &'static str,
    bytes: u64,
    /// The run that cost the least.
    best: Run,
    runs: Vec<Run>,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Run {
    buffer_bytes: usize,
    /// Processor time of the device's thread, user and system.
    cpu_ns: u64,
    cpu_ns_per_byte: f64,
    wall_ns: u64,
}

fn measure(options: &Options) -> io::Result<Report> {
    let mut runs = Vec::new();
    for &buffer_bytes in &options.buffers {
        runs.push(run(options, buffer_bytes)?);
    }
    let best = runs.iter().copied().min_by_key(|run| run.cpu_ns);
    Ok(Report {
        via: options.via.name(),
        bytes: options.bytes,
        best: best.ok_or(io::ErrorKind::InvalidInput)?,
        runs,
    })
}

/// One relay from its first connection to its last byte.
fn run(options: &Options, buffer_bytes: usize) -> io::Result<Run> {
    let device = TcpListener::bind("127.0.0.1:0")?;
    let sink = TcpListener::bind("127.0.0.1:0")?;
    let (device_address, sink_address) = (device.local_addr()?, sink.local_addr()?);
    let (bytes, peers_core) = (options.bytes, options.peers_core);
    let source = thread::spawn(move || {
        on_core(peers_core, || {
            send(TcpStream::connect(device_address)?, bytes)
        })
    });
    let sink = thread::spawn(move || on_core(peers_core, || receive(&sink.accept()?.0)));
    let (via, core) = (options.via, options.core);
    let started = Instant::now();
    let relay = thread::spawn(move || {
        let from = device.accept()?.0;
        let to = TcpStream::connect(sink_address)?;
        let before = runtime::thread_cpu_time();
        match via {
            Via::Blocking => on_core(core, || relay_blocking(from, to, buffer_bytes))?,
            Via::Runtime(kind) => {
                let relaying = || relay_on_runtime(from, to, buffer_bytes);
                runtime::run(kind, core, relaying).map_err(io::Error::other)??;
            }
        }
        Ok::<_, io::Error>(runtime::thread_cpu_time() - before)
    });
    joined(source)?;
    let cpu = joined(relay)?;
    let arrived = joined(sink)?;
    if arrived != bytes {
        return Err(io::Error::other(format!(
            "{arrived} of {bytes} bytes arrived"
        )));
    }
    let cpu_ns = nanos(cpu);
    Ok(Run {
        buffer_bytes,
        cpu_ns,
        cpu_ns_per_byte: cpu_ns as f64 / bytes as f64,
        wall_ns: nanos(started.elapsed()),
    })
}

fn relay_blocking(mut from: TcpStream, mut to: TcpStream, buffer_bytes: usize) -> io::Result<()> {
    let mut buffer = vec![0; buffer_bytes];
    loop {
        match from.read(&mut buffer)? {
            0 => return to.shutdown(Shutdown::Write),
            count => to.write_all(&buffer[..count])?,
        }
    }
}

async fn relay_on_runtime(from: TcpStream, to: TcpStream, buffer_bytes: usize) -> io::Result<()> {
    let mut from = Socket::from_std(from.into())?;
    let mut to = Socket::from_std(to.into())?;
    let mut buffer = vec![0; buffer_bytes];
    loop {
        let mut room = ReadBuf::new(&mut buffer);
        poll_fn(|cx| Pin::new(&mut from).poll_read(cx, &mut room)).await?;
        let mut rest = room.filled();
        if rest.is_empty() {
            return poll_fn(|cx| Pin::new(&mut to).poll_shutdown(cx)).await;
        }
        while !rest.is_empty() {
            let count = poll_fn(|cx| Pin::new(&mut to).poll_write(cx, rest)).await?;
            rest = &rest[count..];
        }
    }
}

fn send(mut to: TcpStream, bytes: u64) -> io::Result<()> {
    let buffer = vec![7; 256 << 10];
    let mut left = bytes;
    while left > 0 {
        let count = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        to.write_all(&buffer[..count])?;
        left -= count as u64;
    }
    to.shutdown(Shutdown::Write)
}

fn receive(mut from: &TcpStream) -> io::Result<u64> {
    let mut buffer = vec![0; 256 << 10];
    let mut bytes = 0;
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(bytes),
            count => bytes += count as u64,
        }
    }
}

/// Runs `work` on this thread, bound to a processor if one is named.
fn on_core<T>(core: Option<usize>, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    if let Some(core) = core {
        runtime::bind_to_processor(core)?;
    }
    work()
}

fn joined<T>(thread: thread::JoinHandle<io::Result<T>>) -> io::Result<T> {
    thread
        .join()
        .unwrap_or_else(|_| Err(io::Error::other("a thread panicked")))
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn print(report: &Report, json: bool) {
    if json {
        let text = serde_json::to_string(report).unwrap_or_default();
        return println!("{text}");
    }
    println!("{} relay of {} MiB", report.via, report.bytes >> 20);
    for run in &report.runs {
        let mark = if run.buffer_bytes == report.best.buffer_bytes {
            "  best"
        } else {
            ""
        };
        println!(
            "  {:>4} KiB buffer: {:.3} ns/B of processor time, {:.2} GB per CPU-second{mark}",
            run.buffer_bytes >> 10,
            run.cpu_ns_per_byte,
            1.0 / run.cpu_ns_per_byte,
        );
    }
}
