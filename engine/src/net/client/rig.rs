//! A client connection on an in-memory socket and a clock that the test moves.

use super::Link;
use super::settings::Settings;
use crate::exchange::{
    Answer, Attempt, AttemptHead, ClientCommand, CloseReason, Failure, Framing, Outbound,
};
use crate::net::{Clock, Mailbox};
use crate::time::Instant;
use crate::units::{AttemptId, ConnectionId};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tailrace_codec::Rope;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::task::{LocalSet, spawn_local, yield_now};

pub(super) const CONNECTION_ID: ConnectionId = ConnectionId(7);

/// Runs `test` on one thread.
pub(super) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_time().build().unwrap();
    let watched = async {
        let ended = tokio::time::timeout(Duration::from_secs(60), test).await;
        ended.expect("the test hangs");
    };
    LocalSet::new().block_on(&runtime, watched);
}

/// Lets every task do all it can.
pub(super) async fn settle() {
    for _ in 0..200 {
        yield_now().await;
    }
}

/// The time, and what waits for it.
#[derive(Debug, Clone, Default)]
struct TestClock(Rc<ClockState>);

#[derive(Debug, Default)]
struct ClockState {
    now: Cell<Instant>,
    next: Cell<Option<Instant>>,
    waker: RefCell<Option<Waker>>,
    polls: Cell<usize>,
}

/// The engine's side of the connection under test.
pub(super) struct Rig {
    pub(super) mailbox: Mailbox<ClientCommand>,
    pub(super) record: Recorder,
    clock: TestClock,
    attempts: u32,
}

impl Rig {
    /// Starts a connection; the other end of its socket is returned.
    pub(super) fn start(settings: Settings, socket_bytes: usize) -> (Self, DuplexStream) {
        let (near, far) = tokio::io::duplex(socket_bytes);
        (Self::connect(settings, async { Ok(near) }), far)
    }

    pub(super) fn connect<IO>(
        settings: Settings,
        connect: impl Future<Output = io::Result<IO>> + 'static,
    ) -> Self
    where
        IO: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let rig = Self {
            mailbox: Mailbox::new(),
            record: Recorder::default(),
            clock: TestClock::default(),
            attempts: 0,
        };
        let link = Link {
            id: CONNECTION_ID,
            settings,
            outbound: rig.record.clone(),
        };
        spawn_local(super::run(
            connect,
            link,
            rig.mailbox.clone(),
            rig.clock.clone(),
        ));
        rig
    }

    /// Sends an attempt of `body` that has a minute.
    pub(super) fn send(&mut self, head: &Rc<AttemptHead>, body: Rope) -> AttemptId {
        self.send_until(head, body, Duration::from_secs(60))
    }

    pub(super) fn send_until(
        &mut self,
        head: &Rc<AttemptHead>,
        body: Rope,
        timeout: Duration,
    ) -> AttemptId {
        let id = AttemptId(self.attempts);
        self.attempts += 1;
        self.record
            .send(&self.mailbox, id, head, body, self.clock.now() + timeout)
    }

    /// Cancels an attempt: no answer may follow.
    pub(super) fn cancel(&self, attempt: AttemptId) {
        self.record.0.borrow_mut().sent.remove(&attempt);
        self.mailbox.send(ClientCommand::Cancel(attempt));
    }

    /// Moves the clock on, as the connection's timer would: in steps of its next timeout.
    pub(super) async fn pass(&self, duration: Duration) {
        let end = self.clock.now() + duration;
        loop {
            settle().await;
            let next = self.clock.0.next.get().unwrap_or(Instant::NEVER);
            let now = self.clock.now();
            assert!(
                next > now || self.record.is_closed(),
                "the timeout {next:?} stays in the past"
            );
            self.clock.set(next.min(end));
            if next >= end || self.record.is_closed() {
                break;
            }
        }
        self.clock.set(end);
        settle().await;
    }

    /// Moves the clock on in one step.
    pub(super) async fn pass_quickly(&self, duration: Duration) {
        self.clock.set(self.clock.now() + duration);
        for _ in 0..3 {
            yield_now().await;
        }
    }

    /// How often the connection was polled.
    pub(super) fn polls(&self) -> usize {
        self.clock.0.polls.get()
    }
}

impl TestClock {
    fn set(&self, now: Instant) {
        self.0.now.set(now);
        if let Some(waker) = self.0.waker.take() {
            waker.wake();
        }
    }
}

impl Clock for TestClock {
    fn now(&self) -> Instant {
        self.0.now.get()
    }

    fn poll_until(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        self.0.polls.set(self.0.polls.get() + 1);
        self.0.next.set(Some(at));
        if at <= self.now() {
            return Poll::Ready(());
        }
        self.0.waker.replace(Some(cx.waker().clone()));
        Poll::Pending
    }
}

/// An [`Outbound`] that writes down what it is told and insists on the protocol it is promised.
#[derive(Debug, Clone, Default)]
pub(super) struct Recorder(Rc<RefCell<Record>>);

