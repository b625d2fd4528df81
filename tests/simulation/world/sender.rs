//! Who sends: requests of numbered spans at the times of an arrival process, over a connection.
//! A refused request is not sent again; what it is told is written down.

use bytes::Bytes;
use http::{Request, request};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;
use tailrace_bench::IdSet;
use tailrace_bench::load::arrivals::{Arrivals, Due};
use tailrace_bench::workload::{Mix, Spec, Workload};
use tailrace_codec::grpc::Code;
use tailrace_codec::otlp::response::Status;
use tailrace_codec::{Rope, Signal};
use tailrace_engine::Pipeline;
use tailrace_engine::exchange::{Admission, Body, Credit, GrpcReply, Reply, RequestHead};
use tailrace_engine::time::Instant;
use tailrace_engine::units::{ConnectionId, ListenerId, RequestId};

use super::Traffic;

pub struct Sender {
    workload: Workload,
    items: u64,
    arrivals: Arrivals,
    pub connection: ConnectionId,
    head: request::Parts,
    waiting: HashMap<RequestId, u64>,
    ended: bool,
    pub accepted: IdSet,
    /// Requests that were sent.
    pub sent: u64,
    /// Requests that were refused, by code.
    pub refused: BTreeMap<Code, u64>,
    /// Of those, the ones that were not told when to come again.
    pub refused_without_delay: BTreeMap<Code, u64>,
    /// The shortest and the longest delay that a refused sender was told.
    pub delays: Option<(Duration, Duration)>,
}

impl Sender {
    /// `run`: which of several it is.
    pub fn new(pipeline: &mut Pipeline, traffic: Traffic, run: u64, seed: u64) -> Self {
        let terms = pipeline.handle_opened(None).expect("memory for one");
        let items = traffic.items;
        let spec = Spec {
            mix: Mix::Http,
            seed,
            run,
            ..Spec::standard(Signal::Traces, items)
        };
        let request = Request::post("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        let request = match traffic.tenant {
            Some(tenant) => request.header("x-tenant", tenant),
            None => request,
        };
        let (head, ()) = request.body(()).expect("a request").into_parts();
        Self {
            workload: Workload::new(&spec),
            items: items as u64,
            arrivals: Arrivals::new(traffic.phases, seed ^ run),
            connection: terms.connection,
            head,
            waiting: HashMap::new(),
            ended: false,
            accepted: IdSet::default(),
            sent: 0,
            refused: BTreeMap::new(),
            refused_without_delay: BTreeMap::new(),
            delays: None,
        }
    }

    /// When the next request is sent.
    pub fn next(&self) -> Option<Instant> {
        match self.arrivals.due() {
            Due::At(at) if !self.ended => Some(Instant(0) + at),
            _ => None,
        }
    }

    pub fn is_due(&self, now: Instant) -> bool {
        self.next().is_some_and(|at| at <= now)
    }

    /// Nothing more is sent.
    pub const fn end(&mut self) {
        self.ended = true;
    }

    /// Requests without an answer.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub fn refusals(&self) -> u64 {
        self.refused.values().sum()
    }

    /// The request that is due. `next_item`: the first number that no item has yet.
    pub fn send(&mut self, pipeline: &mut Pipeline, next_item: &mut u64, now: Instant) {
        self.arrivals.take();
        let first = *next_item;
        *next_item += self.items;
        self.sent += 1;
        let message = self.workload.protobuf(first, now.0);
        match self.deliver(pipeline, message, now) {
            Ok(request) => {
                let before = self.waiting.insert(request, first);
                assert!(before.is_none(), "{request:?} waits already");
            }
            Err(reply) => self.answered(first, &reply),
        }
    }

    /// The request, if its answer is to come; else the answer.
    fn deliver(
        &self,
        pipeline: &mut Pipeline,
        message: Bytes,
        now: Instant,
    ) -> Result<RequestId, Box<Reply>> {
        let head = RequestHead {
            listener: ListenerId(0),
            connection: self.connection,
            parts: &self.head,
        };
        let request = match pipeline.handle_head(&head, now) {
            Admission::Receive { request, .. } => request,
            Admission::Answer(reply) => return Err(Box::new(reply)),
        };
        let bytes = message.len() as u64;
        if let Credit::Refused(reply) = pipeline.handle_reserve(request, bytes, now) {
            return Err(Box::new(reply));
        }
        let body = Body {
            message: Rope::from(message),
            compressed: false,
        };
        match pipeline.handle_complete(request, body, now) {
            Some(reply) => Err(Box::new(reply)),
            None => Ok(request),
        }
    }

    /// A reply that was waited for has come.
    pub fn replied(&mut self, request: RequestId, reply: &Reply) {
        let first = self.waiting.remove(&request);
        self.answered(first.expect("nobody waits for this"), reply);
    }

    fn answered(&mut self, first: u64, reply: &Reply) {
        let Reply::Grpc(reply) = reply else {
            panic!("not an answer over gRPC: {reply:?}");
        };
        if reply.code == Code::Ok {
            self.accepted.insert_range(first..first + self.items);
            return;
        }
        *self.refused.entry(reply.code).or_default() += 1;
        match delay(reply) {
            None => *self.refused_without_delay.entry(reply.code).or_default() += 1,
            Some(delay) => {
                let (least, most) = self.delays.unwrap_or((delay, delay));
                self.delays = Some((least.min(delay), most.max(delay)));
            }
        }
    }
}

fn delay(reply: &GrpcReply) -> Option<Duration> {
    let status = Status::from_protobuf(&reply.details).expect("what we send can be read");
    status.retry_delay
}
