//! A scripted engine that checks the calls it gets, and the ways to run a connection against it.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tailrace_codec::grpc::Code;
use tailrace_engine::exchange::{
    Admission, Arrival, Body, Credit, Framing, GrpcReply, HttpReply, Inbound, Reply, RequestHead,
    ServerCommand, Terms, Windows,
};
use tailrace_engine::net::server::{Settings, serve};
use tailrace_engine::net::{Clock, Mailbox};
use tailrace_engine::time::Instant;
use tailrace_engine::units::{ConnectionId, ListenerId, RequestId};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::task::{JoinHandle, LocalSet};

/// Runs `test` on one thread, as a shard does.
pub fn run<F: Future>(test: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, async {
        tokio::time::timeout(Duration::from_secs(60), test)
            .await
            .expect("the test hangs")
    })
}

/// Lets every task do all it can.
pub async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

/// An engine whose answers follow from the path of a request:
///
/// | in the path | effect |
/// | --- | --- |
/// | `refuse` | answered when its headers are known |
/// | `greedy` | refused when it asks for credit |
/// | `later` | answered by mailbox once [`Script::answer_all`] is called |
/// | `brief` | its deadline is five seconds after its headers |
/// | else | answered when its body is complete, with the body's length |
///
/// The framing is gRPC where the content type says so.
#[derive(Clone, Default)]
pub struct Script(Rc<Inner>);

#[derive(Default)]
struct Inner {
    connections: RefCell<BTreeMap<u32, Mailbox<ServerCommand>>>,
    requests: RefCell<BTreeMap<u32, Request>>,
    pub counts: Counts,
    held_peak: Cell<u64>,
    messages: RefCell<Vec<(Vec<u8>, bool)>>,
    windows: Cell<Option<Windows>>,
    connections_max: Cell<Option<usize>>,
    clock: TestClock,
}

/// A clock that stands until the test moves it.
#[derive(Clone, Default)]
pub struct TestClock {
    now: Rc<Cell<Instant>>,
    waiting: Rc<RefCell<Vec<(Instant, Waker)>>>,
}

impl Clock for TestClock {
    fn now(&self) -> Instant {
        self.now.get()
    }

    fn poll_until(&mut self, cx: &mut Context<'_>, at: Instant) -> Poll<()> {
        if at <= self.now.get() {
            return Poll::Ready(());
        }
        let waker = cx.waker().clone();
        self.waiting.borrow_mut().push((at, waker));
        Poll::Pending
    }
}

/// What happened so far.
#[derive(Default, Debug)]
pub struct Counts {
    pub opened: Cell<usize>,
    pub closed: Cell<usize>,
    pub heads: Cell<usize>,
    pub answered_at_head: Cell<usize>,
    pub refused_credit: Cell<usize>,
    pub completed: Cell<usize>,
    pub abandoned: Cell<usize>,
}

struct Request {
    connection: u32,
    framing: Framing,
    greedy: bool,
    later: bool,
    reserved: u64,
    /// The message's length, once complete.
    complete: Option<usize>,
}

fn bump(count: &Cell<usize>) {
    count.set(count.get() + 1);
}

impl Script {
    pub fn counts(&self) -> &Counts {
        &self.0.counts
    }

    pub fn set_windows(&self, windows: Windows) {
        self.0.windows.set(Some(windows));
    }

    pub fn set_connections_max(&self, max: usize) {
        self.0.connections_max.set(Some(max));
    }

    /// The most bytes for which credit was out at once.
    pub fn held_peak(&self) -> u64 {
        self.0.held_peak.get()
    }

    /// The messages completed, with their compressed flags.
    pub fn messages(&self) -> Vec<(Vec<u8>, bool)> {
        self.0.messages.borrow().clone()
    }

    /// Requests that have neither been answered nor abandoned.
    pub fn open_requests(&self) -> usize {
        self.0.requests.borrow().len()
    }

    /// Requests whose answer is awaited.
    pub fn waiting(&self) -> usize {
        let requests = self.0.requests.borrow();
        requests.values().filter(|r| r.complete.is_some()).count()
    }

    /// Answers every request that waits.
    pub fn answer_all(&self) {
        let mut requests = self.0.requests.borrow_mut();
        let connections = self.0.connections.borrow();
        requests.retain(|id, request| {
            let Some(len) = request.complete else {
                return true;
            };
            let reply = success(request.framing, len);
            connections[&request.connection].send(ServerCommand::Reply(RequestId(*id), reply));
            false
        });
    }

    /// Moves the clock of every connection on, between two moments at which nothing is left to do.
    pub async fn pass(&self, time: Duration) {
        settle().await;
        let clock = &self.0.clock;
        let now = clock.now.get() + time;
        clock.now.set(now);
        let (due, later): (Vec<_>, Vec<_>) =
            clock.waiting.take().into_iter().partition(|w| w.0 <= now);
        clock.waiting.replace(later);
        for (_, waker) in due {
            waker.wake();
        }
        settle().await;
    }

    pub fn drain_all(&self) {
        for mailbox in self.0.connections.borrow().values() {
            mailbox.send(ServerCommand::Drain);
        }
    }

