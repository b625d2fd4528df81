//! Callers of the service: an open load over connections that are kept.

use hdrhistogram::Histogram;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};
use tailrace_bench::random::{Random, scaled};

/// Requests a second, of all connections together.
pub const RATE: u64 = 2_000;
pub const CONNECTIONS: u64 = 16;
pub const WARM_UP: Duration = Duration::from_millis(300);
pub const DURATION: Duration = Duration::from_secs(2);

/// How long an answer may take before the measurement is given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends for so long, at random times; the latencies in nanoseconds.
///
/// A latency counts from when the request was to be sent, where the answer before it came later than
/// that: a service that makes its callers wait is not spared the requests they could not send. What
/// the caller itself is late by, because the system woke it late, does not count.
pub fn run(address: SocketAddr, duration: Duration) -> Histogram<u64> {
    let begin = Instant::now();
    let callers = (0..CONNECTIONS)
        .map(|seed| thread::spawn(move || call(address, begin, duration, Random::new(seed))));
    let callers: Vec<_> = callers.collect();
    let mut all = latencies();
    for caller in callers {
        let latencies = caller.join().expect("no panic");
        let latencies = latencies.expect("the service answers");
        all.add(latencies).expect("of one kind");
    }
    all
}

fn call(
    address: SocketAddr,
    begin: Instant,
    duration: Duration,
    mut random: Random,
) -> io::Result<Histogram<u64>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut latencies = latencies();
    let gap = Duration::from_secs(1) * CONNECTIONS as u32 / RATE as u32;
    let mut due = begin + scaled(gap, random.exponential());
    while due < begin + duration {
        let free = Instant::now();
        thread::sleep(due.saturating_duration_since(free));
        let counted_from = if free < due { Instant::now() } else { due };
        let mut id = || (random.unit() * u64::MAX as f64) as u64 | 1;
        let (high, low, parent) = (id(), id(), id());
        let request = format!(
            "GET /products/{number} HTTP/1.1\r\nhost: shop.example\r\nuser-agent: caller/1.0\r\n\
             accept: application/json\r\ntraceparent: 00-{high:016x}{low:016x}-{parent:016x}-01\r\n\r\n",
            number = low % 5_000,
        );
        stream.write_all(request.as_bytes())?;
        read_answer(&mut stream)?;
        let latency = counted_from.elapsed().as_nanos();
        latencies.saturating_record(latency as u64);
        due += scaled(gap, random.exponential());
    }
    Ok(latencies)
}

/// To three digits, up to [`PATIENCE`].
fn latencies() -> Histogram<u64> {
    let max = PATIENCE.as_nanos() as u64;
    Histogram::new_with_max(max, 3).expect("valid bounds")
}

/// One answer, which says how long it is; another status than 200 is an error.
fn read_answer(stream: &mut TcpStream) -> io::Result<()> {
    let mut buffer = [0; 16 << 10];
    let mut filled = 0;
    let (head_len, content_len) = loop {
        let read = stream.read(&mut buffer[filled..])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        filled += read;
        if let Some(found) = head(&buffer[..filled]) {
            break found;
        }
    };
    let rest = (head_len + content_len).saturating_sub(filled);
    io::copy(&mut stream.take(rest as u64), &mut io::sink())?;
    Ok(())
}

/// Bytes of a complete head, and of the content it announces.
fn head(bytes: &[u8]) -> Option<(usize, usize)> {
    let text = std::str::from_utf8(bytes).expect("an answer in ASCII");
    let (head, _) = text.split_once("\r\n\r\n")?;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    let content_len = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let content_len = content_len.and_then(|len| len.parse().ok());
    Some((head.len() + 4, content_len.expect("a length")))
}
