//! A backend that checks every item: takes OTLP/gRPC traces, plain or gzip, and remembers which
//! numbers arrived.

use crate::ids::IdSet;
use crate::workload;
use bytes::Bytes;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use tailrace_codec::compress::{Decompressor, Encoding};
use tailrace_codec::grpc::Code;
use tailrace_codec::{Rope, Signal};
use tailrace_engine::exchange::{
    Address, Admission, Body, Credit, Framing, GrpcReply, Inbound, Reply, RequestHead,
    ServerCommand, Terms, Windows,
};
use tailrace_engine::net::{Mailbox, server};
use tailrace_engine::runtime::{
    Acceptor, Consumer, Producer, RuntimeKind, Timer, bind, ring, run, spawn,
};
use tailrace_engine::time::Instant;
use tailrace_engine::units::{ConnectionId, ListenerId, RequestId};

/// What a sink has seen.
#[derive(Debug, Clone, Default)]
pub struct Received {
    pub ids: IdSet,
    pub requests: u64,
    pub bytes: u64,
    pub duplicate_items: u64,
    pub corrupt_items: u64,
}

/// The longest message, in bytes.
const MESSAGE_MAX: usize = 64 << 20;

/// How a sink behaves.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// The largest frame it takes, in bytes.
    pub frame: u32,
    pub cpu: Option<usize>,
}

impl Default for Manner {
    /// Takes frames of up to 1 MiB, and is bound to no processor.
    fn default() -> Self {
        Self {
            frame: 1 << 20,
            cpu: None,
        }
    }
}

/// A sink on a thread of its own.
#[derive(Debug)]
pub struct Sink {
    address: Address,
    items: Arc<AtomicU64>,
    frozen: Arc<AtomicBool>,
    stop: Producer<()>,
    thread: std::thread::JoinHandle<io::Result<Received>>,
}

impl Sink {
    /// Listens at `address`.
    pub fn start(kind: RuntimeKind, address: &Address, manner: Manner) -> io::Result<Self> {
        let bound = bind(address, 1)?;
        let (address, sockets) = (bound.address, bound.sockets);
        let items = Arc::new(AtomicU64::new(0));
        let (stop, stopped) = ring(1);
        let frozen = Arc::new(AtomicBool::new(false));
        let state = State {
            manner,
            received: RefCell::default(),
            decompressor: RefCell::new(Decompressor::new()),
            items: Arc::clone(&items),
            frozen: Arc::clone(&frozen),
            next: Cell::new(0),
        };
        let serve = move || {
            let serving = || serve(sockets, state, stopped);
            run(kind, manner.cpu, serving).map_err(io::Error::other)?
        };
        let thread = std::thread::Builder::new()
            .name("sink".into())
            .spawn(serve)?;
        Ok(Self {
            address,
            items,
            frozen,
            stop,
            thread,
        })
    }

    /// Where it listens, with the port the system chose.
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// Items so far, duplicates included.
    pub fn items(&self) -> u64 {
        self.items.load(Ordering::Relaxed)
    }

    /// From now on requests are received and never answered.
    pub fn freeze(&self) {
        self.frozen.store(true, Ordering::Relaxed);
    }

    /// Stops, and says what arrived.
    pub fn stop(self) -> io::Result<Received> {
        // A full ring has been told already.
        let _ = self.stop.send(());
        self.thread
            .join()
            .map_err(|_| io::Error::other("the sink panicked"))?
    }
}

async fn serve(
    sockets: Vec<socket2::Socket>,
    state: State,
    stopped: Consumer<()>,
) -> io::Result<Received> {
    let backend = Backend(Rc::new(state));
    let settings = Rc::new(server::Settings {
        streams_max: 1024,
        ..server::Settings::default()
    });
    for socket in sockets {
        let acceptor = Acceptor::new(socket)?;
        let (backend, settings) = (backend.clone(), Rc::clone(&settings));
        spawn(async move {
            loop {
                let socket = acceptor.accept().await;
                let (backend, settings) = (backend.clone(), Rc::clone(&settings));
                spawn(server::serve(
                    socket,
                    ListenerId(0),
                    settings,
                    backend,
                    Timer::new(),
                ));
            }
        });
    }
    poll_fn(|cx| match stopped.poll_recv(cx) {
        Poll::Ready(_) => Poll::Ready(()),
        Poll::Pending => Poll::Pending,
    })
    .await;
    Ok(backend.0.received.take())
}

#[derive(Debug, Clone)]
struct Backend(Rc<State>);

#[derive(Debug)]
struct State {
    manner: Manner,
    received: RefCell<Received>,
    decompressor: RefCell<Decompressor>,
    items: Arc<AtomicU64>,
    frozen: Arc<AtomicBool>,
    next: Cell<u32>,
}

impl State {
    /// The message as it was before compression.
    fn plain(&self, body: Body) -> Option<Rope> {
        if !body.compressed {
            return Some(body.message);
        }
        let mut decompressor = self.decompressor.borrow_mut();
        let inflated = decompressor.inflate(Encoding::Gzip, &body.message, MESSAGE_MAX, |_| true);
        inflated.ok()
    }

    fn next(&self) -> u32 {
        let next = self.next.get();
        self.next.set(next.wrapping_add(1));
        next
    }
}

impl Inbound for Backend {
    fn opened(&self, _: ListenerId, _: Mailbox<ServerCommand>) -> Option<Terms> {
        Some(Terms {
            connection: ConnectionId(self.0.next()),
            windows: Windows {
                frame: self.0.manner.frame,
                stream: 1 << 20,
                connection: 8 << 20,
            },
        })
    }

    fn closed(&self, _: ConnectionId) {}

    fn head(&self, _: &RequestHead<'_>) -> Admission {
        let request = RequestId(self.0.next());
        Admission::Receive {
            request,
            framing: Framing::Grpc,
            deadline: Instant::NEVER,
        }
    }

    fn reserve(&self, _: RequestId, _: u64) -> Credit {
        Credit::Granted
    }

    fn complete(&self, _: RequestId, body: Body) -> Option<Reply> {
        let Some(message) = self.0.plain(body) else {
            return Some(reply(Code::InvalidArgument));
        };
        let mut received = self.0.received.borrow_mut();
        received.requests += 1;
        received.bytes += message.len() as u64;
        let mut items = 0;
        let result = workload::items(Signal::Traces, &message, |item| {
            items += 1;
            match item.id {
                Some(id) if item.intact => {
                    received.duplicate_items += u64::from(!received.ids.insert(id));
                }
                Some(_) | None => received.corrupt_items += 1,
            }
        });
        self.0.items.fetch_add(items, Ordering::Relaxed);
        if self.0.frozen.load(Ordering::Relaxed) {
            return None;
        }
        Some(reply(match result {
            Ok(()) => Code::Ok,
            Err(_) => Code::InvalidArgument,
        }))
    }

    fn abandon(&self, _: RequestId) {}
}

fn reply(code: Code) -> Reply {
    let body = match code {
        Code::Ok => Bytes::from_static(&[0; 5]),
        _ => Bytes::new(),
    };
    Reply::Grpc(GrpcReply {
        code,
        message: String::new(),
        details: Bytes::new(),
        body,
    })
}
