//! Starting an engine: limits, sockets, threads. Everything that can fail does so here, before
//! the first request is taken.

use super::admin::{Admin, Endpoint};
use super::names::Names;
use super::shares::Shares;
use super::{Command, Control, Outcome, ShardLink};
use crate::assembly::{Assembly, assemble};
use crate::config::limits::{LimitFault, Limits, Machine, ShardLimits};
use crate::config::{Config, ListenAddress};
use crate::egress::outlet::OutletSettings;
use crate::exchange::Address;
use crate::runtime::{
    Blocked, Bound, Consumer, Producer, Requested, RuntimeKind, bind, choose, probe, ring, run,
};
use crate::shard::{Guest, PEER_SLOTS, PeerMessage, Peers, Shard, ShardPlan};
use crate::units::{ListenerId, ShardId};
use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// What is delivered for how long where nobody says.
pub(super) const SHUTDOWN_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

/// Orders, reports and commands that may wait in a ring.
const CONTROL_SLOTS: usize = 1024;

/// What the host decides beside the configuration.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub runtime: Requested,
    /// `None`: the configuration's number, else one for each processor we may run on.
    pub shards: Option<usize>,
    /// Whether shards are bound to processors.
    pub pinned: bool,
    /// Serve health and metrics. An embedding host usually has its own.
    pub admin: bool,
}

/// Why an engine did not start, and what to do about it.
#[derive(Debug)]
pub enum StartError {
    /// io_uring was asked for by name.
    Runtime(Blocked),
    /// The configuration's limits do not fit the memory there is.
    Memory(LimitFault),
    /// A listening address cannot be had.
    Listen {
        what: String,
        address: String,
        error: io::Error,
    },
    Thread(io::Error),
    /// What a shard needs cannot be had, such as an exporter's file.
    Shard(io::Error),
    /// Shards that ended while they started; the log says why.
    Shards {
        failed: usize,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Runtime(blocked) => write!(f, "{blocked}; or run with --runtime epoll"),
            Self::Memory(fault) => write!(f, "{fault}"),
            Self::Listen {
                what,
                address,
                error,
            } => {
                write!(f, "{what} cannot listen on {address}: {error}")?;
                if error.kind() == io::ErrorKind::AddrInUse {
                    f.write_str("; another process has the address, end it or change `endpoint`")?;
                }
                Ok(())
            }
            Self::Thread(error) => write!(f, "a thread could not be started: {error}"),
            Self::Shard(error) => write!(f, "{error}"),
            Self::Shards { failed } => {
                write!(
                    f,
                    "{failed} shards ended while they started; the log says why"
                )
            }
        }
    }
}

impl std::error::Error for StartError {}

/// One bound address, for reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listening {
    /// `otlp`, `health_check`, `metrics`.
    pub component: String,
    /// `grpc`, `http`.
    pub protocol: &'static str,
    pub address: Address,
}

/// A started engine.
#[derive(Debug)]
pub struct Running {
    pub kind: RuntimeKind,
    /// Why it is not io_uring, where that was wanted.
    pub blocked: Option<Blocked>,
    pub shards: usize,
    pub listening: Vec<Listening>,
    pub commands: Producer<Command>,
    pub thread: JoinHandle<Outcome>,
    pub shard_threads: Vec<JoinHandle<()>>,
}

/// Starts shards and control, and returns once every shard serves.
///
/// With a `guest`, which runs on the first shard, requests come from inside the process: no
/// listener of the configuration is bound.
pub fn start(
    config: &Config,
    options: &Options,
    guest: Option<Guest>,
) -> Result<Running, StartError> {
    let (kind, blocked) = choose(options.runtime, probe()).map_err(StartError::Runtime)?;
    let cpus = processors();
    let configured = config.engine.shards.map(|shards| shards.get() as usize);
    let shards = options.shards.or(configured).unwrap_or(cpus.len()).max(1);
    let limits = limits(config, shards).map_err(StartError::Memory)?;
    let assembly = assemble(config, shards, &limits);

    let mut listening = Vec::new();
    let mut sockets: Vec<Vec<(ListenerId, socket2::Socket)>> = Vec::new();
    sockets.resize_with(shards, Vec::new);
    let bound = (0..).map(ListenerId).zip(&assembly.listeners);
    for (id, plan) in bound.filter(|_| guest.is_none()) {
        let bound = listen(&plan.receiver, &plan.address, shards)?;
        listening.push(Listening {
            component: plan.receiver.clone(),
            protocol: plan.transport,
            address: bound.address,
        });
        for (shard, socket) in sockets.iter_mut().zip(bound.sockets) {
            shard.push((id, socket));
        }
    }
    let admin = if options.admin {
        bind_admin(config, &mut listening)?
    } else {
        Vec::new()
    };

    let pins = options.pinned.then_some(cpus);
    let (links, shard_threads) = start_shards(kind, &assembly, sockets, pins.as_deref(), guest)?;
    let names = Names::new(&assembly.names).map_err(StartError::Thread)?;
    let (commands, inbox) = ring(CONTROL_SLOTS);
    let thread = start_control(assembly, links, names, inbox, admin)?;
    Ok(Running {
        kind,
        blocked,
        shards,
        listening,
        commands,
        thread,
        shard_threads,
    })
}

