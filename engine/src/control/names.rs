//! Addresses of the exporters' endpoints: asked for again and again, never on a shard's thread.

use super::LaneNames;
use crate::assembly::Name;
use crate::exchange::Address;
use crate::runtime::{Consumer, Producer, ring};
use crate::time::Instant;
use crate::units::LaneId;
use std::net::ToSocketAddrs;
use std::sync::mpsc::{Sender, channel};
use std::task::{Context, Poll};
use std::time::Duration;

/// However often shards ask, a name is resolved at most this often.
const ASK_MIN: Duration = Duration::from_secs(1);

/// One endpoint, shared by every lane that names it.
#[derive(Debug)]
struct Endpoint {
    name: Name,
    lanes: Vec<LaneId>,
    asked: Option<Instant>,
    /// When it is to be resolved next.
    due: Instant,
    pending: bool,
}

/// The names of all exporters, and the thread that resolves them.
#[derive(Debug)]
pub(super) struct Names {
    endpoints: Vec<Endpoint>,
    questions: Sender<(usize, Name)>,
    answers: Consumer<(usize, Vec<Address>)>,
}

impl Names {
    /// Nothing is resolved before a shard asks.
    pub fn new(names: &LaneNames) -> std::io::Result<Self> {
        let mut endpoints: Vec<Endpoint> = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let Some(name) = name else { continue };
            let lane = LaneId(u32::try_from(index).unwrap_or(u32::MAX));
            match endpoints.iter_mut().find(|endpoint| endpoint.name == *name) {
                Some(endpoint) => endpoint.lanes.push(lane),
                None => endpoints.push(Endpoint {
                    name: name.clone(),
                    lanes: vec![lane],
                    asked: None,
                    due: Instant::NEVER,
                    pending: false,
                }),
            }
        }
        let (questions, asked) = channel::<(usize, Name)>();
        let (producer, answers): (Producer<_>, _) = ring(endpoints.len().max(1));
        if !endpoints.is_empty() {
            // getaddrinfo blocks: it has a thread of its own, which ends with the sender.
            std::thread::Builder::new()
                .name("tailrace-names".into())
                .spawn(move || {
                    for (index, name) in asked {
                        if producer.send((index, resolve(&name))).is_err() {
                            return;
                        }
                    }
                })?;
        }
        Ok(Self {
            endpoints,
            questions,
            answers,
        })
    }

    /// A shard has no address that answers.
    pub fn want(&mut self, lane: LaneId, now: Instant) {
        let endpoint = self
            .endpoints
            .iter_mut()
            .find(|endpoint| endpoint.lanes.contains(&lane));
        if let Some(endpoint) = endpoint {
            let soonest = endpoint.asked.map_or(now, |asked| asked + ASK_MIN);
            endpoint.due = endpoint.due.min(soonest.max(now));
        }
        self.handle_timeout(now);
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        for (index, endpoint) in self.endpoints.iter_mut().enumerate() {
            if endpoint.due <= now && !endpoint.pending {
                endpoint.asked = Some(now);
                endpoint.due = now + endpoint.name.refresh;
                endpoint.pending = self.questions.send((index, endpoint.name.clone())).is_ok();
            }
        }
    }

    pub fn next_timeout(&self) -> Option<Instant> {
        let due = self.endpoints.iter().filter(|endpoint| !endpoint.pending);
        due.map(|endpoint| endpoint.due)
            .min()
            .filter(|due| *due != Instant::NEVER)
    }

    /// What has been resolved since, for each lane.
    pub fn poll_resolved(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
    ) -> Vec<(LaneId, Vec<Address>)> {
        let mut resolved = Vec::new();
        while let Poll::Ready(Some((index, addresses))) = self.answers.poll_recv(cx) {
            let endpoint = &mut self.endpoints[index];
            endpoint.pending = false;
            if addresses.is_empty() {
                // Nobody has the name now: ask again soon, whether or not a shard does.
                endpoint.due = now + ASK_MIN;
                tracing::warn!(host = endpoint.name.host, "name not resolved");
            }
            resolved.extend(endpoint.lanes.iter().map(|lane| (*lane, addresses.clone())));
        }
        resolved
    }
}

fn resolve(name: &Name) -> Vec<Address> {
    let Ok(found) = (name.host.as_str(), name.port).to_socket_addrs() else {
        return Vec::new();
    };
    let mut addresses: Vec<_> = found.collect();
    // A resolver that rotates its answers is no reason to reconnect.
    addresses.sort_unstable();
    addresses.dedup();
    addresses.into_iter().map(Address::Tcp).collect()
}
