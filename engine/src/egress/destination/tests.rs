//! A destination by hand, and against a simulated network.

mod rig;
mod simulated;

use super::*;
use rig::*;

#[test]
fn addresses_are_asked_for_with_the_first_attempt_and_used_when_they_come() {
    let mut rig = Rig::new(settings(), &[]);
    assert_eq!(rig.send(2), [Did::Resolve], "asked once for both");
    assert_eq!(rig.resolved(&[1]), [Did::Connect(0, 1)]);
    assert_eq!(rig.connected(0, 100), [Did::Sent(0, 0), Did::Sent(1, 0)]);
}

#[test]
fn a_name_that_nobody_knows_fails_what_waits_and_is_asked_for_again() {
    let mut rig = Rig::new(settings(), &[]);
    rig.send(1);
    assert_eq!(rig.resolved(&[]), [Did::Unsent(0)]);
    assert_eq!(rig.send(1), [Did::Resolve]);
}

#[test]
fn an_answer_that_never_comes_is_asked_for_again_after_a_deadline() {
    let mut rig = Rig::new(settings(), &[]);
    rig.send(1);
    assert_eq!(rig.wait(TIMEOUT), [Did::Unsent(0)]);
    assert_eq!(rig.send(1), [Did::Resolve]);
}

#[test]
fn one_http2_connection_takes_all_until_its_streams_are_used_up() {
    let mut rig = Rig::new(settings(), &[1]);
    assert_eq!(
        rig.send(3),
        [Did::Connect(0, 1)],
        "one connect for all that waits"
    );
    assert_eq!(
        rig.connected(0, 2).len(),
        2 + 1,
        "two are sent, one needs another connection"
    );
    assert_eq!(rig.connected(1, 2), [Did::Sent(2, 1)]);
    assert_eq!(rig.answered(0), []);
    assert_eq!(
        rig.send(1),
        [Did::Sent(3, 0)],
        "the first with room, so that the second falls idle"
    );
}

#[test]
fn http1_opens_a_connection_for_each_attempt_at_once() {
    let one = DestinationSettings {
        streams_max: 1,
        ..settings()
    };
    let mut rig = Rig::new(one, &[1]);
    let connects = [Did::Connect(0, 1), Did::Connect(1, 1), Did::Connect(2, 1)];
    assert_eq!(rig.send(3), connects);
    assert_eq!(
        rig.connected(1, 100),
        [Did::Sent(0, 1)],
        "one at a time, whatever the peer says"
    );
    assert_eq!(
        rig.answered(1),
        [Did::Sent(1, 1)],
        "what frees first is used first"
    );
}

#[test]
fn no_more_connections_than_allowed() {
    let few = DestinationSettings {
        streams_max: 1,
        connections_max: 2,
        ..settings()
    };
    let mut rig = Rig::new(few, &[1]);
    assert_eq!(rig.send(5), [Did::Connect(0, 1), Did::Connect(1, 1)]);
}

#[test]
fn goaway_moves_what_waits_and_leaves_what_is_open() {
    let mut rig = Rig::new(settings(), &[1]);
    rig.send(1);
    rig.connected(0, 100);
    assert_eq!(rig.draining(0), [Did::Resolve]);
    assert_eq!(rig.send(1), [Did::Connect(1, 1)]);
    assert_eq!(rig.connected(1, 100), [Did::Sent(1, 1)]);
    assert_eq!(rig.answered(0), []);
    assert_eq!(rig.closed(0, CloseReason::Drained), []);
    assert_eq!(rig.live(), 1);
}

#[test]
fn a_connection_closed_for_idleness_is_not_opened_again_before_there_is_need() {
    let spread = DestinationSettings {
        spread: true,
        ..settings()
    };
    let mut rig = Rig::new(spread, &[1, 2]);
    rig.send(1);
    rig.connect_all(100);
    rig.answered(0);
    for connection in [0, 1] {
        rig.draining(connection);
        assert_eq!(rig.closed(connection, CloseReason::Drained), []);
    }
    assert_eq!(rig.wait(Duration::from_secs(3600)), []);
    assert_eq!(rig.next_timeout(), None);
    assert_eq!(
        rig.send(1).len(),
        2,
        "both addresses again with the next attempt"
    );
}

