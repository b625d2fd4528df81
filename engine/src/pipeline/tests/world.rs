//! A pipeline with one gRPC listener for traces and a destination that answers as it is told.

use crate::batch::Sizer;
use crate::classify::{
    ClassifierSettings, Match, PriorityRule, QuotaRule, TenantSettings, TenantSource,
};
use crate::config::Overflow;
use crate::egress::destination::DestinationSettings;
use crate::egress::lane::{Conclusion, Degradation, GateRule, LaneSettings, QueueLimit};
use crate::egress::outlet::{EndpointSettings, Format, NetworkSettings, OutletSettings, Parcel};
use crate::exchange::*;
use crate::flow::BackoffRule;
use crate::flow::ladder::LadderRule;
use crate::ingress::{Protocol, Receiver, Signals};
use crate::pipeline::{ListenerSettings, Output, Pipeline, PipelineSettings};
use crate::time::Instant;
use crate::units::*;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, Request, Uri};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::{Duration, SystemTime};
use tailrace_codec::compress::{Encoding, Level};
use tailrace_codec::grpc::Code;
use tailrace_codec::{Rope, Signal};

pub const LISTENER: ListenerId = ListenerId(0);

/// One lane that sends each payload as its own batch; tests change what they are about.
pub fn lane() -> LaneSettings {
    LaneSettings {
        signal: Signal::Traces,
        slots: 10,
        queue: QueueLimit {
            sizer: Sizer::Requests,
            max: 1000,
            bytes_max: u64::MAX,
            overflow: Overflow::Reject,
        },
        batching: None,
        fair: None,
        degradation: Degradation::default(),
        partitions: false,
        gate: GateRule::default(),
        sizing: None,
        retry: BackoffRule {
            randomization_factor: 0.0,
            ..BackoffRule::default()
        },
        waits: false,
    }
}

/// Of some tenants, by name.
pub type Quotas = Vec<(Box<str>, QuotaRule)>;

/// From half of the queue on nothing is taken that is not important; a second of calm is a step back.
pub fn turning_away() -> Degradation {
    Degradation {
        ladder: Some(LadderRule {
            marks: [0.1, 0.2, 0.3, 0.4, 0.5],
            margin: 0.1,
            hold: Duration::from_secs(1),
        }),
        ..Degradation::default()
    }
}

/// Spans that failed are of high priority, all others of low.
pub fn errors_first() -> ClassifierSettings {
    let failed = PriorityRule {
        matches: Match {
            span_status: Some(2),
            ..Match::default()
        },
        priority: Priority::High,
    };
    ClassifierSettings {
        rules: [failed].into(),
        default: Priority::Low,
        ..ClassifierSettings::default()
    }
}

pub(super) fn outlet(lane: usize, window: Option<usize>) -> OutletSettings {
    OutletSettings::Network(Box::new(NetworkSettings {
        destination: DestinationSettings {
            endpoint: EndpointId::first(LaneId(lane as u32)),
            connections_max: 2,
            streams_max: 100,
            spread: false,
            age_max: Duration::MAX,
            spare_idle_max: Duration::from_secs(30),
        },
        endpoints: vec![EndpointSettings {
            addresses: vec![Address::Tcp(([127, 0, 0, 1], 4317).into())],
            uri: Uri::from_static("http://127.0.0.1:4317/x"),
            headers: HeaderMap::new(),
        }],
        balancing: None,
        method: Method::POST,
        format: Format::GrpcProtobuf,
        encoding: Encoding::Identity,
        level: Level::DEFAULT,
        timeout: Duration::from_secs(5),
        window,
    }))
}

/// What the destination does with a request: its lane and the names of its spans.
pub type Script = Box<dyn FnMut(usize, &[String]) -> Option<Answer>>;

/// A request at a destination.
#[derive(Debug, Clone)]
pub struct Sent {
    pub connection: ConnectionId,
    attempt: AttemptId,
    lane: usize,
    pub names: Vec<String>,
}

pub struct World {
    pub pipeline: Pipeline,
    pub now: Instant,
    pub replies: Vec<(RequestId, Reply)>,
    /// What was sent to each lane's destination, in order: the span names of each request.
    pub sent: Vec<(usize, Vec<String>)>,
    pub script: Script,
    /// What was handed over, and whose verdicts were handed back.
    pub given: Vec<AttemptId>,
    pub handed_back: Vec<u32>,
    pub notices: Vec<String>,
    connection: ConnectionId,
    lane_of: Vec<(ConnectionId, usize)>,
    connects: VecDeque<(ConnectionId, usize)>,
    /// What the script has not answered.
    pub unanswered: VecDeque<Sent>,
    /// Connections that close when what is open on them is answered.
    draining: Vec<ConnectionId>,
    /// By lane and span name: how often a destination said that it took it.
    pub taken: HashMap<(usize, String), u32>,
    pub reachable: bool,
}

