//! Requests over HTTP/2: a closed loop, with a new request for each answer, or at a given rate.

use crate::ids::IdSet;
use crate::workload::{Spec, Workload};
use bytes::Bytes;
use hdrhistogram::Histogram;
use http::header::{CONTENT_TYPE, TE};
use http::{HeaderMap, HeaderValue, Method, Uri};
use std::cell::RefCell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Poll, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tailrace_codec::grpc::{Code, Prefix};
use tailrace_codec::{Rope, Signal};
use tailrace_engine::exchange::{
    Address, Answer, Attempt, AttemptHead, ClientCommand, CloseReason, Framing, Outbound,
};
use tailrace_engine::net::{Clock, Mailbox, client};
use tailrace_engine::runtime::{RuntimeKind, Timer, connect, now, run, spawn};
use tailrace_engine::time::Instant;
use tailrace_engine::units::{AttemptId, ConnectionId};

/// How long a request may take before it counts as unanswered.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// After a refusal or a lost connection, a sender pauses: a closed loop would spin.
const PAUSE: Duration = Duration::from_millis(20);

/// What to send, where, for how long.
#[derive(Debug, Clone)]
pub struct Plan {
    pub address: Address,
    pub connections: usize,
    /// Requests in flight, all connections together.
    pub in_flight: usize,
    pub spans_per_request: usize,
    /// The number of the first span.
    pub first_item: u64,
    pub duration: Duration,
    /// The end comes sooner where so many requests were sent.
    pub requests_max: u64,
    /// Requests a second, as far as `in_flight` allows; without it, as fast as answers come.
    pub rate: Option<f64>,
    /// DATA frames are no longer than this, whatever the peer allows, in bytes.
    pub frame_max: usize,
    pub cpu: Option<usize>,
}

impl Plan {
    /// A closed loop with 64 requests of 100 spans in flight on one connection, for five seconds.
    pub const fn new(address: Address) -> Self {
        Self {
            address,
            connections: 1,
            in_flight: 64,
            spans_per_request: 100,
            first_item: 0,
            duration: Duration::from_secs(5),
            requests_max: u64::MAX,
            rate: None,
            frame_max: usize::MAX,
            cpu: None,
        }
    }
}

/// What a load has had acknowledged.
#[derive(Debug)]
pub struct Sent {
    pub acknowledged: IdSet,
    pub requests: u64,
    /// Of the requests that were answered with success, without framing.
    pub payload_bytes: u64,
    /// Requests answered with anything but success, or not at all.
    pub failed_requests: u64,
    /// Of acknowledged requests, in microseconds; at a given rate, from when each was due.
    pub latency_us: Histogram<u64>,
    pub elapsed: Duration,
}

/// A load on a thread of its own.
#[derive(Debug)]
pub struct Load {
    items: Arc<AtomicU64>,
    thread: std::thread::JoinHandle<io::Result<Sent>>,
}

impl Load {
    pub fn start(kind: RuntimeKind, plan: Plan) -> io::Result<Self> {
        let items = Arc::new(AtomicU64::new(0));
        let acknowledged = Arc::clone(&items);
        let cpu = plan.cpu;
        let send = move || run(kind, cpu, || send(plan, acknowledged)).map_err(io::Error::other);
        let thread = std::thread::Builder::new()
            .name("load".into())
            .spawn(send)?;
        Ok(Self { items, thread })
    }

    /// Items acknowledged so far.
    pub fn items(&self) -> u64 {
        self.items.load(Ordering::Relaxed)
    }

    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for the end of the plan.
    pub fn wait(self) -> io::Result<Sent> {
        self.thread
            .join()
            .map_err(|_| io::Error::other("the load panicked"))?
    }
}

async fn send(plan: Plan, items: Arc<AtomicU64>) -> Sent {
    let start = now();
    let sender = Sender(Rc::new(RefCell::new(State {
        workload: Workload::new(&Spec::standard(Signal::Traces, plan.spans_per_request)),
        head: Rc::new(head()),
        until: start + plan.duration,
        requests_max: plan.requests_max,
        frame_max: plan.frame_max,
        interval: plan.rate.map(|rate| Duration::from_secs_f64(1.0 / rate)),
        next_due: start,
        next_item: plan.first_item,
        next_attempt: 0,
        open: HashMap::new(),
        idle: (0..plan.in_flight)
            .map(|index| (index % plan.connections, Instant(0)))
            .collect(),
        links: (0..plan.connections).map(|_| None).collect(),
        waker: None,
        items,
        sent: Sent {
            acknowledged: IdSet::default(),
            requests: 0,
            payload_bytes: 0,
            failed_requests: 0,
            latency_us: Histogram::new(3).expect("three digits are allowed"),
            elapsed: Duration::ZERO,
        },
    })));
    let mut timer = Timer::new();
    poll_fn(|cx| {
        sender.0.borrow_mut().waker = Some(cx.waker().clone());
        loop {
            sender.connect(&plan.address);
            let (done, next) = sender.0.borrow_mut().send_due(now());
            if done {
                return Poll::Ready(());
            }
            if timer.poll_until(cx, next).is_pending() {
                return Poll::Pending;
            }
        }
    })
    .await;
    let mut state = sender.0.borrow_mut();
    for link in state.links.iter().flatten() {
        link.send(ClientCommand::Drain);
    }
    state.sent.elapsed = now() - start;
    let empty = Histogram::new(3).expect("three digits are allowed");
    Sent {
        acknowledged: std::mem::take(&mut state.sent.acknowledged),
        latency_us: std::mem::replace(&mut state.sent.latency_us, empty),
        ..state.sent
    }
}

#[derive(Debug, Clone)]
struct Sender(Rc<RefCell<State>>);