#[test]
fn spread_uses_every_address_once_and_in_turn() {
    let spread = DestinationSettings {
        spread: true,
        ..settings()
    };
    let mut rig = Rig::new(spread, &[1, 2, 3]);
    let mut addresses: Vec<_> = rig.send(1).iter().filter_map(Did::address).collect();
    addresses.sort_unstable();
    assert_eq!(addresses, [1, 2, 3], "distinct, not three of one");
    rig.connect_all(100);
    rig.answered_all();
    // One at a time: each address gets its turn though none is busy.
    let mut used = Vec::new();
    for _ in 0..6 {
        used.extend(rig.send(1).iter().filter_map(Did::connection));
        rig.answered_all();
    }
    assert_eq!(used.len(), 6);
    assert!(
        (0..3).all(|c| used.iter().filter(|u| **u == c).count() == 2),
        "{used:?}"
    );
}

#[test]
fn spread_puts_load_where_there_is_least_of_it() {
    let spread = DestinationSettings {
        spread: true,
        ..settings()
    };
    let mut rig = Rig::new(spread, &[1, 2]);
    rig.send(1);
    rig.connect_all(100);
    rig.send(9);
    assert_eq!(rig.open_on(0).max(rig.open_on(1)), 5);
}

#[test]
fn an_address_that_does_not_answer_is_tried_seldom_and_takes_nothing_from_the_others() {
    let spread = DestinationSettings {
        spread: true,
        connections_max: 2,
        ..settings()
    };
    let mut rig = Rig::new(spread, &[1, 2]);
    rig.dead.insert(2);
    let mut tries = 0;
    for _ in 0..600 {
        rig.send(1);
        tries += rig.settle();
        rig.answered_all();
        rig.wait(Duration::from_millis(100));
    }
    // A minute: 0.2 + 0.4 + ... + 6.4 s, then every 10 s, and one connection that works.
    assert!((9..=14).contains(&tries), "{tries} connects");
    assert_eq!(rig.unsent(), 0, "every attempt found the other address");
    rig.dead.clear();
    rig.wait(Duration::from_secs(10));
    rig.send(1);
    rig.settle();
    assert_eq!(rig.live_addresses(), [1, 2]);
}

#[test]
fn an_address_that_comes_back_gets_a_connection_from_those_that_stood_in() {
    let spread = DestinationSettings {
        spread: true,
        connections_max: 2,
        streams_max: 1,
        ..settings()
    };
    let mut rig = Rig::new(spread, &[1, 2]);
    rig.dead.insert(2);
    rig.send(4);
    rig.settle();
    assert_eq!(
        rig.live_addresses(),
        [1, 1],
        "one address does the work of both"
    );
    rig.dead.clear();
    rig.wait(Duration::from_secs(1));
    rig.send(1);
    rig.settle();
    assert_eq!(rig.live_addresses(), [1, 2]);
}

#[test]
fn pick_first_stays_where_it_is_and_goes_on_when_it_fails() {
    let mut rig = Rig::new(settings(), &[1, 2]);
    assert_eq!(rig.send(3), [Did::Connect(0, 1)]);
    assert_eq!(
        rig.closed(0, UNREACHABLE),
        [Did::Resolve, Did::Connect(1, 2)]
    );
    rig.connected(1, 2);
    assert_eq!(rig.wait(Duration::from_secs(1)), []);
    assert_eq!(rig.send(1), [], "one connect is under way already");
    assert_eq!(rig.connected(2, 2).len(), 2);
    assert_eq!(rig.live_addresses(), [2, 2], "not back to the first");
}

#[test]
fn when_nobody_answers_what_waits_fails_at_once_and_the_next_try_is_later() {
    let mut rig = Rig::new(settings(), &[1, 2]);
    rig.send(2);
    rig.closed(0, UNREACHABLE);
    let all = [Did::Resolve, Did::Unsent(0), Did::Unsent(1)];
    assert_eq!(rig.closed(1, UNREACHABLE), all);
    assert_eq!(rig.send(1), [], "held off");
    let soon = rig.next_timeout().expect("a wake-up for the next try");
    assert!(soon <= rig.now + HOLD_OFF_MIN, "{soon:?}");
    assert_eq!(rig.wait(HOLD_OFF_MIN), [Did::Connect(2, 1)]);
}

#[test]
fn waiting_for_a_connect_wakes_nobody() {
    let mut rig = Rig::new(settings(), &[1]);
    rig.send(1);
    rig.closed(0, UNREACHABLE);
    rig.send(1);
    assert_eq!(rig.wait(HOLD_OFF_MIN), [Did::Connect(1, 1)]);
    let next = rig.next_timeout().expect("the attempt's deadline");
    assert!(next > rig.now, "a timeout in the past would spin");
}

