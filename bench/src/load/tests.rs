use super::report::Report;
use super::*;
use crate::sink::{Manner, Sink};
use crate::workload::Spec;
use std::sync::Mutex;
use tailrace_codec::Signal;

const EPOLL: RuntimeKind = RuntimeKind::Epoll;
const ANYWHERE: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

fn plan(address: Address) -> Plan {
    let spec = Spec::standard(Signal::Traces, 10);
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
    let sink = Sink::start(EPOLL, &anywhere, Manner::default()).expect("a port");
    let plan = plan(sink.address().clone());
    let told = Arc::new(Mutex::new(IdSet::default()));
    let tell = Arc::clone(&told);
    let on_acknowledged: OnAcknowledged =
        Box::new(move |ids| tell.lock().expect("one thread").insert_range(ids));
    let load = Load::start(EPOLL, plan.clone(), Some(on_acknowledged)).expect("a thread");
    let sent = load.wait().expect("the sink is there");
    let received = sink.stop().expect("it stops");
    let told = told.lock().expect("the load has ended");
    assert_eq!(told.len(), 500);
    for other in [&sent.acknowledged, &received.ids] {
        assert_eq!((other.len(), told.missing_from(other)), (500, 0));
    }
    assert!(told.contains(1000) && told.contains(1499));

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
