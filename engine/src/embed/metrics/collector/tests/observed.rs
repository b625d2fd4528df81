//! What callbacks observe: taken round by round, whatever they do.

use super::*;
use crate::embed::metrics::{Bell, Observable, Observer};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

/// What a callback observes: attributes and values, changed between rounds.
type Script = Arc<Mutex<Vec<(&'static str, i64)>>>;

/// Rings into a channel.
fn bell() -> (Bell, Receiver<()>) {
    let (sender, rung) = channel();
    let bell: Bell = Arc::new(move || {
        let _ = sender.send(());
    });
    (bell, rung)
}

impl World {
    /// As the shard does it with callbacks that end.
    fn observe(&mut self) -> Vec<Metric> {
        let (bell, rung) = bell();
        if self.collector.ask(&bell).expect("a thread") {
            while !self.collector.has_answers() {
                // The bell of the thread is that of the first round; this one may never ring.
                let _ = rung.try_recv();
                std::thread::yield_now();
            }
        }
        self.collect()
    }
}

fn observe_script(script: &Script) -> impl FnMut(&Observer<'_, i64>) + Send + 'static + use<> {
    let (script, key) = (Arc::clone(script), Key::new("k"));
    move |observer| {
        for (text, value) in script.lock().expect("whole").iter() {
            observer.observe(*value, &[(&key, (*text).into())]);
        }
    }
}

fn one(metrics: &[Metric]) -> HashMap<String, f64> {
    assert!(metrics.len() <= 1, "{metrics:?}");
    metrics.first().map(values).unwrap_or_default()
}

fn map(expected: &[(&str, f64)]) -> HashMap<String, f64> {
    let entries = expected.iter().map(|(k, v)| ((*k).to_owned(), *v));
    entries.collect()
}

fn counter(world: &World, name: &str, total: &Arc<Mutex<u64>>) -> Observable {
    let total = Arc::clone(total);
    let callback = move |observer: &Observer<'_, u64>| {
        observer.observe(*total.lock().expect("whole"), &[]);
    };
    world
        .meter()
        .observable_counter(name, callback)
        .expect("valid")
}

#[test]
fn a_counter_says_the_whole_or_the_difference() {
    for (mut world, is_delta) in [
        (World::new(&Settings::default()), false),
        (World::delta(), true),
    ] {
        let total = Arc::new(Mutex::new(5));
        let _held = counter(&world, "cpu", &total);
        let first = world.observe();
        assert_eq!(value(&first), 5.0);
        let Some(Data::Sum(sum)) = &first[0].data else {
            panic!("a counter is a sum");
        };
        assert!(sum.is_monotonic);
        assert_eq!(sum.aggregation_temporality, if is_delta { 1 } else { 2 });
        let start = sum.data_points[0].start_time_unix_nano;
        *total.lock().expect("whole") = 12;
        let second = world.observe();
        assert_eq!(value(&second), if is_delta { 7.0 } else { 12.0 });
        let from = numbers(&second[0])[0].start_time_unix_nano;
        assert_eq!(from, if is_delta { world.now - 1 } else { start });
        // It begins anew: what it says is what came since.
        *total.lock().expect("whole") = 3;
        let third = world.observe();
        assert_eq!(value(&third), 3.0);
        assert_eq!(numbers(&third[0])[0].start_time_unix_nano, world.now - 1);
        assert_eq!(
            world.observe().len(),
            usize::from(!is_delta),
            "nothing moved"
        );
    }
}

#[test]
fn an_up_down_counter_is_cumulative_and_a_gauge_has_no_start() {
    let mut world = World::delta();
    let script = Script::default();
    let meter = world.meter();
    let _open = meter.observable_up_down_counter("open", observe_script(&script));
    let _heat = meter.observable_gauge("heat", observe_script(&script));
    for level in [4, -3] {
        *script.lock().expect("whole") = vec![("a", level)];
        let metrics = world.observe();
        assert_eq!(metrics.len(), 2);
        for metric in &metrics {
            assert_eq!(values(metric), map(&[("k=a", level as f64)]));
        }
        let Some(Data::Sum(sum)) = &metrics[0].data else {
            panic!("an up-down counter is a sum");
        };
        assert!(!sum.is_monotonic && sum.aggregation_temporality == 2);
        assert_eq!(numbers(&metrics[1])[0].start_time_unix_nano, 0);
    }
}

#[test]
fn with_low_memory_what_is_observed_stays_cumulative() {
    let mut world = World::new(&Settings {
        temporality: TemporalityPreference::LowMemory,
        ..Settings::default()
    });
    let total = Arc::new(Mutex::new(5));
    let _held = counter(&world, "cpu", &total);
    world.observe();
    assert_eq!(value(&world.observe()), 5.0);
}

#[test]
fn what_is_not_observed_again_vanishes_and_its_memory_returns() {
    let mut world = World::new(&Settings::default());
    let script: Script = Arc::new(Mutex::new(vec![("a", 1), ("b", 2), ("a", 3)]));
    let meter = world.meter();
    let held = meter.observable_gauge("heat", observe_script(&script));
    assert_eq!(one(&world.observe()), map(&[("k=a", 3.0), ("k=b", 2.0)]));
    let both = world.budget.usage().bytes;
    *script.lock().expect("whole") = vec![("b", 4)];
    assert_eq!(one(&world.observe()), map(&[("k=b", 4.0)]));
    assert!(world.budget.usage().bytes < both);
    drop(held);
    assert_eq!(Arc::strong_count(&script), 1, "the callback is dropped");
    assert_eq!(one(&world.observe()), map(&[]));
    assert_eq!(world.budget.usage().bytes, 0);
    // The instrument is there; who observes it again is heard.
    let _held = meter.observable_gauge("heat", observe_script(&script));
    assert_eq!(one(&world.observe()), map(&[("k=b", 4.0)]));
}

#[test]
fn what_is_observed_first_has_series_of_its_own_and_the_rest_overflows() {
    let mut world = World::new(&Settings::default());
    let script: Script = Arc::new(Mutex::new(vec![("a", 1), ("b", 2), ("c", 3), ("d", 4)]));
    let asked = Instrument {
        name: "open",
        cardinality_limit: Some(3),
        ..Instrument::default()
    };
    let meter = world.meter();
    let _held = meter.observable_up_down_counter(asked, observe_script(&script));
    let overflow = "otel.metric.overflow=BoolValue(true)";
    let expected = map(&[("k=a", 1.0), ("k=b", 2.0), (overflow, 7.0)]);
    assert_eq!(one(&world.observe()), expected);
    assert_eq!(one(&world.observe()), expected, "it is no sum over rounds");
    *script.lock().expect("whole") = vec![("d", 4), ("a", 1), ("b", 2)];
    let expected = map(&[("k=d", 4.0), ("k=a", 1.0), (overflow, 2.0)]);
    assert_eq!(one(&world.observe()), expected);
    *script.lock().expect("whole") = vec![("d", 4)];
    assert_eq!(one(&world.observe()), map(&[("k=d", 4.0)]));
}

#[test]
fn without_memory_it_overflows_and_what_is_no_number_is_dropped() {
    let mut world = World::with_memory(&Settings::default(), 0);
    let callback = |observer: &Observer<'_, f64>| {
        let key = Key::new("k");
        for value in [f64::NAN, -1.0, f64::INFINITY, 2.0] {
            observer.observe(value, &[(&key, "a".into())]);
        }
    };
    let _held = world.meter().observable_counter("cpu", callback);
    let expected = map(&[("otel.metric.overflow=BoolValue(true)", 2.0)]);
    assert_eq!(one(&world.observe()), expected);
    assert_eq!(world.collector.dropped(), 3);
}

