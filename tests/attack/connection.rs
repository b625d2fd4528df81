//! One hostile HTTP/2 connection: frames out by hand, a thread that reads whatever comes back.

use crate::wait;
use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

// Frame types and flags (RFC 9113, section 6).
pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;
/// Of SETTINGS and PING; END_STREAM has the same bit.
const ACK: u8 = 1;
pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

/// How an attack ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The victim hung up, after a GOAWAY with this error code if it sent one.
    Closed { goaway: Option<u32> },
    /// The attack was over and the victim still listened.
    Open,
}

#[derive(Debug)]
pub struct Attacker {
    stream: TcpStream,
    seen: Arc<Seen>,
}

/// What came back.
#[derive(Debug, Default)]
struct Seen {
    frames: AtomicU64,
    resets: AtomicU32,
    answers: AtomicU32,
    pongs: AtomicU32,
    goaway: Mutex<Option<u32>>,
    closed: AtomicBool,
}

/// A victim that neither reads nor hangs up must not hold the suite.
const STALL: Duration = Duration::from_secs(20);

impl Attacker {
    /// Sends the preface and empty settings, and starts to read.
    pub fn connect(victim: SocketAddr) -> io::Result<Self> {
        let mut stream = TcpStream::connect(victim)?;
        stream.set_write_timeout(Some(STALL))?;
        stream.set_nodelay(true)?;
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")?;
        let seen = Arc::new(Seen::default());
        let reader = stream.try_clone()?;
        let reported = Arc::clone(&seen);
        std::thread::spawn(move || {
            // How the connection breaks does not matter, only that it does.
            let _ = read_frames(reader, &reported);
            reported.closed.store(true, Ordering::Release);
        });
        let mut attacker = Self { stream, seen };
        attacker.send(SETTINGS, 0, 0, &[])?;
        Ok(attacker)
    }

    /// Writes one frame.
    pub fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> io::Result<()> {
        let length = u32::try_from(payload.len())
            .expect("a small frame")
            .to_be_bytes();
        let mut frame = Vec::with_capacity(9 + payload.len());
        frame.extend_from_slice(&length[1..]);
        frame.extend_from_slice(&[kind, flags]);
        frame.extend_from_slice(&stream.to_be_bytes());
        frame.extend_from_slice(payload);
        self.stream.write_all(&frame)
    }

    /// Whether the victim hung up.
    pub fn is_closed(&self) -> bool {
        self.seen.closed.load(Ordering::Acquire)
    }

    /// How many streams the victim has reset.
    pub fn resets(&self) -> u32 {
        self.seen.resets.load(Ordering::Acquire)
    }

    /// Waits until a stream was answered or reset, or the victim hung up.
    pub fn wait_for_verdict(&self) {
        wait::until_true("an answer, a reset or the end", || {
            self.seen.answers.load(Ordering::Acquire) > 0 || self.resets() > 0 || self.is_closed()
        });
    }

    /// Waits until the victim has read everything that was sent: it answers a PING in its turn.
    pub fn wait_until_read(&mut self) -> io::Result<()> {
        self.send(PING, 0, 0, &[0xee; 8])?;
        wait::until_true("the answer to a PING", || {
            self.seen.pongs.load(Ordering::Acquire) > 0
        });
        Ok(())
    }

    /// Waits until the victim says that it takes no new streams.
    pub fn wait_for_goaway(&self) {
        wait::until_true("a GOAWAY", || {
            self.seen
                .goaway
                .lock()
                .expect("no panic while held")
                .is_some()
        });
    }

    /// Brings what [`declare_message`](super::declare_message) announced, in one frame.
    pub fn send_declared(&mut self, message: &[u8]) -> io::Result<()> {
        assert!(message.len() <= 16_384, "the largest frame unasked");
        self.send(DATA, END_STREAM, 1, message)
    }

    /// A last PING shows whether the victim still listens.
    pub fn finish(mut self) -> Ending {
        let before = self.seen.frames.load(Ordering::Acquire);
        if self.send(PING, 0, 0, &[0xee; 8]).is_ok() {
            wait::until_true("a sign of life or the end", || {
                self.is_closed() || self.seen.frames.load(Ordering::Acquire) > before
            });
        } else {
            wait::until_true("the end", || self.is_closed());
        }
        // A GOAWAY is followed by the end; give the end its time.
        let goaway = || *self.seen.goaway.lock().expect("no panic while held");
        if goaway().is_some() {
            wait::until_true("the end after GOAWAY", || self.is_closed());
        }
        if self.is_closed() {
            Ending::Closed { goaway: goaway() }
        } else {
            Ending::Open
        }
    }
}

impl Drop for Attacker {
    fn drop(&mut self) {
        // Ends the reading thread too; fails only where the victim hung up before.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

fn read_frames(stream: TcpStream, seen: &Seen) -> io::Result<()> {
    let mut stream = BufReader::with_capacity(1 << 16, stream);
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head)?;
        let length = u64::from(u32::from_be_bytes([0, head[0], head[1], head[2]]));
        let mut payload = Vec::new();
        stream.by_ref().take(length).read_to_end(&mut payload)?;
        match head[3] {
            GOAWAY if payload.len() >= 8 => {
                let code = u32::from_be_bytes([payload[4], payload[5], payload[6], payload[7]]);
                *seen.goaway.lock().expect("no panic while held") = Some(code);
            }
            RST_STREAM => {
                seen.resets.fetch_add(1, Ordering::AcqRel);
            }
            PING if head[4] & ACK != 0 => {
                seen.pongs.fetch_add(1, Ordering::AcqRel);
            }
            HEADERS => {
                seen.answers.fetch_add(1, Ordering::AcqRel);
            }
            _ => {}
        }
        seen.frames.fetch_add(1, Ordering::AcqRel);
    }
}
