//! What an engine promises the service it is in when things go wrong.

use crate::StartError;
use crate::embed::doorway::Command;
use crate::embed::metrics::BoundHistogram;
use crate::embed::{EmbedError, Embedded, Ended, ExportError, FlushError, Recorder, Settings};
use std::time::{Duration, Instant};
use tailrace_codec::Signal;
use tailrace_codec::otlp::encode::Scope;

/// Nothing here waits for so long.
const PATIENCE: Duration = Duration::from_secs(60);

fn engine() -> Embedded {
    Embedded::start(&Settings::default()).expect("it starts")
}

fn recorder(engine: &Embedded) -> Recorder {
    engine.recorder(Signal::Logs, &Scope::default())
}

#[test]
fn a_shard_that_dies_is_told_and_the_service_lives_on() {
    let engine = engine();
    let recorder = recorder(&engine);
    let doorway = engine.doorway().expect("it is on");
    doorway.send(Command::Panic).expect("it lives");
    let Err(FlushError::Ended(ended)) = engine.flush(PATIENCE) else {
        panic!("a dead shard flushed");
    };
    let Ended::Died { cause } = &ended else {
        panic!("nobody forked");
    };
    assert!(cause.contains("as the test wants it"), "{cause}");
    let text = ended.to_string();
    assert!(text.contains("Start another one"), "{text}");

    assert!(!recorder.record(b"item"));
    assert_eq!(recorder.dropped(), 1);
    let meter = engine.meter(&Scope::default());
    meter.counter::<u64>("served").expect("valid").add(1, &[]);
    let late = engine.recorder(Signal::Logs, &Scope::default());
    assert!(!late.record(b"item"));
    let export = engine.export_sync(Signal::Logs, &Scope::default(), &[b"item"], PATIENCE);
    assert_eq!(export, Err(ExportError::Ended(ended.clone())));
    assert_eq!(
        engine.flush(PATIENCE),
        Err(FlushError::Ended(ended.clone()))
    );
    assert_eq!(engine.shutdown(PATIENCE), Err(FlushError::Ended(ended)));
}

/// What a forked child finds wrong, as a number for its exit status.
fn wrong_in_child(engine: Embedded, recorder: &Recorder, sizes: &BoundHistogram) -> i32 {
    sizes.record(1.0);
    let begun = Instant::now();
    let forked = FlushError::Ended(Ended::Forked);
    let mut found = Vec::new();
    found.push(recorder.record(b"item") || recorder.dropped() != 1);
    found.push(
        engine
            .recorder(Signal::Logs, &Scope::default())
            .record(b"item"),
    );
    found.push(engine.flush(PATIENCE) != Err(forked.clone()));
    let export = engine.export_sync(Signal::Logs, &Scope::default(), &[b"item"], PATIENCE);
    found.push(export != Err(ExportError::Ended(Ended::Forked)));
    found.push(engine.shutdown(PATIENCE) != Err(forked));
    // An engine of its own is whole.
    found.push(self::engine().flush(PATIENCE).is_err());
    found.push(begun.elapsed() >= PATIENCE);
    let at = found.iter().position(|wrong| *wrong);
    at.map_or(0, |at| 1 + i32::try_from(at).unwrap_or(100))
}

/// The child of a fork drops and counts, and waits for nobody; the parent goes on.
#[test]
#[cfg_attr(miri, ignore = "Miri has no fork")]
fn a_forked_child_is_told_and_its_parent_goes_on() {
    let engine = engine();
    let recorder = recorder(&engine);
    let sizes = engine.meter(&Scope::default()).histogram("sizes");
    let sizes = sizes.expect("valid").bind(&[]);
    // SAFETY: glibc's allocator works in a forked child of several threads; the child uses nothing
    // else of theirs, which is what is tested, and ends without their destructors.
    match unsafe { libc::fork() } {
        -1 => panic!("no fork: {}", std::io::Error::last_os_error()),
        0 => {
            let wrong = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                wrong_in_child(engine, &recorder, &sizes)
            }));
            // SAFETY: it ends the process, which no other thread is in.
            unsafe { libc::_exit(wrong.unwrap_or(101)) }
        }
        child => {
            let mut status = 0;
            // SAFETY: `status` lives, and the child is ours.
            let ended = unsafe { libc::waitpid(child, &mut status, 0) };
            assert_eq!(ended, child);
            assert!(libc::WIFEXITED(status), "{status:#x}");
            assert_eq!(libc::WEXITSTATUS(status), 0, "the number of the check");
        }
    }
    assert_eq!(recorder.dropped(), 0);
    engine.flush(PATIENCE).expect("nothing to deliver");
    engine.shutdown(Duration::MAX).expect("it ends");
}

#[test]
fn a_start_that_fails_is_an_error_and_leaves_nothing_behind() {
    let small = Settings {
        memory_mib: 40,
        ..Settings::default()
    };
    let error = Embedded::start(&small).expect_err("recorders have most of it");
    assert!(matches!(error, EmbedError::Start(StartError::Memory(_))));
    let text = error.to_string();
    assert!(
        text.contains("recorders") && text.contains("32 MiB"),
        "{text}"
    );
    let limits = Settings::default().limits().expect("they fit");
    assert!(limits.table().contains("recorders"), "{}", limits.table());
}

#[test]
fn a_configuration_has_the_one_receiver_that_stands_for_the_recorders() {
    let start = |receivers: &str| {
        Embedded::start(&Settings {
            configuration: Some(format!(
                "receivers: {receivers}\n\
                 exporters: {{nop: }}\n\
                 service: {{pipelines: {{logs: {{receivers: [otlp], exporters: [nop]}}}}}}"
            )),
            ..Settings::default()
        })
    };
    for (receivers, found) in [
        ("{otlp: {protocols: {http: }}}", "found otlp with http"),
        (
            "{otlp: {protocols: {grpc: , http: }}}",
            "found otlp with grpc, otlp with http",
        ),
    ] {
        let error = start(receivers).expect_err(found).to_string();
        assert!(
            error.contains(found) && error.contains("allowed is"),
            "{error}"
        );
    }
    let engine = start("{otlp: {protocols: {grpc: }}}").expect("it starts");
    let recorder = recorder(&engine);
    assert!(recorder.record(&[]));
    engine.flush(PATIENCE).expect("nop takes all");
    let memory = engine.recorder_memory();
    assert_eq!((memory.recorders, memory.bytes_max), (1, 32 << 20));
}
