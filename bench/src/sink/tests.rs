//! The sink against the load generator, over sockets: every way in, and every misbehaviour as a
//! sender sees it.

use super::*;
use crate::ids::IdSet;
use crate::load::{Load, LoadError, Plan, Protocol, Retry, Sent, Version, Wire};
use crate::workload::Spec;
use tailrace_codec::Signal;
use tailrace_codec::compress::Encoding;

const RUN: u64 = 0xfeed;

fn start(script: &str) -> Sink {
    let script = match script {
        "" => Script::default(),
        text => Script::read(text, "script.yaml").expect("a script"),
    };
    let settings = Settings {
        script,
        ..Settings::default()
    };
    let anywhere = Address::Tcp(([127, 0, 0, 1], 0).into());
    Sink::start(RuntimeKind::Epoll, &anywhere, settings).expect("a port")
}

/// 20 requests of 5 items, tried again until they are taken.
fn plan(sink: &Sink) -> Plan {
    let spec = Spec {
        run: RUN,
        ..Spec::standard(Signal::Traces, 5)
    };
    let minute = Duration::from_secs(60);
    Plan {
        requests_max: 20,
        timeout: Duration::from_millis(300),
        retry: Some(Retry {
            give_up_after: minute,
        }),
        ..Plan::closed(sink.address().clone(), spec, 4, minute)
    }
}

fn send(plan: Plan) -> Result<Sent, LoadError> {
    Load::start(RuntimeKind::Epoll, plan, None)
        .expect("a thread")
        .wait()
}

fn codes(sent: &Sent) -> Vec<String> {
    let codes = sent.statistics.codes.iter();
    let mut codes: Vec<_> = codes.map(|(code, _)| code.to_string()).collect();
    codes.sort();
    codes
}

fn ids(received: &Received) -> &IdSet {
    &received.runs[&RUN]
}

#[test]
fn everything_that_a_load_can_say_is_understood() {
    let sink = start("");
    let ways = [
        (Protocol::Grpc, Version::Http2),
        (Protocol::HttpProtobuf, Version::Http2),
        (Protocol::HttpJson, Version::Http1),
    ];
    let mut runs = Vec::new();
    for (protocol, version) in ways {
        for signal in [Signal::Traces, Signal::Metrics, Signal::Logs] {
            for encoding in [Encoding::Identity, Encoding::Gzip, Encoding::Zstd] {
                let run = RUN + runs.len() as u64;
                runs.push(run);
                let sent = send(Plan {
                    wire: Wire {
                        protocol,
                        version,
                        encoding,
                        ..Wire::GRPC
                    },
                    spec: Spec {
                        run,
                        ..Spec::standard(signal, 5)
                    },
                    streams: if version == Version::Http1 { 1 } else { 4 },
                    timeout: Plan::TIMEOUT,
                    ..plan(&sink)
                });
                assert_eq!(sent.expect("it is there").acknowledged.len(), 100);
            }
        }
    }
    let received = sink.stop().expect("it stops");
    for run in &runs {
        assert_eq!(received.runs[run].len(), 100, "{run}");
    }
    let total = received.counts.total();
    assert_eq!((total.requests, total.items), (540, 2700));
    assert_eq!((total.distinct_items, total.duplicate_items), (2700, 0));
    assert_eq!((total.corrupt_items, total.foreign_items), (0, 0));
    let logs = received.counts.signals[Signal::Logs as usize];
    assert_eq!((logs.requests, logs.items), (180, 900));
}

/// Plays a fault for three requests, and returns what the load saw and what arrived.
fn fault(text: &str, change: impl FnOnce(&mut Plan)) -> (Sent, Received) {
    let script = format!("phases: [{{requests: 3, faults: [{{{text}}}]}}]");
    let sink = start(&script);
    let mut plan = plan(&sink);
    change(&mut plan);
    let sent = send(plan).expect("it is there");
    (sent, sink.stop().expect("it stops"))
}

#[test]
fn a_refusal_is_not_taken_and_comes_again() {
    let text = "refuse: {grpc: RESOURCE_EXHAUSTED, retry_after: 1ms}";
    let (sent, received) = fault(text, |_| ());
    assert_eq!(codes(&sent), ["OK", "RESOURCE_EXHAUSTED"]);
    assert_eq!(received.counts.faults["refuse"], 3);
    let total = received.counts.total();
    assert_eq!(
        (total.requests, total.items),
        (23, 100),
        "refused ones are read"
    );
    let (sent, _) = fault("refuse: {http: 429}", |plan| {
        plan.wire.protocol = Protocol::HttpJson;
    });
    assert_eq!(codes(&sent), ["200", "429"]);
}

#[test]
fn what_a_partial_success_rejects_has_not_arrived() {
    let (sent, received) = fault("partial_success: {rejected: 2}", |_| ());
    assert_eq!(sent.statistics.total.rejected_items, 6);
    assert_eq!(ids(&received).len(), 100 - 6);
    // Which items were rejected is not said: none of those requests is relied on.
    assert_eq!(sent.acknowledged.len(), 100 - 15);
}

