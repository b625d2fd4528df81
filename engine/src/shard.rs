//! The shell of one shard: feeds events to the pipeline and performs what it asks. Decides nothing.
//!
//! ```text
//!   connections --Inbound, Outbound--> pipeline --Output--> mailboxes --> connections
//!   control, peers --rings-----------^        |
//!   timer ---------------------------^        +--> rings, writers
//! ```
//!
//! Events come in from inside the polls of the connections' tasks; they only change the pipeline
//! and wake the shard's own task. That task then takes all outputs at once (a *turn*), so a
//! connection that brought a hundred requests costs one turn.

mod events;
mod messages;
mod outputs;
mod stop;
mod writers;

pub use messages::{Guest, Order, PEER_SLOTS, PeerMessage, Peers, Report, ShardPlan};

use crate::exchange::{Address, Arrival, ClientCommand, ServerCommand};
use crate::net::{Clock, Mailbox, client, server};
use crate::pipeline::Pipeline;
use crate::runtime::{Acceptor, Consumer, Socket, Timer, now, spawn, thread_busy_time};
use crate::telemetry::{Busy, Counters};
use crate::time::Instant;
use crate::units::{ConnectionId, ListenerId, ShardId};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use stop::{Step, Stop};
use writers::Writers;

/// Messages taken from one ring in one turn: the rest waits for the next, so that a busy peer does
/// not keep this shard's connections from being served.
const MESSAGES_PER_TURN: usize = 64;

/// Below this many thousandths of its time a shard is at rest: less than waking it costs.
const RESTING: u32 = 10;

/// How often the shards tell each other how busy they are.
const BUSY_PERIOD: Duration = Duration::from_millis(100);

/// A shard as its connections see it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Shard(Rc<State>);

#[derive(Debug)]
struct State {
    id: ShardId,
    pipeline: RefCell<Pipeline>,
    servers: Vec<Rc<server::Settings>>,
    /// By lane; `None` for exporters without a network.
    clients: Vec<Option<client::Settings>>,
    incoming: RefCell<HashMap<ConnectionId, Mailbox<ServerCommand>>>,
    outgoing: RefCell<HashMap<ConnectionId, Mailbox<ClientCommand>>>,
    peers: Peers,
    writers: RefCell<Writers>,
    busy: Cell<Busy>,
    /// When the thread's busy time was last read, and what it was.
    measured: Cell<(Instant, Duration)>,
    /// The shard's own task, and whether it has been woken since its last turn.
    waker: RefCell<Option<Waker>>,
    stop: Cell<Stop>,
    /// Given up when the shard closed.
    dropped_items: Cell<u64>,
}

impl Shard {
    /// Serves until it is stopped, on the executor that runs it.
    pub async fn run(plan: ShardPlan) -> io::Result<()> {
        let ShardPlan {
            id,
            seed,
            pipeline,
            servers,
            clients,
            listeners,
            files,
            prints,
            guest,
            ..
        } = plan;
        let writers = match Writers::open(files, prints) {
            Ok(writers) => RefCell::new(writers),
            Err(error) => {
                let _ = plan.started.send(Err(error));
                return Ok(());
            }
        };
        let shard = Self(Rc::new(State {
            id,
            pipeline: RefCell::new(Pipeline::new(Rc::new(pipeline), id, seed)),
            servers: servers.into_iter().map(Rc::new).collect(),
            clients,
            incoming: RefCell::default(),
            outgoing: RefCell::default(),
            peers: plan.peers,
            writers,
            busy: Cell::new(Busy::new(now())),
            measured: Cell::new((now(), thread_busy_time())),
            waker: RefCell::default(),
            stop: Cell::default(),
            dropped_items: Cell::new(0),
        }));
        for (listener, socket) in listeners {
            let alone = socket.local_addr()?.is_unix();
            let acceptor = Acceptor::new(socket)?;
            let shard = shard.clone();
            spawn(async move { shard.accept(listener, &acceptor, alone).await });
        }
        if let Some(guest) = guest {
            spawn(guest.visit(shard.clone()));
        }
        // Who started the shards waits for this, and only while they start.
        let _ = plan.started.send(Ok(()));
        // Dropped as well: once nobody holds it, those who did not serve are known.
        drop(plan.started);
        let mut orders = Some(plan.orders);
        let mut inboxes = plan.inboxes;
        let mut timer = Timer::new();
        let mut next_busy = now() + BUSY_PERIOD;
        poll_fn(|cx| {
            shard.wake_with(cx);
            let start = now();
            let mut more = shard.take_orders(&mut orders, cx);
            for inbox in &mut inboxes {
                more |= shard.take_messages(inbox, cx);
            }
            if start >= next_busy {
                next_busy = start + BUSY_PERIOD;
                shard.exchange_busy(start);
            }
            shard.turn(start);
            // After the turn, so that what it gave to a writer is waited for.
            more |= shard.take_written(cx);
            if shard.advance_stop(start) {
                return Poll::Ready(());
            }
            let timeout = shard.next_timeout(next_busy);
            if more || timer.poll_until(cx, timeout).is_ready() {
                cx.waker().wake_by_ref();
            }
            Poll::Pending
        })
        .await;
        Ok(())
    }

