//! What crosses between threads: orders from control, batches between shards, reports to control.

use super::Shard;
use crate::config::FileConfig;
use crate::egress::balance::HANDED_OVER_MAX;
use crate::egress::lane::Conclusion;
use crate::egress::outlet::Parcel;
use crate::exchange::Address;
use crate::net::{client, server};
use crate::pipeline::PipelineSettings;
use crate::runtime::{Consumer, Producer};
use crate::telemetry::Counters;
use crate::time::Instant;
use crate::units::{AttemptId, EndpointId, LaneId, ListenerId, ShardId};
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::Duration;

/// Everything a shard is told before it runs.
#[derive(Debug)]
pub struct ShardPlan {
    pub id: ShardId,
    /// Of its random numbers.
    pub seed: u64,
    pub pipeline: PipelineSettings,
    /// By listener.
    pub servers: Vec<server::Settings>,
    /// By lane; `None` for exporters without a network.
    pub clients: Vec<Option<client::Settings>>,
    pub listeners: Vec<(ListenerId, socket2::Socket)>,
    /// By lane: the file it writes; filled in on its home shard alone.
    pub files: Vec<Option<FileConfig>>,
    /// Whether a lane that has its home here writes to the console.
    pub prints: bool,
    /// What runs here beside the connections.
    pub guest: Option<Guest>,
    /// Told once, when the shard serves, or why it does not.
    pub started: SyncSender<io::Result<()>>,
    pub orders: Consumer<Order>,
    pub inboxes: Vec<Consumer<PeerMessage>>,
    pub peers: Peers,
}

/// A task of the engine's host that a shard runs as it runs its connections' tasks.
pub struct Guest(Box<dyn FnOnce(Shard) -> Visit + Send>);

type Visit = Pin<Box<dyn Future<Output = ()>>>;

impl Guest {
    pub fn new<F: Future<Output = ()> + 'static>(
        task: impl FnOnce(Shard) -> F + Send + 'static,
    ) -> Self {
        Self(Box::new(|shard| Box::pin(task(shard))))
    }

    pub(super) fn visit(self, shard: Shard) -> Visit {
        (self.0)(shard)
    }
}

impl fmt::Debug for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guest").finish_non_exhaustive()
    }
}

/// What the control thread asks of a shard.
#[derive(Debug)]
pub enum Order {
    Resolved {
        endpoint: EndpointId,
        addresses: Vec<Address>,
    },
    /// This shard's shares of tenants' quotas; `None` is the quota of all together.
    Shares(Vec<(Option<Arc<str>>, f64)>),
    /// Report a copy of the counters.
    Count { query: u64 },
    /// Stop taking requests and deliver what is inside, for at most so long.
    Stop { timeout: Duration },
    /// Every shard is drained: close the connections and end.
    Close,
}

/// What a shard tells the control thread.
#[derive(Debug)]
pub enum Report {
    /// The addresses of an endpoint are wanted.
    Resolve { endpoint: EndpointId },
    /// What this shard was asked for by tenant since it last said so, in seconds of the quota.
    Asked {
        shard: ShardId,
        asked: Vec<(Option<Arc<str>>, f64)>,
    },
    /// The counters, and the moment they are of.
    Counted {
        shard: ShardId,
        query: u64,
        counters: Box<Counters>,
        at: Instant,
    },
    /// The shard has stopped taking requests, and nothing of what it took is left.
    Drained { shard: ShardId },
    /// The shard has ended as asked, giving up so many items.
    Stopped {
        shard: ShardId,
        dropped_items: u64,
        counters: Box<Counters>,
    },
}

/// What shards tell each other.
#[derive(Debug)]
pub enum PeerMessage {
    /// Serve a connection that this shard accepted.
    Connection {
        listener: ListenerId,
        socket: socket2::Socket,
    },
    Parcel {
        from: ShardId,
        lane: LaneId,
        attempt: AttemptId,
        parcel: Parcel,
    },
    Ended {
        attempt: AttemptId,
        conclusion: Conclusion,
        wire_bytes: u64,
    },
}

/// What a ring between two shards must have room for at any time: this shard's batches, and the
/// verdicts for the other's.
const PARCELS_AND_VERDICTS: usize = 2 * HANDED_OVER_MAX;

/// The slots of a ring between two shards, those for connections that change shards included.
pub const PEER_SLOTS: usize = 2 * PARCELS_AND_VERDICTS;

/// A shard's ways to the other threads.
#[derive(Debug)]
pub struct Peers {
    pub shards: Vec<Option<Producer<PeerMessage>>>,
    pub reports: Producer<Report>,
    /// How busy each shard is, in thousandths.
    pub busy: Arc<[AtomicU32]>,
}

impl Peers {
    pub fn are_many(&self) -> bool {
        self.shards.len() > 1
    }

    /// Sends a batch or a verdict to a peer. The ring has room for all that may be under way, so
    /// `false` means that the peer is gone.
    pub fn send(&self, to: ShardId, message: PeerMessage) -> bool {
        match self.shards.get(to.index()) {
            Some(Some(ring)) => ring.send(message).is_ok(),
            _ => false,
        }
    }

    /// Gives a connection to a peer, or gives it back where the peer has many to take already.
    pub fn give(
        &self,
        to: ShardId,
        listener: ListenerId,
        socket: socket2::Socket,
    ) -> Result<(), socket2::Socket> {
        match self.shards.get(to.index()) {
            Some(Some(ring)) if ring.free() > PARCELS_AND_VERDICTS => {
                // There is room: nobody else sends on this ring.
                let _ = ring.send(PeerMessage::Connection { listener, socket });
                Ok(())
            }
            _ => Err(socket),
        }
    }

    /// The shard that was least busy when they last told each other.
    pub fn least_busy(&self) -> ShardId {
        let busy = (0..).zip(self.busy.iter());
        let least = busy.min_by_key(|(_, slot)| slot.load(Ordering::Relaxed));
        ShardId(least.map_or(0, |(shard, _)| shard))
    }

    /// How busy a shard was when it last said so, in thousandths.
    pub fn busy(&self, shard: ShardId) -> u32 {
        let slot = self.busy.get(shard.index());
        slot.map_or(0, |slot| slot.load(Ordering::Relaxed))
    }

    pub fn report(&self, report: Report) {
        // Without a control thread there is nobody to tell, and the shard is about to end.
        let _ = self.reports.send(report);
    }

    /// Publishes one's own busy time and reads everybody's.
    pub fn exchange_busy(&self, own: ShardId, permille: u32) -> Vec<u32> {
        if let Some(slot) = self.busy.get(own.index()) {
            slot.store(permille, Ordering::Relaxed);
        }
        self.busy
            .iter()
            .map(|slot| slot.load(Ordering::Relaxed))
            .collect()
    }
}
