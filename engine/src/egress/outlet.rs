//! The way out of a lane: what a batch becomes, and where it goes.
//!
//! An outlet belongs to one exporter instance in one shard, but the batches it sends may come from
//! any shard: a busy shard hands batches to an idle one, and exporters that must be one of a kind
//! (a file, the console, fewer consumers than shards) send from their home shard alone.

#[cfg(test)]
mod tests;

use super::debug;
use super::destination::{ConnectionTable, DestinationSettings};
use super::endpoints::{Endpoint, Endpoints};
use crate::config::Verbosity;
use crate::exchange::{Address, Attempt, AttemptHead, Framing};
use crate::flow::balancing::BalancingRule;
use crate::memory::Scratch;
use crate::time::Instant;
use crate::units::{AttemptId, ItemCount};
use bytes::Bytes;
use http::{HeaderMap, Method, Uri};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;
use tailrace_codec::compress::{CompressError, Compressor, Encoding, Level};
use tailrace_codec::grpc::Prefix;
use tailrace_codec::otlp::json;
use tailrace_codec::{Rope, Signal};

/// A batch ready to leave: bytes and counts, no reference into any shard's tables.
#[derive(Debug)]
pub struct Parcel {
    pub signal: Signal,
    /// One export request, uncompressed protobuf.
    pub body: Rope,
    pub items: ItemCount,
    /// The bucket that its endpoint is chosen by, where an exporter hashes.
    pub bucket: u64,
}

/// What the receiving end takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    GrpcProtobuf,
    HttpProtobuf,
    HttpJson,
}

/// How an exporter instance sends, as every shard is told it.
#[derive(Debug, Clone)]
pub enum OutletSettings {
    Network(Box<NetworkSettings>),
    /// OTLP/JSON, one request a line.
    File,
    Debug(Verbosity),
    Nop,
}

/// An exporter instance that speaks OTLP over a network.
#[derive(Debug, Clone)]
pub struct NetworkSettings {
    pub destination: DestinationSettings,
    /// One at least.
    pub endpoints: Vec<EndpointSettings>,
    /// How several endpoints share the attempts.
    pub balancing: Option<BalancingRule>,
    pub method: Method,
    pub format: Format,
    pub encoding: Encoding,
    pub level: Level,
    pub timeout: Duration,
    /// For an exporter with fewer consumers than shards: what its home shard sends at once.
    pub window: Option<usize>,
}

/// One of its endpoints.
#[derive(Debug, Clone)]
pub struct EndpointSettings {
    /// Known where the endpoint is an address or a Unix socket; empty where it is a name.
    pub addresses: Vec<Address>,
    pub uri: Uri,
    pub headers: HeaderMap,
}

/// How an exporter instance sends, in one shard.
#[derive(Debug)]
pub enum Outlet {
    Network(Box<Network>),
    File,
    Debug(Verbosity),
    Nop,
}

/// What became of a parcel that was sent.
#[derive(Debug)]
pub enum Sent {
    /// The answer comes later. `wire_bytes`: the body's length as it goes on the wire.
    OnItsWay { wire_bytes: u64 },
    /// It waits until another has ended.
    Queued,
    /// Bytes for the exporter's file; the answer comes when they are written.
    Append(Bytes),
    /// Text for the console; the answer comes when it is printed.
    Print(String),
    /// It ends here, as delivered.
    Discarded,
    /// Cannot be put into the destination's format: refused for good.
    Unfit,
}

/// The network side of an outlet.
#[derive(Debug)]
pub struct Network {
    pub endpoints: Endpoints,
    /// Of the first endpoint; [`Endpoints`] puts another's in its place.
    pub head: Rc<AttemptHead>,
    format: Format,
    encoding: Encoding,
    level: Level,
    /// Bytes are dearer than time for now.
    harder: bool,
    timeout: Duration,
    compressor: Compressor,
    scratch: Scratch,
    window: Option<Window>,
}

/// A bound on what is on its way for all shards together, kept by the home shard.
#[derive(Debug)]
struct Window {
    max: usize,
    open: usize,
    queue: VecDeque<(AttemptId, Parcel)>,
}

impl OutletSettings {
    /// `seed`: of the jitter in the connections' ages.
    pub fn outlet(&self, seed: u64) -> Outlet {
        match self {
            Self::Network(settings) => Outlet::Network(Box::new(Network::new(settings, seed))),
            Self::File => Outlet::File,
            Self::Debug(verbosity) => Outlet::Debug(*verbosity),
            Self::Nop => Outlet::Nop,
        }
    }
}