    /// Takes connections from a listener for as long as the shard lives. A listener that this shard
    /// has alone (a Unix socket) gives whole connections to the least busy shard.
    async fn accept(&self, listener: ListenerId, acceptor: &Acceptor, alone: bool) {
        loop {
            let socket = acceptor.accept().await;
            if !self.0.stop.get().is_running() {
                continue;
            }
            let to = if alone {
                self.0.peers.least_busy()
            } else {
                self.0.id
            };
            if to == self.0.id {
                self.serve(listener, socket);
            } else {
                self.give(to, listener, socket);
            }
        }
    }

    /// Gives a connection to another shard, or serves it here where that one has no room.
    fn give(&self, to: ShardId, listener: ListenerId, socket: Socket) {
        let Ok(socket) = socket.into_std() else {
            return;
        };
        if let Err(socket) = self.0.peers.give(to, listener, socket) {
            self.take(listener, socket);
        }
    }

    /// Takes a connection that another shard accepted.
    fn take(&self, listener: ListenerId, socket: socket2::Socket) {
        if !self.0.stop.get().is_running() {
            return;
        }
        match Socket::from_std(socket) {
            Ok(socket) => self.serve(listener, socket),
            Err(error) => tracing::debug!(%error, "a connection was lost between shards"),
        }
    }

    fn serve(&self, listener: ListenerId, socket: Socket) {
        let settings = Rc::clone(&self.0.servers[listener.index()]);
        let arrival = Arrival {
            listener,
            round_trip: socket.round_trip(),
        };
        spawn(server::serve(
            socket,
            arrival,
            settings,
            self.clone(),
            Timer::new(),
        ));
    }

    /// Sends what is inside without waiting for full batches.
    pub fn flush(&self) {
        self.0.pipeline.borrow_mut().flush();
        self.wake();
    }

    /// Lets time pass for the pipeline, then performs everything it asks for.
    fn turn(&self, now: Instant) {
        let mut pipeline = self.0.pipeline.borrow_mut();
        if pipeline
            .next_timeout()
            .is_some_and(|timeout| timeout <= now)
        {
            pipeline.handle_timeout(now);
        }
        while let Some(output) = pipeline.poll_output(now) {
            self.perform(output, &mut pipeline, now);
        }
    }

    /// While there is work the shards compare how busy they are. At rest nothing wakes them, once
    /// they have said that they rest: the others would go by what was last said.
    fn next_timeout(&self, next_busy: Instant) -> Instant {
        let pipeline = self.0.pipeline.borrow();
        let peers = &self.0.peers;
        let rests = pipeline.is_idle() && peers.busy(self.0.id) < RESTING;
        let busy = (peers.are_many() && !rests).then_some(next_busy);
        let stop = self.0.stop.get().next_timeout();
        let timeouts = [pipeline.next_timeout(), busy, stop];
        timeouts
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(Instant::NEVER)
    }

    /// Measures how busy the shard was since it last did, tells the others, and hears of them.
    fn exchange_busy(&self, now: Instant) {
        let permille = self.measure_busy(now);
        let all = self.0.peers.exchange_busy(self.0.id, permille);
        let mut pipeline = self.0.pipeline.borrow_mut();
        pipeline.handle_busy(&all);
        let asked = pipeline.asked_of_tenants();
        if !asked.is_empty() && self.0.peers.are_many() {
            let shard = self.0.id;
            self.0.peers.report(Report::Asked { shard, asked });
        }
    }

    /// The thread's busy time as a share of the time since the last measure, in thousandths. What
    /// connections' tasks use counts as well as the shard's own turns, and so does what other
    /// processes take from a shard that has work: it has no time for more, however little it ran.
    fn measure_busy(&self, now: Instant) -> u32 {
        let used = thread_busy_time();
        let (last, last_used) = self.0.measured.replace((now, used));
        let worked = used.saturating_sub(last_used).min(now - last);
        let mut busy = self.0.busy.get();
        busy.handle_turn(now.before(worked), now);
        self.0.busy.set(busy);
        let permille = worked.as_nanos() * 1000 / (now - last).as_nanos().max(1);
        u32::try_from(permille).unwrap_or(1000)
    }

    fn wake_with(&self, cx: &Context<'_>) {
        self.0.waker.replace(Some(cx.waker().clone()));
    }

