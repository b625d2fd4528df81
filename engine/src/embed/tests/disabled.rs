//! Telemetry that is disabled, as a whole or one signal of it.

use crate::embed::{Embedded, Settings};
use std::time::Duration;
use tailrace_codec::Signal;
use tailrace_codec::otlp::encode::Scope;

/// No thread, no memory, no count; every call returns at once, for there is nobody to wait for.
#[test]
fn what_is_disabled_does_nothing_and_succeeds() {
    let settings = Settings::from_variables(|name| match name {
        "OTEL_SDK_DISABLED" => Some("true".to_owned()),
        // Not looked at: nothing is started.
        "OTEL_EXPORTER_OTLP_ENDPOINT" => Some("https://nowhere".to_owned()),
        _ => None,
    });
    let engine = Embedded::start(&settings.expect("valid")).expect("there is nothing to start");
    assert!(!engine.records(Signal::Traces));
    let recorder = engine.recorder(Signal::Traces, &Scope::default());
    assert!(!recorder.is_on());
    // More than a recorder holds.
    assert!((0..5000).all(|_| recorder.record(&[0; 1000])));
    assert_eq!((recorder.dropped(), recorder.pressure().0), (0, 0));
    let meter = engine.meter(&Scope::default());
    let served = meter.counter::<u64>("served").expect("valid");
    served.add(1, &[]);
    served.bind(&[]).add(1);
    meter
        .counter::<u64>("")
        .expect_err("a fault of the program");
    let report = engine.flush(Duration::ZERO).expect("nothing to wait for");
    assert_eq!(report.dropped_items, 0);
    engine.shutdown(Duration::ZERO).expect("nothing to end");
}

/// The others are recorded.
#[test]
fn one_signal_may_be_disabled() {
    let mut settings = Settings::default();
    settings.logs.disabled = true;
    let engine = Embedded::start(&settings).expect("it starts");
    assert!(!engine.recorder(Signal::Logs, &Scope::default()).is_on());
    assert!(engine.recorder(Signal::Traces, &Scope::default()).is_on());
    engine.shutdown(Duration::from_secs(60)).expect("it ends");
}