impl World {
    pub fn new(lanes: Vec<LaneSettings>) -> Self {
        Self::with_credit(lanes, 64 << 20)
    }

    pub fn with_credit(lanes: Vec<LaneSettings>, credit: u64) -> Self {
        let homes = vec![None; lanes.len()];
        Self::build(lanes, homes, credit, None, ClassifierSettings::default())
    }

    /// Spans that failed are of high priority, all others of low.
    pub fn with_classes(lanes: Vec<LaneSettings>) -> Self {
        let homes = vec![None; lanes.len()];
        Self::build(lanes, homes, 64 << 20, None, errors_first())
    }

    /// As shard 0 of several, with these homes.
    pub fn with_homes(lanes: Vec<LaneSettings>, homes: Vec<Option<ShardId>>) -> Self {
        Self::build(lanes, homes, 64 << 20, None, ClassifierSettings::default())
    }

    /// The home of one lane, which sends `window` at once.
    pub fn windowed(window: usize) -> Self {
        let homes = vec![Some(ShardId(0))];
        let classes = ClassifierSettings::default();
        Self::build(vec![lane()], homes, 64 << 20, Some(window), classes)
    }

    /// Tenants by their header, each with `rule`.
    pub fn with_tenants(lanes: Vec<LaneSettings>, rule: QuotaRule, named: Quotas) -> Self {
        let tenants = TenantSettings {
            source: Some(TenantSource::Metadata("x-tenant".into())),
            default: rule,
            named: named.into_iter().collect(),
            tenants_max: 10,
            share: 1.0,
            ..TenantSettings::default()
        };
        Self::with_classifier(lanes, tenants)
    }

    pub fn with_classifier(lanes: Vec<LaneSettings>, tenants: TenantSettings) -> Self {
        let homes = vec![None; lanes.len()];
        let classifier = ClassifierSettings {
            tenants,
            ..ClassifierSettings::default()
        };
        Self::build(lanes, homes, 64 << 20, None, classifier)
    }

    fn build(
        lanes: Vec<LaneSettings>,
        homes: Vec<Option<ShardId>>,
        credit: u64,
        window: Option<usize>,
        classifier: ClassifierSettings,
    ) -> Self {
        let ids: Vec<_> = (0..lanes.len()).map(|lane| LaneId(lane as u32)).collect();
        let receiver = Receiver {
            protocol: Protocol::Grpc,
            signals: Signals::default().with(Signal::Traces),
            message_max: 4 << 20,
            metadata_keys: [HeaderName::from_static("x-tenant")].into_iter().collect(),
        };
        let settings = PipelineSettings {
            credit_bytes: credit,
            classifier,
            credit_high: credit,
            connections_max: 8,
            listeners: vec![ListenerSettings {
                receiver,
                routes: [ids, vec![], vec![], vec![]],
            }],
            outlets: (0..lanes.len()).map(|lane| outlet(lane, window)).collect(),
            homes,
            exporters: vec!["test".into(); lanes.len()],
            lanes,
        };
        let mut pipeline = Pipeline::new(Rc::new(settings), ShardId(0), 7);
        let connection = pipeline
            .handle_opened(None)
            .expect("credit for one connection")
            .connection;
        Self {
            pipeline,
            now: Instant(1),
            replies: Vec::new(),
            sent: Vec::new(),
            script: Box::new(|_, _| Some(ok())),
            given: Vec::new(),
            handed_back: Vec::new(),
            notices: Vec::new(),
            connection,
            lane_of: Vec::new(),
            connects: VecDeque::new(),
            unanswered: VecDeque::new(),
            draining: Vec::new(),
            taken: HashMap::new(),
            reachable: true,
        }
    }

    /// Another connection: what is sent from here on comes over it. Returns the one before.
    pub fn change_connection(&mut self, other: Option<ConnectionId>) -> ConnectionId {
        let other = other.unwrap_or_else(|| {
            let terms = self.pipeline.handle_opened(None);
            terms.expect("credit for a connection").connection
        });
        std::mem::replace(&mut self.connection, other)
    }

    /// Sends a request of spans with these names; its id, and the reply if there was one at once.
    pub fn request(&mut self, names: &[&str]) -> (Option<RequestId>, Option<Reply>) {
        self.body(&encode(names))
    }

    /// As [`request`](Self::request), with an `x-tenant` header.
    pub fn tenant_request(
        &mut self,
        tenant: &str,
        names: &[&str],
    ) -> (Option<RequestId>, Option<Reply>) {
        self.send(&encode(names), &[("x-tenant", tenant)])
    }

