//! An OTLP backend that is not our code: tonic's services and hyper's server on one port, gRPC
//! and HTTP/1.1 or cleartext HTTP/2 side by side, told what to answer by a [`Script`].
//!
//! It can be killed, connections and all, and restarted on the same port with its ledger kept, as
//! a backend with a database would be.

mod grpc;
mod http;
mod ledger;
pub(crate) mod response;
mod script;

pub use ledger::{Call, Received};
pub use script::{Answer, Script};

use crate::wait;
use ledger::Ledger;
use script::Judge;
use socket2::{Domain, Protocol, Socket, Type};
use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use tokio::sync::{Notify, oneshot};

/// A backend on a loopback port of its own.
#[derive(Debug)]
pub struct Backend {
    address: SocketAddr,
    shared: Arc<Shared>,
    running: Option<Running>,
    /// While it is killed: its port, bound and not listened on, so that nobody else gets it.
    parked: Option<Socket>,
}

/// What outlives a kill.
#[derive(Debug, Default)]
struct Shared {
    judge: Judge,
    ledger: Ledger,
    connections: AtomicUsize,
}

#[derive(Debug)]
struct Running {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Backend {
    /// Starts one that accepts everything.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
        let address = listener.local_addr().expect("a bound address");
        let shared = Arc::new(Shared::default());
        let running = Some(serve(listener, Arc::clone(&shared)));
        Self {
            address,
            shared,
            running,
            parked: None,
        }
    }

    /// Where it listens; the same before and after a restart.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Changes what is answered from now on.
    pub fn script(&self, change: impl FnOnce(&mut Script)) {
        self.shared.judge.change(change);
    }

    /// From now on requests are read and judged, but no answer leaves before [`Self::release`].
    pub fn hold(&self) {
        self.shared.judge.hold(true);
    }

    /// Lets every held answer go.
    pub fn release(&self) {
        self.shared.judge.hold(false);
    }

    /// Closes the port and every connection at once, answers under way included.
    pub fn kill(&mut self) {
        if let Some(running) = self.running.take() {
            // The receiver is gone only when the thread has ended by itself.
            let _ = running.stop.send(());
            running.thread.join().expect("the backend did not panic");
            self.parked = Some(wait::until("the port to be free", || {
                park(self.address).ok()
            }));
        }
    }

    /// Listens again where it was killed.
    pub fn restart(&mut self) {
        assert!(self.running.is_none(), "restarted without a kill before");
        self.parked = None;
        let address = self.address;
        let listener = wait::until("the port to be free again", || {
            TcpListener::bind(address).ok()
        });
        self.running = Some(serve(listener, Arc::clone(&self.shared)));
    }

    /// How many connections were accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Every call so far, refused ones included, in the order of their arrival.
    pub fn calls(&self) -> Vec<Arc<Call>> {
        self.shared.ledger.calls()
    }

    /// How many calls came so far, refused ones included.
    pub fn call_count(&self) -> usize {
        self.shared.ledger.len()
    }

    /// The items of the calls that were answered with success.
    pub fn received(&self) -> Received {
        Received::of(&self.calls())
    }

    /// Waits until at least `count` calls came.
    pub fn wait_for_calls(&self, count: usize) {
        wait::until_true(&format!("{count} calls at the backend"), || {
            self.call_count() >= count
        });
    }

    /// Waits until `count` items were accepted, duplicates counted.
    pub fn wait_for_items(&self, count: usize) -> Received {
        wait::until_true(&format!("{count} items at the backend"), || {
            self.shared.ledger.accepted_items() >= count
        });
        self.received()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.shared.judge.hold(false);
        if let Some(running) = self.running.take() {
            let _ = running.stop.send(());
            // A panic in here would hide the one that is unwinding.
            let _ = running.thread.join();
        }
    }
}

/// Binds a port that nobody listens on: who connects is refused.
fn park(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    // Connections of before may linger.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn serve(listener: TcpListener, shared: Arc<Shared>) -> Running {
    let (stop, stopped) = oneshot::channel();
    let thread = std::thread::Builder::new()
        .name("backend".to_owned())
        .spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, shared) => {}
                    _ = stopped => {}
                }
            });
            // Dropping the runtime drops every connection's task and with it the socket.
        })
        .expect("a thread");
    Running { stop, thread }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    listener.set_nonblocking(true).expect("a socket option");
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
    while let Ok((stream, _)) = listener.accept().await {
        shared.connections.fetch_add(1, Ordering::Relaxed);
        stream.set_nodelay(true).expect("a socket option");
        tokio::spawn(connection(stream, Arc::clone(&shared)));
    }
}

async fn connection(stream: tokio::net::TcpStream, shared: Arc<Shared>) {
    let services = grpc::Services::new(Arc::clone(&shared));
    let requests = AtomicUsize::new(0);
    let enough = Arc::new(Notify::new());
    let has_enough = Arc::clone(&enough);
    let service = hyper::service::service_fn(move |request: hyper::Request<_>| {
        let shared = Arc::clone(&shared);
        let mut services = services.clone();
        let request_number = requests.fetch_add(1, Ordering::Relaxed) + 1;
        if shared.judge.is_enough(request_number) {
            has_enough.notify_one();
        }
        async move {
            let is_grpc = request
                .headers()
                .get("content-type")
                .is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
            Ok::<_, Infallible>(if is_grpc {
                services.call(request).await
            } else {
                http::answer(&shared, request).await
            })
        }
    });
    let mut server =
        hyper_util::server::conn::auto::Builder::new(hyper_util::rt::TokioExecutor::new());
    // Room for what the tests send: this end is an oracle, not what is measured.
    server
        .http2()
        .initial_stream_window_size(4 << 20)
        .initial_connection_window_size(16 << 20)
        .max_frame_size(1 << 20);
    let served = server.serve_connection(hyper_util::rt::TokioIo::new(stream), service);
    let mut served = std::pin::pin!(served);
    loop {
        tokio::select! {
            // A connection that breaks is the client's affair; what it brought is in the ledger.
            _ = served.as_mut() => return,
            () = enough.notified() => served.as_mut().graceful_shutdown(),
        }
    }
}
