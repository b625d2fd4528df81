//! A lane with a store and a clock; payloads are requests of spans, named by the test.

use super::super::*;
use crate::flow::Random;
use crate::flow::fair::Class;
use crate::memory::store::{Metadata, Payload};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use tailrace_codec::Rope;

pub use crate::delivery::Verdict;
pub use crate::delivery::verdict::Cause;
pub use crate::telemetry::DropReason;

pub use tailrace_codec::grpc::Code;

pub const S: Duration = Duration::from_secs(1);

pub fn settings() -> LaneSettings {
    LaneSettings {
        signal: Signal::Traces,
        slots: 4,
        queue: QueueLimit {
            sizer: Sizer::Requests,
            max: 1000,
            bytes_max: u64::MAX,
            overflow: Overflow::Reject,
        },
        batching: None,
        fair: None,
        degradation: Degradation::default(),
        gate: GateRule::default(),
        sizing: None,
        retry: BackoffRule {
            randomization_factor: 0.0,
            ..BackoffRule::default()
        },
        partitions: false,
        waits: false,
    }
}

pub fn batching(sizer: Sizer, min: u64, max: u64) -> LaneSettings {
    let flush_timeout = Duration::from_millis(200);
    LaneSettings {
        batching: Some(Batching {
            min,
            max,
            sizer,
            flush_timeout,
        }),
        ..settings()
    }
}

pub struct Rig {
    pub lane: Lane,
    pub store: Store,
    pub now: Instant,
    random: Random,
    /// On their way: the batch and the names in it.
    pub sent: Vec<(BatchId, Vec<String>)>,
    /// How parts ended, oldest first.
    pub settled: Vec<Outcome>,
}

impl Rig {
    pub fn new(settings: LaneSettings) -> Self {
        Self {
            lane: Lane::new(settings),
            store: Store::default(),
            now: Instant(1),
            random: Random::new(1),
            sent: Vec::new(),
            settled: Vec::new(),
        }
    }

    pub fn admit(&mut self, names: &[&str]) {
        self.admit_of(names, None);
    }

    pub fn admit_of(&mut self, names: &[&str], tenant: Option<&str>) {
        let body = encode(names);
        let size = Size {
            requests: 1,
            items: names.len() as u64,
            bytes: body.len() as u64,
        };
        let payload = self.store.insert(Payload {
            body,
            charged: 0,
            sender: None,
            waiter: None,
        });
        let metadata = tenant.map(|tenant| {
            let values: Box<[Box<str>]> = Box::new([tenant.into()]);
            Metadata::from(vec![("x-tenant".into(), values)])
        });
        self.lane.admit(Part {
            payload,
            piece: None,
            size,
            metadata,
            class: Class::default(),
            bucket: 0,
            arrived: self.now,
        });
        self.check();
    }

    /// Sends what can be sent; the names of each batch.
    pub fn send(&mut self) -> Vec<Vec<String>> {
        let mut batches = Vec::new();
        while let Some(id) = self.lane.poll_send(&mut self.store, self.now) {
            let bodies = self
                .lane
                .parts(id)
                .iter()
                .map(|part| part.body(&self.store));
            let mut body = Rope::new();
            bodies.for_each(|part| body.append(part));
            let names = decode(&body);
            self.sent.push((id, names.clone()));
            batches.push(names);
        }
        self.check();
        batches
    }

    /// The oldest batch on its way ends like this.
    pub fn end(&mut self, conclusion: Conclusion) {
        let (id, _) = self.sent.remove(0);
        self.end_batch(id, conclusion);
    }

    pub fn end_batch(&mut self, id: BatchId, conclusion: Conclusion) {
        let Self {
            lane,
            store,
            random,
            now,
            ..
        } = self;
        let now = *now;
        let mut context = Context { store, random, now };
        lane.handle_conclusion(id, conclusion, 100, &mut context);
        self.settle();
    }

    /// Answers every batch, and what becomes of it, by its names, until nothing is on its way.
    pub fn answer_all(&mut self, mut answer: impl FnMut(&[String]) -> Verdict) {
        self.send();
        while let Some((id, names)) = self.sent.pop() {
            let verdict = answer(&names);
            self.end_batch(id, Conclusion::Answered(verdict));
            self.send();
        }
    }

    pub fn drop_all(&mut self) -> u64 {
        let dropped = self.lane.drop_all(DropReason::Shutdown);
        self.sent.clear();
        self.settle();
        dropped
    }

    /// Moves to the lane's next timeout, and says how far that was.
    pub fn next_timeout(&mut self) -> Option<Duration> {
        let next = self.lane.next_timeout()?;
        let passed = next - self.now;
        self.now = self.now.max(next);
        Some(passed)
    }

    fn settle(&mut self) {
        while let Some(Settlement { payload, outcome }) = self.lane.poll_settled() {
            self.store.release(payload, false);
            self.settled.push(outcome);
        }
        self.check();
    }

    /// Conservation: items by the counters, and sizes by the parts.
    pub fn check(&self) {
        let counters = self.lane.counters();
        assert_eq!(counters.unaccounted(), 0, "{counters:?}");
        let inside = counters.waiting
            + counters.open
            + counters.in_flight
            + counters.backing_off
            + counters.handed_over;
        assert_eq!(self.lane.held().items, inside);
        assert_eq!(self.store.is_empty(), self.lane.held() == Size::ZERO);
    }
}

pub fn encode(names: &[&str]) -> Rope {
    let span = |name: &&str| Span {
        name: (*name).to_owned(),
        ..Span::default()
    };
    let scope = ScopeSpans {
        spans: names.iter().map(span).collect(),
        ..ScopeSpans::default()
    };
    let resource = ResourceSpans {
        scope_spans: vec![scope],
        ..ResourceSpans::default()
    };
    let request = ExportTraceServiceRequest {
        resource_spans: vec![resource],
    };
    Rope::from(bytes::Bytes::from(request.encode_to_vec()))
}

fn decode(body: &Rope) -> Vec<String> {
    let request = ExportTraceServiceRequest::decode(&body.to_bytes()[..]).expect("a request");
    let scopes = request
        .resource_spans
        .into_iter()
        .flat_map(|r| r.scope_spans);
    let spans = scopes.flat_map(|scope| scope.spans);
    spans.map(|span| span.name).collect()
}

pub const fn delivered() -> Verdict {
    Verdict::Delivered { warning: None }
}

pub fn unavailable(after: Option<Duration>) -> Verdict {
    let cause = Cause::Grpc(Code::Unavailable);
    Verdict::Retry { after, cause }
}

pub fn refused(code: Code) -> Verdict {
    Verdict::Refused {
        cause: Cause::Grpc(code),
        message: "".into(),
    }
}
