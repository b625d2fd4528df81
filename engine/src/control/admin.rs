//! The process's own endpoints: health and metrics, served by the same HTTP code as receivers.

use crate::config::HealthCheckConfig;
use crate::exchange::{
    Admission, Arrival, Body, Credit, Framing, HttpReply, Inbound, Reply, RequestHead,
    ServerCommand, Terms, Windows,
};
use crate::net::{Mailbox, server};
use crate::runtime::{Acceptor, Timer, now, spawn};
use crate::telemetry::{Snapshot, exposition};
use crate::units::{ConnectionId, ListenerId, RequestId};
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use slab::Slab;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

/// Connections to all admin endpoints together.
const CONNECTIONS_MAX: usize = 64;

/// Nothing larger than a request head is ever read here.
const WINDOWS: Windows = Windows {
    frame: 16 << 10,
    stream: 64 << 10,
    connection: 64 << 10,
};

/// Each of a request's head, body and answer takes at most this long.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// Long enough for a prober that comes every half minute to keep its connection, short enough that
/// idle ones do not use up [`CONNECTIONS_MAX`].
const IDLE_MAX: Duration = Duration::from_secs(60);

/// A scrape that the shards do not answer in this time is given up.
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);

/// What a socket is for.
#[derive(Debug, Clone)]
pub(super) enum Endpoint {
    Health(HealthCheckConfig),
    Metrics,
}

/// All admin endpoints. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Admin(Rc<State>);

#[derive(Debug)]
struct State {
    /// By [`ListenerId`].
    endpoints: Vec<Endpoint>,
    ready: Cell<bool>,
    since: crate::time::Instant,
    connections: RefCell<Slab<Mailbox<ServerCommand>>>,
    /// Scrapes that are being read.
    scrapes: RefCell<HashMap<RequestId, Pending>>,
    /// Ids are not used again: an answer may be under way long after its request was read.
    next_request: Cell<u32>,
    pending: Mailbox<Pending>,
}

/// A scrape that waits for the shards' counters.
#[derive(Debug)]
pub(super) struct Pending {
    request: RequestId,
    page: Page,
    mailbox: Mailbox<ServerCommand>,
}

/// What of the counters is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Page {
    Metrics,
    /// What `auto` has decided, and why.
    Sizing,
}

impl Page {
    fn at(path: &str) -> Option<Self> {
        match path {
            "/metrics" => Some(Self::Metrics),
            "/debug/sizing" => Some(Self::Sizing),
            _ => None,
        }
    }
}

impl Pending {
    pub fn answer(self, snapshot: &Snapshot) {
        let (media, text) = match self.page {
            Page::Metrics => (exposition::CONTENT_TYPE, snapshot.exposition()),
            Page::Sizing => ("text/plain; charset=utf-8", snapshot.sizing_page()),
        };
        let reply = reply(StatusCode::OK, media, text);
        self.mailbox.send(ServerCommand::Reply(self.request, reply));
    }
}

impl Admin {
    /// Serves the sockets on this thread's executor.
    pub fn serve(endpoints: Vec<(Endpoint, socket2::Socket)>) -> std::io::Result<Self> {
        let (kinds, sockets): (Vec<_>, Vec<_>) = endpoints.into_iter().unzip();
        let admin = Self(Rc::new(State {
            endpoints: kinds,
            ready: Cell::new(false),
            since: now(),
            connections: RefCell::default(),
            scrapes: RefCell::default(),
            next_request: Cell::new(0),
            pending: Mailbox::new(),
        }));
        let mut settings = server::Settings::default();
        settings.timeouts.header = REQUEST_TIMEOUT;
        settings.timeouts.body_progress = REQUEST_TIMEOUT;
        settings.timeouts.reply = REQUEST_TIMEOUT;
        settings.lifetime.idle_max = IDLE_MAX;
        let settings = Rc::new(settings);
        for (index, socket) in sockets.into_iter().enumerate() {
            let acceptor = Acceptor::new(socket)?;
            let listener = ListenerId(u32::try_from(index).unwrap_or(u32::MAX));
            let (admin, settings) = (admin.clone(), Rc::clone(&settings));
            spawn(async move {
                loop {
                    let socket = acceptor.accept().await;
                    let (inbound, settings) = (admin.clone(), Rc::clone(&settings));
                    spawn(server::serve(
                        socket,
                        Arrival::at(listener),
                        settings,
                        inbound,
                        Timer::new(),
                    ));
                }
            });
        }
        Ok(admin)
    }

