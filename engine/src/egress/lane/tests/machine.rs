//! Any order of events: each item ends once, and the counters say how.

use super::rig::*;
use super::*;
use crate::delivery::TooLarge;
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Debug, Clone)]
enum Event {
    Admit {
        items: usize,
        tenant: u8,
    },
    Send,
    End {
        which: prop::sample::Index,
        how: How,
    },
    HandOver(prop::sample::Index),
    PassMillis(u64),
    Flush,
}

#[derive(Debug, Clone)]
enum How {
    Delivered,
    Partial(u64),
    Retry(Option<u64>),
    RetryNow,
    Refused(bool),
    TooLarge,
    Unsent,
    Unfit,
}

fn how() -> impl Strategy<Value = How> {
    prop_oneof![
        4 => Just(How::Delivered),
        1 => (0..20u64).prop_map(How::Partial),
        2 => prop::option::of(0..50u64).prop_map(How::Retry),
        1 => Just(How::RetryNow),
        2 => any::<bool>().prop_map(How::Refused),
        2 => Just(How::TooLarge),
        1 => Just(How::Unsent),
        1 => Just(How::Unfit),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let which = any::<prop::sample::Index>;
    prop_oneof![
        4 => (1..12usize, 0..3u8).prop_map(|(items, tenant)| Event::Admit { items, tenant }),
        4 => Just(Event::Send),
        6 => (which(), how()).prop_map(|(which, how)| Event::End { which, how }),
        1 => which().prop_map(Event::HandOver),
        2 => (0..40_000u64).prop_map(Event::PassMillis),
        1 => Just(Event::Flush),
    ]
}

impl How {
    fn conclusion(&self) -> Conclusion {
        let verdict = match self {
            Self::Unsent => return Conclusion::Unsent,
            Self::Unfit => return Conclusion::Unfit,
            Self::Delivered => delivered(),
            Self::Partial(rejected_items) => Verdict::Partial {
                rejected_items: *rejected_items,
                message: "".into(),
            },
            Self::Retry(seconds) => unavailable(seconds.map(Duration::from_secs)),
            Self::RetryNow => Verdict::RetryNow,
            Self::Refused(true) => refused(Code::InvalidArgument),
            Self::Refused(false) => refused(Code::PermissionDenied),
            Self::TooLarge => Verdict::TooLarge(TooLarge { limit: None }),
        };
        Conclusion::Answered(verdict)
    }
}

/// Puts the events on stage; the rig checks conservation after each.
fn play(rig: &mut Rig, events: Vec<Event>, admitted: &mut u64, ended: &mut BTreeMap<String, u32>) {
    for event in events {
        match event {
            Event::Admit { items, tenant } => {
                let names: Vec<String> = (0..items)
                    .map(|i| format!("{}", *admitted + i as u64))
                    .collect();
                *admitted += items as u64;
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                rig.admit_of(&names, Some(&tenant.to_string()));
            }
            Event::Send => drop(rig.send()),
            Event::End { which, how } => {
                if rig.sent.is_empty() {
                    continue;
                }
                let (id, names) = rig.sent.remove(which.index(rig.sent.len()));
                if matches!(how, How::Delivered | How::Partial(_)) {
                    names
                        .into_iter()
                        .for_each(|name| *ended.entry(name).or_default() += 1);
                }
                rig.end_batch(id, how.conclusion());
            }
            Event::HandOver(which) => {
                if !rig.sent.is_empty() {
                    let (id, _) = rig.sent[which.index(rig.sent.len())];
                    rig.lane.hand_over(id);
                    rig.check();
                }
            }
            Event::PassMillis(millis) => rig.now = rig.now + Duration::from_millis(millis),
            Event::Flush => rig.lane.flush(),
        }
    }
}

proptest! {
    #[test]
    fn every_item_ends_once(
        events in prop::collection::vec(event(), 1..100),
        sizer in prop::option::of(prop_oneof![Just(Sizer::Items), Just(Sizer::Bytes)]),
        min in 0..200u64,
        more in 0..200u64,
        slots in 1..5usize,
    ) {
        let settings = LaneSettings {
            slots,
            partitions: true,
            ..sizer.map_or_else(settings, |sizer| batching(sizer, min, (min + more).max(1)))
        };
        let mut rig = Rig::new(settings);
        let (mut admitted, mut ended) = (0, BTreeMap::new());
        play(&mut rig, events, &mut admitted, &mut ended);
        let counters = rig.lane.counters();
        let left = rig.lane.held().items;
        prop_assert_eq!(rig.drop_all(), left);
        prop_assert!(ended.values().all(|times| *times == 1), "an item was acknowledged twice");
        let acknowledged = counters.delivered + counters.rejected[RejectReason::PartialSuccess as usize];
        prop_assert_eq!(acknowledged, ended.len() as u64);
        prop_assert_eq!(counters.admitted, admitted);
        prop_assert!(rig.store.is_empty());
        prop_assert_eq!(rig.lane.next_timeout(), None);
    }
}
