//! Export by a thread that waits for the verdict.

use super::{SCOPE, settings, span};
use std::time::Duration;
use tailrace_codec::Signal;
use tailrace_engine::embed::{Embedded, ExportError, Protocol, Settings};
use tailrace_tests::backend::{Answer, Backend};
use tailrace_tests::wait::PATIENCE;
use tonic::Code;

const SHORT: Duration = Duration::from_millis(50);

fn export(engine: &Embedded, numbers: &[u64], timeout: Duration) -> Result<u64, ExportError> {
    let spans: Vec<_> = numbers.iter().map(|number| span(*number)).collect();
    let spans: Vec<_> = spans.iter().map(|span| &span[..]).collect();
    let report = engine.export_sync(Signal::Traces, &SCOPE, &spans, timeout)?;
    assert_eq!(report.rejected_items == 0, report.message.is_empty());
    Ok(report.rejected_items)
}

/// It does not wait for others to fill a batch with: the schedule's delay is longer than patience.
#[test]
fn the_backends_verdict_comes_back() {
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf] {
        let backend = Backend::start();
        let settings = Settings {
            schedule_delay: 2 * PATIENCE,
            ..settings(&backend, protocol)
        };
        let engine = Embedded::start(&settings).expect("it starts");
        assert_eq!(export(&engine, &[1, 2, 3], PATIENCE), Ok(0));
        assert_eq!(super::arrived(&backend), [1, 2, 3]);
        // A recorded item goes with it.
        let recorder = engine.recorder(Signal::Traces, &SCOPE);
        assert!(recorder.record(&span(4)));

        backend.script(|script| {
            script.next.push_back(Answer::Partial {
                rejected: 1,
                message: "one is too old".into(),
            });
        });
        let spans = [&span(5)[..], &span(6)[..]];
        let report = engine.export_sync(Signal::Traces, &SCOPE, &spans, PATIENCE);
        let report = report.expect("taken in part");
        assert_eq!(report.rejected_items, 1);
        assert_eq!(report.message, "one is too old");
        engine.shutdown(PATIENCE).expect("all is told");
    }
}

#[test]
fn a_refusal_says_what_the_backend_said() {
    let backend = Backend::start();
    let engine = Embedded::start(&settings(&backend, Protocol::Grpc)).expect("it starts");
    backend.script(|script| {
        script.otherwise = Answer::Grpc {
            code: Code::InvalidArgument,
            message: "no such tenant".into(),
            retry_after: None,
        };
    });
    let Err(ExportError::Refused { message }) = export(&engine, &[1], PATIENCE) else {
        panic!("it was refused");
    };
    assert_eq!(message, "the destination refused it: no such tenant");
    // Those who wait are told themselves; a flush has nothing to say of it.
    engine.flush(PATIENCE).expect("nothing was recorded");
    let broken = engine.export_request(Signal::Traces, vec![0xff].into(), PATIENCE);
    assert!(
        matches!(broken, Err(ExportError::Invalid { .. })),
        "{broken:?}"
    );
    backend.script(|script| script.otherwise = Answer::Accept);
    assert_eq!(export(&engine, &[2], PATIENCE), Ok(0));
}

/// Within the deadline, whether the backend is silent or there is no room for it.
#[test]
fn a_deadline_says_whether_it_may_still_arrive() {
    let backend = Backend::start();
    backend.hold();
    let mut settings = settings(&backend, Protocol::Grpc);
    settings.traces.queue_items = Some(2);
    let engine = Embedded::start(&settings).expect("it starts");
    let late = |is_queued| Err(ExportError::TimedOut { is_queued });
    assert_eq!(export(&engine, &[1, 2], SHORT), late(true));
    assert_eq!(export(&engine, &[3, 4], SHORT), late(false));
    backend.release();
    assert_eq!(export(&engine, &[5, 6], PATIENCE), Ok(0));
    assert_eq!(super::arrived(&backend), [1, 2, 5, 6]);
}
