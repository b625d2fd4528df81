//! Any network, any order of events: nothing is lost, nothing spins, limits hold.

use super::rig::*;
use super::*;
use prop::sample::Index;
use proptest::prelude::*;
use std::collections::BTreeSet;

#[derive(Debug, Clone)]
enum Event {
    Send(u32),
    /// Ends the connects under way, each as its address does.
    Settle,
    Answer,
    Goaway(Index),
    Lose(Index),
    Streams(Index, u32),
    Kill(u16),
    Revive(u16),
    Resolve(Vec<u16>),
    PassMillis(u64),
}

fn event() -> impl Strategy<Value = Event> {
    let which = any::<Index>;
    prop_oneof![
        4 => (1..5u32).prop_map(Event::Send),
        4 => Just(Event::Settle),
        3 => Just(Event::Answer),
        1 => which().prop_map(Event::Goaway),
        1 => which().prop_map(Event::Lose),
        1 => (which(), 0..4u32).prop_map(|(which, streams)| Event::Streams(which, streams)),
        1 => (1..5u16).prop_map(Event::Kill),
        1 => (1..5u16).prop_map(Event::Revive),
        1 => prop::collection::vec(1..5u16, 0..4).prop_map(Event::Resolve),
        2 => (0..20_000u64).prop_map(Event::PassMillis),
    ]
}

fn play(rig: &mut Rig, event: Event) {
    let up = rig.up();
    let pick = |which: Index| up.get(which.index(up.len().max(1))).copied();
    match event {
        Event::Send(count) => drop(rig.send(count)),
        Event::Settle => drop(rig.settle()),
        Event::Answer => rig.answered_all(),
        Event::Goaway(which) => {
            if let Some(connection) = pick(which) {
                rig.draining(connection);
                rig.closed(connection, CloseReason::Drained);
            }
        }
        Event::Lose(which) => {
            if let Some(connection) = pick(which) {
                rig.closed(connection, CloseReason::Lost);
            }
        }
        Event::Streams(which, streams) => {
            if let Some(connection) = pick(which) {
                rig.streams_max(connection, streams);
            }
        }
        Event::Kill(port) => drop(rig.dead.insert(port)),
        Event::Revive(port) => drop(rig.dead.remove(&port)),
        Event::Resolve(ports) => drop(rig.resolved(&ports)),
        Event::PassMillis(millis) => drop(rig.wait(Duration::from_millis(millis))),
    }
}

proptest! {
    #[test]
    fn every_attempt_is_sent_or_given_back_once(
        events in prop::collection::vec(event(), 1..120),
        spread: bool,
        one_stream: bool,
        connections_max in 1..5usize,
    ) {
        let settings = DestinationSettings {
            spread,
            connections_max,
            streams_max: if one_stream { 1 } else { u32::MAX },
            ..settings()
        };
        let mut rig = Rig::new(settings, &[1, 2]);
        let mut given = 0;
        for event in events {
            if let Event::Send(count) = event {
                given += count;
            }
            play(&mut rig, event);
        }
        rig.wait(TIMEOUT);
        let mut seen = BTreeSet::new();
        for did in &rig.history {
            if let Did::Sent(attempt, _) | Did::Unsent(attempt) = did {
                prop_assert!(seen.insert(*attempt), "{attempt} twice");
            }
        }
        prop_assert_eq!(seen.len(), given as usize);

        // With everybody well, an attempt is sent.
        rig.dead.clear();
        rig.answered_all();
        for connection in rig.up() {
            rig.streams_max(connection, 100);
        }
        rig.settle();
        rig.wait(HOLD_OFF_MAX);
        rig.send(1);
        rig.settle();
        prop_assert!(rig.is_open(given), "{:?}", rig.history);
    }
}
