//! Reads of a connection: many small frames by one system call, a large frame without a copy.
//!
//! h2 asks for what its buffer has room for, a frame at a time. With frames of 16 KiB that is a
//! system call for each; so the socket is read into a buffer of 256 KiB that all connections of a
//! thread take turns with, and h2 gets its pieces from there: a copy of 16 KiB costs far less than
//! a system call. A frame of 64 KiB or more fills h2's own buffer, and is read into it directly.

use crate::net::flood::{Flood, FloodMeter, Peer};
use crate::net::frames::{ACK, FrameHead, Frames, Kind};
use crate::time::Instant;
use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, ReadBuf};

/// Of the buffer that a thread's connections share.
const STAGE_LEN: usize = 256 << 10;

/// DATA frames of this length are worth a system call of their own.
const LARGE_FRAME_LEN: u32 = 64 << 10;

/// Smaller frames after which large ones are expected no longer: the last frame of a message, and
/// messages that are small, come between them.
const LARGE_MEMORY: u8 = 8;

/// What h2 is given in one poll of the connection, so that a peer that sends without end does not
/// own its shard. Bounds the copying; at a few hundred picoseconds a byte, some 100 us.
const POLL_BYTES_MAX: usize = 512 << 10;

/// As above, for frames that carry little: h2 takes some 100 ns for each.
const POLL_FRAMES_MAX: usize = 1024;

thread_local! {
    /// Taken while a connection has bytes in it, else here.
    static STAGE: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
}

/// What a connection has received that h2 has not.
///
/// Invariant: `at <= end <= staged.len()`.
#[derive(Debug)]
pub(super) struct Incoming {
    staged: Box<[u8]>,
    at: usize,
    end: usize,
    frames: Frames,
    meter: FloodMeter,
    flood: Option<Flood>,
    /// Above 0: frames are large, and the stage is passed by.
    large: u8,
    /// There was nothing to read in this poll of the connection: h2 looks again after each write.
    drained: bool,
    bytes_left: usize,
    frames_left: usize,
    pub(super) heard: bool,
    /// PINGs that asked for an answer, since the owner last took their number.
    pub(super) pings: u64,
}

impl Incoming {
    pub(super) fn new(peer: Peer, now: Instant) -> Self {
        let preface = match peer {
            Peer::Client => PREFACE_LEN,
            Peer::Server => 0,
        };
        Self {
            staged: Box::default(),
            at: 0,
            end: 0,
            frames: Frames::after(preface),
            meter: FloodMeter::new(peer, now),
            flood: None,
            large: 0,
            drained: false,
            bytes_left: POLL_BYTES_MAX,
            frames_left: POLL_FRAMES_MAX,
            heard: false,
            pings: 0,
        }
    }

    /// A poll of the connection begins; `sent` bytes went out since the last.
    pub(super) fn begin(&mut self, now: Instant, sent: usize) {
        self.meter.handle_time(now);
        self.meter.handle_sent(sent);
        self.renew();
    }

    /// Grants what a poll of the connection may read, anew.
    pub(super) fn renew(&mut self) {
        self.drained = false;
        self.bytes_left = POLL_BYTES_MAX;
        self.frames_left = POLL_FRAMES_MAX;
    }

    /// A poll of the connection ends: the shared buffer goes back, and what h2 left in it is kept.
    pub(super) fn end(&mut self) {
        if self.at == self.end {
            self.give_back();
        } else if self.staged.len() == STAGE_LEN {
            // COPY: what was beyond this poll's allowance, at most once a poll.
            let rest: Box<[u8]> = self.staged[self.at..self.end].into();
            self.give_back();
            (self.at, self.end) = (0, rest.len());
            self.staged = rest;
        }
    }

    /// See [`Frames::incomplete`]. Nothing is, while there is more to look at.
    pub(super) const fn incomplete(&self) -> Option<u64> {
        match self.at == self.end {
            true => self.frames.incomplete(),
            false => None,
        }
    }

    pub(super) const fn flood(&self) -> Option<Flood> {
        self.flood
    }

