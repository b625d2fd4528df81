use super::*;
use proptest::prelude::*;

/// 200k spans a second of 360 B over 80 ms: the example of the documentation.
fn example() -> (Workload, Targets, Capacity) {
    let workload = Workload {
        item_rate: 200e3,
        item_bytes: 360.0,
        request_items: 100.0,
        arrival_scv: 1.0,
        rtt_seconds: 0.08,
        rtt_scv: 1.44,
        packet_loss: 0.0,
    };
    let targets = Targets {
        outage_seconds: 1800.0,
        catch_up_seconds: 7200.0,
        loss: 1e-6,
        latency_seconds: 1.0,
    };
    (workload, targets, Capacity::default())
}

fn sized(of: (Workload, Targets, Capacity)) -> Sizing {
    Sizing::new(&of.0, &of.1, &of.2)
}

#[test]
fn the_example_by_hand() {
    let sizing = sized(example());
    // 9 x 25 us / 0.36 us: 625 items, 320 batches a second, 25.6 under way, times 1.25: 32; the
    // square-root rule with beta(1 %) = 2.37 asks for 38.
    assert_eq!(sizing.batch.value, 625.0);
    assert_eq!(sizing.consumers.value, 38.0);
    // 72 MB/s over 80 ms is 5.76 MB; a connection has 4 MiB.
    assert_eq!(sizing.connections.value, 2.0);
    assert_eq!(sizing.streams.value, 19.0);
    // 129.6 GB and its swing do not fit into 512 MiB.
    assert!((sizing.disk.value / 129.6e9 - 1.0).abs() < 0.01);
    assert_eq!(sizing.queue.value, 512.0 * 1_048_576.0);
    // 0.072 + 2000 x 10 us + 320 x 25 us = 0.1 cores.
    assert_eq!(sizing.shards.value, 1.0);
    assert_eq!(sizing.retries.value, 3600.0);
}

#[test]
fn the_example_keeps_its_targets() {
    let forecast = sized(example()).forecast();
    assert!(forecast.blocking <= 1e-6);
    assert!(forecast.waiting <= 0.02);
    assert!(forecast.p99_seconds <= 1.0, "{forecast:?}");
    assert!(forecast.p50_seconds >= 0.04 && forecast.p50_seconds < forecast.p90_seconds);
}

#[test]
fn a_small_outage_needs_no_disk() {
    let (workload, mut targets, capacity) = example();
    targets.outage_seconds = 2.0;
    let sizing = sized((workload, targets, capacity));
    assert_eq!(sizing.disk.value, 0.0);
    assert!(sizing.queue.value > 2.0 * 72e6 && sizing.queue.value < 200e6);
    assert!(sizing.forecast().blocking <= 1e-6);
}

#[test]
fn a_trickle_is_sent_by_one_consumer_within_the_latency() {
    let (mut workload, targets, capacity) = example();
    workload.item_rate = 10.0;
    workload.request_items = 1.0;
    let sizing = sized((workload, targets, capacity));
    assert_eq!(
        sizing.batch.value, 3.0,
        "ten a second for a quarter of a second"
    );
    assert_eq!(sizing.connections.value, 1.0);
    assert!(sizing.consumers.value <= 3.0);
}

#[test]
fn a_lossy_path_takes_more_connections() {
    let (mut workload, targets, capacity) = example();
    workload.packet_loss = 1e-3;
    let sizing = sized((workload, targets, capacity));
    // 1448 B / 80 ms x sqrt(1500) is 0.7 MB/s, and no more connections than batches under way.
    assert_eq!(sizing.connections.value, sizing.consumers.value);
    assert_eq!(sizing.streams.value, 1.0);
}

#[test]
fn delay_rises_along_the_curve() {
    let curve = sized(example()).curve();
    assert!(curve.len() > 20);
    for pair in curve.windows(2) {
        assert!(pair[1].item_rate > pair[0].item_rate);
    }
    let last = curve[curve.len() - 1];
    let middle = curve[curve.len() / 2];
    assert!(last.p99_seconds > middle.p99_seconds);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_answer_is_a_usable_number(
        item_rate in 0.1f64..1e6, item_bytes in 1f64..1e5, request_items in 1f64..1e4,
        arrival_scv in 0f64..20.0, rtt_seconds in 1e-4f64..1.0, rtt_scv in 0f64..10.0,
        outage_seconds in 0f64..1e4, catch_up_seconds in 1e3f64..1e5, exponent in 1i32..12,
        latency_seconds in 0.1f64..100.0,
    ) {
        let workload = Workload {
            item_rate, item_bytes, request_items, arrival_scv, rtt_seconds, rtt_scv,
            packet_loss: 0.0,
        };
        let targets = Targets {
            outage_seconds, catch_up_seconds, latency_seconds, loss: 10f64.powi(-exponent),
        };
        let sizing = sized((workload, targets, Capacity::default()));
        for decision in sizing.decisions() {
            prop_assert!(decision.value.is_finite() && decision.value >= 0.0, "{decision:?}");
            prop_assert!(!decision.why.contains("NaN") && !decision.why.contains("inf"));
        }
        prop_assert!(sizing.model.utilisation() < 1.0);
        prop_assert!(sizing.model.blocking(sizing.room_batches) <= targets.loss * (1.0 + 1e-6));
    }

    #[test]
    fn a_longer_outage_a_smaller_loss_and_more_load_never_take_less_room(
        factor in 1.0f64..10.0
    ) {
        let (workload, targets, capacity) = example();
        let room = |workload: Workload, targets: Targets| {
            let sizing = sized((workload, targets, capacity));
            sizing.queue.value + sizing.disk.value
        };
        let base = room(workload, targets);
        let longer = Targets { outage_seconds: targets.outage_seconds * factor, ..targets };
        prop_assert!(room(workload, longer) >= base);
        let stricter = Targets { loss: targets.loss / factor, ..targets };
        prop_assert!(room(workload, stricter) >= base);
        let busier = Workload { item_rate: workload.item_rate * factor, ..workload };
        prop_assert!(room(busier, targets) >= base);
    }
}
