use super::super::arrivals::{Phase, Shape, Spacing};
use super::*;
use crate::workload::Spec;
use tailrace_codec::Signal;
use tailrace_engine::exchange::Address;

const MS: u64 = 1_000_000;
const TAKEN: Verdict = Verdict::Taken { rejected_items: 0 };

fn plan(seconds: u64, shape: Shape, connections: usize, streams: usize) -> Plan {
    let address = Address::Tcp(([127, 0, 0, 1], 1).into());
    let phase = Phase {
        name: String::new(),
        duration: Duration::from_secs(seconds),
        shape,
    };
    Plan {
        phases: vec![phase],
        connections,
        ..Plan::closed(
            address,
            Spec::standard(Signal::Traces, 10),
            streams,
            Duration::ZERO,
        )
    }
}

fn dispatch(plan: &Plan) -> Dispatch {
    let mut dispatch = Dispatch::new(plan, 10, Instant(0));
    for connection in 0..plan.connections {
        dispatch.handle_streams_max(connection, 1000);
    }
    dispatch
}

fn send_all(dispatch: &mut Dispatch, now: Instant) -> Vec<Outgoing> {
    std::iter::from_fn(|| dispatch.poll_send(now)).collect()
}

/// A server that answers at once, but for the first 500 ms of the second second, when it stalls.
/// The latencies, in milliseconds, as a simulated clock that steps from event to event sees them.
fn latencies(streams: usize) -> Vec<u64> {
    let shape = Shape::steady(100.0, Spacing::Constant);
    let mut dispatch = dispatch(&plan(2, shape, 1, streams));
    let (mut now, mut open, mut latencies) = (Instant(0), Vec::new(), Vec::new());
    while !dispatch.is_done(now) {
        open.extend(send_all(&mut dispatch, now));
        let stalled = (1000 * MS..1500 * MS).contains(&now.0);
        if !stalled {
            for outgoing in std::mem::take(&mut open) {
                let fate = dispatch.handle_answer(outgoing.place, TAKEN, now);
                let Some(Fate::Settled(request)) = fate else {
                    panic!("{fate:?}");
                };
                latencies.push((now - request.intended).as_millis() as u64);
            }
            open.extend(send_all(&mut dispatch, now));
            if !open.is_empty() {
                continue;
            }
        }
        let next = dispatch.next_timeout(now);
        now = if stalled {
            next.min(Instant(1500 * MS))
        } else {
            next
        };
    }
    latencies
}

#[test]
fn a_stall_is_charged_to_every_request_it_kept_back() {
    // One request is open when the server stalls and 49 more fall due meanwhile. Measured from when
    // they were sent, all of those but one would show no latency at all.
    for streams in [1, 4, 100] {
        let latencies = latencies(streams);
        assert_eq!(latencies.len(), 200);
        let late: Vec<_> = latencies.iter().copied().filter(|&ms| ms > 0).collect();
        let expected: Vec<_> = (1..=50).rev().map(|n| n * 10).collect();
        assert_eq!(late, expected, "{streams} streams");
    }
}

#[test]
fn a_closed_loop_fills_its_places_and_shares_them_among_connections() {
    let mut dispatch = dispatch(&plan(1, Shape::Max, 2, 2));
    let sent = send_all(&mut dispatch, Instant(5));
    let connections: Vec<_> = sent.iter().map(|outgoing| outgoing.connection).collect();
    assert_eq!(connections, [0, 1, 0, 1]);
    let first: Vec<_> = sent
        .iter()
        .map(|outgoing| outgoing.request.first_item)
        .collect();
    assert_eq!(first, [0, 10, 20, 30]);
    dispatch.handle_answer(sent[1].place, TAKEN, Instant(9));
    let next = dispatch.poll_send(Instant(9)).expect("a place is free");
    assert_eq!((next.connection, next.request.intended), (1, Instant(9)));
    assert_eq!(dispatch.poll_send(Instant(9)), None);
    assert_eq!(dispatch.next_timeout(Instant(9)), Instant(1000 * MS));
    assert!(dispatch.is_over(Instant(1000 * MS)) && !dispatch.is_done(Instant(1000 * MS)));
}