#[test]
fn a_callback_that_panics_is_called_once_and_the_others_go_on() {
    let mut world = World::new(&Settings::default());
    let calls = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&calls);
    let bad = move |observer: &Observer<'_, i64>| {
        *counted.lock().expect("whole") += 1;
        observer.observe(1, &[]);
        panic!("as the test wants it");
    };
    let _bad = world.meter().observable_gauge("bad", bad);
    let total = Arc::new(Mutex::new(5));
    let _good = counter(&world, "good", &total);
    for round in 1..=3 {
        let metrics = world.observe();
        let good = metrics.iter().find(|metric| metric.name == "good");
        assert_eq!(values(good.expect("reported"))[""], 5.0);
        assert_eq!(metrics.len(), if round == 1 { 2 } else { 1 });
    }
    assert_eq!(*calls.lock().expect("whole"), 1);
    assert_eq!(Arc::strong_count(&calls), 1, "what it held is dropped");
    assert_eq!(world.collector.dropped(), 1);
}

/// A callback that waits for the test: when it is called, and when it may go on.
struct Hanging {
    called: Receiver<()>,
    go_on: Sender<u64>,
    _held: Observable,
}

fn hanging(world: &World) -> Hanging {
    let (calls, called) = channel();
    let (go_on, told) = channel();
    let callback = move |observer: &Observer<'_, u64>| {
        let _ = calls.send(());
        if let Ok(value) = told.recv() {
            observer.observe(value, &[]);
        }
    };
    let held = world.meter().observable_counter("slow", callback);
    Hanging {
        called,
        go_on,
        _held: held.expect("valid"),
    }
}