/// Adds the memory up; what may surprise is logged.
fn limits(config: &Config, shards: usize) -> Result<ShardLimits, LimitFault> {
    let shards = u32::try_from(shards).unwrap_or(u32::MAX);
    let limits = Limits::plan(config, shards, Machine::detect())?;
    for warning in &limits.warnings {
        tracing::warn!("{warning}");
    }
    Ok(limits.shard)
}

pub(super) fn start_control(
    assembly: Assembly,
    shards: Vec<ShardLink>,
    names: Names,
    commands: Consumer<Command>,
    sockets: Vec<(Endpoint, socket2::Socket)>,
) -> Result<JoinHandle<Outcome>, StartError> {
    let (ready, started): (_, Receiver<io::Result<()>>) = sync_channel(1);
    let builder = std::thread::Builder::new().name("tailrace-control".into());
    let main = move || {
        // Control waits and answers scrapes: epoll serves it everywhere.
        let outcome = run(RuntimeKind::Epoll, None, || async move {
            let admin = match Admin::serve(sockets) {
                Ok(admin) => admin,
                Err(error) => {
                    let cause = error.to_string();
                    let _ = ready.send(Err(error));
                    return Outcome::ShardDied {
                        shard: ShardId(0),
                        cause,
                    };
                }
            };
            admin.set_ready(true);
            let _ = ready.send(Ok(()));
            let count = shards.len();
            let control = Control {
                shards,
                commands: Some(commands),
                labels: assembly.labels,
                names,
                shares: Shares::new(count),
                admin,
                queries: Vec::new(),
                next_query: 0,
                stopping: None,
            };
            control.run().await
        });
        outcome.unwrap_or_else(|error| Outcome::ShardDied {
            shard: ShardId(0),
            cause: error.to_string(),
        })
    };
    let thread = builder.spawn(main).map_err(StartError::Thread)?;
    match started.recv() {
        Ok(Ok(())) => Ok(thread),
        Ok(Err(error)) => Err(StartError::Thread(error)),
        Err(_) => Err(StartError::Thread(io::ErrorKind::BrokenPipe.into())),
    }
}

fn start_shards(
    kind: RuntimeKind,
    assembly: &Assembly,
    sockets: Vec<Vec<(ListenerId, socket2::Socket)>>,
    pins: Option<&[usize]>,
    mut guest: Option<Guest>,
) -> Result<(Vec<ShardLink>, Vec<JoinHandle<()>>), StartError> {
    let count = sockets.len();
    let busy: Arc<[AtomicU32]> = (0..count).map(|_| AtomicU32::new(0)).collect();
    let (mut outgoing, mut incoming) = peer_rings(count);
    let (mut links, mut threads) = (Vec::new(), Vec::new());
    let (started, serving) = sync_channel(count);
    for (index, listeners) in sockets.into_iter().enumerate() {
        let id = ShardId(u32::try_from(index).unwrap_or(u32::MAX));
        let (orders, order_inbox) = ring(CONTROL_SLOTS);
        let (reports, report_inbox) = ring(CONTROL_SLOTS);
        let (last_words, died) = sync_channel(1);
        let pipeline = &assembly.pipelines[index];
        let homes = pipeline.homes.iter();
        let at_home = |home: &Option<ShardId>| home.unwrap_or(id) == id;
        let files = homes.clone().zip(&assembly.files);
        let files = files.map(|(home, file)| file.clone().filter(|_| at_home(home)));
        let is_debug = |outlet: &OutletSettings| matches!(outlet, OutletSettings::Debug(_));
        let mut outlets = homes.zip(&pipeline.outlets);
        let prints = outlets.any(|(home, outlet)| is_debug(outlet) && at_home(home));
        let plan = ShardPlan {
            id,
            // Shards must not jitter in step.
            seed: 0x9e37_79b9_7f4a_7c15 ^ (u64::from(id.0) << 32) ^ u64::from(std::process::id()),
            pipeline: pipeline.clone(),
            servers: assembly
                .listeners
                .iter()
                .map(|plan| plan.server.clone())
                .collect(),
            clients: assembly.clients.clone(),
            listeners,
            files: files.collect(),
            prints,
            guest: guest.take(),
            started: started.clone(),
            orders: order_inbox,
            inboxes: std::mem::take(&mut incoming[index]),
            peers: Peers {
                shards: std::mem::take(&mut outgoing[index]),
                reports,
                busy: Arc::clone(&busy),
            },
        };
        let cpu = pins.map(|cpus| cpus[index % cpus.len()]);
        let name = format!("tailrace-{index}");
        let thread = std::thread::Builder::new()
            .name(name)
            .spawn(move || run_shard(kind, cpu, id, &last_words, || Shard::run(plan)))
            .map_err(StartError::Thread)?;
        threads.push(thread);
        links.push(ShardLink {
            orders,
            reports: report_inbox,
            died,
            drained: false,
            last: None,
        });
    }
    drop(started);
    // A shard that ends while it starts drops its sender: then fewer answer than were started.
    let mut serve = 0;
    for outcome in serving.iter().take(count) {
        outcome.map_err(StartError::Shard)?;
        serve += 1;
    }
    if serve < count {
        return Err(StartError::Shards {
            failed: count - serve,
        });
    }
    Ok((links, threads))
}