#[test]
fn a_refusal_pauses_its_place_in_a_closed_loop() {
    let mut dispatch = dispatch(&plan(1, Shape::Max, 1, 1));
    let sent = dispatch.poll_send(Instant(0)).expect("free");
    let fate = dispatch.handle_answer(sent.place, Verdict::Refused, Instant(0));
    assert_eq!(fate, Some(Fate::Settled(sent.request)));
    assert_eq!(dispatch.poll_send(Instant(0)), None);
    let at = dispatch.next_timeout(Instant(0));
    assert_eq!(at, Instant(0) + PAUSE);
    assert_eq!(dispatch.poll_send(at).expect("free").request.first_item, 10);
}

#[test]
fn the_servers_delay_is_honoured_and_the_same_items_are_sent_again() {
    let retry = Some(Retry {
        give_up_after: Duration::from_secs(10),
    });
    let once = Plan {
        requests_max: 1,
        retry,
        ..plan(60, Shape::Max, 1, 1)
    };
    let mut dispatch = dispatch(&once);
    let sent = dispatch.poll_send(Instant(0)).expect("free");
    let seconds = |n| Some(Duration::from_secs(n));
    let again = Verdict::Again { after: seconds(3) };
    assert!(matches!(
        dispatch.handle_answer(0, again, Instant(MS)),
        Some(Fate::Again(_))
    ));
    assert_eq!(dispatch.poll_send(Instant(MS)), None);
    assert_eq!(dispatch.next_timeout(Instant(MS)), Instant(3001 * MS));
    let second = dispatch.poll_send(Instant(3001 * MS)).expect("due");
    assert_eq!(
        second.request,
        Request {
            tries: 2,
            ..sent.request
        }
    );
    let now = Instant(3002 * MS);
    let without = Verdict::Again { after: None };
    assert!(matches!(
        dispatch.handle_answer(0, without, now),
        Some(Fate::Again(_))
    ));
    assert_eq!(dispatch.next_timeout(now), now + 2 * BACKOFF);
    dispatch.poll_send(now + 2 * BACKOFF).expect("due");
    let too_late = Verdict::Again { after: seconds(9) };
    let fate = dispatch.handle_answer(0, too_late, now);
    assert!(matches!(
        fate,
        Some(Fate::Settled(Request { tries: 3, .. }))
    ));
    assert!(dispatch.is_done(now));
}

#[test]
fn a_connection_that_is_gone_is_passed_over_until_it_is_back() {
    let shape = Shape::steady(1000.0, Spacing::Constant);
    let mut dispatch = dispatch(&plan(1, shape, 2, 1));
    dispatch.handle_streams_max(0, 0);
    let sent = send_all(&mut dispatch, Instant(2 * MS));
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].connection, 1);
    assert_eq!(
        dispatch.next_timeout(Instant(2 * MS)),
        Instant::NEVER,
        "a place is awaited, not a time"
    );
    assert_eq!(dispatch.lag(Instant(5 * MS)), Duration::from_millis(4));
    dispatch.handle_streams_max(0, 1);
    let sent = dispatch.poll_send(Instant(5 * MS)).expect("it is back");
    assert_eq!((sent.connection, sent.request.intended), (0, Instant(MS)));
    assert_eq!(dispatch.unsent(Instant(10 * MS)), 8);
}

/// Overdue requests that were not sent when the plan ended are no reason to look again at once.
#[test]
fn a_load_that_is_behind_at_its_end_awaits_answers_only() {
    let shape = Shape::steady(1000.0, Spacing::Constant);
    let mut dispatch = dispatch(&plan(1, shape, 1, 2));
    let end = Instant(1000 * MS);
    let sent = send_all(&mut dispatch, Instant(500 * MS));
    assert_eq!(sent.len(), 2);
    dispatch.handle_answer(sent[0].place, TAKEN, end);
    assert_eq!(dispatch.poll_send(end), None);
    assert!(!dispatch.is_done(end), "one answer is out");
    assert_eq!(dispatch.next_timeout(end), Instant::NEVER);
    dispatch.handle_answer(sent[1].place, TAKEN, end);
    assert!(dispatch.is_done(end));
}