#[derive(Debug, Default)]
struct Record {
    sent: HashMap<AttemptId, Option<Answer>>,
    connected: bool,
    streams_max: u32,
    draining: bool,
    closed: Option<CloseReason>,
}

impl Recorder {
    /// Sends an attempt and awaits its answer from now on.
    pub(super) fn send(
        &self,
        mailbox: &Mailbox<ClientCommand>,
        id: AttemptId,
        head: &Rc<AttemptHead>,
        body: Rope,
        deadline: Instant,
    ) -> AttemptId {
        self.0.borrow_mut().sent.insert(id, None);
        mailbox.send(ClientCommand::Send(Attempt {
            id,
            head: Rc::clone(head),
            extra: None,
            body,
            deadline,
        }));
        id
    }

    pub(super) fn is_connected(&self) -> bool {
        self.0.borrow().connected
    }

    pub(super) fn is_draining(&self) -> bool {
        self.0.borrow().draining
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.borrow().closed.is_some()
    }

    pub(super) fn max(&self) -> u32 {
        self.0.borrow().streams_max
    }

    pub(super) fn close_reason(&self) -> Option<CloseReason> {
        self.0.borrow().closed.clone()
    }

    pub(super) fn answers(&self) -> usize {
        self.0.borrow().sent.values().flatten().count()
    }

    /// The answer, described as a line.
    pub(super) fn answer(&self, attempt: AttemptId) -> Option<String> {
        let record = self.0.borrow();
        record
            .sent
            .get(&attempt)?
            .as_ref()
            .map(|answer| match answer {
                Answer::Grpc {
                    code,
                    message,
                    details,
                    body,
                } => {
                    format!(
                        "{code:?} {message:?} details {} body {}",
                        details.len(),
                        body.len()
                    )
                }
                Answer::Http { status, body, .. } => {
                    format!("{} {:?}", status.as_u16(), String::from_utf8_lossy(body))
                }
                Answer::Failed(failure) => format!("{failure:?}"),
            })
    }

    pub(super) fn failure(&self, attempt: AttemptId) -> Option<Failure> {
        match self.0.borrow().sent.get(&attempt) {
            Some(Some(Answer::Failed(failure))) => Some(*failure),
            _ => None,
        }
    }
}

impl Outbound for Recorder {
    fn connected(&self, connection: ConnectionId, streams_max: u32) {
        let mut record = self.0.borrow_mut();
        assert_eq!(connection, CONNECTION_ID);
        assert!(!record.connected && !record.draining && record.closed.is_none());
        record.connected = true;
        record.streams_max = streams_max;
    }

    fn streams_max(&self, _: ConnectionId, streams_max: u32) {
        let mut record = self.0.borrow_mut();
        assert!(record.connected && record.closed.is_none());
        record.streams_max = streams_max;
    }

    fn answered(&self, _: ConnectionId, attempt: AttemptId, answer: Answer) {
        let mut record = self.0.borrow_mut();
        assert!(record.closed.is_none(), "an answer after the end");
        let slot = record.sent.get_mut(&attempt);
        let slot = slot.expect("an answer to an attempt that was not sent or was cancelled");
        assert!(slot.is_none(), "a second answer: {answer:?}");
        *slot = Some(answer);
    }

    fn draining(&self, _: ConnectionId) {
        let mut record = self.0.borrow_mut();
        assert!(record.connected && !record.draining && record.closed.is_none());
        record.draining = true;
    }

    fn closed(&self, _: ConnectionId, reason: CloseReason) {
        let mut record = self.0.borrow_mut();
        assert!(record.closed.is_none(), "closed twice");
        let unanswered = record.sent.values().filter(|answer| answer.is_none());
        assert_eq!(unanswered.count(), 0, "attempts without an answer");
        record.closed = Some(reason);
    }
}

/// The head of a gRPC export.
pub(super) fn grpc_head() -> Rc<AttemptHead> {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/grpc"));
    headers.insert("te", HeaderValue::from_static("trailers"));
    let path = "http://sink.test/opentelemetry.proto.collector.trace.v1.TraceService/Export";
    Rc::new(AttemptHead {
        method: Method::POST,
        uri: path.parse().unwrap(),
        headers,
        framing: Framing::Grpc,
    })
}

/// The head of an OTLP/HTTP export.
pub(super) fn http_head() -> Rc<AttemptHead> {
    let mut headers = HeaderMap::new();
    headers.insert(
        "content-type",
        HeaderValue::from_static("application/x-protobuf"),
    );
    Rc::new(AttemptHead {
        method: Method::POST,
        uri: "http://sink.test/v1/traces".parse().unwrap(),
        headers,
        framing: Framing::Plain,
    })
}

/// A body of `len` bytes in slices of at most 1000.
pub(super) fn body(len: usize) -> Rope {
    let bytes = Bytes::from((0..len).map(|i| (i % 251) as u8).collect::<Vec<u8>>());
    let mut rope = Rope::new();
    for start in (0..len).step_by(1000) {
        rope.push(bytes.slice(start..len.min(start + 1000)));
    }
    rope
}
