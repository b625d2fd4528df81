//! The examples are run, and what they are said to record has arrived when they end.

use crate::settings;
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::trace::v1::Span;
use std::error::Error;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use tailrace_bench::sink::{self, Sink};
use tailrace_codec::Signal;
use tailrace_engine::embed::propagation::Propagators;
use tailrace_engine::embed::{Protocol, Settings};
use tailrace_engine::exchange::Address;
use tailrace_engine::runtime::RuntimeKind;
use tailrace_tests::backend::Backend;
use tailrace_tests::item::Export;

#[allow(dead_code, clippy::duplicate_mod)]
#[path = "../../examples/service/direct.rs"]
mod direct;
#[allow(dead_code, clippy::duplicate_mod)]
#[path = "../../examples/service/sdk.rs"]
mod sdk;
#[allow(dead_code, clippy::duplicate_mod)]
#[path = "../../examples/service/traced.rs"]
mod traced;

const TRACE: [u8; 16] = *b"\x4b\xf9\x2f\x35\x77\xb3\x4d\xa6\xa3\xce\x92\x9d\x0e\x0e\x47\x36";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Of another trace.
const B3_TRACE: [u8; 16] = *b"\x80\xf1\x98\xee\x56\x34\x3b\xa8\x64\xfe\x8b\x2a\x57\xd3\xef\xf7";
const B3_PARENT: &str = "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1";

/// The answer's first line.
fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: here\r\ntraceparent: {PARENT}\r\nb3: {B3_PARENT}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer.lines().next().unwrap_or_default().trim().to_owned()
}

type Serve = fn(&TcpListener, usize, &Settings) -> Result<(), Box<dyn Error>>;

/// Two requests, of which the second fails.
fn served_by(serve: Serve, settings: &Settings) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    std::thread::scope(|scope| {
        scope.spawn(|| serve(&listener, 2, settings).expect("delivered"));
        assert_eq!(get(address, "/cart"), "HTTP/1.1 200");
        assert_eq!(get(address, "/broken"), "HTTP/1.1 500");
    });
}

/// What came of two requests.
#[derive(Default)]
struct Served {
    /// By their names and starts.
    spans: Vec<Span>,
    logs: usize,
    metrics: Vec<Metric>,
}

fn served(serve: Serve) -> Served {
    served_with(serve, Propagators::default())
}

fn served_with(serve: Serve, propagators: Propagators) -> Served {
    let backend = Backend::start();
    let settings = Settings {
        propagators,
        ..settings(&backend, Protocol::HttpProtobuf)
    };
    served_by(serve, &settings);
    let mut served = Served::default();
    for call in backend.calls().iter() {
        match &call.export {
            Export::Traces(request) => {
                let entries = request.resource_spans.iter();
                let entries = entries.flat_map(|entry| &entry.scope_spans);
                served
                    .spans
                    .extend(entries.flat_map(|entry| entry.spans.iter().cloned()));
            }
            Export::Logs(request) => {
                let entries = request.resource_logs.iter();
                let entries = entries.flat_map(|entry| &entry.scope_logs);
                served.logs += entries.map(|entry| entry.log_records.len()).sum::<usize>();
            }
            Export::Metrics(request) => {
                let entries = request.resource_metrics.iter();
                let entries = entries.flat_map(|entry| &entry.scope_metrics);
                let metrics = entries.flat_map(|entry| entry.metrics.iter().cloned());
                served.metrics.extend(metrics);
            }
            other => panic!("not recorded: {other:?}"),
        }
    }
    let order = |span: &Span| (span.name.clone(), span.start_time_unix_nano);
    served.spans.sort_by_key(order);
    served
}

