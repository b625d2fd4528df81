//! What a service may rely on, whatever its threads and its backend do.

use super::{SCOPE, number, record, settings};
use proptest::prelude::*;
use std::collections::HashMap;
use std::time::Duration;
use tailrace_codec::Signal;
use tailrace_engine::embed::{Embedded, Protocol, RecorderLimits, Scheduling, Settings};
use tailrace_tests::backend::{Answer, Backend};
use tailrace_tests::item::Export;
use tailrace_tests::wait::{self, PATIENCE};

/// Threads that come and go leave nothing behind but what they recorded.
#[test]
fn threads_by_the_thousand_leave_no_memory_behind() {
    const THREADS: u64 = 4000;
    let backend = Backend::start();
    let engine = Embedded::start(&settings(&backend, Protocol::Grpc)).expect("it starts");
    for first in (0..THREADS).step_by(16) {
        std::thread::scope(|scope| {
            for number in first..first + 16 {
                let engine = &engine;
                scope.spawn(move || {
                    let recorder = engine.recorder(Signal::Traces, &SCOPE);
                    // Together they would hold 384 MiB.
                    let kept = || record(&recorder, number);
                    wait::until_true("room for one more", kept);
                });
            }
        });
    }
    engine.flush(PATIENCE).expect("a backend that takes all");
    let numbers = super::arrived(&backend);
    assert_eq!(numbers, (0..THREADS).collect::<Vec<_>>());
    wait::until_true("the memory back", || {
        let memory = engine.recorder_memory();
        (memory.recorders, memory.bytes) == (0, 0)
    });
}

/// The thread is gone with the span it had begun; what it had recorded before arrives.
#[test]
fn a_panic_while_recording_takes_nothing_else_along() {
    let backend = Backend::start();
    let engine = Embedded::start(&settings(&backend, Protocol::Grpc)).expect("it starts");
    let recording = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let recorder = engine.recorder(Signal::Traces, &SCOPE);
            assert!(record(&recorder, 1));
            let _begun = recorder.buffer();
            panic!("a defect of the service");
        });
        thread.join()
    });
    assert!(recording.is_err());
    let recorder = engine.recorder(Signal::Traces, &SCOPE);
    assert!(record(&recorder, 2));
    engine.flush(PATIENCE).expect("nothing is poisoned");
    assert_eq!(super::arrived(&backend), [1, 2]);
    engine.shutdown(Duration::MAX).expect("nothing hangs");
}

/// What one thread does between two flushes: so many items, from a recorder of its own if it is
/// new.
#[derive(Debug, Clone)]
struct Round {
    /// By thread.
    counts: Vec<u64>,
    fails: usize,
}

fn rounds() -> impl Strategy<Value = Vec<Round>> {
    let counts = prop::collection::vec(0_u64..400, 1..4);
    let round = (counts, 0_usize..3).prop_map(|(counts, fails)| Round { counts, fails });
    prop::collection::vec(round, 1..4)
}

