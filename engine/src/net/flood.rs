//! Whether a peer's frames are in proportion to the work they carry.
//!
//! h2 bounds the memory that control frames take, not the time: a PING costs the peer nothing and
//! us a wake-up and an answer. What a healthy peer sends is in proportion to its requests and its
//! data, so each request and each piece of data earns allowance, and time earns a little more. A
//! peer that spends more than that is closed.
//!
//! ```text
//!   HEADERS, DATA, bytes we sent, time --earn--> allowance by class --spend--> PING, SETTINGS, ..
//! ```

use super::frames::{END_STREAM, FrameHead, Kind};
use crate::time::Instant;
use std::fmt;

/// A peer sent more frames of one class than its work explains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flood {
    pub class: Class,
}

/// Frames that are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    Ping,
    Settings,
    Priority,
    WindowUpdate,
    RstStream,
    Continuation,
    /// DATA without a byte that does not end its stream.
    EmptyData,
    /// GOAWAY, PUSH_PROMISE and types that RFC 9113 does not know.
    Other,
}

/// What one class is allowed.
#[derive(Debug, Clone, Copy)]
struct Allowance {
    /// At once, and the most that can be saved up.
    burst: u32,
    per_second: u32,
    /// For each HEADERS frame received: a request, a response or trailers.
    per_headers: u32,
    /// For each [`WORK_BYTES`] of DATA received, and of anything sent.
    per_work: u32,
}

/// Data that earns a unit of `per_work`: grpc-go's and h2's smallest frames are 16 KiB, their
/// window updates follow at most each of them.
const WORK_BYTES: u64 = 4 << 10;

impl Class {
    const ALL: [Self; 8] = [
        Self::Ping,
        Self::Settings,
        Self::Priority,
        Self::WindowUpdate,
        Self::RstStream,
        Self::Continuation,
        Self::EmptyData,
        Self::Other,
    ];

    /// Generous: several times what grpc-go, grpc-core, h2, nghttp2 and browsers are seen to send.
    const fn allowance(self) -> Allowance {
        let (burst, per_second, per_headers, per_work) = match self {
            // A bandwidth probe (gRPC's BDP estimator) sends one for each message at the most.
            Self::Ping => (200, 20, 2, 1),
            // Windows that follow such a probe, limits that follow the load.
            Self::Settings => (200, 20, 1, 0),
            // A tree of priorities at the start (nghttp2), then one with each request.
            Self::Priority => (200, 20, 2, 0),
            // One for the stream and one for the connection, for each answer and each frame of
            // data that the peer receives.
            Self::WindowUpdate => (1000, 100, 4, 2),
            // A client that cancels what it opened must not earn by opening: rapid reset,
            // CVE-2023-44487. A server may end each upload that it refuses.
            Self::RstStream => (2000, 200, 0, 0),
            Self::Continuation => (100, 10, 1, 0),
            Self::EmptyData => (100, 10, 1, 0),
            Self::Other => (100, 10, 1, 0),
        };
        Allowance {
            burst,
            per_second,
            per_headers,
            per_work,
        }
    }
}

/// Which end of the connection the peer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peer {
    Client,
    Server,
}

/// The allowances of one connection.
#[derive(Debug)]
pub(super) struct FloodMeter {
    peer: Peer,
    /// In thousandths of a frame, so that slow rates do not round to nothing. By [`Class::ALL`].
    left: [u64; Class::ALL.len()],
    /// When time last earned.
    earned_at: Instant,
    /// Work that has not earned yet, in bytes.
    work: u64,
}

const SCALE: u64 = 1000;

impl FloodMeter {
    pub(super) fn new(peer: Peer, now: Instant) -> Self {
        Self {
            peer,
            left: Class::ALL.map(|class| u64::from(class.allowance().burst) * SCALE),
            earned_at: now,
            work: 0,
        }
    }

    /// Lets time earn. Cost: eight additions, at most once a millisecond.
    pub(super) fn handle_time(&mut self, now: Instant) {
        let millis = now.0.saturating_sub(self.earned_at.0) / 1_000_000;
        if millis == 0 {
            return;
        }
        self.earned_at = Instant(self.earned_at.0 + millis * 1_000_000);
        // A frame a second is a thousandth of one a millisecond.
        self.earn(|allowance| u64::from(allowance.per_second).saturating_mul(millis));
    }

    /// Counts bytes that we sent.
    pub(super) fn handle_sent(&mut self, bytes: usize) {
        self.handle_work(bytes as u64);
    }

    /// Counts a frame that came.
    pub(super) fn handle_frame(&mut self, head: &FrameHead) -> Result<(), Flood> {
        let class = match head.kind {
            Kind::Headers => {
                let refused_uploads = self.peer == Peer::Server;
                self.earn(|allowance| u64::from(allowance.per_headers) * SCALE);
                if refused_uploads {
                    self.add(Class::RstStream, SCALE);
                }
                return Ok(());
            }
            Kind::Data if head.len > 0 => {
                self.handle_work(u64::from(head.len));
                return Ok(());
            }
            Kind::Data if head.flags & END_STREAM != 0 => return Ok(()),
            Kind::Data => Class::EmptyData,
            Kind::Priority => Class::Priority,
            Kind::RstStream => Class::RstStream,
            Kind::Settings => Class::Settings,
            Kind::Ping => Class::Ping,
            Kind::WindowUpdate => Class::WindowUpdate,
            Kind::Continuation => Class::Continuation,
            Kind::PushPromise | Kind::GoAway | Kind::Unknown => Class::Other,
        };
        let left = &mut self.left[class as usize];
        *left = left.checked_sub(SCALE).ok_or(Flood { class })?;
        Ok(())
    }

    fn handle_work(&mut self, bytes: u64) {
        self.work += bytes;
        let units = self.work / WORK_BYTES;
        if units > 0 {
            self.work %= WORK_BYTES;
            self.earn(|allowance| u64::from(allowance.per_work).saturating_mul(units * SCALE));
        }
    }

    fn earn(&mut self, earned: impl Fn(&Allowance) -> u64) {
        for class in Class::ALL {
            self.add(class, earned(&class.allowance()));
        }
    }

    fn add(&mut self, class: Class, earned: u64) {
        let most = u64::from(class.allowance().burst) * SCALE;
        let left = &mut self.left[class as usize];
        *left = left.saturating_add(earned).min(most);
    }
}

impl fmt::Display for Flood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let frames = match self.class {
            Class::Ping => "PING",
            Class::Settings => "SETTINGS",
            Class::Priority => "PRIORITY",
            Class::WindowUpdate => "WINDOW_UPDATE",
            Class::RstStream => "RST_STREAM",
            Class::Continuation => "CONTINUATION",
            Class::EmptyData => "empty DATA",
            Class::Other => "unknown",
        };
        write!(f, "the peer sent too many {frames} frames")
    }
}

impl std::error::Error for Flood {}

#[cfg(test)]
mod tests;