#[test]
fn a_callback_that_hangs_loses_its_own_points_and_no_difference() {
    let mut world = World::delta();
    let slow = hanging(&world);
    let total = Arc::new(Mutex::new(5));
    let _good = counter(&world, "good", &total);
    let (bell, _rung) = bell();
    // A first round in which it answers.
    assert!(world.collector.ask(&bell).expect("a thread"));
    slow.go_on.send(10).expect("it is there");
    slow.called.recv().expect("called");
    while !world.collector.has_answers() {
        std::thread::yield_now();
    }
    assert_eq!(world.collect().len(), 2);
    // It hangs: another thread goes on behind it, and is not kept from the rounds that follow.
    for round in 0..3 {
        *total.lock().expect("whole") += 1;
        assert!(world.collector.ask(&bell).expect("a thread"));
        if round == 0 {
            slow.called.recv().expect("called");
            world.collector.relieve(&bell).expect("a thread");
        }
        if round == 0 {
            // The call that hangs is the only one that has not ended.
            while !world.collector.has_calls_only(1) {
                std::thread::yield_now();
            }
            world.collector.give_up();
        }
        while !world.collector.has_answers() && round > 0 {
            std::thread::yield_now();
        }
        let metrics = world.collect();
        assert_eq!(one(&metrics), map(&[("", 1.0)]), "round {round}");
        assert_eq!(metrics[0].name, "good");
    }
    // What it observes after its round is not taken; the next difference is to what was reported.
    slow.go_on.send(11).expect("it is there");
    slow.go_on.send(25).expect("it is there");
    let metrics = loop {
        // Until the late call has ended it is not called again.
        let metrics = world.observe();
        if !metrics.is_empty() {
            break metrics;
        }
    };
    assert_eq!(metrics[0].name, "slow");
    assert_eq!(value(&metrics), 15.0);
}

#[test]
fn one_name_is_recorded_with_or_observed() {
    let world = World::new(&Settings::default());
    let meter = world.meter();
    let _recorded: Counter<u64> = meter.counter("served").expect("valid");
    let observed = meter.observable_counter("served", |_: &Observer<'_, u64>| {});
    assert!(matches!(observed, Err(InstrumentError::Conflict { .. })));
}

#[test]
fn the_thread_ends_with_the_last_callback() {
    let mut world = World::new(&Settings::default());
    let total = Arc::new(Mutex::new(5));
    let held = counter(&world, "cpu", &total);
    let (bell, rung) = bell();
    assert!(world.collector.ask(&bell).expect("a thread"));
    rung.recv().expect("it answers");
    world.collect();
    drop((held, bell));
    let (other, _) = self::bell();
    assert!(!world.collector.ask(&other).expect("no thread is needed"));
    // The thread held the first bell.
    assert!(rung.recv().is_err());
}
