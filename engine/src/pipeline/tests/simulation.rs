//! The whole pipeline under any sequence of events, and what must hold after each.
//!
//! Conservation of items and of credit is checked by every turn of [`World`]. Here besides: each
//! sender is answered exactly once, no destination that took an item gets it again, and in the end
//! nothing is left.

use super::world::*;
use crate::batch::{Batching, Sizer};
use crate::config::Overflow;
use crate::egress::lane::{LaneSettings, QueueLimit};
use crate::exchange::{Answer, Failure};
use crate::units::RequestId;
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use proptest::prelude::*;
use proptest::sample::Index;
use prost::Message;
use std::collections::HashSet;
use std::time::Duration;
use tailrace_codec::grpc::Code;

#[derive(Debug, Clone)]
enum Event {
    Request { spans: usize },
    Answer { which: Index, how: How },
    LoseConnection { which: Index },
    Leave { which: Index },
    Pass { millis: u64 },
    Reachable(bool),
}

#[derive(Debug, Clone, Copy)]
enum How {
    Ok,
    Partial,
    Status(Code),
    Failed(Failure),
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![
        4 => Just(How::Ok),
        1 => Just(How::Partial),
        1 => Just(How::Status(Code::Unavailable)),
        1 => Just(How::Status(Code::InvalidArgument)),
        1 => Just(How::Status(Code::ResourceExhausted)),
        1 => Just(How::Failed(Failure::Unprocessed)),
        1 => Just(How::Failed(Failure::TimedOut)),
        1 => Just(How::Failed(Failure::ResponseTooLarge)),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let which = any::<Index>;
    prop_oneof![
        5 => (1..6_usize).prop_map(|spans| Event::Request { spans }),
        5 => (which(), how()).prop_map(|(which, how)| Event::Answer { which, how }),
        1 => which().prop_map(|which| Event::LoseConnection { which }),
        1 => which().prop_map(|which| Event::Leave { which }),
        3 => (1..8000_u64).prop_map(|millis| Event::Pass { millis }),
        1 => any::<bool>().prop_map(Event::Reachable),
    ]
}

const OVERFLOWS: [Overflow; 6] = [
    Overflow::Reject,
    Overflow::Block,
    Overflow::DropNewest,
    Overflow::DropOldest,
    Overflow::DropLowestPriority,
    Overflow::Sample,
];

/// Lanes of every kind: batched with a maximum, waited for, small, blocking, dropping.
fn lanes() -> impl Strategy<Value = Vec<LaneSettings>> {
    let batching = proptest::option::of((1..8_u64, 1..4_u64)).prop_map(|sizes| {
        sizes.map(|(max, divisor)| Batching {
            min: (max / divisor).max(1),
            max,
            sizer: Sizer::Items,
            flush_timeout: Duration::from_millis(200),
        })
    });
    let lane = (
        batching,
        any::<bool>(),
        proptest::sample::select(&OVERFLOWS[..]),
        1..12_u64,
        1..4_usize,
    )
        .prop_map(|(batching, waits, overflow, max, slots)| LaneSettings {
            batching,
            waits,
            slots,
            queue: QueueLimit {
                sizer: Sizer::Requests,
                max,
                bytes_max: u64::MAX,
                overflow,
            },
            ..lane()
        });
    proptest::collection::vec(lane, 1..4)
}

fn answer(how: How, items: usize) -> Answer {
    match how {
        How::Ok => ok(),
        How::Status(code) => status(code),
        How::Failed(failure) => Answer::Failed(failure),
        How::Partial => {
            let partial = ExportTracePartialSuccess {
                rejected_spans: i64::try_from(items.div_ceil(2)).expect("a few"),
                error_message: "some".into(),
            };
            let response = ExportTraceServiceResponse {
                partial_success: Some(partial),
            };
            Answer::Grpc {
                code: Code::Ok,
                message: String::new(),
                details: Bytes::new(),
                body: response.encode_to_vec().into(),
            }
        }
    }
}

/// The senders whose answers are due, and those who had theirs.
#[derive(Default)]
struct Senders {
    waiting: Vec<RequestId>,
    answered: HashSet<RequestId>,
    spans: u64,
}

impl Senders {
    fn request(&mut self, world: &mut World, spans: usize) {
        let names: Vec<_> = (0..spans)
            .map(|n| format!("span-{}", self.spans + n as u64))
            .collect();
        self.spans += spans as u64;
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        if let (Some(id), None) = world.request(&names) {
            self.waiting.push(id);
        }
    }

    /// Takes the replies that came since.
    fn hear(&mut self, world: &mut World) {
        for (id, _) in world.replies.drain(..) {
            assert!(self.answered.insert(id), "answered twice: {id:?}");
            let place = self.waiting.iter().position(|waiting| *waiting == id);
            self.waiting
                .swap_remove(place.expect("nobody else waits for an answer"));
        }
    }
}

fn play(world: &mut World, senders: &mut Senders, event: Event) {
    match event {
        Event::Request { spans } => senders.request(world, spans),
        Event::Answer { which, how } if !world.unanswered.is_empty() => {
            let place = which.index(world.unanswered.len());
            let items = world.unanswered[place].names.len();
            world.answer_one(place, answer(how, items));
        }
        Event::LoseConnection { which } if !world.unanswered.is_empty() => {
            let place = which.index(world.unanswered.len());
            world.lose(world.unanswered[place].connection);
        }
        Event::Leave { which } if !senders.waiting.is_empty() => {
            let place = which.index(senders.waiting.len());
            world
                .pipeline
                .handle_abandoned(senders.waiting.swap_remove(place));
        }
        Event::Pass { millis } => world.pass(Duration::from_millis(millis)),
        Event::Reachable(reachable) => world.reachable = reachable,
        Event::Answer { .. } | Event::LoseConnection { .. } | Event::Leave { .. } => {}
    }
    world.turn();
    senders.hear(world);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn whatever_happens_everything_ends_once(
        lanes in lanes(),
        events in proptest::collection::vec(event(), 1..80),
        patient in any::<bool>(),
    ) {
        let mut world = World::new(lanes);
        world.script = Box::new(|_, _| None);
        let idle = world.pipeline.credit().taken();
        let mut senders = Senders::default();
        for event in events {
            play(&mut world, &mut senders, event);
        }
        world.reachable = true;
        world.script = Box::new(|_, _| Some(ok()));
        while !world.unanswered.is_empty() {
            world.answer(ok());
            world.turn();
        }
        if !patient {
            world.pipeline.stop(world.now);
            world.turn();
        }
        // Longer than any backoff, and than any sender's patience.
        for _ in 0..100 {
            world.pass(Duration::from_secs(10));
        }
        senders.hear(&mut world);
        prop_assert!(world.pipeline.is_idle(), "{:?}", world.pipeline);
        prop_assert!(senders.waiting.is_empty(), "never answered: {:?}", senders.waiting);
        prop_assert_eq!(world.pipeline.credit().taken(), idle);
        for (item, times) in &world.taken {
            prop_assert_eq!(*times, 1, "{:?} was taken more than once", item);
        }
    }
}
