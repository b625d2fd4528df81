//! Random operations on a shard's pipeline: what its shell may do, in any order the contract allows.
//!
//! The first byte chooses a configuration; each of the others is an operation, which may take more
//! bytes. After each operation every item must be in one place, every byte must have a holder, and at
//! the end every request must have had one answer.

use bytes::Bytes;
use http::{Request, request};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, SystemTime};
use tailrace_codec::Rope;
use tailrace_codec::grpc::Code;
use tailrace_engine::config::limits::{Limits, Machine, MemorySource};
use tailrace_engine::config::{self, Inputs, ProcessEnvironment};
use tailrace_engine::exchange::{
    Admission, Answer, Body, ClientCommand, CloseReason, Credit, Failure, RequestHead,
};
use tailrace_engine::time::Instant;
use tailrace_engine::units::{AttemptId, ByteCount, ConnectionId, ListenerId, RequestId};
use tailrace_engine::{Output, Pipeline};

/// Of the exporter, and of the engine.
const CONFIGURATIONS: [(&str, &str); 8] = [
    ("", ""),
    (
        "sending_queue: {queue_size: 3, num_consumers: 2, wait_for_result: true}",
        "",
    ),
    (
        "sending_queue: {queue_size: 20, sizer: items, overflow: block, batch: {min_size: 7, max_size: 9}}",
        "",
    ),
    (
        "sending_queue: {queue_size: 4, overflow: drop_lowest_priority, catch_up: {order: interleave, after: 1s, items_per_second: 9}}",
        "priority: {max_age: 2s, rules: [{span_status: error, priority: high}, {resource_attributes: {tenant: b}, priority: low}]}",
    ),
    (
        "sending_queue: {queue_size: 9, batch: {min_size: 5}}",
        "tenants: {from_resource: tenant, max_tenants: 2, default: {queue_share_percent: 40, rate_limit: {items_per_second: 20}}}",
    ),
    (
        "sending_queue: {queue_size: 8, overflow: sample}, tailrace: {degradation: {hold: 500ms}, export_only_sampled: strict}",
        "priority: {default: low}, rate_limit: {requests_per_second: 30}",
    ),
    (
        "tailrace: {load_balancing: {policy: consistent_hash, outlier_detection: {consecutive_failures: 2, base_ejection_time: 1s}, \
         endpoints: ['http://127.0.0.1:1', 'http://127.0.0.1:2', 'http://127.0.0.1:3']}}",
        "tenants: {from_metadata: x-tenant, quotas: {a: {weight: 3}}}",
    ),
    (
        "retry_on_failure: {initial_interval: 100ms, max_elapsed_time: 40s}, tailrace: {circuit_breaker: {consecutive_failures: 2, \
         open_for: 1s}, retry_budget: {}, adaptive_concurrency: {}, rate_limit: {items_per_second: 50}, load_balancing: \
         {failback_after: 1s, priority_levels: [['http://127.0.0.1:1'], ['http://127.0.0.1:2']]}}",
        "",
    ),
];

/// The bytes of an input, one after the other; zeros after the last.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn next(&mut self) -> usize {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        usize::from(*first)
    }

    fn below(&mut self, n: usize) -> usize {
        self.next() % n.max(1)
    }
}

struct World<'a> {
    choices: Choices<'a>,
    pipeline: Pipeline,
    now: Instant,
    connections: Vec<ConnectionId>,
    /// Requests that were begun and have no answer; with their body while it is not complete.
    open: BTreeMap<RequestId, (ConnectionId, Option<Vec<u8>>)>,
    connecting: VecDeque<ConnectionId>,
    up: Vec<ConnectionId>,
    attempts: Vec<(ConnectionId, AttemptId)>,
}

/// One input, played. The configuration, and the items that were delivered.
pub fn play(input: &[u8]) -> (usize, u64) {
    let mut choices = Choices(input);
    let configuration = choices.below(CONFIGURATIONS.len());
    let (exporter, engine) = CONFIGURATIONS[configuration];
    let mut world = World {
        choices,
        pipeline: pipeline(exporter, engine),
        now: Instant(1),
        connections: Vec::new(),
        open: BTreeMap::new(),
        connecting: VecDeque::new(),
        up: Vec::new(),
        attempts: Vec::new(),
    };
    while !world.choices.0.is_empty() {
        world.step();
        world.turn();
    }
    (configuration, world.end())
}