/// Retries that take milliseconds: a service says so by a configuration of its own.
fn quick(backend: &Backend, batch_items: u64) -> String {
    format!(
        "
receivers: {{otlp: {{protocols: {{grpc: }}}}}}
exporters:
  otlp_grpc:
    endpoint: {}
    retry_on_failure: {{initial_interval: 1ms, max_interval: 2ms}}
    sending_queue:
      batch: {{min_size: {batch_items}, max_size: {batch_items}}}
service:
  pipelines: {{traces: {{receivers: [otlp], exporters: [otlp_grpc]}}}}
",
        backend.url()
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// After a flush that succeeded everything that was recorded before has arrived once, and in
    /// the order of its thread within each request; what was not kept is counted.
    #[test]
    fn nothing_recorded_before_a_flush_is_lost(
        rounds in rounds(),
        chunk_bytes in 128_usize..4096,
        chunks_max in 1_usize..12,
        batch_items in 1_u64..600,
    ) {
        let backend = Backend::start();
        let settings = Settings {
            recorder: RecorderLimits { chunk_bytes, chunks_max },
            configuration: Some(quick(&backend, batch_items)),
            ..settings(&backend, Protocol::Grpc)
        };
        let engine = Embedded::start(&settings).expect("it starts");
        let (mut recorded, mut dropped) = (Vec::new(), 0);
        for (at, round) in rounds.iter().enumerate() {
            backend.script(|script| {
                let again = Answer::Grpc {
                    code: tonic::Code::Unavailable,
                    message: String::new(),
                    retry_after: Some(Duration::from_millis(1)),
                };
                script.next.extend(std::iter::repeat_n(again, round.fails));
            });
            let kept = std::thread::scope(|scope| {
                let threads = round.counts.iter().enumerate().map(|(thread, count)| {
                    let engine = &engine;
                    let first = (at * 10 + thread) as u64 * 1000;
                    scope.spawn(move || {
                        let recorder = engine.recorder(Signal::Traces, &SCOPE);
                        let kept = (first..first + count).filter(|n| record(&recorder, *n));
                        (kept.collect::<Vec<_>>(), recorder.dropped())
                    })
                });
                let threads: Vec<_> = threads.collect();
                threads.into_iter().map(|thread| thread.join().expect("no panic")).collect::<Vec<_>>()
            });
            for (numbers, lost) in kept {
                recorded.extend(numbers);
                dropped += lost;
            }
            let report = engine.flush(PATIENCE).expect("tried again until it is taken");
            prop_assert_eq!(report.dropped_items, dropped);
            prop_assert_eq!(super::arrived(&backend), recorded.clone());
        }
        for call in backend.calls() {
            prop_assert!(is_in_order(&call.export));
        }
    }
}

fn is_in_order(export: &Export) -> bool {
    let Export::Traces(request) = export else {
        return false;
    };
    let scopes = request
        .resource_spans
        .iter()
        .flat_map(|entry| &entry.scope_spans);
    let mut last = HashMap::new();
    scopes
        .flat_map(|entry| &entry.spans)
        .map(number)
        .all(|number| {
            let before = last.insert(number / 1000, number);
            before.is_none_or(|before| before < number)
        })
}

/// Where a copy of this program, which is a test alone, finds its backend.
const COPY: &str = "TAILRACE_TEST_COPY";

/// A thread, by its number and name.
#[derive(Debug, PartialEq)]
struct Task {
    id: String,
    name: String,
    processors: String,
    /// By its number in Linux.
    policy: String,
}

/// As Linux numbers it.
const SCHED_IDLE: &str = "5";

/// All threads of this process.
fn tasks() -> Vec<Task> {
    let tasks = std::fs::read_dir("/proc/self/task").expect("it runs");
    let of_task = |path: std::path::PathBuf| {
        let stat = std::fs::read_to_string(path.join("stat")).ok()?;
        let status = std::fs::read_to_string(path.join("status")).ok()?;
        let value = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            line.map(|value| value.trim().to_owned())
        };
        // The name, in brackets, may hold spaces; the policy is the 41st field.
        let (_, fields) = stat.rsplit_once(") ")?;
        Some(Task {
            id: value("Pid:")?,
            name: value("Name:")?,
            processors: value("Cpus_allowed_list:")?,
            policy: fields.split(' ').nth(38)?.to_owned(),
        })
    };
    tasks
        .filter_map(|task| of_task(task.ok()?.path()))
        .collect()
}

/// In a process of its own, whose threads are the engine's but for those of the test.
#[test]
fn threads_keep_to_their_processors_and_their_turn() {
    let own = "promises::threads_keep_to_their_processors_and_their_turn";
    let Ok(endpoint) = std::env::var(COPY) else {
        let backend = Backend::start();
        let program = std::env::current_exe().expect("this program");
        let copy = std::process::Command::new(program)
            .args(["--exact", own, "--nocapture", "--test-threads=1"])
            .env(COPY, backend.url())
            .status();
        assert!(copy.expect("a process").success());
        assert_eq!(super::arrived(&backend), [1]);
        return;
    };
    let of_test = tasks();
    let online = &of_test[0].processors;
    let last = online.rsplit(['-', ',']).next().expect("one at least");
    let settings = Settings {
        processors: vec![last.parse().expect("a number")],
        scheduling: Scheduling::Idle,
        service_name: "shop".to_owned(),
        endpoint,
        protocol: Protocol::Grpc,
        ..Settings::default()
    };
    let engine = Embedded::start(&settings).expect("it starts");
    let recorder = engine.recorder(Signal::Traces, &SCOPE);
    assert!(record(&recorder, 1));
    // A connection and a name that is looked up have been since.
    engine.flush(PATIENCE).expect("delivered");
    let all = tasks();
    let engines: Vec<_> = all.iter().filter(|task| !of_test.contains(task)).collect();
    assert!(engines.len() >= 2, "control and a shard: {all:?}");
    for task in engines {
        assert_eq!(task.processors, last, "{task:?}");
        assert_eq!(task.policy, SCHED_IDLE, "{task:?}");
    }
    assert!(of_test.iter().all(|task| all.contains(task)), "{all:?}");

    let nowhere = Settings {
        processors: vec![1023],
        ..settings
    };
    let error = Embedded::start(&nowhere).expect_err("there is none of that number");
    assert!(error.to_string().contains("[1023]"), "{error}");
}
