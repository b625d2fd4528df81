//! The shell of a sink: requests in, items counted, answers out, at once or later.

use super::Settings;
use super::behaviour::{Behaviour, Fate, Manners};
use super::connection::Breaker;
use super::counts::{Counts, Received};
use super::protocol::{self, Call};
use super::script::Fault;
use crate::ids::IdSet;
use crate::ledger::{self, Totals};
use crate::workload::{self, Item};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, SystemTime};
use tailrace_codec::compress::Decompressor;
use tailrace_codec::{Rope, otlp};
use tailrace_engine::exchange::{
    Admission, Arrival, Body, Credit, Inbound, Reply, RequestHead, ServerCommand, Terms, Windows,
};
use tailrace_engine::net::{Clock, Mailbox};
use tailrace_engine::runtime::{Timer, now};
use tailrace_engine::time::Instant;
use tailrace_engine::units::{ConnectionId, RequestId};

/// What whoever started the sink may look at while it runs.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub items: std::sync::atomic::AtomicU64,
    pub distinct_items: std::sync::atomic::AtomicU64,
    pub frozen: std::sync::atomic::AtomicBool,
    pub counts: Mutex<Counts>,
}

/// How often the counts are shown.
const SHOW_EVERY: Duration = Duration::from_millis(100);

/// What all connections of a sink share.
#[derive(Debug)]
pub(super) struct State {
    /// In bytes.
    frame: u32,
    late_after: Option<Duration>,
    pub behaviour: RefCell<Behaviour>,
    /// Connections that stopped reading.
    pub froze: Rc<Cell<u64>>,
    received: RefCell<Received>,
    decompressor: RefCell<Decompressor>,
    ledger: RefCell<Option<ledger::Writer>>,
    failure: RefCell<Option<io::Error>>,
    shared: Arc<Shared>,
    /// Never the same for two that are open, nor soon after.
    next: Cell<u32>,
    calls: RefCell<HashMap<RequestId, Call>>,
    later: RefCell<Later>,
}

/// Answers that wait for their time.
#[derive(Debug, Default)]
struct Later {
    due: BTreeMap<(Instant, RequestId), (Mailbox<ServerCommand>, Reply)>,
    waker: Option<Waker>,
}

impl State {
    pub fn new(settings: Settings, shared: Arc<Shared>) -> Self {
        let Settings {
            frame,
            script,
            late_after,
            ledger,
            ..
        } = settings;
        Self {
            frame,
            late_after,
            behaviour: RefCell::new(Behaviour::new(script)),
            froze: Rc::default(),
            received: RefCell::default(),
            decompressor: RefCell::new(Decompressor::new()),
            ledger: RefCell::new(ledger),
            failure: RefCell::default(),
            shared,
            next: Cell::new(0),
            calls: RefCell::default(),
            later: RefCell::default(),
        }
    }