    /// Something happened: the shard's task has a turn to take.
    fn wake(&self) {
        if let Some(waker) = self.0.waker.take() {
            waker.wake();
        }
    }

    fn take_orders(&self, orders: &mut Option<Consumer<Order>>, cx: &mut Context<'_>) -> bool {
        while let Some(consumer) = orders {
            match consumer.poll_recv(cx) {
                Poll::Ready(Some(order)) => self.obey(order),
                Poll::Ready(None) => {
                    // The control thread is gone without a word: nobody could stop us any more.
                    *orders = None;
                    self.begin_stop(now());
                }
                Poll::Pending => return false,
            }
        }
        false
    }

    fn obey(&self, order: Order) {
        match order {
            Order::Resolved {
                endpoint,
                addresses,
            } => {
                self.0
                    .pipeline
                    .borrow_mut()
                    .handle_resolved(endpoint, addresses, now());
            }
            Order::Shares(shares) => {
                let mut pipeline = self.0.pipeline.borrow_mut();
                for (tenant, share) in shares {
                    pipeline.handle_share(tenant.as_deref(), share, now());
                }
            }
            Order::Count { query } => {
                let (shard, counters, at) = (self.0.id, self.counters(), now());
                self.0.peers.report(Report::Counted {
                    shard,
                    query,
                    counters,
                    at,
                });
            }
            Order::Stop { timeout } => self.begin_stop(now() + timeout),
            Order::Close => {
                let mut stop = self.0.stop.get();
                stop.handle_all_drained();
                self.0.stop.set(stop);
            }
        }
    }

    fn take_messages(&self, inbox: &mut Consumer<PeerMessage>, cx: &mut Context<'_>) -> bool {
        for _ in 0..MESSAGES_PER_TURN {
            let Poll::Ready(Some(message)) = inbox.poll_recv(cx) else {
                return false;
            };
            if let PeerMessage::Connection { listener, socket } = message {
                self.take(listener, socket);
                continue;
            }
            let mut pipeline = self.0.pipeline.borrow_mut();
            match message {
                PeerMessage::Connection { .. } => {}
                PeerMessage::Parcel {
                    from,
                    lane,
                    attempt,
                    parcel,
                } => {
                    pipeline.handle_parcel(from, lane, attempt, parcel, now());
                }
                PeerMessage::Ended {
                    attempt,
                    conclusion,
                    wire_bytes,
                } => {
                    pipeline.handle_hand_back(attempt, conclusion, wire_bytes, now());
                }
            }
        }
        true
    }

    /// Stops taking requests; connections finish what is open on them.
    fn begin_stop(&self, until: Instant) {
        let mut stop = self.0.stop.get();
        if !stop.begin(until) {
            return;
        }
        self.0.stop.set(stop);
        self.0.pipeline.borrow_mut().stop(now());
        for mailbox in self.0.incoming.borrow().values() {
            mailbox.send(ServerCommand::Drain);
        }
    }

    /// Takes the steps of stopping that are due. Returns whether the shard has ended.
    fn advance_stop(&self, now: Instant) -> bool {
        let state = &self.0;
        loop {
            let drained = state.pipeline.borrow().is_idle() && state.incoming.borrow().is_empty();
            let connected =
                !state.incoming.borrow().is_empty() || !state.outgoing.borrow().is_empty();
            let mut stop = state.stop.get();
            let step = stop.advance(now, drained, connected);
            state.stop.set(stop);
            match step {
                None => return false,
                Some(Step::TellDrained) => {
                    let shard = state.id;
                    state.peers.report(Report::Drained { shard });
                }
                Some(Step::Close) => {
                    let dropped_items = state.pipeline.borrow_mut().abandon_all(now);
                    state.dropped_items.set(dropped_items);
                    state.pipeline.borrow_mut().close_connections(now);
                    self.turn(now);
                }
                Some(Step::End) => {
                    state.peers.report(Report::Stopped {
                        shard: state.id,
                        dropped_items: state.dropped_items.get(),
                        counters: self.counters(),
                    });
                    return true;
                }
            }
        }
    }

    fn counters(&self) -> Box<Counters> {
        let now = now();
        self.measure_busy(now);
        let mut counters = self.0.pipeline.borrow().counters(now);
        counters.shard.busy = self.0.busy.get();
        Box::new(counters)
    }

    fn connect(&self, id: ConnectionId, settings: client::Settings, address: Address) {
        let mailbox = Mailbox::new();
        self.0.outgoing.borrow_mut().insert(id, mailbox.clone());
        let link = client::Link {
            id,
            settings,
            outbound: self.clone(),
        };
        spawn(async move {
            let socket = crate::runtime::connect(&address);
            client::run(socket, link, mailbox, Timer::new()).await;
        });
    }
}
