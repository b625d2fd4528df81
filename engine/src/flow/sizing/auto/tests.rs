use super::*;
use proptest::prelude::*;

const TARGETS: Targets = Targets {
    outage_seconds: 10.0,
    catch_up_seconds: 40.0,
    loss: 1e-6,
    latency_seconds: 1.0,
};

fn bounds(start: f64, min: f64, max: f64) -> Option<Bounds> {
    Some(Bounds { start, min, max })
}

fn auto() -> Auto {
    Auto::new(&AutoRule {
        targets: TARGETS,
        consumers: bounds(10.0, 1.0, 1000.0),
        queue: bounds(1e9, 1e6, 1e9),
        flush: bounds(0.2, 0.001, 10.0),
    })
}

/// So many batches of a hundred items a second, each served in this time.
fn seen(batches: f64, service_seconds: f64) -> Seen {
    Seen {
        workload: Workload {
            item_rate: batches * 100.0,
            item_bytes: 360.0,
            request_items: 100.0,
            arrival_scv: 1.0,
            rtt_seconds: service_seconds,
            rtt_scv: 1.0,
            packet_loss: 0.0,
        },
        batch_items: 100.0,
        batches: batches * 30.0,
        items_out_per_second: batches * 100.0,
        fill: 0.0,
    }
}

/// Looks at the same for so many seconds. How often something changed.
fn watch(auto: &mut Auto, now: &mut Instant, time: u64, seen: &Seen) -> usize {
    let mut changes = 0;
    for _ in 0..time {
        *now = *now + Duration::from_secs(1);
        if auto.is_due(*now) && auto.look(seen, *now) {
            changes += 1;
        }
    }
    changes
}

fn consumers(auto: &Auto) -> f64 {
    auto.consumers.as_ref().expect("sized").value
}

#[test]
fn consumers_follow_the_load_and_rest() {
    let (mut auto, mut now) = (auto(), Instant(0));
    // a = 500/s x 80 ms = 40 under way; a quarter more drains an outage of 10 s in 40 s.
    watch(&mut auto, &mut now, 240, &seen(500.0, 0.08));
    let found = consumers(&auto);
    assert!((50.0..=60.0).contains(&found), "{found}");
    let why = &auto.consumers.as_ref().expect("sized").why;
    assert!(why.contains("500.0/s x 80 ms = 40.00 under way"), "{why}");
    assert_eq!(watch(&mut auto, &mut now, 600, &seen(480.0, 0.085)), 0);
    // Half a minute of less is not the end of it; two minutes are.
    assert_eq!(watch(&mut auto, &mut now, 30, &seen(50.0, 0.08)), 0);
    watch(&mut auto, &mut now, 120, &seen(50.0, 0.08));
    assert!(consumers(&auto) < 15.0);
}

#[test]
fn growth_that_lets_more_through_goes_on_at_once() {
    let (mut auto, mut now) = (auto(), Instant(0));
    for _ in 0..40 {
        now = now + Duration::from_secs(1);
        let carried = (consumers(&auto) / 0.08).min(500.0);
        let behind = Seen {
            items_out_per_second: carried * 100.0,
            ..seen(500.0, 0.08)
        };
        if auto.is_due(now) {
            auto.look(&behind, now);
        }
    }
    assert!(consumers(&auto) >= 50.0, "{auto:?}");
}

#[test]
fn growth_that_only_slows_the_destination_is_taken_back() {
    let (mut auto, mut now) = (auto(), Instant(0));
    // It carries 100 batches a second, however many are under way: the rest is queueing there.
    for _ in 0..1200 {
        now = now + Duration::from_secs(1);
        let service = (consumers(&auto) / 100.0).max(0.08);
        let offered = Seen {
            items_out_per_second: 10_000.0,
            ..seen(120.0, service)
        };
        if auto.is_due(now) {
            auto.look(&offered, now);
        }
        assert!(consumers(&auto) <= 20.0, "at {now:?}: {auto:?}");
    }
    // Nothing is tried for five minutes after one that was taken back.
    let changes = auto.consumers.as_ref().expect("sized").changes;
    assert!((2..=8).contains(&changes), "{changes}");
}

#[test]
fn the_queue_holds_an_outage_within_its_memory() {
    let (mut auto, mut now) = (auto(), Instant(0));
    watch(&mut auto, &mut now, 120, &seen(100.0, 0.08));
    let found = auto.queue.clone().expect("sized").value;
    // 3.6 MB/s for 10 s, and what is under way.
    assert!((36e6..45e6).contains(&found), "{found}");
    watch(&mut auto, &mut now, 60, &seen(10_000.0, 0.08));
    assert_eq!(auto.queue.clone().expect("sized").value, 1e9);
    let full = Seen {
        fill: 0.9,
        ..seen(10.0, 0.08)
    };
    watch(&mut auto, &mut now, 600, &full);
    assert_eq!(auto.queue.expect("sized").value, 1e9, "not below a backlog");
}

#[test]
fn the_flush_timeout_leaves_room_for_the_round_trip() {
    let (mut auto, mut now) = (auto(), Instant(0));
    watch(&mut auto, &mut now, 120, &seen(100.0, 0.08));
    let fast = auto.flush.clone().expect("sized").value;
    watch(&mut auto, &mut now, 120, &seen(100.0, 0.25));
    let slow = auto.flush.clone().expect("sized").value;
    assert!(slow < fast && fast < 0.5, "{slow} {fast}");
    watch(&mut auto, &mut now, 120, &seen(100.0, 5.0));
    assert_eq!(auto.flush.expect("sized").value, 0.001);
}

#[test]
fn of_too_little_nothing_is_decided() {
    let (mut auto, mut now) = (auto(), Instant(0));
    assert_eq!(watch(&mut auto, &mut now, 600, &seen(0.5, 0.08)), 0);
    assert!(auto.queue.expect("sized").why.contains("as it starts"));
}

proptest! {
    #[test]
    fn sizes_stay_within_their_bounds_whatever_is_seen(
        looks in proptest::collection::vec((1e-3f64..1e7, 1e-6f64..1e4, 0.0f64..1.0, 0.1f64..1e5), 1..60)
    ) {
        let (mut auto, mut now) = (auto(), Instant(0));
        for (batches, service_seconds, fill, batch_items) in looks {
            now = now + PERIOD;
            let seen = Seen { fill, batch_items, ..seen(batches, service_seconds) };
            auto.look(&seen, now);
            for sized in [&auto.consumers, &auto.queue, &auto.flush].into_iter().flatten() {
                let Sized { value, bounds, .. } = sized;
                prop_assert!((bounds.min..=bounds.max).contains(value), "{sized:?}");
            }
        }
    }
}
