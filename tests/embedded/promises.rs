//! What a service may rely on, whatever its threads and its backend do.

use super::{SCOPE, number, record, settings};
use proptest::prelude::*;
use std::collections::HashMap;
use std::time::Duration;
use tailrace_codec::Signal;
use tailrace_engine::embed::{Embedded, Protocol, RecorderLimits, Settings};
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