/// A panic is caught by the thread's end: the report ring closes without a `Stopped`.
/// What it panicked with goes to control, which reports it.
pub(super) fn run_shard<F: Future<Output = io::Result<()>>>(
    kind: RuntimeKind,
    cpu: Option<usize>,
    id: ShardId,
    last_words: &SyncSender<String>,
    main: impl FnOnce() -> F,
) {
    let cause = match run(kind, cpu, main) {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    tracing::error!(shard = id.0, error = cause, "a shard ended");
    // Nobody listens where the engine did not start.
    let _ = last_words.try_send(cause);
}

type PeerRings = (
    Vec<Vec<Option<Producer<PeerMessage>>>>,
    Vec<Vec<Consumer<PeerMessage>>>,
);

/// One ring for each ordered pair of shards.
fn peer_rings(count: usize) -> PeerRings {
    let mut outgoing: Vec<Vec<_>> = (0..count).map(|_| Vec::new()).collect();
    let mut incoming: Vec<Vec<_>> = (0..count).map(|_| Vec::new()).collect();
    for (from, outbox) in outgoing.iter_mut().enumerate() {
        for (to, inbox) in incoming.iter_mut().enumerate() {
            if from == to {
                outbox.push(None);
            } else {
                let (producer, consumer) = ring(PEER_SLOTS);
                outbox.push(Some(producer));
                inbox.push(consumer);
            }
        }
    }
    (outgoing, incoming)
}

fn bind_admin(
    config: &Config,
    listening: &mut Vec<Listening>,
) -> Result<Vec<(Endpoint, socket2::Socket)>, StartError> {
    let mut sockets = Vec::new();
    let health = config.health_checks.iter().map(|check| {
        (
            check.id.to_string(),
            &check.address,
            Endpoint::Health(check.clone()),
        )
    });
    let metrics = config.telemetry.metrics.prometheus.iter();
    let metrics = metrics.map(|address| ("metrics".to_owned(), address, Endpoint::Metrics));
    for (component, address, endpoint) in health.chain(metrics) {
        let bound = listen(&component, address, 1)?;
        listening.push(Listening {
            component,
            protocol: "http",
            address: bound.address,
        });
        sockets.extend(
            bound
                .sockets
                .into_iter()
                .map(|socket| (endpoint.clone(), socket)),
        );
    }
    Ok(sockets)
}

fn listen(what: &str, address: &ListenAddress, shards: usize) -> Result<Bound, StartError> {
    let failed = |error| StartError::Listen {
        what: what.to_owned(),
        address: address.to_string(),
        error,
    };
    let address = match address {
        ListenAddress::Tcp { host, port } => {
            Address::Tcp(first_address(host, *port).map_err(failed)?)
        }
        ListenAddress::Unix(path) => Address::Unix(path.clone()),
    };
    bind(&address, shards).map_err(failed)
}

/// An empty host is every interface, as in Go.
fn first_address(host: &str, port: u16) -> io::Result<SocketAddr> {
    let host = if host.is_empty() { "0.0.0.0" } else { host };
    (host, port)
        .to_socket_addrs()?
        .next()
        .ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
}

/// The processors this process may run on.
fn processors() -> Vec<usize> {
    // SAFETY: an all-zero cpu_set_t is the empty set, and sched_getaffinity only fills it.
    let set = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::sched_getaffinity(0, size_of_val(&set), &raw mut set);
        set
    };
    // SAFETY: the index is below the set's size.
    let allowed = |cpu: &usize| unsafe { libc::CPU_ISSET(*cpu, &set) };
    let cpus: Vec<_> = (0..libc::CPU_SETSIZE as usize).filter(allowed).collect();
    if cpus.is_empty() { vec![0] } else { cpus }
}