impl Outlet {
    /// Sends a parcel, or says what else is to be done with it.
    pub fn send(
        &mut self,
        id: AttemptId,
        parcel: Parcel,
        table: &mut ConnectionTable,
        now: Instant,
    ) -> Sent {
        match self {
            Self::Network(network) => network.send(id, parcel, table, now),
            Self::File => match as_json(&parcel, Vec::new()) {
                Ok(mut text) => {
                    text.push(b'\n');
                    Sent::Append(text.into())
                }
                Err(_) => Sent::Unfit,
            },
            Self::Debug(verbosity) => Sent::Print(debug::render(*verbosity, &parcel)),
            Self::Nop => Sent::Discarded,
        }
    }

    /// An attempt of this outlet ended: the next one that waits for its place, if any.
    pub fn next_in_window(&mut self) -> Option<(AttemptId, Parcel)> {
        let Self::Network(network) = self else {
            return None;
        };
        let window = network.window.as_mut()?;
        window.open = window.open.saturating_sub(1);
        window.queue.pop_front()
    }
}

impl Network {
    fn new(settings: &NetworkSettings, seed: u64) -> Self {
        let framing = match settings.format {
            Format::GrpcProtobuf => Framing::Grpc,
            Format::HttpProtobuf | Format::HttpJson => Framing::Plain,
        };
        let head = |endpoint: &EndpointSettings| AttemptHead {
            method: settings.method.clone(),
            uri: endpoint.uri.clone(),
            headers: endpoint.headers.clone(),
            framing,
        };
        let endpoint = |settings: &EndpointSettings| Endpoint {
            addresses: settings.addresses.clone(),
            head: Rc::new(head(settings)),
        };
        let endpoints: Vec<_> = settings.endpoints.iter().map(endpoint).collect();
        let first = Rc::clone(&endpoints[0].head);
        let window = |max| Window {
            max,
            open: 0,
            queue: VecDeque::new(),
        };
        Self {
            endpoints: Endpoints::new(
                &settings.destination,
                endpoints,
                settings.balancing.clone(),
                seed,
            ),
            head: first,
            format: settings.format,
            encoding: settings.encoding,
            level: settings.level,
            harder: false,
            timeout: settings.timeout,
            compressor: Compressor::new(),
            scratch: Scratch::default(),
            window: settings.window.map(window),
        }
    }

    fn send(
        &mut self,
        id: AttemptId,
        parcel: Parcel,
        table: &mut ConnectionTable,
        now: Instant,
    ) -> Sent {
        if let Some(window) = &mut self.window {
            if window.open >= window.max {
                window.queue.push_back((id, parcel));
                return Sent::Queued;
            }
            window.open += 1;
        }
        let bucket = parcel.bucket;
        let Ok(body) = self.wire_body(parcel) else {
            return Sent::Unfit;
        };
        let wire_bytes = body.len() as u64;
        let head = Rc::clone(&self.head);
        let attempt = Attempt {
            id,
            head,
            extra: None,
            body,
            deadline: now + self.timeout,
        };
        self.endpoints.send(attempt, bucket, table, now);
        Sent::OnItsWay { wire_bytes }
    }

    /// Whether bytes are dearer than time for now.
    pub const fn set_harder(&mut self, harder: bool) {
        self.harder = harder;
    }

    /// Format, then compression, then framing.
    fn wire_body(&mut self, parcel: Parcel) -> Result<Rope, Unfit> {
        let message = match self.format {
            Format::GrpcProtobuf | Format::HttpProtobuf => parcel.body,
            Format::HttpJson => {
                let text = self.scratch.write(|out| as_json(&parcel, out));
                Rope::from(text.map_err(|_| Unfit)?)
            }
        };
        let compressed = self.encoding != Encoding::Identity;
        let level = match self.harder {
            true => self.level.harder(self.encoding),
            false => self.level,
        };
        let message = if compressed {
            self.compressor.compress(self.encoding, level, &message)?
        } else {
            message
        };
        if self.format != Format::GrpcProtobuf {
            return Ok(message);
        }
        let length = u32::try_from(message.len()).map_err(|_| Unfit)?;
        let prefix = Prefix { compressed, length };
        let mut framed = Rope::from(Bytes::copy_from_slice(&prefix.to_bytes()));
        framed.append(message);
        Ok(framed)
    }
}

/// JSON longer than this is not sent: four times the largest request there may be.
const JSON_BYTES_MAX: usize = 256 << 20;

/// Appends a parcel as OTLP/JSON. COPY: inherent, the text is new.
pub(super) fn as_json(parcel: &Parcel, mut out: Vec<u8>) -> Result<Vec<u8>, json::EncodeError> {
    // Protobuf grows to two or three times its length; the buffer rarely has to grow as well.
    out.reserve(parcel.body.len().saturating_mul(3));
    json::encode(parcel.signal, &parcel.body, JSON_BYTES_MAX, out)
}

/// A batch that has no form in the destination's format.
#[derive(Debug)]
struct Unfit;

impl From<CompressError> for Unfit {
    fn from(_: CompressError) -> Self {
        Self
    }
}