    /// Serves `io` in a task of its own.
    pub fn serve<IO>(&self, io: IO, settings: Settings) -> JoinHandle<()>
    where
        IO: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let settings = Rc::new(settings);
        tokio::task::spawn_local(serve(
            io,
            Arrival::at(ListenerId(0)),
            settings,
            self.clone(),
            self.0.clock.clone(),
        ))
    }

    /// Serves one end of a pipe; the other end is the client's.
    pub fn pipe(&self, settings: Settings) -> (DuplexStream, JoinHandle<()>) {
        let (client, server) = tokio::io::duplex(1 << 16);
        (client, self.serve(server, settings))
    }

    /// Waits until `condition` holds.
    pub async fn until(&self, condition: impl Fn(&Self) -> bool) {
        while !condition(self) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Checks that nothing is owed: every connection is closed, every request ended.
    pub fn assert_settled(&self) {
        let counts = self.counts();
        assert_eq!(self.open_requests(), 0, "requests are left over");
        assert_eq!(counts.opened.get(), counts.closed.get());
        assert!(self.0.connections.borrow().is_empty());
    }
}

impl Inbound for Script {
    fn opened(&self, arrival: Arrival, mailbox: Mailbox<ServerCommand>) -> Option<Terms> {
        assert_eq!(arrival, Arrival::at(ListenerId(0)));
        let mut connections = self.0.connections.borrow_mut();
        if self.0.connections_max.get() == Some(connections.len()) {
            return None;
        }
        bump(&self.counts().opened);
        let id = self.counts().opened.get() as u32;
        connections.insert(id, mailbox);
        Some(Terms {
            connection: ConnectionId(id),
            windows: self.0.windows.get().unwrap_or(Windows {
                frame: 16 << 10,
                stream: 1 << 20,
                connection: 1 << 20,
            }),
        })
    }

    fn closed(&self, connection: ConnectionId) {
        bump(&self.counts().closed);
        let known = self.0.connections.borrow_mut().remove(&connection.0);
        assert!(known.is_some(), "closed twice");
        let requests = self.0.requests.borrow();
        let owed = requests.values().any(|r| r.connection == connection.0);
        assert!(!owed, "closed with open requests");
    }

    fn head(&self, head: &RequestHead<'_>) -> Admission {
        bump(&self.counts().heads);
        let connection = head.connection.0;
        assert!(self.0.connections.borrow().contains_key(&connection));
        let path = head.parts.uri.path();
        let content_type = head.parts.headers.get("content-type");
        let framing = match content_type.map(http::HeaderValue::as_bytes) {
            Some(value) if value.starts_with(b"application/grpc") => Framing::Grpc,
            _ => Framing::Plain,
        };
        if path.contains("refuse") {
            bump(&self.counts().answered_at_head);
            return Admission::Answer(refusal(framing));
        }
        // The lowest free number, so that numbers come back as soon as they may.
        let mut requests = self.0.requests.borrow_mut();
        let id = (0..).find(|id| !requests.contains_key(id)).unwrap();
        requests.insert(
            id,
            Request {
                connection,
                framing,
                greedy: path.contains("greedy"),
                later: path.contains("later"),
                reserved: 0,
                complete: None,
            },
        );
        Admission::Receive {
            request: RequestId(id),
            framing,
            deadline: if path.contains("brief") {
                self.0.clock.now() + Duration::from_secs(5)
            } else {
                Instant::NEVER
            },
        }
    }

    fn reserve(&self, request: RequestId, bytes: u64) -> Credit {
        assert!(bytes > 0);
        let mut requests = self.0.requests.borrow_mut();
        let entry = requests.get_mut(&request.0).expect("reserve after the end");
        assert!(entry.complete.is_none(), "reserve after complete");
        if entry.greedy {
            bump(&self.counts().refused_credit);
            let framing = entry.framing;
            requests.remove(&request.0);
            return Credit::Refused(refusal(framing));
        }
        entry.reserved += bytes;
        let held = requests.values().map(|r| r.reserved).sum();
        self.0.held_peak.set(self.0.held_peak.get().max(held));
        Credit::Granted
    }

    fn complete(&self, request: RequestId, body: Body) -> Option<Reply> {
        bump(&self.counts().completed);
        let mut requests = self.0.requests.borrow_mut();
        let entry = requests
            .get_mut(&request.0)
            .expect("complete after the end");
        assert_eq!(entry.reserved, body.message.len() as u64);
        assert!(entry.complete.is_none(), "complete twice");
        let message = body.message.slices().concat();
        let len = message.len();
        self.0
            .messages
            .borrow_mut()
            .push((message, body.compressed));
        if entry.later {
            entry.complete = Some(len);
            return None;
        }
        let framing = entry.framing;
        requests.remove(&request.0);
        Some(success(framing, len))
    }

    fn abandon(&self, request: RequestId) {
        bump(&self.counts().abandoned);
        let known = self.0.requests.borrow_mut().remove(&request.0);
        assert!(known.is_some(), "abandon after the end");
    }
}

/// A body of eight bytes: the message's length.
fn success(framing: Framing, len: usize) -> Reply {
    let len = (len as u64).to_be_bytes();
    match framing {
        Framing::Grpc => Reply::Grpc(GrpcReply {
            code: Code::Ok,
            message: String::new(),
            details: Bytes::new(),
            body: [&[0, 0, 0, 0, 8], &len[..]].concat().into(),
        }),
        Framing::Plain => Reply::Http(HttpReply {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: Bytes::copy_from_slice(&len),
        }),
    }
}

fn refusal(framing: Framing) -> Reply {
    match framing {
        Framing::Grpc => Reply::Grpc(GrpcReply {
            code: Code::ResourceExhausted,
            message: "100% full".to_owned(),
            details: Bytes::from_static(b"details"),
            body: Bytes::new(),
        }),
        Framing::Plain => {
            let mut headers = HeaderMap::new();
            headers.insert("retry-after", http::HeaderValue::from_static("7"));
            Reply::Http(HttpReply {
                status: StatusCode::SERVICE_UNAVAILABLE,
                headers,
                body: Bytes::from_static(b"full"),
            })
        }
    }
}