fn pipeline(exporter: &str, engine: &str) -> Pipeline {
    let endpoint = match exporter.contains("load_balancing") {
        true => "",
        false => "endpoint: 'http://127.0.0.1:1', ",
    };
    let yaml = format!(
        "yaml:receivers: {{otlp: {{protocols: {{grpc: {{}}}}}}}}
processors: {{memory_limiter: {{check_interval: 1s, limit_mib: 20, spike_limit_mib: 1}}}}
exporters: {{otlp: {{{endpoint}{exporter}}}, nop: }}
service: {{tailrace: {{{engine}}}, pipelines: {{traces: {{receivers: [otlp], processors: [memory_limiter], exporters: [otlp, nop]}}}}}}"
    );
    let inputs = Inputs {
        configs: vec![yaml],
        sets: Vec::new(),
    };
    let loaded = config::load(&inputs, &ProcessEnvironment);
    let config = loaded.unwrap_or_else(|faults| panic!("{faults}")).config;
    let machine = Machine {
        memory: ByteCount::mib(4096),
        source: MemorySource::Assumed,
    };
    let limits = Limits::plan(&config, 1, machine).unwrap_or_else(|fault| panic!("{fault}"));
    let pipelines = tailrace_engine::pipelines(&config, &limits, 1);
    pipelines.into_iter().next().expect("one shard")
}

