//! What a listener's connections are held to: sizes, counts and times, each a number.

use crate::exchange::Windows;
use std::time::Duration;

/// The protocols a cleartext listener speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/2 with prior knowledge, and nothing else: gRPC.
    Http2,
    /// HTTP/1.1 and HTTP/2 with prior knowledge, told apart by the first bytes.
    Any,
}

/// The limits of one listener's connections.
///
/// Memory a peer can hold without a request being admitted, for each HTTP/2 connection:
/// `streams_max` x `header_list_max` for headers, the connection window for unread bodies, and
/// [`SEND_BUFFER_MAX`] for each reply it does not read.
#[derive(Debug, Clone)]
pub struct Settings {
    pub protocol: Protocol,
    /// SETTINGS_MAX_CONCURRENT_STREAMS: requests open at once on one HTTP/2 connection.
    pub streams_max: u32,
    /// SETTINGS_MAX_HEADER_LIST_SIZE and the size of an HTTP/1.1 request head, in bytes.
    pub header_list_max: u32,
    pub timeouts: Timeouts,
    pub lifetime: Lifetime,
    pub pings: Pings,
}

/// How long a peer may take over its part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// From accept to the end of the HTTP/2 preface, or to the first byte of HTTP/1.1.
    pub handshake: Duration,
    /// From the first byte of a request's head to its last.
    pub header: Duration,
    /// Between two pieces of a body.
    pub body_progress: Duration,
    /// From a reply being ready to the peer having taken it.
    pub reply: Duration,
}

/// How long a connection lives: the Collector's `keepalive.server_parameters`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// `max_connection_idle`: without an open request. `Duration::MAX`: no limit.
    pub idle_max: Duration,
    /// `max_connection_age`: then GOAWAY, or `connection: close`. `Duration::MAX`: no limit.
    pub age_max: Duration,
    /// `max_connection_age_grace`: after that, what is still open is cut.
    pub age_grace: Duration,
}

/// HTTP/2 PINGs in both directions: the rest of the Collector's `keepalive`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pings {
    /// `server_parameters.time`: PING after this long without a sign of the peer.
    pub time: Duration,
    /// `server_parameters.timeout`: close when the answer takes longer.
    pub timeout: Duration,
    /// `enforcement_policy.min_time`: a peer that pings more often is told to go away.
    pub min_time: Duration,
    /// `enforcement_policy.permit_without_stream`: pings are welcome without an open request.
    pub permit_without_stream: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            protocol: Protocol::Any,
            streams_max: 128,
            header_list_max: 16 << 10,
            timeouts: Timeouts {
                handshake: Duration::from_secs(10),
                header: Duration::from_secs(10),
                body_progress: Duration::from_secs(30),
                reply: Duration::from_secs(30),
            },
            // grpc-go's defaults, which the Collector keeps.
            lifetime: Lifetime {
                idle_max: Duration::MAX,
                age_max: Duration::MAX,
                age_grace: Duration::MAX,
            },
            pings: Pings {
                time: Duration::from_secs(2 * 60 * 60),
                timeout: Duration::from_secs(20),
                min_time: Duration::from_secs(5 * 60),
                permit_without_stream: false,
            },
        }
    }
}

/// What h2 may hold of one reply that the peer does not read, in bytes. h2's default is 400 KiB;
/// an OTLP reply is below 1 KiB, an HTTP error below 64 KiB.
pub(super) const SEND_BUFFER_MAX: usize = 64 << 10;

/// Streams reset by the peer before they were accepted: at 21 the connection is closed, which is
/// the defence against rapid reset (CVE-2023-44487).
const PENDING_ACCEPT_RESETS_MAX: usize = 20;

/// Resets that the peer provokes over the life of a connection, refused streams included
/// (CVE-2025-8671, "MadeYouReset").
const LOCAL_ERROR_RESETS_MAX: usize = 256;

/// How long a reset stream is remembered, so that its late frames are ignored, not errors.
const RESET_MEMORY: Duration = Duration::from_secs(1);

/// The default of RFC 7541; larger tables only help peers that have many distinct headers.
const HEADER_TABLE_SIZE: u32 = 4096;

/// What h2 charges for a DATA frame smaller than this, as the difference, until it is read.
const SMALL_FRAME: usize = 256;

/// An h2 server with every limit said: its own defaults are a header list of 16 MiB and streams
/// without limit.
pub(super) fn h2_builder(settings: &Settings, windows: &Windows) -> h2::server::Builder {
    let streams = settings.streams_max as usize;
    let mut builder = h2::server::Builder::new();
    builder
        .max_concurrent_streams(settings.streams_max)
        .max_header_list_size(settings.header_list_max)
        .header_table_size(HEADER_TABLE_SIZE)
        .max_frame_size(windows.frame)
        .initial_window_size(windows.stream)
        .initial_connection_window_size(windows.connection)
        .max_send_buffer_size(SEND_BUFFER_MAX)
        .max_pending_accept_reset_streams(PENDING_ACCEPT_RESETS_MAX)
        .max_local_error_reset_streams(Some(LOCAL_ERROR_RESETS_MAX))
        // Every open stream may be refused at once, and each refusal ends in a reset: with fewer
        // remembered, a late DATA frame would be an error of the whole connection.
        .max_concurrent_reset_streams(streams)
        .reset_stream_duration(RESET_MEMORY)
        .data_frame_budget(data_frame_budget(streams, windows));
    builder
}

/// Room for two small DATA frames of every stream (gRPC senders may put the prefix in a frame of
/// its own), and h2's own measure of half the window, so that honest peers never exhaust it.
fn data_frame_budget(streams: usize, windows: &Windows) -> usize {
    streams * 2 * SMALL_FRAME + windows.connection as usize / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOWS: Windows = Windows {
        frame: 1 << 20,
        stream: 1 << 20,
        connection: 8 << 20,
    };

    /// What a peer can make one connection hold in header lists, pinned: raising either default
    /// is a decision about memory, not a detail.
    #[test]
    fn header_lists_of_all_streams_stay_below_two_mebibytes() {
        let settings = Settings::default();
        let product = u64::from(settings.streams_max) * u64::from(settings.header_list_max);
        assert_eq!(product, 2 << 20);
    }

    #[test]
    fn every_limit_reaches_h2() {
        let builder = h2_builder(&Settings::default(), &WINDOWS);
        let shown = format!("{builder:?}");
        for expected in [
            "reset_stream_duration: 1s",
            "reset_stream_max: 128",
            "pending_accept_reset_stream_max: 20",
            "initial_target_connection_window_size: Some(8388608)",
            "max_send_buffer_size: 65536",
            "local_max_error_reset_streams: Some(256)",
            "data_frame_budget: Configured(4259840)",
            "header_table_size: 4096",
            "max_concurrent_streams: 128",
            "initial_window_size: 1048576",
            "max_frame_size: 1048576",
            "max_header_list_size: 16384",
        ] {
            assert!(shown.contains(expected), "{expected} missing in {shown}");
        }
    }
}