    /// As [`request`](Self::request), with a `grpc-timeout`.
    pub fn timed_request(
        &mut self,
        timeout: &str,
        names: &[&str],
    ) -> (Option<RequestId>, Option<Reply>) {
        self.send(&encode(names), &[("grpc-timeout", timeout)])
    }

    pub fn body(&mut self, message: &[u8]) -> (Option<RequestId>, Option<Reply>) {
        self.send(message, &[])
    }

    fn send(
        &mut self,
        message: &[u8],
        headers: &[(&str, &str)],
    ) -> (Option<RequestId>, Option<Reply>) {
        match self.begin(message.len() as u64, headers) {
            Ok(request) => (Some(request), self.complete(request, message)),
            Err((request, reply)) => (request, Some(*reply)),
        }
    }

    /// A request's headers and the credit for its `bytes`, or the answer it got already.
    pub fn begin(
        &mut self,
        bytes: u64,
        headers: &[(&str, &str)],
    ) -> Result<RequestId, (Option<RequestId>, Box<Reply>)> {
        let path = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
        let mut request = Request::post(path)
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).expect("a request");
        let (parts, ()) = request.into_parts();
        let head = RequestHead {
            listener: LISTENER,
            connection: self.connection,
            parts: &parts,
        };
        let request = match self.pipeline.handle_head(&head, self.now) {
            Admission::Receive { request, .. } => request,
            Admission::Answer(reply) => return Err((None, Box::new(reply))),
        };
        match self.pipeline.handle_reserve(request, bytes, self.now) {
            Credit::Refused(reply) => Err((Some(request), Box::new(reply))),
            Credit::Granted => Ok(request),
        }
    }

    /// The body of a request that has begun has come.
    pub fn complete(&mut self, request: RequestId, message: &[u8]) -> Option<Reply> {
        // In two slices, as frames would deliver it.
        let middle = message.len() / 2;
        let mut rope = Rope::new();
        rope.push(Bytes::copy_from_slice(&message[..middle]));
        rope.push(Bytes::copy_from_slice(&message[middle..]));
        let body = Body {
            message: rope,
            compressed: false,
        };
        self.pipeline.handle_complete(request, body, self.now)
    }

    /// Performs outputs until there are none.
    pub fn turn(&mut self) {
        while let Some(output) = self.pipeline.poll_output(self.now) {
            match output {
                Output::Reply { request, reply, .. } => self.replies.push((request, reply)),
                Output::Connect {
                    lane, connection, ..
                } => {
                    self.connects.push_back((connection, lane.index()));
                    self.connect();
                }
                Output::Command {
                    connection,
                    command,
                } => self.command(connection, command),
                Output::Resolve { .. } | Output::Print { .. } | Output::Append { .. } => {}
                Output::Notice { notice, .. } => self.notices.push(notice.to_string()),
                Output::HandOver { attempt, .. } => self.given.push(attempt),
                Output::HandBack { attempt, .. } => self.handed_back.push(attempt.0),
            }
        }
        self.check();
    }

    /// The other shard says how what it was given ended.
    pub fn hand_back(&mut self, attempt: AttemptId, conclusion: Conclusion) {
        let now = self.now;
        self.pipeline.handle_hand_back(attempt, conclusion, 1, now);
        self.turn();
    }

    /// Another shard hands a batch over.
    pub fn parcel(&mut self, attempt: u32, names: &[&str]) {
        let parcel = Parcel {
            signal: Signal::Traces,
            body: Rope::from(Bytes::from(encode(names))),
            items: names.len() as u64,
            bucket: 0,
        };
        let (from, attempt) = (ShardId(1), AttemptId(attempt));
        self.pipeline
            .handle_parcel(from, LaneId(0), attempt, parcel, self.now);
    }

    /// Lets time pass, a timeout at a time.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        self.turn();
        while let Some(next) = self.pipeline.next_timeout().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.pipeline.handle_timeout(self.now);
            self.turn();
        }
        self.now = end;
        self.pipeline.handle_timeout(end);
        self.turn();
    }

    /// The names that arrived and were acknowledged or not, in order, at one lane.
    pub fn names(&self, lane: usize) -> Vec<String> {
        let of_lane = self.sent.iter().filter(|(to, _)| *to == lane);
        of_lane.flat_map(|(_, names)| names.clone()).collect()
    }

    /// Answers the oldest request that the script left open.
    pub fn answer(&mut self, answer: Answer) {
        self.answer_one(0, answer);
    }

    /// Answers the request at this place among those that are open.
    pub fn answer_one(&mut self, place: usize, answer: Answer) {
        let sent = self.unanswered.remove(place).expect("an open request");
        if matches!(answer, Answer::Grpc { code: Code::Ok, .. }) {
            for name in sent.names {
                *self.taken.entry((sent.lane, name)).or_default() += 1;
            }
        }
        let wall = SystemTime::UNIX_EPOCH;
        self.pipeline
            .handle_answered(sent.connection, sent.attempt, answer, self.now, wall);
        self.close_drained(sent.connection);
    }

    /// A connection breaks: what is open on it fails, then it is gone.
    pub fn lose(&mut self, connection: ConnectionId) {
        while let Some(place) = self.open_on(connection) {
            self.answer_one(place, Answer::Failed(Failure::ConnectionLost));
        }
        if self.draining.contains(&connection) {
            return;
        }
        self.pipeline
            .handle_closed(connection, &CloseReason::Lost, self.now);
    }

    fn open_on(&self, connection: ConnectionId) -> Option<usize> {
        let mut open = self.unanswered.iter();
        open.position(|sent| sent.connection == connection)
    }

    fn close_drained(&mut self, connection: ConnectionId) {
        if self.draining.contains(&connection) && self.open_on(connection).is_none() {
            self.draining.retain(|draining| *draining != connection);
            self.pipeline
                .handle_closed(connection, &CloseReason::Drained, self.now);
        }
    }

    fn connect(&mut self) {
        while let Some((connection, lane)) = self.connects.pop_front() {
            if self.reachable {
                self.lane_of.push((connection, lane));
                self.pipeline.handle_connected(connection, 100, self.now);
            } else {
                let reason = CloseReason::Unreachable {
                    os_error: Some(111),
                };
                self.pipeline.handle_closed(connection, &reason, self.now);
            }
        }
    }

    fn command(&mut self, connection: ConnectionId, command: ClientCommand) {
        let lane = self
            .lane_of
            .iter()
            .rfind(|(id, _)| *id == connection)
            .map(|(_, lane)| *lane);
        match command {
            ClientCommand::Send(attempt) => {
                let lane = lane.expect("a connection that is up");
                let names = decode(&attempt.body.to_bytes()[5..]);
                self.sent.push((lane, names.clone()));
                let answer = (self.script)(lane, &names);
                self.unanswered.push_back(Sent {
                    connection,
                    attempt: attempt.id,
                    lane,
                    names,
                });
                if let Some(answer) = answer {
                    self.answer_one(self.unanswered.len() - 1, answer);
                }
            }
            ClientCommand::Drain => {
                self.draining.push(connection);
                self.close_drained(connection);
            }
            ClientCommand::Cancel(_) => {}
        }
    }

    /// Conservation, after every turn: of items, and of the bytes that credit was taken for.
    pub fn check(&self) {
        assert_eq!(self.pipeline.credit().taken(), self.pipeline.owed());
        for lane in self.pipeline.lanes() {
            assert_eq!(lane.counters().unaccounted(), 0, "{:?}", lane.counters());
        }
    }
}

