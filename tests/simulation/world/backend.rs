//! What stands at the other end of a lane: it takes, serves and answers as it is told.

use bytes::Bytes;
use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;
use tailrace_bench::IdSet;
use tailrace_bench::sink::behaviour::Behaviour;
use tailrace_bench::sink::script::{Fault, Script};
use tailrace_bench::workload;
use tailrace_codec::grpc::Code;
use tailrace_codec::otlp::response::{PartialSuccess, Status};
use tailrace_codec::{Rope, Signal};
use tailrace_engine::exchange::{Answer, Failure};
use tailrace_engine::time::Instant;

/// How one backend is.
#[derive(Default)]
pub struct Plan {
    /// Latencies and faults by phases, in the sink's own language; empty for one that behaves.
    pub script: String,
    /// Times since the beginning at which it does not accept and all connections are broken.
    pub outages: Vec<Range<Duration>>,
    pub capacity: Option<Capacity>,
}

/// A backend with one server and a queue.
#[derive(Clone, Copy)]
pub struct Capacity {
    pub items_per_second: f64,
    /// Who would wait longer is refused with UNAVAILABLE.
    pub wait_max: Duration,
    /// Since the beginning: then everything is served at once.
    pub until: Duration,
}

pub struct Backend {
    behaviour: Behaviour,
    outages: Vec<Range<Duration>>,
    capacity: Option<Capacity>,
    /// Until when its server has work.
    busy_until: Instant,
    pub arrived: IdSet,
    /// Arrivals beyond the first of an item, and items that are not what was sent.
    pub duplicates: u64,
    pub corrupt: u64,
    /// Items of all attempts, whatever became of them: by the second.
    pub offered: Vec<u64>,
    /// Of those, the items it took.
    pub taken: u64,
    /// When somebody tried to connect.
    pub connects: Vec<Duration>,
    /// By sender: since when what it took was on its way, one item of each request.
    pub delays: HashMap<u64, Vec<Duration>>,
}

/// What becomes of an attempt.
pub enum End {
    Answer(Answer),
    /// The connection breaks.
    Lost,
    /// Nothing comes.
    Silence,
}

impl Backend {
    pub fn new(plan: Plan, seed: u64) -> Self {
        let mut script = match plan.script.as_str() {
            "" => Script::default(),
            text => Script::read(text, "a backend's script").expect("a script"),
        };
        script.seed = seed;
        let mut behaviour = Behaviour::new(script);
        // Its phases begin with the first connection, here with the world.
        behaviour.connection(Instant(0));
        Self {
            behaviour,
            outages: plan.outages,
            capacity: plan.capacity,
            busy_until: Instant(0),
            arrived: IdSet::default(),
            duplicates: 0,
            corrupt: 0,
            offered: Vec::new(),
            taken: 0,
            connects: Vec::new(),
            delays: HashMap::new(),
        }
    }

    /// When its outages begin.
    pub fn breaks(&self) -> impl Iterator<Item = Duration> {
        self.outages.iter().map(|outage| outage.start)
    }

    /// Somebody connects; whether it is accepted.
    pub fn connect(&mut self, now: Instant) -> bool {
        let elapsed = now - Instant(0);
        self.connects.push(elapsed);
        let is_out = self.outages.iter().any(|outage| outage.contains(&elapsed));
        !is_out && !self.behaviour.connection(now).refused
    }

    /// The message of an attempt is there. Returns when and how it ends.
    pub fn request(&mut self, message: &Rope, now: Instant) -> (Instant, End) {
        let mut ids = Vec::new();
        let mut corrupt = 0;
        let mut sent = HashMap::new();
        workload::items(Signal::Traces, message, |item| match item.id {
            Some(id) if item.intact => {
                ids.push(id);
                sent.entry(item.run.unwrap_or_default())
                    .or_insert(item.sent_unix_nanos);
            }
            _ => corrupt += 1,
        })
        .expect("a request");
        self.corrupt += corrupt;
        self.offer(ids.len() as u64, now);
        let fate = self.behaviour.request(now);
        if fate.fault.as_ref().is_some_and(|fault| !fault.takes()) {
            return (now + fate.delay, end(fate.fault));
        }
        let Some(served) = self.serve(ids.len(), now) else {
            let refused = answer(Code::Unavailable, Bytes::new(), Bytes::new());
            return (now + fate.delay, End::Answer(refused));
        };
        for id in &ids {
            self.duplicates += u64::from(!self.arrived.insert(*id));
        }
        self.taken += ids.len() as u64;
        for (run, at) in sent {
            let delay = served - Instant(at);
            self.delays.entry(run).or_default().push(delay);
        }
        (served + fate.delay, end(fate.fault))
    }

    fn offer(&mut self, items: u64, now: Instant) {
        let second = (now - Instant(0)).as_secs() as usize;
        if self.offered.len() <= second {
            self.offered.resize(second + 1, 0);
        }
        self.offered[second] += items;
    }

    /// When these items are served; `None` if they would wait too long.
    fn serve(&mut self, items: usize, now: Instant) -> Option<Instant> {
        let limited = |capacity: &Capacity| now - Instant(0) < capacity.until;
        let Some(capacity) = self.capacity.filter(limited) else {
            return Some(now);
        };
        if self.busy_until - now > capacity.wait_max {
            return None;
        }
        let time = Duration::from_secs_f64(items as f64 / capacity.items_per_second);
        self.busy_until = self.busy_until.max(now) + time;
        Some(self.busy_until)
    }
}

fn end(fault: Option<Fault>) -> End {
    match fault {
        None => End::Answer(answer(Code::Ok, Bytes::new(), Bytes::new())),
        Some(Fault::Refuse {
            grpc, retry_after, ..
        }) => {
            let status = Status {
                code: grpc,
                message: String::new(),
                retry_delay: retry_after,
            };
            let details = retry_after.map(|_| status.to_protobuf());
            End::Answer(answer(grpc, details.unwrap_or_default(), Bytes::new()))
        }
        Some(Fault::PartialSuccess { rejected }) => {
            let partial = PartialSuccess {
                rejected,
                message: "too old".to_owned(),
            };
            End::Answer(answer(Code::Ok, Bytes::new(), partial.to_protobuf()))
        }
        Some(fault @ Fault::ResetStream { .. }) if !fault.takes() => {
            End::Answer(Answer::Failed(Failure::Unprocessed))
        }
        Some(Fault::ResetStream { .. }) => End::Answer(Answer::Failed(Failure::ConnectionLost)),
        Some(Fault::ResetConnection) => End::Lost,
        Some(Fault::Silence) => End::Silence,
        Some(Fault::Oversize { .. }) => End::Answer(Answer::Failed(Failure::ResponseTooLarge)),
        Some(Fault::Garbage { .. }) => End::Answer(Answer::Failed(Failure::Malformed)),
    }
}

fn answer(code: Code, details: Bytes, body: Bytes) -> Answer {
    Answer::Grpc {
        code,
        message: String::new(),
        details,
        body,
    }
}
