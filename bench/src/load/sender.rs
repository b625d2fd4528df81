//! The shell of a load: connections in, answers out, and the clock.

use super::answer::{self, Verdict};
use super::dispatch::{Dispatch, Outgoing, PAUSE};
use super::plan::Plan;
use super::statistics::{Second, Statistics};
use super::wire::{self, Writer};
use super::{Fate, LoadError, Sent};
use crate::ids::IdSet;
use crate::ledger::{self, Totals};
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Poll, Waker};
use std::time::{Duration, SystemTime};
use tailrace_engine::exchange::{Address, Answer, Attempt, ClientCommand, CloseReason, Outbound};
use tailrace_engine::net::{Clock, Mailbox, client};
use tailrace_engine::runtime::{Timer, now, thread_cpu_time};
use tailrace_engine::time::Instant;
use tailrace_engine::units::{AttemptId, ConnectionId};

/// What whoever started the load may look at while it runs.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub items: AtomicU64,
    pub seconds: Mutex<Vec<Second>>,
}

/// Runs the plan on this thread's executor.
pub(super) async fn send(
    plan: Plan,
    shared: Arc<Shared>,
    mut ledger: Option<ledger::Writer>,
) -> Result<Sent, LoadError> {
    let writer = Writer::new(&plan).map_err(LoadError::Uri)?;
    if let Some(ledger) = &mut ledger {
        ledger.run(plan.spec.run).map_err(LoadError::Ledger)?;
    }
    let sender = Sender(Rc::new(RefCell::new(State {
        links: (0..plan.connections)
            .map(|_| Link::Down(Instant(0)))
            .collect(),
        settings: wire::settings(&plan),
        dispatch: Dispatch::new(&plan, writer.items(), Instant(0)),
        statistics: Statistics::new(&plan.phases, writer.items(), Instant(0)),
        open: vec![0; plan.connections * plan.streams],
        acknowledged: IdSet::default(),
        message_bytes: 0,
        wire_bytes: 0,
        failure: None,
        waker: None,
        begun: false,
        published: 0,
        writer,
        plan,
        shared,
        ledger,
        connections_lost: 0,
    })));
    sender.come_up().await?;
    let (start, cpu) = sender.0.borrow_mut().begin();
    sender.go().await?;
    let mut state = sender.0.borrow_mut();
    let sent = state.finish(start, thread_cpu_time() - cpu);
    state.finish_ledger(&sent).map_err(LoadError::Ledger)?;
    Ok(sent)
}

#[derive(Debug, Clone)]
struct Sender(Rc<RefCell<State>>);

struct State {
    plan: Plan,
    writer: Writer,
    settings: client::Settings,
    dispatch: Dispatch,
    statistics: Statistics,
    links: Vec<Link>,
    /// For each place, the bytes of the message that is on its way, before compression.
    open: Vec<usize>,
    acknowledged: IdSet,
    message_bytes: u64,
    wire_bytes: u64,
    failure: Option<LoadError>,
    waker: Option<Waker>,
    /// Every connection has been up once.
    begun: bool,
    /// Seconds that were shown.
    published: usize,
    shared: Arc<Shared>,
    ledger: Option<ledger::Writer>,
    /// That were up, after the run had begun.
    connections_lost: u64,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
enum Link {
    /// Not to be connected before then.
    Down(Instant),
    Opening(Mailbox<ClientCommand>),
    Up(Mailbox<ClientCommand>),
}

impl Sender {
    /// Connects all connections: a run begins when all are up, or not at all.
    async fn come_up(&self) -> Result<(), LoadError> {
        self.connect(Instant(0));
        poll_fn(|cx| {
            let mut state = self.0.borrow_mut();
            state.waker = Some(cx.waker().clone());
            if let Some(failure) = state.failure.take() {
                return Poll::Ready(Err(failure));
            }
            let up = |link: &Link| matches!(link, Link::Up(_));
            if state.links.iter().all(up) {
                return Poll::Ready(Ok(()));
            }
            Poll::Pending
        })
        .await
    }