#[test]
fn a_proxy_without_backend_is_not_hammered() {
    let one = DestinationSettings {
        streams_max: 1,
        ..settings()
    };
    let mut rig = Rig::new(one, &[1]);
    rig.send(1);
    rig.connected(0, 1);
    rig.answered_all();
    rig.closed(0, CloseReason::Lost);
    assert_eq!(rig.send(1), [], "taken and dropped is no answer");
    assert_eq!(rig.wait(HOLD_OFF_MIN), [Did::Connect(1, 1)]);
}

#[test]
fn too_many_pings_means_fewer_of_them_from_the_next_connection_on() {
    let mut rig = Rig::new(settings(), &[1]);
    for calmed in 0..12 {
        rig.send(1);
        rig.wait(HOLD_OFF_MIN);
        let terms = rig.terms.last().copied().expect("a connection");
        assert_eq!(terms.calmed, calmed.min(CALMED_MAX));
        let connection = rig.terms.len() as u32 - 1;
        rig.connected(connection, 100);
        rig.answered_all();
        rig.wait(Duration::from_secs(20));
        rig.draining(connection);
        rig.closed(connection, CloseReason::TooManyPings);
    }
}

#[test]
fn ages_differ_by_a_tenth_so_that_not_all_connections_end_together() {
    let aged = DestinationSettings {
        streams_max: 1,
        connections_max: 50,
        age_max: Duration::from_secs(100),
        ..settings()
    };
    let mut rig = Rig::new(aged, &[1]);
    rig.send(50);
    let ages: Vec<_> = rig
        .terms
        .iter()
        .map(|terms| terms.age_max.as_secs())
        .collect();
    assert!(ages.iter().all(|age| (90..=110).contains(age)), "{ages:?}");
    assert!(ages.iter().any(|age| *age != ages[0]));
    let mut rig = Rig::new(settings(), &[1]);
    rig.send(1);
    assert_eq!(rig.terms[0].age_max, Duration::MAX, "no age is no age");
}

#[test]
fn after_a_burst_spare_connections_are_closed_and_one_is_kept() {
    let one = DestinationSettings {
        streams_max: 1,
        ..settings()
    };
    let mut rig = Rig::new(one, &[1]);
    rig.send(4);
    rig.connect_all(1);
    rig.answered_all();
    rig.wait(SPARE - Duration::from_secs(1));
    assert_eq!(rig.live(), 4);
    // A trickle keeps the first busy and none of the others.
    rig.send(1);
    rig.answered_all();
    let drained = rig.wait(Duration::from_secs(1));
    assert_eq!(drained, [Did::Drain(1), Did::Drain(2), Did::Drain(3)]);
    assert_eq!(rig.wait(SPARE * 10), []);
    assert_eq!(rig.live(), 1);
}

#[test]
fn connections_to_addresses_that_are_gone_end_and_the_others_stay() {
    let spread = DestinationSettings {
        spread: true,
        ..settings()
    };
    let mut rig = Rig::new(spread, &[1, 2]);
    rig.send(1);
    rig.connect_all(100);
    let of_one = rig.connection_to(1);
    assert_eq!(rig.resolved(&[2, 3]), [Did::Drain(of_one)]);
    let new = rig.send(1);
    assert!(new.contains(&Did::Connect(2, 3)), "{new:?}");
    assert_eq!(rig.resolved(&[3, 2]), [], "another order is no change");
    assert_eq!(rig.resolved(&[]), [], "no answer is no change");
}

#[test]
fn attempts_wait_for_a_connection_until_their_deadline() {
    let mut rig = Rig::new(settings(), &[1]);
    rig.send(1);
    assert_eq!(rig.wait(TIMEOUT - Duration::from_nanos(1)), []);
    assert_eq!(rig.wait(Duration::from_nanos(1)), [Did::Unsent(0)]);
}

#[test]
fn draining_ends_everything() {
    let mut rig = Rig::new(settings(), &[1]);
    rig.send(1);
    rig.connected(0, 1);
    rig.send(1);
    assert_eq!(rig.drain(), [Did::Unsent(1), Did::Drain(0), Did::Drain(1)]);
    rig.answered_all();
    assert_eq!(rig.closed(0, CloseReason::Drained), []);
    assert_eq!(rig.closed(1, CloseReason::Drained), []);
    assert!(rig.table.is_empty());
}