#[derive(Debug)]
struct State {
    workload: Workload,
    head: Rc<AttemptHead>,
    until: Instant,
    requests_max: u64,
    frame_max: usize,
    /// Between two requests, at a given rate, and when the next is due.
    interval: Option<Duration>,
    next_due: Instant,
    next_item: u64,
    next_attempt: u32,
    open: HashMap<AttemptId, Open>,
    /// Requests that could be in flight and are not: their connection, and not before when.
    idle: Vec<(usize, Instant)>,
    links: Vec<Option<Mailbox<ClientCommand>>>,
    waker: Option<Waker>,
    items: Arc<AtomicU64>,
    sent: Sent,
}

#[derive(Debug)]
struct Open {
    link: usize,
    first: u64,
    since: Instant,
}

impl Sender {
    fn connect(&self, address: &Address) {
        let mut state = self.0.borrow_mut();
        let wanted = !state.is_over(now());
        for index in 0..state.links.len() {
            if state.links[index].is_some() || !wanted {
                continue;
            }
            let mailbox = Mailbox::new();
            state.links[index] = Some(mailbox.clone());
            let id = ConnectionId(u32::try_from(index).unwrap_or(u32::MAX));
            let settings = client::Settings {
                data_frame_max: state.frame_max,
                ..client::Settings::new(client::Protocol::Http2)
            };
            let link = client::Link {
                id,
                settings,
                outbound: self.clone(),
            };
            let address = address.clone();
            spawn(async move {
                client::run(connect(&address), link, mailbox, Timer::new()).await;
            });
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
    fn is_over(&self, now: Instant) -> bool {
        now >= self.until || self.sent.requests >= self.requests_max
    }

    /// Sends what may be sent. Says whether the plan is done, and when to ask again.
    fn send_due(&mut self, now: Instant) -> (bool, Instant) {
        let mut next = self.until;
        let mut waiting = Vec::new();
        for (link, at) in std::mem::take(&mut self.idle) {
            if self.is_over(now) {
                return (self.open.is_empty(), Instant::NEVER);
            }
            let at = at.max(self.next_due);
            match &self.links[link] {
                Some(mailbox) if at <= now => {
                    let mailbox = mailbox.clone();
                    let since = match self.interval {
                        Some(_) => self.next_due,
                        None => now,
                    };
                    self.next_due = self.next_due + self.interval.unwrap_or_default();
                    self.send(link, &mailbox, since, now);
                }
                _ => {
                    next = next.min(at.max(Instant(now.0 + 1)));
                    waiting.push((link, at));
                }
            }
        }
        self.idle = waiting;
        if self.is_over(now) {
            return (self.open.is_empty(), Instant::NEVER);
        }
        (false, next)
    }

    fn send(
        &mut self,
        link: usize,
        mailbox: &Mailbox<ClientCommand>,
        since: Instant,
        now: Instant,
    ) {
        let id = AttemptId(self.next_attempt);
        self.next_attempt = self.next_attempt.wrapping_add(1);
        let first = self.next_item;
        self.next_item += self.workload.items() as u64;
        let message = self.workload.protobuf(first, unix_nanos());
        let length = u32::try_from(message.len()).expect("requests are below 4 GiB");
        let prefix = Prefix {
            compressed: false,
            length,
        };
        let mut body = Rope::from(Bytes::copy_from_slice(&prefix.to_bytes()));
        body.push(message);
        let head = Rc::clone(&self.head);
        let deadline = now + REQUEST_TIMEOUT;
        mailbox.send(ClientCommand::Send(Attempt {
            id,
            head,
            extra: None,
            body,
            deadline,
        }));
        self.open.insert(id, Open { link, first, since });
        self.sent.requests += 1;
    }

    fn answered(&mut self, attempt: AttemptId, answer: &Answer) {
        let Some(open) = self.open.remove(&attempt) else {
            return;
        };
        let now = now();
        if !matches!(answer, Answer::Grpc { code: Code::Ok, .. }) {
            self.sent.failed_requests += 1;
            self.idle.push((open.link, now + PAUSE));
            return;
        }
        let spans = self.workload.items() as u64;
        for id in open.first..open.first + spans {
            self.sent.acknowledged.insert(id);
        }
        self.sent.payload_bytes += self.workload.mean_bytes() as u64;
        self.items.fetch_add(spans, Ordering::Relaxed);
        let latency = u64::try_from((now - open.since).as_micros()).unwrap_or(u64::MAX);
        self.sent.latency_us.record(latency).expect("it grows");
        self.idle.push((open.link, now));
    }
}

impl Outbound for Sender {
    fn connected(&self, _: ConnectionId, _: u32) {
        self.wake();
    }

    fn streams_max(&self, _: ConnectionId, _: u32) {}

    fn answered(&self, _: ConnectionId, attempt: AttemptId, answer: Answer) {
        self.0.borrow_mut().answered(attempt, &answer);
        self.wake();
    }

    fn draining(&self, _: ConnectionId) {}

    fn closed(&self, connection: ConnectionId, _: CloseReason) {
        let mut state = self.0.borrow_mut();
        let at = now() + PAUSE;
        state.links[connection.index()] = None;
        for idle in state
            .idle
            .iter_mut()
            .filter(|(link, _)| *link == connection.index())
        {
            idle.1 = idle.1.max(at);
        }
        drop(state);
        self.wake();
    }
}

fn unix_nanos() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_nanos() as u64)
}

fn head() -> AttemptHead {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
    AttemptHead {
        method: Method::POST,
        uri: Uri::from_static(
            "http://tailrace/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        ),
        headers,
        framing: Framing::Grpc,
    }
}