    /// Sends answers whose time has come, and shows the counts. Ends with the ledger's error.
    pub async fn tend(&self) -> io::Error {
        let mut timer = Timer::new();
        let mut show_at = now();
        poll_fn(|cx| {
            loop {
                let now = now();
                if let Some(error) = self.failure.take() {
                    return Poll::Ready(error);
                }
                if now >= show_at {
                    show_at = now + SHOW_EVERY;
                    self.show(now);
                }
                let next = {
                    let mut later = self.later.borrow_mut();
                    later.waker = Some(cx.waker().clone());
                    later.send_due(now)
                };
                if timer.poll_until(cx, next.min(show_at)).is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await
    }

    /// What was seen, and the ledger's end.
    pub fn finish(&self) -> io::Result<Received> {
        self.show(now());
        let counts = self.counts(now());
        let runs = self.received.take().runs;
        let received = Received { runs, counts };
        if let Some(ledger) = self.ledger.take() {
            let totals = Totals {
                items: 0,
                faults: received.counts.fired(),
                foreign: received.counts.total().foreign_items,
            };
            ledger.finish(totals)?;
        }
        Ok(received)
    }

    fn show(&self, now: Instant) {
        let counts = self.counts(now);
        *self
            .shared
            .counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = counts;
    }

    fn counts(&self, now: Instant) -> Counts {
        let mut behaviour = self.behaviour.borrow_mut();
        let mut counts = self.received.borrow().counts.clone();
        counts.faults.clone_from(behaviour.fired());
        if self.froze.get() > 0 {
            counts.faults.insert("frozen_connection", self.froze.get());
        }
        behaviour.phase(now).clone_into(&mut counts.phase);
        counts
    }

    fn next(&self) -> u32 {
        let next = self.next.get();
        self.next.set(next.wrapping_add(1));
        next
    }

    /// Counts the items of a request but for the first `skipped`. `false`: it is not a request.
    fn take(&self, call: &Call, message: &Rope, mut skipped: u64) -> bool {
        let mut received = self.received.borrow_mut();
        let Received { runs, counts } = &mut *received;
        let counts = &mut counts.signals[call.signal as usize];
        let before = *counts;
        counts.bytes += message.len() as u64;
        let mut ledger = self.ledger.borrow_mut();
        let mut written = Ok(());
        let late_before = self
            .late_after
            .map(|after| unix_nanos(SystemTime::now() - after));
        let read = workload::items(call.signal, message, |item| {
            if skipped > 0 {
                skipped -= 1;
                return;
            }
            counts.items += 1;
            let Item { id, run, .. } = item;
            let Some(id) = id.filter(|id| *id < IdSet::END) else {
                counts.foreign_items += 1;
                return;
            };
            if late_before.is_some_and(|before| item.sent_unix_nanos < before) {
                counts.late_items += 1;
            }
            let run = run.unwrap_or(0);
            if let (Some(ledger), Ok(())) = (&mut *ledger, &written) {
                written = record(ledger, run, id, &item);
            }
            if !item.intact {
                counts.corrupt_items += 1;
                return;
            }
            // A map of one entry, nearly always.
            match runs.entry(run).or_default().insert(id) {
                true => counts.distinct_items += 1,
                false => counts.duplicate_items += 1,
            }
        });
        let (items, distinct) = (
            counts.items - before.items,
            counts.distinct_items - before.distinct_items,
        );
        let shared = &self.shared;
        shared.items.fetch_add(items, Ordering::Relaxed);
        shared.distinct_items.fetch_add(distinct, Ordering::Relaxed);
        if let Err(error) = written {
            self.failure.replace(Some(error));
            self.later.borrow_mut().wake();
        }
        read.is_ok()
    }

    fn send_later(
        &self,
        at: Instant,
        request: RequestId,
        to: Mailbox<ServerCommand>,
        reply: Reply,
    ) {
        let mut later = self.later.borrow_mut();
        let first = later.due.first_key_value().map(|(key, _)| key.0);
        later.due.insert((at, request), (to, reply));
        if first.is_none_or(|first| at < first) {
            later.wake();
        }
    }
}

impl Later {
    /// Returns when the next is due.
    fn send_due(&mut self, now: Instant) -> Instant {
        while let Some(first) = self.due.first_entry() {
            let (at, request) = *first.key();
            if at > now {
                return at;
            }
            let (mailbox, reply) = first.remove();
            mailbox.send(ServerCommand::Reply(request, reply));
        }
        Instant::NEVER
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// One connection's side of the sink.
#[derive(Debug)]
pub(super) struct Backend {
    state: Rc<State>,
    manners: Manners,
    breaker: Rc<Breaker>,
    mailbox: RefCell<Option<Mailbox<ServerCommand>>>,
    requests: Cell<u64>,
}

impl Backend {
    pub fn new(state: Rc<State>, manners: Manners, breaker: Rc<Breaker>) -> Self {
        Self {
            state,
            manners,
            breaker,
            mailbox: RefCell::default(),
            requests: Cell::new(0),
        }
    }

    /// Reads a request and says how it is answered, and after how long.
    fn judge(&self, call: &Call, body: Body) -> (Duration, Option<Reply>) {
        let state = &self.state;
        state.received.borrow_mut().counts.signals[call.signal as usize].requests += 1;
        let Fate { delay, mut fault } = state.behaviour.borrow_mut().request(now());
        let Some(message) = call.message(body, &mut state.decompressor.borrow_mut()) else {
            return (delay, Some(call.malformed()));
        };
        if fault.is_none()
            && let Ok(scan) = otlp::scan(call.signal, &message)
        {
            fault = state.behaviour.borrow_mut().take(scan.items, now());
        }
        let skipped = match fault {
            Some(Fault::PartialSuccess { rejected }) => rejected,
            _ => 0,
        };
        let takes = fault.as_ref().is_none_or(Fault::takes);
        if takes && !state.take(call, &message, skipped) {
            return (delay, Some(call.malformed()));
        }
        if matches!(fault, Some(Fault::ResetConnection)) {
            self.breaker.trip();
        }
        let reply = match &fault {
            None => Some(call.success()),
            Some(fault) => call.answer(fault),
        };
        (delay, reply)
    }

    fn mailbox(&self) -> Option<Mailbox<ServerCommand>> {
        self.mailbox.borrow().clone()
    }
}

impl Inbound for Backend {
    fn opened(&self, _: Arrival, mailbox: Mailbox<ServerCommand>) -> Option<Terms> {
        self.mailbox.replace(Some(mailbox));
        let stream = match self.manners.closed_windows {
            true => 0,
            false => 1 << 20,
        };
        Some(Terms {
            connection: ConnectionId(self.state.next()),
            windows: Windows {
                frame: self.state.frame,
                stream,
                connection: 8 << 20,
            },
        })
    }

    fn closed(&self, _: ConnectionId) {}

    fn head(&self, head: &RequestHead<'_>) -> Admission {
        if head.parts.uri.path() == "/metrics" {
            let counts = self.state.counts(now());
            return Admission::Answer(protocol::page(counts.exposition()));
        }
        let call = match Call::read(head.parts) {
            Ok(call) => call,
            Err(reply) => return Admission::Answer(*reply),
        };
        let request = RequestId(self.state.next());
        self.state.calls.borrow_mut().insert(request, call);
        Admission::Receive {
            request,
            framing: call.framing(),
            deadline: Instant::NEVER,
        }
    }

    fn reserve(&self, _: RequestId, _: u64) -> Credit {
        Credit::Granted
    }

    fn complete(&self, request: RequestId, body: Body) -> Option<Reply> {
        let call = self.state.calls.borrow_mut().remove(&request)?;
        let (delay, reply) = self.judge(&call, body);
        let requests = self.requests.get() + 1;
        self.requests.set(requests);
        if self.manners.goaway_after == Some(requests)
            && let Some(mailbox) = self.mailbox()
        {
            self.state.behaviour.borrow_mut().count("goaway");
            mailbox.send(ServerCommand::Drain);
        }
        if self.state.shared.frozen.load(Ordering::Relaxed) {
            return None;
        }
        let reply = reply?;
        if delay.is_zero() {
            return Some(reply);
        }
        let mailbox = self.mailbox()?;
        self.state
            .send_later(now() + delay, request, mailbox, reply);
        None
    }

    fn abandon(&self, request: RequestId) {
        self.state.calls.borrow_mut().remove(&request);
    }
}

fn record(ledger: &mut ledger::Writer, run: u64, id: u64, item: &Item) -> io::Result<()> {
    ledger.run(run)?;
    ledger.record(id, item.check, !item.intact)
}

fn unix_nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    })
}
