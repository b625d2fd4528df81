//! The least that a forwarder can cost: bytes received from one connection and sent on another.
//!
//! ```text
//!   source (core B) --TCP--> device (core A): recv, send --TCP--> sink (core B)
//! ```
//!
//! What is compared with it runs in the same minutes and on the same cores.

use serde::Serialize;
use std::future::poll_fn;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::pin::Pin;
use std::thread;
use std::time::{Duration, Instant};
use tailrace_engine::runtime::{self, AsyncRead, AsyncWrite, ReadBuf, RuntimeKind, Socket};

/// The buffers that are tried, in bytes.
pub const BUFFER_SIZES: [usize; 5] = [64 << 10, 128 << 10, 256 << 10, 512 << 10, 1 << 20];

/// What the device reads and writes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// `read` and `write` of a blocking socket: the yardstick.
    Blocking,
    /// The same loop on the engine's runtime, which shows what the runtime itself costs.
    Runtime(RuntimeKind),
}

/// One relay from its first connection to its last byte.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub via: Via,
    pub buffer_bytes: usize,
    pub bytes: u64,
    /// How the source sends; without it, as fast as it can.
    pub pace: Option<Pace>,
    /// The processors of the device, and of source and sink.
    pub core: Option<usize>,
    pub peers_core: Option<usize>,
}

/// Writes of a fixed length at fixed times.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    pub write_bytes: usize,
    pub interval: Duration,
}

/// What a relay has cost.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Run {
    pub buffer_bytes: usize,
    /// Processor time of the device's thread, user and system.
    pub cpu_ns: u64,
    pub cpu_ns_per_byte: f64,
    pub wall_ns: u64,
}

impl Via {
    pub fn parse(name: &str) -> Result<Self, String> {
        if name == "blocking" {
            return Ok(Self::Blocking);
        }
        let kind = RuntimeKind::ALL
            .into_iter()
            .find(|kind| kind.name() == name);
        kind.map(Self::Runtime)
            .ok_or(format!("--via is blocking, uring or epoll, not {name}"))
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Blocking => "blocking",
            Self::Runtime(kind) => kind.name(),
        }
    }
}

/// Relays, and says what the device's thread has cost.
pub fn run(plan: Plan) -> io::Result<Run> {
    let device = TcpListener::bind("127.0.0.1:0")?;
    let sink = TcpListener::bind("127.0.0.1:0")?;
    let (device_address, sink_address) = (device.local_addr()?, sink.local_addr()?);
    let Plan {
        bytes,
        peers_core,
        pace,
        ..
    } = plan;
    let source = thread::spawn(move || {
        on_core(peers_core, || {
            let to = TcpStream::connect(device_address)?;
            send(to, bytes, pace)
        })
    });
    let sink = thread::spawn(move || on_core(peers_core, || receive(&sink.accept()?.0)));
    let started = Instant::now();
    let relay = thread::spawn(move || {
        let from = device.accept()?.0;
        let to = TcpStream::connect(sink_address)?;
        let before = runtime::thread_cpu_time();
        match plan.via {
            Via::Blocking => on_core(plan.core, || relay_blocking(from, to, plan.buffer_bytes))?,
            Via::Runtime(kind) => {
                let relaying = || relay_on_runtime(from, to, plan.buffer_bytes);
                runtime::run(kind, plan.core, relaying).map_err(io::Error::other)??;
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
        buffer_bytes: plan.buffer_bytes,
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

/// Without a pace as fast as it goes. With one, what is late goes at once, so that the rate holds.
fn send(mut to: TcpStream, bytes: u64, pace: Option<Pace>) -> io::Result<()> {
    let buffer = vec![7; pace.map_or(256 << 10, |pace| pace.write_bytes)];
    let mut left = bytes;
    let mut due = Instant::now();
    while left > 0 {
        if let Some(pace) = pace {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            due += pace.interval;
        }
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