    /// Sends what is due, until the plan is over and everything is settled.
    async fn go(&self) -> Result<(), LoadError> {
        let mut timer = Timer::new();
        poll_fn(|cx| {
            self.0.borrow_mut().waker = Some(cx.waker().clone());
            loop {
                let now = now();
                let next = {
                    let mut state = self.0.borrow_mut();
                    if let Some(failure) = state.failure.take() {
                        return Poll::Ready(Err(failure));
                    }
                    state.send_due(now);
                    if state.dispatch.is_done(now) {
                        return Poll::Ready(Ok(()));
                    }
                    state.next_timeout(now)
                };
                self.connect(now);
                if timer.poll_until(cx, next).is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await
    }

    fn connect(&self, now: Instant) {
        let mut state = self.0.borrow_mut();
        let state = &mut *state;
        for (index, link) in state.links.iter_mut().enumerate() {
            if !matches!(link, Link::Down(at) if *at <= now) {
                continue;
            }
            let mailbox = Mailbox::new();
            *link = Link::Opening(mailbox.clone());
            let settings = client::Link {
                id: ConnectionId(u32::try_from(index).unwrap_or(u32::MAX)),
                settings: state.settings.clone(),
                outbound: self.clone(),
            };
            client::start(state.plan.target.address.clone(), settings, mailbox);
        }
    }

    fn wake(&self) {
        let waker = self.0.borrow_mut().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl State {
    fn begin(&mut self) -> (Instant, Duration) {
        let (start, items) = (now(), self.writer.items());
        self.dispatch = Dispatch::new(&self.plan, items, start);
        for connection in 0..self.links.len() {
            self.dispatch
                .handle_streams_max(connection, self.plan.streams);
        }
        self.statistics = Statistics::new(&self.plan.phases, items, start);
        self.begun = true;
        (start, thread_cpu_time())
    }

    fn send_due(&mut self, now: Instant) {
        self.statistics.handle_time(now);
        self.publish();
        while let Some(outgoing) = self.dispatch.poll_send(now) {
            self.send(&outgoing, now);
        }
    }

    fn send(&mut self, outgoing: &Outgoing, now: Instant) {
        let Link::Up(mailbox) = &self.links[outgoing.connection] else {
            unreachable!("a connection that is not up takes no requests");
        };
        let first = outgoing.request.first_item;
        let written = match self.writer.write(first, unix_nanos()) {
            Ok(written) => written,
            Err(error) => {
                self.failure = Some(LoadError::Compress(error));
                return;
            }
        };
        let wire_bytes = written.body.len() as u64;
        self.wire_bytes += wire_bytes;
        self.open[outgoing.place] = written.message_bytes;
        self.statistics
            .handle_sent(&outgoing.request, wire_bytes, now);
        mailbox.send(ClientCommand::Send(Attempt {
            id: AttemptId(u32::try_from(outgoing.place).expect("places fit: checked by `start`")),
            head: self.writer.head(),
            extra: None,
            body: written.body,
            deadline: now + self.plan.timeout,
        }));
    }

    fn answered(&mut self, place: usize, answer: &Answer) {
        let now = now();
        let reply = answer::read(answer, self.plan.spec.signal, SystemTime::now);
        let Some(fate) = self.dispatch.handle_answer(place, reply.verdict, now) else {
            return;
        };
        self.statistics
            .handle_answer(reply.code, reply.verdict, fate, now);
        let (Fate::Settled(request) | Fate::Again(request)) = fate;
        if let Verdict::Taken { rejected_items } = reply.verdict {
            self.message_bytes += self.open[place] as u64;
            self.acknowledge(request.first_item, rejected_items);
        }
    }

    /// Which items a partial success rejected is not said: none of that request is relied on.
    fn acknowledge(&mut self, first: u64, rejected_items: u64) {
        if rejected_items > 0 {
            return;
        }
        let items = self.writer.items() as u64;
        self.acknowledged.insert_range(first..first + items);
        self.shared.items.fetch_add(items, Ordering::Relaxed);
        let Some(ledger) = &mut self.ledger else {
            return;
        };
        let mut identities = self.writer.workload().identities(first);
        let recorded = identities.try_for_each(|(id, check)| ledger.record(id, check, false));
        if let Err(error) = recorded {
            self.failure = Some(LoadError::Ledger(error));
        }
    }

    /// Every answer that was no success, and every connection that was lost, is a fault.
    fn finish_ledger(&mut self, sent: &Sent) -> io::Result<()> {
        let Some(ledger) = self.ledger.take() else {
            return Ok(());
        };
        let requests = &sent.statistics.total.requests;
        let faults = requests.failed + requests.retried + self.connections_lost;
        let totals = Totals {
            faults,
            ..Totals::default()
        };
        ledger.finish(totals).map(drop)
    }

    fn next_timeout(&self, now: Instant) -> Instant {
        let links = self.links.iter().filter_map(|link| match link {
            Link::Down(at) => Some(*at),
            Link::Opening(_) | Link::Up(_) => None,
        });
        let reconnect = links.min().unwrap_or(Instant::NEVER);
        self.dispatch.next_timeout(now).min(reconnect)
    }

    /// Shows the seconds that have closed.
    fn publish(&mut self) {
        let new = &self.statistics.seconds[self.published..];
        if new.is_empty() {
            return;
        }
        self.published += new.len();
        let mut shown = self
            .shared
            .seconds
            .lock()
            .expect("nobody panics while holding it");
        shown.extend_from_slice(new);
    }

    fn finish(&mut self, start: Instant, cpu: Duration) -> Sent {
        let now = now();
        for link in &self.links {
            if let Link::Up(mailbox) | Link::Opening(mailbox) = link {
                mailbox.send(ClientCommand::Drain);
            }
        }
        let unsent = self.dispatch.unsent(now);
        let given_up = self.dispatch.unsettled() as u64;
        self.statistics.finish(unsent, given_up, now);
        self.publish();
        let blank = Statistics::new(&[], 0, start);
        let statistics = std::mem::replace(&mut self.statistics, blank);
        Sent {
            acknowledged: std::mem::take(&mut self.acknowledged),
            elapsed: now - start,
            message_bytes: self.message_bytes,
            wire_bytes: self.wire_bytes,
            cpu,
            statistics,
        }
    }
}

impl Outbound for Sender {
    fn connected(&self, connection: ConnectionId, streams_max: u32) {
        let mut state = self.0.borrow_mut();
        let link = &mut state.links[connection.index()];
        if let Link::Opening(mailbox) = link {
            *link = Link::Up(mailbox.clone());
        }
        state
            .dispatch
            .handle_streams_max(connection.index(), streams_max as usize);
        drop(state);
        self.wake();
    }

    fn streams_max(&self, connection: ConnectionId, streams_max: u32) {
        let mut state = self.0.borrow_mut();
        state
            .dispatch
            .handle_streams_max(connection.index(), streams_max as usize);
        drop(state);
        self.wake();
    }

    fn answered(&self, _: ConnectionId, attempt: AttemptId, answer: Answer) {
        self.0.borrow_mut().answered(attempt.0 as usize, &answer);
        self.wake();
    }

    fn draining(&self, connection: ConnectionId) {
        // What is open goes on; new requests wait for the connection that follows.
        let mut state = self.0.borrow_mut();
        state.dispatch.handle_streams_max(connection.index(), 0);
    }

    fn closed(&self, connection: ConnectionId, reason: CloseReason) {
        let mut state = self.0.borrow_mut();
        state.dispatch.handle_streams_max(connection.index(), 0);
        let link = &mut state.links[connection.index()];
        let was = std::mem::replace(link, Link::Down(now() + PAUSE));
        if state.begun && matches!(was, Link::Up(_)) {
            state.connections_lost += 1;
        }
        if !state.begun {
            let address: Address = state.plan.target.address.clone();
            state.failure = Some(LoadError::Unreachable { address, reason });
        }
        drop(state);
        self.wake();
    }
}

fn unix_nanos() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    })
}
