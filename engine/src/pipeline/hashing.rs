//! What of a request goes to which endpoint, where an exporter hashes.

use super::{Pipeline, reading};
use crate::batch::Size;
use crate::classify::Classified;
use crate::egress::outlet::Outlet;
use crate::flow::balancing::{HashBy, ring};
use crate::flow::fair::Class;
use crate::units::{LaneId, ListenerId};
use tailrace_codec::otlp::{self, ItemView, Sorted};
use tailrace_codec::{Rope, Signal};

/// What one lane gets of a request, where it hashes.
#[derive(Debug)]
pub(super) struct Hashed {
    pub lane: LaneId,
    /// The bucket of each, and its own bytes; `None` for all of the request.
    pub parts: Vec<(Class, u64, Option<Rope>, Size)>,
    /// Bytes of the messages around the items that stand in several parts.
    pub repeated: u64,
}

impl Pipeline {
    /// What the lanes that hash get of a request, in the order of the route.
    ///
    /// Cost: nothing where no lane hashes; else a pass over the request, and where its items go to
    /// different endpoints two more.
    pub(super) fn hashed(
        &self,
        listener: ListenerId,
        signal: Signal,
        classes: &Classified,
        whole: Size,
        body: &Rope,
    ) -> Vec<Hashed> {
        let route = self.settings.listeners[listener.index()].route(signal);
        let hashes = |lane: &LaneId| match &self.outlets[lane.index()] {
            Outlet::Network(network) => {
                let by = network.endpoints.hash_by()?;
                Some((*lane, by, &network.endpoints))
            }
            Outlet::File | Outlet::Debug(_) | Outlet::Nop => None,
        };
        let hashed = |(lane, by, endpoints): (LaneId, HashBy, &_)| {
            let mut parts = Vec::new();
            for (class, piece, size) in reading::parts(classes, whole) {
                let body = piece.unwrap_or(body);
                let bucket = |item: &ItemView<'_>| {
                    let endpoints: &crate::egress::endpoints::Endpoints = endpoints;
                    endpoints.bucket(hash(by, item))
                };
                match otlp::sort(signal, body, bucket) {
                    Ok(Sorted::Apart(pieces)) => {
                        for (index, (bucket, piece)) in pieces.into_iter().enumerate() {
                            let size = Size {
                                // A request counts once.
                                requests: if index == 0 { size.requests } else { 0 },
                                items: piece.items,
                                bytes: piece.body.len() as u64,
                            };
                            parts.push((class, bucket, Some(piece.body), size));
                        }
                    }
                    Ok(Sorted::Alike(bucket)) => {
                        parts.push((class, bucket.unwrap_or_default(), piece.cloned(), size));
                    }
                    // It was scanned when it came: its borders are sound.
                    Err(_) => parts.push((class, 0, piece.cloned(), size)),
                }
            }
            let bytes: u64 = parts.iter().map(|(_, _, _, size)| size.bytes).sum();
            Hashed {
                lane,
                parts,
                repeated: bytes.saturating_sub(whole.bytes),
            }
        };
        route.iter().filter_map(hashes).map(hashed).collect()
    }
}

/// The hash of what an item is kept together by. What has no trace id goes with its service.
fn hash(by: HashBy, item: &ItemView<'_>) -> u64 {
    let service = || {
        let name = item.resource_attribute("service.name").ok().flatten();
        name.map_or(0, |name| ring::hash(&name.bytes()))
    };
    match by {
        HashBy::TraceId => match item.trace_id() {
            Ok(Some(id)) => ring::hash(&id),
            Ok(None) | Err(_) => service(),
        },
        HashBy::Service => service(),
        HashBy::Resource => ring::hash(&item.resource().bytes()),
    }
}