/// Whether a span of this name has failed.
pub fn is_error(name: &str) -> bool {
    name.ends_with(['1', '4', '7', '!'])
}

pub fn encode(names: &[&str]) -> Vec<u8> {
    let span = |name: &&str| Span {
        name: (*name).to_owned(),
        status: Some(Status {
            code: i32::from(is_error(name)) * 2,
            ..Status::default()
        }),
        ..Span::default()
    };
    let spans = names.iter().map(span).collect();
    let scope = ScopeSpans {
        spans,
        schema_url: "scope".into(),
        ..ScopeSpans::default()
    };
    let resource = ResourceSpans {
        scope_spans: vec![scope],
        ..ResourceSpans::default()
    };
    ExportTraceServiceRequest {
        resource_spans: vec![resource],
    }
    .encode_to_vec()
}

pub(super) fn decode(message: &[u8]) -> Vec<String> {
    let request = ExportTraceServiceRequest::decode(message).expect("a request prost can read");
    let scopes = request
        .resource_spans
        .into_iter()
        .flat_map(|resource| resource.scope_spans);
    scopes
        .flat_map(|scope| scope.spans)
        .map(|span| span.name)
        .collect()
}

pub fn ok() -> Answer {
    status(Code::Ok)
}

pub fn status(code: Code) -> Answer {
    let (message, details, body) = (String::new(), Bytes::new(), Bytes::new());
    Answer::Grpc {
        code,
        message,
        details,
        body,
    }
}

pub fn code(reply: Option<&Reply>) -> Option<Code> {
    match reply {
        Some(Reply::Grpc(reply)) => Some(reply.code),
        Some(Reply::Http(_) | Reply::Reset(_)) | None => None,
    }
}

pub fn never() -> Script {
    Box::new(|_, _| None)
}