    pub fn set_ready(&self, ready: bool) {
        self.0.ready.set(ready);
    }

    /// Scrapes that came in since.
    pub fn take_pending(&self, cx: &mut Context<'_>) -> Vec<Pending> {
        let mut pending = Vec::new();
        while let Poll::Ready(scrape) = self.0.pending.poll_recv(cx) {
            pending.push(scrape);
        }
        pending
    }

    fn health(&self, config: &HealthCheckConfig, path: &str) -> Reply {
        if path != config.path {
            return not_found();
        }
        let ready = self.0.ready.get();
        let status = if ready {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        match &config.response_body {
            Some(body) => {
                let text = if ready {
                    &body.healthy
                } else {
                    &body.unhealthy
                };
                reply(status, "text/plain", text.clone())
            }
            None => {
                let text = if ready {
                    "Server available"
                } else {
                    "Server not available"
                };
                let seconds = (now() - self.0.since).as_secs_f64();
                let body = format!("{{\"status\":\"{text}\",\"uptime_seconds\":{seconds:.3}}}\n");
                reply(status, "application/json", body)
            }
        }
    }
}

impl Inbound for Admin {
    fn opened(&self, _: Arrival, mailbox: Mailbox<ServerCommand>) -> Option<Terms> {
        let mut connections = self.0.connections.borrow_mut();
        if connections.len() >= CONNECTIONS_MAX {
            return None;
        }
        let connection = ConnectionId(u32::try_from(connections.insert(mailbox)).ok()?);
        Some(Terms {
            connection,
            windows: WINDOWS,
        })
    }

    fn closed(&self, connection: ConnectionId) {
        self.0
            .connections
            .borrow_mut()
            .try_remove(connection.index());
    }

    fn head(&self, head: &RequestHead<'_>) -> Admission {
        let path = head.parts.uri.path();
        if !matches!(head.parts.method, Method::GET | Method::HEAD) {
            return Admission::Answer(not_allowed());
        }
        match &self.0.endpoints[head.listener.index()] {
            Endpoint::Health(config) => Admission::Answer(self.health(config, path)),
            Endpoint::Metrics => {
                let Some(page) = Page::at(path) else {
                    return Admission::Answer(not_found());
                };
                let connections = self.0.connections.borrow();
                let Some(mailbox) = connections.get(head.connection.index()) else {
                    return Admission::Answer(not_found());
                };
                let request = RequestId(self.0.next_request.get());
                self.0.next_request.set(request.0.wrapping_add(1));
                let pending = Pending {
                    request,
                    page,
                    mailbox: mailbox.clone(),
                };
                self.0.scrapes.borrow_mut().insert(request, pending);
                let deadline = now() + REPLY_TIMEOUT;
                Admission::Receive {
                    request,
                    framing: Framing::Plain,
                    deadline,
                }
            }
        }
    }

    fn reserve(&self, request: RequestId, _: u64) -> Credit {
        self.abandon(request);
        let text = "a scrape has no body\n".to_owned();
        Credit::Refused(reply(StatusCode::PAYLOAD_TOO_LARGE, "text/plain", text))
    }

    fn complete(&self, request: RequestId, _: Body) -> Option<Reply> {
        let pending = self.0.scrapes.borrow_mut().remove(&request)?;
        self.0.pending.send(pending);
        None
    }

    fn abandon(&self, request: RequestId) {
        self.0.scrapes.borrow_mut().remove(&request);
    }
}

fn not_found() -> Reply {
    reply(
        StatusCode::NOT_FOUND,
        "text/plain",
        "not found\n".to_owned(),
    )
}

fn not_allowed() -> Reply {
    let mut not_allowed = reply(
        StatusCode::METHOD_NOT_ALLOWED,
        "text/plain",
        "method not allowed\n".to_owned(),
    );
    if let Reply::Http(reply) = &mut not_allowed {
        reply
            .headers
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    not_allowed
}

fn reply(status: StatusCode, media: &'static str, body: String) -> Reply {
    let mut headers = HeaderMap::with_capacity(2);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    Reply::Http(HttpReply {
        status,
        headers,
        body: Bytes::from(body),
    })
}