#[test]
fn streams_and_connections_are_reset() {
    let (sent, received) = fault("reset_stream: REFUSED_STREAM", |_| ());
    assert_eq!(codes(&sent), ["OK", "not processed"]);
    assert_eq!(received.counts.total().duplicate_items, 0);
    let (sent, received) = fault("reset_stream: INTERNAL_ERROR", |_| ());
    assert_eq!(codes(&sent), ["OK", "connection lost"]);
    let total = received.counts.total();
    assert_eq!((total.distinct_items, total.duplicate_items), (100, 15));
    let (sent, received) = fault("reset_connection: true", |_| ());
    assert!(codes(&sent).contains(&"connection lost".to_owned()));
    assert_eq!(received.counts.faults["reset_connection"], 3);
    assert!(received.counts.total().duplicate_items >= 15);
    let (sent, _) = fault("reset_stream: CANCEL", |plan| {
        (plan.wire.protocol, plan.wire.version) = (Protocol::HttpProtobuf, Version::Http1);
        plan.streams = 1;
    });
    assert!(codes(&sent).contains(&"connection lost".to_owned()));
}

#[test]
fn silence_garbage_and_giants_are_seen_as_what_they_are() {
    for (text, code) in [
        ("silence: true", "timed out"),
        ("garbage: 100", "malformed response"),
        ("oversize: 8388608", "response too large"),
    ] {
        let (sent, received) = fault(text, |plan| {
            if code != "timed out" {
                plan.timeout = Plan::TIMEOUT;
            }
        });
        assert!(
            codes(&sent).contains(&code.to_owned()),
            "{text}: {:?}",
            codes(&sent)
        );
        assert_eq!(received.counts.fired(), 3, "{text}");
        assert_eq!(ids(&received).len(), 100, "{text}: they were taken");
    }
}

#[test]
fn connections_have_their_manners() {
    let connections = |text: &str| start(&format!("phases: [{{connections: {{{text}}}}}]"));
    let refusing = connections("refused: 1");
    let error = send(plan(&refusing)).expect_err("nobody gets in");
    assert!(matches!(error, LoadError::Unreachable { .. }), "{error}");
    let faults = refusing.stop().expect("it stops").counts.faults;
    assert!(faults["refused_connection"] > 0);

    let leaving = connections("goaway_after: 5");
    let sent = send(plan(&leaving)).expect("it is there");
    assert_eq!(sent.acknowledged.len(), 100, "each by a connection");
    let faults = leaving.stop().expect("it stops").counts.faults;
    assert!(faults["goaway"] >= 2, "{faults:?}");

    let slow = connections("bytes_per_second: 20000");
    let sent = send(Plan {
        timeout: Plan::TIMEOUT,
        ..plan(&slow)
    });
    assert_eq!(sent.expect("it is there").acknowledged.len(), 100);
    assert_eq!(
        slow.stop().expect("it stops").counts.faults["slow_connection"],
        1
    );
    for (text, fault) in [
        ("closed_windows: 1", "closed_windows"),
        ("frozen_after: 5000", "frozen_connection"),
    ] {
        let stuck = connections(text);
        let sent = send(Plan {
            retry: None,
            requests_max: 8,
            ..plan(&stuck)
        });
        let codes = codes(&sent.expect("it is there"));
        assert!(codes.contains(&"timed out".to_owned()), "{text}: {codes:?}");
        let faults = stuck.stop().expect("it stops").counts.faults;
        assert!(faults[fault] > 0, "{text}: {faults:?}");
    }
}

#[test]
fn answers_wait_for_their_time_and_go_to_whom_they_are_for() {
    let sink = start("phases: [{latency: {exponential: 5ms}}]");
    let sent = send(plan(&sink)).expect("it is there");
    assert_eq!(sent.acknowledged.len(), 100);
    let slowest = sent.statistics.total.service_ns.max();
    assert!(slowest > 5_000_000, "{slowest}");
    let received = sink.stop().expect("it stops");
    assert_eq!(ids(&received).len(), 100);
}

#[test]
fn a_number_that_no_load_gives_takes_no_memory() {
    let sink = start("");
    let plan = Plan {
        first_item: IdSet::END - 50,
        ..plan(&sink)
    };
    send(plan).expect("it is there");
    let received = sink.stop().expect("it stops");
    let total = received.counts.total();
    assert_eq!((total.distinct_items, total.foreign_items), (50, 50));
}

#[test]
fn a_ledger_takes_what_arrives_and_the_faults() {
    use crate::ledger::{Reader, Side, Writer};
    let path = std::env::temp_dir().join(format!("tailrace-sink-{}.ledger", std::process::id()));
    let text = "phases: [{requests: 3, faults: [{reset_stream: CANCEL}]}]";
    let settings = Settings {
        script: Script::read(text, "script.yaml").expect("a script"),
        ledger: Some(Writer::create(&path, Side::Received).expect("a file")),
        late_after: Some(Duration::ZERO),
        ..Settings::default()
    };
    let anywhere = Address::Tcp(([127, 0, 0, 1], 0).into());
    let sink = Sink::start(RuntimeKind::Epoll, &anywhere, settings).expect("a port");
    send(plan(&sink)).expect("it is there");
    let received = sink.stop().expect("it stops");
    assert_eq!(
        received.counts.total().late_items,
        115,
        "nothing comes in no time"
    );
    let reader = Reader::new(std::fs::File::open(&path).expect("it is there")).expect("a ledger");
    let mut entries = 0;
    let totals = reader.read(|record| {
        entries += u64::from(matches!(record, ledger::Record::Entry(_)));
    });
    std::fs::remove_file(&path).expect("it was there");
    let totals = totals.expect("a whole ledger");
    assert_eq!((entries, totals.items, totals.faults), (115, 115, 3));
}