impl World<'_> {
    fn step(&mut self) {
        match self.choices.below(16) {
            0 => {
                let terms = self.pipeline.handle_opened(None);
                self.connections.extend(terms.map(|terms| terms.connection));
            }
            1 if !self.connections.is_empty() => {
                let index = self.choices.below(self.connections.len());
                let gone = self.connections.swap_remove(index);
                // The shell abandons what is open on a connection before it says that it is closed.
                let open = self.open.iter().filter(|(_, (on, _))| *on == gone);
                let open: Vec<_> = open.map(|(id, _)| *id).collect();
                open.into_iter().for_each(|id| self.abandon(id));
                self.pipeline.handle_closed_incoming(gone);
            }
            2..6 => {
                if let Some(id) = self.begin() {
                    self.complete(id);
                }
            }
            6 => {
                self.begin();
            }
            7 => {
                let incomplete = self.open.iter().find(|(_, (_, body))| body.is_some());
                if let Some(id) = incomplete.map(|(id, _)| *id) {
                    self.complete(id);
                }
            }
            8 if !self.open.is_empty() => {
                let index = self.choices.below(self.open.len());
                let id = *self.open.keys().nth(index).expect("fewer than are open");
                self.abandon(id);
            }
            9..12 => {
                let answer = answer(self.choices.below(12));
                self.answer_one(answer);
            }
            12 => {
                let is_up = self.choices.below(4) > 0;
                self.connected(is_up);
            }
            13 if !self.up.is_empty() => {
                let index = self.choices.below(self.up.len());
                self.lose(self.up[index], &CloseReason::Lost);
            }
            14 => {
                let millis = 1u64 << self.choices.below(14);
                self.pass(Duration::from_millis(millis));
            }
            _ => self.pipeline.flush(),
        }
    }

    fn begin(&mut self) -> Option<RequestId> {
        let index = self.choices.below(self.connections.len());
        let connection = *self.connections.get(index)?;
        let head = head(["a", "b", "c"][self.choices.below(3)]);
        let message = self.message();
        let head = RequestHead {
            listener: ListenerId(0),
            connection,
            parts: &head,
        };
        let Admission::Receive { request, .. } = self.pipeline.handle_head(&head, self.now) else {
            return None;
        };
        let bytes = message.len() as u64;
        if let Credit::Refused(_) = self.pipeline.handle_reserve(request, bytes, self.now) {
            return None;
        }
        let before = self.open.insert(request, (connection, Some(message)));
        assert!(before.is_none(), "{request:?} was not answered");
        Some(request)
    }

    fn complete(&mut self, id: RequestId) {
        let Some(message) = self.open.get_mut(&id).and_then(|(_, body)| body.take()) else {
            return;
        };
        let body = Body {
            message: Rope::from(message),
            compressed: false,
        };
        if self.pipeline.handle_complete(id, body, self.now).is_some() {
            self.open.remove(&id);
        }
    }

    fn abandon(&mut self, id: RequestId) {
        self.pipeline.handle_abandoned(id);
        self.open.remove(&id);
    }

    fn answer_one(&mut self, answer: Answer) {
        if self.attempts.is_empty() {
            return;
        }
        let index = self.choices.below(self.attempts.len());
        let (connection, attempt) = self.attempts.swap_remove(index);
        let wall = SystemTime::UNIX_EPOCH;
        self.pipeline
            .handle_answered(connection, attempt, answer, self.now, wall);
    }

    fn connected(&mut self, is_up: bool) {
        let Some(connection) = self.connecting.pop_front() else {
            return;
        };
        if is_up {
            self.up.push(connection);
            self.pipeline.handle_connected(connection, 100, self.now);
            return;
        }
        let reason = CloseReason::Unreachable { os_error: None };
        self.pipeline.handle_closed(connection, &reason, self.now);
    }

    fn lose(&mut self, lost: ConnectionId, reason: &CloseReason) {
        self.up.retain(|connection| *connection != lost);
        let (open, kept) = self.attempts.drain(..).partition(|(on, _)| *on == lost);
        self.attempts = kept;
        let open: Vec<(ConnectionId, AttemptId)> = open;
        for (connection, attempt) in open {
            let answer = Answer::Failed(Failure::ConnectionLost);
            let wall = SystemTime::UNIX_EPOCH;
            self.pipeline
                .handle_answered(connection, attempt, answer, self.now, wall);
        }
        self.pipeline.handle_closed(lost, reason, self.now);
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.pipeline.handle_timeout(self.now);
    }

    fn turn(&mut self) {
        while let Some(output) = self.pipeline.poll_output(self.now) {
            match output {
                Output::Reply { request, .. } => {
                    let open = self.open.remove(&request);
                    assert!(open.is_some(), "{request:?} is answered twice");
                }
                Output::Connect { connection, .. } => self.connecting.push_back(connection),
                Output::Command {
                    connection,
                    command: ClientCommand::Send(attempt),
                } => {
                    if self.up.contains(&connection) {
                        self.attempts.push((connection, attempt.id));
                    } else {
                        let answer = Answer::Failed(Failure::Unprocessed);
                        let wall = SystemTime::UNIX_EPOCH;
                        self.pipeline
                            .handle_answered(connection, attempt.id, answer, self.now, wall);
                    }
                }
                Output::Command {
                    command: ClientCommand::Cancel(attempt),
                    ..
                } => self.attempts.retain(|(_, open)| *open != attempt),
                Output::Command {
                    connection,
                    command: ClientCommand::Drain,
                } => {
                    if self.up.contains(&connection) {
                        self.lose(connection, &CloseReason::Drained);
                    }
                }
                Output::Resolve { .. } | Output::Notice { .. } => {}
                other => panic!("nobody performs {other:?} here"),
            }
        }
        self.check();
    }

    fn check(&self) {
        let counters = self.pipeline.counters(self.now);
        for lane in &counters.lanes {
            assert_eq!(lane.unaccounted(), 0, "{lane:?}");
        }
        let shard = counters.shard;
        assert_eq!(self.pipeline.owed(), shard.buffered_bytes);
        assert!(shard.buffered_bytes <= shard.buffered_bytes_max);
    }

    /// Everything ends, by itself or by force, and gives back what it held.
    fn end(mut self) -> u64 {
        let incomplete = self.open.iter().filter(|(_, (_, body))| body.is_some());
        let incomplete: Vec<_> = incomplete.map(|(id, _)| *id).collect();
        incomplete.into_iter().for_each(|id| self.abandon(id));
        self.pipeline.stop(self.now);
        for _ in 0..20 {
            self.turn();
            while !self.connecting.is_empty() {
                self.connected(true);
            }
            while !self.attempts.is_empty() {
                self.answer_one(answer(0));
            }
            self.pass(Duration::from_secs(7));
        }
        self.pipeline.abandon_all(self.now);
        self.turn();
        assert!(self.open.is_empty(), "not answered: {:?}", self.open);
        for connection in std::mem::take(&mut self.connections) {
            self.pipeline.handle_closed_incoming(connection);
        }
        assert!(self.pipeline.is_idle());
        assert_eq!(self.pipeline.owed(), 0);
        self.check();
        self.pipeline.counters(self.now).lanes[0].delivered
    }

    /// An export request of a few spans of one or two tenants, or bytes that are none.
    fn message(&mut self) -> Vec<u8> {
        let shape = self.choices.next();
        if shape == 255 {
            return vec![0x0a, 0x7f, 0xff];
        }
        let mut request = Vec::new();
        for tenant in &["a", "b"][..1 + shape % 2] {
            let value = field(2, &field(1, tenant.as_bytes()));
            let attribute = [field(1, b"tenant"), value].concat();
            let mut spans = Vec::new();
            for span in 0..shape / 2 % 6 {
                let trace = [span as u8 * 37 + 1; 16];
                let mut body = field(1, &trace);
                // An error; the sampled flag, or another.
                if (shape + span).is_multiple_of(3) {
                    body.extend(field(15, &[0x18, 2]));
                }
                body.extend([0x85, 1, (span % 3) as u8, 1, 0, 0]);
                spans.extend(field(2, &body));
            }
            let resource = field(1, &field(1, &attribute));
            request.extend(field(1, &[resource, field(2, &spans)].concat()));
        }
        request
    }
}

/// A field with a length; of fewer than 16384 bytes.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut bytes = vec![number << 3 | 2, length as u8 & 0x7f];
    if length > 127 {
        bytes[1] |= 0x80;
        bytes.push((length >> 7) as u8);
    }
    bytes.extend_from_slice(content);
    bytes
}

fn head(tenant: &str) -> request::Parts {
    let path = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
    let request = Request::post(path)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("x-tenant", tenant);
    request.body(()).expect("a request").into_parts().0
}

fn answer(which: usize) -> Answer {
    let code = match which {
        0..6 => Code::Ok,
        6 => Code::Unavailable,
        7 => Code::InvalidArgument,
        8 => Code::ResourceExhausted,
        9 => return Answer::Failed(Failure::Unprocessed),
        10 => return Answer::Failed(Failure::TimedOut),
        _ => return Answer::Failed(Failure::Malformed),
    };
    Answer::Grpc {
        code,
        message: String::new(),
        details: Bytes::new(),
        body: Bytes::new(),
    }
}