    pub(super) fn poll_read<IO: AsyncRead + Unpin>(
        &mut self,
        io: &mut IO,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(flood) = self.flood {
            return Poll::Ready(Err(io::Error::other(flood)));
        }
        if self.bytes_left == 0 || self.frames_left == 0 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.at == self.end {
            if self.drained {
                return Poll::Pending;
            }
            if self.large > 0 {
                return self.poll_direct(io, cx, buf);
            }
            ready!(self.poll_fill(io, cx))?;
        }
        let piece = &self.staged[self.at..self.end];
        let len = piece.len().min(buf.remaining());
        // COPY: up to a frame of 16 KiB, in place of a system call.
        buf.put_slice(&piece[..len]);
        let passed = Passed::look(&mut self.frames, &mut self.meter, &piece[..len]);
        self.at += len;
        Poll::Ready(self.note(&passed, len))
    }

    /// Reads into h2's own buffer.
    fn poll_direct<IO: AsyncRead + Unpin>(
        &mut self,
        io: &mut IO,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(io).poll_read(cx, buf);
        self.drained = read.is_pending();
        ready!(read)?;
        let piece = &buf.filled()[before..];
        self.heard |= !piece.is_empty();
        let passed = Passed::look(&mut self.frames, &mut self.meter, piece);
        Poll::Ready(self.note(&passed, piece.len()))
    }

    /// Reads as much as there is, for several calls. At the end of the stream nothing is staged.
    fn poll_fill<IO: AsyncRead + Unpin>(
        &mut self,
        io: &mut IO,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.staged.len() != STAGE_LEN {
            let shared = STAGE.take();
            self.staged = shared.unwrap_or_else(|| vec![0; STAGE_LEN].into_boxed_slice());
        }
        (self.at, self.end) = (0, 0);
        let mut stage = ReadBuf::new(&mut self.staged);
        let read = Pin::new(io).poll_read(cx, &mut stage);
        self.end = stage.filled().len();
        self.drained = read.is_pending();
        self.heard |= self.end > 0;
        read
    }

    fn give_back(&mut self) {
        (self.at, self.end) = (0, 0);
        let staged = std::mem::take(&mut self.staged);
        if staged.len() == STAGE_LEN {
            STAGE.set(Some(staged));
        }
    }

    fn note(&mut self, passed: &Passed, bytes: usize) -> io::Result<()> {
        self.pings += passed.pings;
        self.bytes_left = self.bytes_left.saturating_sub(bytes);
        self.frames_left = self.frames_left.saturating_sub(passed.frames);
        if passed.large > 0 {
            self.large = LARGE_MEMORY;
        } else {
            let small = u8::try_from(passed.small).unwrap_or(u8::MAX);
            self.large = self.large.saturating_sub(small);
        }
        self.flood = passed.flood;
        passed
            .flood
            .map_or(Ok(()), |flood| Err(io::Error::other(flood)))
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// Of "PRI * HTTP/2.0" and what follows it, RFC 9113, section 3.4.
const PREFACE_LEN: usize = 24;

/// The frames that began in a piece of what was received.
#[derive(Debug, Default)]
struct Passed {
    frames: usize,
    /// DATA frames that were worth a system call, and that were not.
    large: usize,
    small: usize,
    pings: u64,
    flood: Option<Flood>,
}

impl Passed {
    fn look(frames: &mut Frames, meter: &mut FloodMeter, mut piece: &[u8]) -> Self {
        let mut passed = Self::default();
        while let Some(head) = frames.next(&mut piece) {
            passed.frames += 1;
            match head {
                FrameHead {
                    kind: Kind::Data,
                    len: LARGE_FRAME_LEN..,
                    ..
                } => passed.large += 1,
                FrameHead {
                    kind: Kind::Data,
                    len: 1..,
                    ..
                } => passed.small += 1,
                FrameHead {
                    kind: Kind::Ping,
                    flags,
                    ..
                } => passed.pings += u64::from(flags & ACK == 0),
                _ => {}
            }
            if let Err(flood) = meter.handle_frame(&head) {
                passed.flood = Some(flood);
                break;
            }
        }
        passed
    }
}
