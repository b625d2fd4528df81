use super::report::Report;
use super::*;
use crate::ledger::{Entry, Reader, Record, Side, Totals, Writer, fold};
use crate::sink::{Settings, Sink};
use crate::workload::{Spec, Workload};
use std::fs::File;
use std::path::Path;
use tailrace_codec::Signal;

const EPOLL: RuntimeKind = RuntimeKind::Epoll;
const ANYWHERE: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

fn plan(address: Address) -> Plan {
    let spec = Spec {
        run: 0xfeed,
        ..Spec::standard(Signal::Traces, 10)
    };
    Plan {
        requests_max: 50,
        connections: 2,
        first_item: 1000,
        ..Plan::closed(address, spec, 4, Duration::from_secs(60))
    }
}

#[test]
fn what_was_acknowledged_is_what_the_sink_received() {
    let anywhere = Address::Tcp(ANYWHERE.into());
    let sink = Sink::start(EPOLL, &anywhere, Settings::default()).expect("a port");
    let plan = plan(sink.address().clone());
    let path = std::env::temp_dir().join(format!("tailrace-load-{}.ledger", std::process::id()));
    let ledger = Writer::create(&path, Side::Sent).expect("a file");
    let load = Load::start(EPOLL, plan.clone(), Some(ledger)).expect("a thread");
    let sent = load.wait().expect("the sink is there");
    let received = sink.stop().expect("it stops");
    let written = read(&path, plan.spec.run);
    std::fs::remove_file(&path).expect("it was there");
    assert_eq!(written.len(), 500);
    for other in [&sent.acknowledged, &received.runs[&plan.spec.run]] {
        assert_eq!((other.len(), written.missing_from(other)), (500, 0));
    }
    assert!(written.contains(1000) && written.contains(1499));

    let report = Report::new(&plan, &sent);
    assert_eq!(
        (report.requests.sent, report.requests.acknowledged),
        (50, 50)
    );
    assert_eq!(report.codes["OK"].answers, 50);
    assert!(
        report.bytes.wire > report.bytes.acknowledged,
        "there is a prefix"
    );
    let seconds = report.seconds.iter().map(|second| second.acknowledged);
    assert_eq!(seconds.sum::<u64>(), 50);
    let json = serde_json::to_value(&report).expect("it has a JSON form");
    assert_eq!(json["plan"]["protocol"], "grpc");
    assert!(report.html().contains("<svg"));
}

/// The items of a ledger, each with the check value that its request gave it, and no fault.
fn read(path: &Path, run: u64) -> IdSet {
    let workload = Workload::new(&plan(Address::Tcp(ANYWHERE.into())).spec);
    let first = |id: u64| id - id % workload.items() as u64;
    let mut ids = IdSet::default();
    let reader = Reader::new(File::open(path).expect("it is there")).expect("a ledger");
    let totals = reader.read(|record| match record {
        Record::Run(found) => assert_eq!(found, run),
        Record::Entry(Entry { id, check, damaged }) => {
            let known = workload.identities(first(id)).find(|known| known.0 == id);
            let known = known.expect("an item of the request");
            assert_eq!((check, damaged), (fold(known.1), false));
            assert!(ids.insert(id), "{id} once");
        }
    });
    let totals = totals.expect("a whole ledger");
    let expected = Totals {
        items: 500,
        ..Totals::default()
    };
    assert_eq!(totals, expected);
    ids
}

#[test]
fn an_endpoint_that_is_not_there_ends_the_load_before_it_begins() {
    let listener = std::net::TcpListener::bind(std::net::SocketAddr::from(ANYWHERE));
    let address = listener
        .and_then(|listener| listener.local_addr())
        .expect("a port");
    let load = Load::start(EPOLL, plan(Address::Tcp(address)), None).expect("a thread");
    let error = load.wait().expect_err("nobody listens");
    let expected = format!("cannot connect to {address}: Connection refused");
    assert!(error.to_string().starts_with(&expected), "{error}");
}
