use super::outgoing::GATHER_LEN_MAX;
use super::*;
use proptest::prelude::*;
use std::task::Waker;

/// Takes as many bytes as told for each write, and nothing when told nothing more.
#[derive(Debug, Default)]
struct Slow {
    takes: Vec<usize>,
    taken: Vec<u8>,
    writes: usize,
    fails: bool,
}

impl AsyncWrite for Slow {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.fails {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let Some(take) = self.takes.pop() else {
            return Poll::Pending;
        };
        let taken = take.min(buf.len());
        self.writes += 1;
        self.taken.extend_from_slice(&buf[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let all: Vec<u8> = bufs.iter().flat_map(|buf| buf.to_vec()).collect();
        self.as_mut().poll_write(cx, &all)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Slow {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

/// A wire in a poll of its connection.
fn in_poll<IO>(io: IO) -> Wire<IO> {
    let wire = Wire::new(io, Peer::Server, Instant(0));
    wire.begin(Instant(0));
    wire
}

fn write(wire: &mut Wire<Slow>, bytes: &[u8]) -> Poll<io::Result<usize>> {
    let mut cx = Context::from_waker(Waker::noop());
    Pin::new(wire).poll_write(&mut cx, bytes)
}

fn send<IO: AsyncWrite + Unpin>(wire: &Wire<IO>) -> Poll<bool> {
    wire.poll_send(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn small_writes_share_a_system_call_and_join_a_large_one() {
    let mut wire = in_poll(Slow {
        takes: vec![usize::MAX; 2],
        ..Slow::default()
    });
    for _ in 0..5 {
        assert!(matches!(write(&mut wire, b"small"), Poll::Ready(Ok(5))));
    }
    assert_eq!(wire.0.borrow().io.writes, 0);
    assert_eq!(send(&wire), Poll::Ready(false));
    assert_eq!(wire.0.borrow().io.writes, 1);

    assert!(matches!(write(&mut wire, b"small"), Poll::Ready(Ok(5))));
    let large = vec![1; GATHER_LEN_MAX + 1];
    assert!(matches!(write(&mut wire, &large), Poll::Ready(Ok(n)) if n == large.len()));
    assert_eq!(wire.0.borrow().io.writes, 2);
    assert_eq!(wire.0.borrow().io.taken.len(), 30 + large.len());
}

#[test]
fn a_failed_send_is_reported_and_stays() {
    let mut wire = in_poll(Slow::default());
    assert!(write(&mut wire, b"small").is_ready());
    assert_eq!(send(&wire), Poll::Pending);
    wire.0.borrow_mut().io.fails = true;
    assert_eq!(send(&wire), Poll::Ready(true));
    wire.0.borrow_mut().io.fails = false;
    let mut cx = Context::from_waker(Waker::noop());
    assert!(matches!(
        Pin::new(&mut wire).poll_flush(&mut cx),
        Poll::Ready(Err(_))
    ));
    assert!(matches!(write(&mut wire, b"small"), Poll::Ready(Err(_))));
}

fn opening(bytes: &[u8]) -> Option<&'static str> {
    let wire = Wire::new(io::Cursor::new(bytes.to_vec()), Peer::Server, Instant(0));
    for _ in bytes {
        let mut byte = [0];
        let mut cx = Context::from_waker(Waker::noop());
        let mut buf = ReadBuf::new(&mut byte);
        assert!(
            Pin::new(&mut wire.clone())
                .poll_read(&mut cx, &mut buf)
                .is_ready()
        );
    }
    wire.foreign_protocol()
}

#[test]
fn tells_what_a_peer_speaks_from_its_first_bytes() {
    assert!(opening(b"HTTP/1.1 400 Bad Request").is_some());
    assert!(opening(b"HTTP/1.0 4").is_some());
    assert!(opening(&[0x15, 3, 1, 0, 2]).is_some());
    assert!(opening(&[0, 0, 6, 4, 0, 0, 0, 0, 0]).is_none());
    assert!(opening(b"HT").is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// However little the socket takes at once, the bytes arrive complete and in order.
    #[test]
    fn nothing_is_lost_or_reordered(
        writes in prop::collection::vec(1..40_000_usize, 1..20),
        takes in prop::collection::vec(1..50_000_usize, 0..40),
    ) {
        let mut wire = in_poll(Slow { takes, ..Slow::default() });
        let mut expected = Vec::new();
        for (i, len) in writes.into_iter().enumerate() {
            let bytes: Vec<u8> = (0..len).map(|j| (i * 31 + j) as u8).collect();
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                match write(&mut wire, rest) {
                    Poll::Ready(taken) => {
                        let taken = taken.unwrap();
                        prop_assert!(taken > 0);
                        rest = &rest[taken..];
                    }
                    Poll::Pending => wire.0.borrow_mut().io.takes.push(7_777),
                }
            }
            expected.extend_from_slice(&bytes);
        }
        while send(&wire).is_pending() {
            wire.0.borrow_mut().io.takes.push(7_777);
        }
        prop_assert!(wire.0.borrow().io.taken == expected);
    }
}

/// Gives what was put in, as much as asked for, and counts how often it was asked.
#[derive(Debug, Default)]
struct Source {
    bytes: Vec<u8>,
    at: usize,
    reads: Vec<usize>,
    ended: bool,
}

impl AsyncRead for Source {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let rest = &self.bytes[self.at..];
        if rest.is_empty() && !self.ended {
            return Poll::Pending;
        }
        let len = rest.len().min(buf.remaining());
        buf.put_slice(&rest[..len]);
        self.at += len;
        self.reads.push(len);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Source {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn frame(kind: u8, len: usize) -> Vec<u8> {
    let mut frame = (len as u32).to_be_bytes()[1..].to_vec();
    frame.extend_from_slice(&[kind, 0, 0, 0, 0, 1]);
    frame.extend((0..len).map(|n| (n % 251) as u8));
    frame
}

const DATA: u8 = 0;
const PING: u8 = 6;

/// Reads as h2 does, in pieces of `piece` bytes, until there is nothing more in this poll.
fn read(wire: &mut Wire<Source>, piece: usize) -> io::Result<Vec<u8>> {
    let mut cx = Context::from_waker(Waker::noop());
    let mut bytes = Vec::new();
    loop {
        let mut memory = vec![0; piece];
        let mut buf = ReadBuf::new(&mut memory);
        match Pin::new(&mut *wire).poll_read(&mut cx, &mut buf) {
            Poll::Ready(Ok(())) if buf.filled().is_empty() => return Ok(bytes),
            Poll::Ready(read) => read?,
            Poll::Pending => return Ok(bytes),
        }
        bytes.extend_from_slice(buf.filled());
    }
}

fn source(frames: impl IntoIterator<Item = Vec<u8>>) -> Source {
    Source {
        bytes: frames.into_iter().flatten().collect(),
        ..Source::default()
    }
}

#[test]
fn small_frames_are_read_together() {
    let mut wire = in_poll(source((0..10).map(|_| frame(DATA, 16 << 10))));
    let bytes = read(&mut wire, 16 << 10).unwrap();
    let inner = wire.0.borrow();
    assert_eq!(bytes, inner.io.bytes);
    assert_eq!(inner.io.reads.len(), 1);
}

#[test]
fn large_frames_are_read_where_they_belong() {
    let mut wire = in_poll(source((0..3).map(|_| frame(DATA, 100 << 10))));
    let bytes = read(&mut wire, 50_000).unwrap();
    assert_eq!(bytes, wire.0.borrow().io.bytes);
    let reads = wire.0.borrow().io.reads.clone();
    assert!(
        reads.len() > 1 && reads[1..].iter().all(|len| *len <= 50_000),
        "{reads:?}"
    );
    // Small frames again: after a few of them they share a read.
    wire.0.borrow_mut().io = source((0..30).map(|_| frame(DATA, 1000)));
    wire.begin(Instant(0));
    read(&mut wire, 2000).unwrap();
    let reads = wire.0.borrow().io.reads.clone();
    assert!(reads.last().is_some_and(|len| *len > 10_000), "{reads:?}");
}

#[test]
fn a_poll_has_an_end_and_what_was_read_waits_for_the_next() {
    for (kind, len) in [(DATA, 16 << 10), (DATA, 1)] {
        let frames = (2 << 20) / (len + 9);
        let mut wire = in_poll(source((0..frames).map(|_| frame(kind, len))));
        let expected = wire.0.borrow().io.bytes.clone();
        let mut bytes = read(&mut wire, 8 << 10).unwrap();
        assert!(bytes.len() < expected.len() / 2);
        let mut polls = 1;
        while bytes.len() < expected.len() {
            assert!(send(&wire).is_ready());
            // Another connection of the thread gets the shared buffer meanwhile.
            let other = frame(PING, 8);
            let mut between = in_poll(source([other.clone()]));
            assert_eq!(read(&mut between, 100).unwrap(), other);
            wire.begin(Instant(0));
            bytes.extend(read(&mut wire, 8 << 10).unwrap());
            polls += 1;
        }
        assert!(bytes == expected, "in {polls} polls");
    }
}

#[test]
fn a_flood_ends_the_connection_and_says_why() {
    let mut wire = in_poll(source((0..100_000).map(|_| frame(PING, 8))));
    let error = loop {
        wire.begin(Instant(0));
        if let Err(error) = read(&mut wire, 8 << 10) {
            break error;
        }
    };
    assert!(error.to_string().contains("PING"), "{error}");
    assert!(wire.flood().is_some());
    assert!(read(&mut wire, 100).is_err());
    assert!(wire.0.borrow().io.at < 300 << 10);
}

#[test]
fn the_end_of_the_stream_comes_through() {
    let mut wire = in_poll(Source {
        ended: true,
        ..source([frame(DATA, 10)])
    });
    assert_eq!(read(&mut wire, 100).unwrap(), frame(DATA, 10));
    wire.begin(Instant(0));
    assert_eq!(read(&mut wire, 100).unwrap(), Vec::<u8>::new());
}

#[test]
fn outside_of_a_poll_a_flush_sends_and_reads_are_not_held_back() {
    let mut wire = Wire::new(
        Slow {
            takes: vec![usize::MAX],
            ..Slow::default()
        },
        Peer::Server,
        Instant(0),
    );
    let mut cx = Context::from_waker(Waker::noop());
    assert!(write(&mut wire, b"preface").is_ready());
    assert!(Pin::new(&mut wire).poll_flush(&mut cx).is_ready());
    assert_eq!(wire.0.borrow().io.taken, b"preface");

    let mut wire = Wire::new(source([]), Peer::Server, Instant(0));
    assert!(read(&mut wire, 10).unwrap().is_empty());
    wire.0.borrow_mut().io = source([frame(DATA, 1)]);
    assert_eq!(read(&mut wire, 4).unwrap(), frame(DATA, 1));
}