fn check(spans: &[Span]) {
    let [cart, broken, in_cart, in_broken] = spans else {
        panic!("four spans: {spans:?}");
    };
    for (request, lookup) in [(cart, in_cart), (broken, in_broken)] {
        assert_eq!((&request.name[..], request.kind), ("GET", 2));
        assert_eq!((&request.trace_id[..], request.flags), (&TRACE[..], 0x301));
        assert_eq!((&lookup.name[..], lookup.kind), ("look up", 1));
        assert_eq!(
            (&lookup.trace_id, &lookup.parent_span_id),
            (&request.trace_id, &request.span_id)
        );
        let status = request
            .attributes
            .iter()
            .filter(|own| own.key == "http.response.status_code");
        assert_eq!(status.count(), 1);
    }
    let code = |span: &Span| span.status.as_ref().map(|status| status.code);
    assert_eq!((code(in_cart), code(in_broken)), (None, Some(2)));
}

#[test]
fn one_that_makes_its_spans_itself() {
    let served = served(direct::serve);
    check(&served.spans);
    assert_eq!((served.spans[3].events.len(), served.logs), (1, 0));
    let [duration] = &served.metrics[..] else {
        panic!("one metric: {:?}", served.metrics);
    };
    assert_eq!(duration.name, "http.server.request.duration");
    let Some(Data::ExponentialHistogram(histogram)) = &duration.data else {
        panic!("a histogram: {duration:?}");
    };
    let points = &histogram.data_points;
    assert_eq!(points.len(), 2, "one for each status");
    for point in points {
        assert_eq!((point.count, point.attributes.len()), (1, 1));
        assert_eq!(point.exemplars[0].trace_id, TRACE);
    }
}

#[test]
fn one_that_only_uses_tracing() {
    let served = served(traced::serve);
    check(&served.spans);
    assert_eq!(served.logs, 2);
}

#[test]
fn one_that_uses_the_sdk() {
    let served = served(sdk::serve);
    check(&served.spans);
    assert_eq!((served.spans[3].events.len(), served.logs), (1, 2));
    let [duration] = &served.metrics[..] else {
        panic!("one metric: {:?}", served.metrics);
    };
    let Some(Data::Histogram(histogram)) = &duration.data else {
        panic!("a histogram: {duration:?}");
    };
    let counts = histogram.data_points.iter().map(|point| point.count);
    assert_eq!(counts.collect::<Vec<_>>(), [1, 1], "one for each status");
}

/// As `tailrace sink` counts it, which is what the examples name for trying them.
#[test]
fn a_sink_has_what_each_of_them_says() {
    for (serve, [spans, logs, metrics]) in [
        (direct::serve as Serve, [4, 0, 2]),
        (traced::serve, [4, 2, 0]),
        (sdk::serve, [4, 2, 2]),
    ] {
        let anywhere = Address::Tcp(([127, 0, 0, 1], 0).into());
        let sink = Sink::start(RuntimeKind::Epoll, &anywhere, sink::Settings::default());
        let sink = sink.expect("a port");
        let Address::Tcp(address) = sink.address() else {
            panic!("it was told a port");
        };
        let settings = Settings {
            endpoint: format!("http://{address}"),
            protocol: Protocol::Grpc,
            ..Settings::default()
        };
        served_by(serve, &settings);
        // All is delivered, and counted when the sink ends.
        let counts = sink.stop().expect("it ends").counts;
        let items = |signal: Signal| counts.signals[signal as usize].items;
        let arrived = [Signal::Traces, Signal::Logs, Signal::Metrics].map(items);
        assert_eq!(arrived, [spans, logs, metrics]);
    }
}

#[test]
fn parents_come_as_the_settings_say() {
    let b3 = Propagators {
        b3: true,
        ..Propagators::NONE
    };
    for (propagators, trace) in [(b3, Some(B3_TRACE)), (Propagators::NONE, None)] {
        for serve in [direct::serve as Serve, traced::serve] {
            for span in served_with(serve, propagators).spans {
                let known = [TRACE, B3_TRACE];
                let told = known.into_iter().find(|known| span.trace_id == known);
                assert_eq!(told, trace, "{propagators:?}");
            }
        }
    }
}
