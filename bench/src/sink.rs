//! A backend that counts and checks every item, and misbehaves where its script says so.
//!
//! ```text
//!   script -> behaviour: what becomes of a connection, of a request
//!   socket -> connection (its manners) -> the engine's server -> backend -> counts, ledger
//!                                          answers, at once or later <-|
//! ```
//!
//! [`script`] and [`behaviour`] touch nothing; `backend` is the shell around them, on one thread.

pub mod behaviour;
pub mod script;

mod backend;
mod connection;
mod counts;
mod protocol;

#[cfg(test)]
mod tests;

pub use counts::{Counts, Received, SignalCounts};

use self::backend::{Backend, Shared, State};
use self::behaviour::Manners;
use self::connection::{Breaker, Connection};
use self::script::Script;
use crate::ledger;
use socket2::SockRef;
use std::future::poll_fn;
use std::io;
use std::os::fd::AsFd;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::task::Poll;
use std::time::Duration;
use tailrace_engine::exchange::{Address, Arrival};
use tailrace_engine::net::server;
use tailrace_engine::runtime::{
    Acceptor, Consumer, Producer, RuntimeKind, Socket, Timer, bind, now, ring, run, spawn,
};
use tailrace_engine::units::ListenerId;

/// How a sink behaves.
#[derive(Debug)]
pub struct Settings {
    /// The largest frame it takes, in bytes.
    pub frame: u32,
    /// The processor to stay on.
    pub cpu: Option<usize>,
    pub script: Script,
    /// An item that was on its way for longer is late.
    pub late_after: Option<Duration>,
    /// Takes every item that arrives.
    pub ledger: Option<ledger::Writer>,
}

impl Default for Settings {
    /// Takes frames of up to 1 MiB, behaves, and is bound to no processor.
    fn default() -> Self {
        Self {
            frame: 1 << 20,
            cpu: None,
            script: Script::default(),
            late_after: None,
            ledger: None,
        }
    }
}

/// A sink on a thread of its own.
#[derive(Debug)]
pub struct Sink {
    address: Address,
    shared: Arc<Shared>,
    stop: Producer<()>,
    thread: std::thread::JoinHandle<io::Result<Received>>,
}

impl Sink {
    /// Listens at `address` for OTLP over gRPC and HTTP, both protocols on the one port.
    pub fn start(kind: RuntimeKind, address: &Address, settings: Settings) -> io::Result<Self> {
        let bound = bind(address, 1)?;
        let (address, sockets) = (bound.address, bound.sockets);
        let (stop, stopped) = ring(1);
        let shared = Arc::new(Shared::default());
        let shown = Arc::clone(&shared);
        let cpu = settings.cpu;
        let serve = move || {
            let serving = || serve(sockets, settings, shown, stopped);
            run(kind, cpu, serving).map_err(io::Error::other)?
        };
        let thread = std::thread::Builder::new()
            .name("sink".into())
            .spawn(serve)?;
        Ok(Self {
            address,
            shared,
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
        self.shared.items.load(Ordering::Relaxed)
    }

    /// Items so far, each once.
    pub fn distinct_items(&self) -> u64 {
        self.shared.distinct_items.load(Ordering::Relaxed)
    }

    /// What it has seen, a tenth of a second ago.
    pub fn counts(&self) -> Counts {
        let counts = self.shared.counts.lock();
        counts.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on requests are received and never answered.
    pub fn freeze(&self) {
        self.shared.frozen.store(true, Ordering::Relaxed);
    }

    /// Whether it has ended by itself: its ledger cannot be written.
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Stops, and says what arrived. Errors: the executor's, and the ledger's.
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
    settings: Settings,
    shared: Arc<Shared>,
    stopped: Consumer<()>,
) -> io::Result<Received> {
    let plays = !settings.script.phases.is_empty();
    let state = Rc::new(State::new(settings, shared));
    let mut limits = server::Settings {
        streams_max: 1024,
        ..server::Settings::default()
    };
    // What is slow is so by the script.
    limits.timeouts.body_progress = Duration::MAX;
    limits.timeouts.reply = Duration::MAX;
    let limits = Rc::new(limits);
    for socket in sockets {
        let acceptor = Acceptor::new(socket)?;
        let (state, limits) = (Rc::clone(&state), Rc::clone(&limits));
        spawn(async move {
            loop {
                let socket = acceptor.accept().await;
                if plays {
                    play(socket, &limits, &state);
                } else {
                    let backend =
                        Backend::new(Rc::clone(&state), Manners::default(), Rc::default());
                    let limits = Rc::clone(&limits);
                    spawn(server::serve(
                        socket,
                        Arrival::at(ListenerId(0)),
                        limits,
                        backend,
                        Timer::new(),
                    ));
                }
            }
        });
    }
    let mut tending = pin!(state.tend());
    let failed = poll_fn(|cx| match stopped.poll_recv(cx) {
        Poll::Ready(_) => Poll::Ready(None),
        Poll::Pending => tending.as_mut().poll(cx).map(Some),
    });
    match failed.await {
        Some(error) => Err(error),
        None => state.finish(),
    }
}

/// Serves a connection in the manner that the script gives it.
fn play(socket: Socket, limits: &Rc<server::Settings>, state: &Rc<State>) {
    let manners = state.behaviour.borrow_mut().connection(now());
    if manners.refused {
        // Not served and not said goodbye to: RST, for a Unix socket the end.
        let _ = SockRef::from(&socket.as_fd()).set_linger(Some(Duration::ZERO));
        return;
    }
    let breaker = Rc::<Breaker>::default();
    let froze = Rc::clone(&state.froze);
    let connection = Connection::new(socket, &manners, Rc::clone(&breaker), froze);
    let backend = Backend::new(Rc::clone(state), manners, breaker);
    let limits = Rc::clone(limits);
    spawn(server::serve(
        connection,
        Arrival::at(ListenerId(0)),
        limits,
        backend,
        Timer::new(),
    ));
}
