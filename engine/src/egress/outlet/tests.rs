//! What a batch becomes, exporter by exporter.

use super::*;
use crate::egress::destination::DestinationOutput;
use crate::exchange::ClientCommand;
use crate::units::{EndpointId, LaneId};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use prost::Message;
use tailrace_codec::compress::{Decompressor, InflateError};

fn request() -> ExportLogsServiceRequest {
    let record = |text: &str| LogRecord {
        body: Some(AnyValue {
            value: Some(any_value::Value::StringValue(text.into())),
        }),
        ..LogRecord::default()
    };
    let scope = ScopeLogs {
        log_records: vec![record("one\nline"), record("\u{1F980}")],
        ..ScopeLogs::default()
    };
    let resource = ResourceLogs {
        scope_logs: vec![scope],
        ..ResourceLogs::default()
    };
    ExportLogsServiceRequest {
        resource_logs: vec![resource],
    }
}

/// The request in two slices, cut in the middle of whatever is there.
fn parcel() -> Parcel {
    let bytes = Bytes::from(request().encode_to_vec());
    let mut body = Rope::from(bytes.slice(..7));
    body.push(bytes.slice(7..));
    Parcel {
        signal: Signal::Logs,
        body,
        items: 2,
        bucket: 0,
    }
}

fn broken() -> Parcel {
    Parcel {
        body: Rope::from(Bytes::from_static(b"\x0a\xff")),
        ..parcel()
    }
}

fn settings(format: Format, encoding: Encoding) -> NetworkSettings {
    NetworkSettings {
        destination: DestinationSettings {
            endpoint: EndpointId::first(LaneId(0)),
            connections_max: 1,
            streams_max: 100,
            spread: false,
            age_max: Duration::MAX,
            spare_idle_max: Duration::MAX,
        },
        endpoints: vec![EndpointSettings {
            addresses: vec![Address::Tcp(([127, 0, 0, 1], 4317).into())],
            uri: Uri::from_static("http://127.0.0.1:4317/x"),
            headers: HeaderMap::new(),
        }],
        balancing: None,
        method: Method::POST,
        format,
        encoding,
        level: Level::DEFAULT,
        timeout: Duration::from_secs(5),
        window: None,
    }
}

/// An outlet whose one connection is up.
struct Rig {
    outlet: Outlet,
    table: ConnectionTable,
}

impl Rig {
    fn new(settings: NetworkSettings) -> Self {
        Self {
            outlet: OutletSettings::Network(Box::new(settings)).outlet(1),
            table: ConnectionTable::new(),
        }
    }

    fn send(&mut self, id: u32, parcel: Parcel) -> Sent {
        let now = Instant(7);
        self.outlet
            .send(AttemptId(id), parcel, &mut self.table, now)
    }

    /// The attempts that go to the wire.
    fn attempts(&mut self) -> Vec<Attempt> {
        let Outlet::Network(network) = &mut self.outlet else {
            panic!("a network's outlet");
        };
        let mut attempts = Vec::new();
        while let Some((_, output)) = network.endpoints.poll_output() {
            match output {
                DestinationOutput::Connect { connection, .. } => {
                    let id = EndpointId::first(LaneId(0));
                    let now = Instant(7);
                    network
                        .endpoints
                        .act(id, &mut self.table, now, |it, table| {
                            it.handle_connected(connection, 100, table, now);
                        });
                }
                DestinationOutput::Command {
                    command: ClientCommand::Send(attempt),
                    ..
                } => attempts.push(attempt),
                other => panic!("{other:?}"),
            }
        }
        attempts
    }

    fn body(&mut self) -> (Rope, u64) {
        let Sent::OnItsWay { wire_bytes } = self.send(1, parcel()) else {
            panic!("it goes at once");
        };
        let attempt = self.attempts().pop().expect("one attempt");
        assert_eq!(attempt.deadline, Instant(7) + Duration::from_secs(5));
        assert_eq!(attempt.body.len() as u64, wire_bytes);
        (attempt.body, wire_bytes)
    }
}

fn inflated(encoding: Encoding, body: &Rope) -> Vec<u8> {
    let inflated: Result<Rope, InflateError> =
        Decompressor::new().inflate(encoding, body, 1 << 20, |_| true);
    inflated.expect("what we compressed").to_bytes().to_vec()
}

#[test]
fn grpc_is_framed_and_the_prefix_says_whether_it_is_compressed() {
    let plain = request().encode_to_vec();
    let compressions = [
        Encoding::Identity,
        Encoding::Gzip,
        Encoding::Zstd,
        Encoding::SnappyFramed,
    ];
    for encoding in compressions {
        let (body, _) = Rig::new(settings(Format::GrpcProtobuf, encoding)).body();
        let body = body.to_bytes();
        let compressed = encoding != Encoding::Identity;
        let length = u32::from_be_bytes(body[1..5].try_into().unwrap()) as usize;
        assert_eq!((body[0], length), (u8::from(compressed), body.len() - 5));
        let message = Rope::from(body.slice(5..));
        let message = match compressed {
            true => inflated(encoding, &message),
            false => message.to_bytes().to_vec(),
        };
        assert_eq!(message, plain, "{encoding:?}");
    }
}

#[test]
fn grpc_without_compression_copies_nothing() {
    let parcel = parcel();
    let places =
        |rope: &Rope| -> Vec<_> { rope.slices().iter().map(|slice| slice.as_ptr()).collect() };
    let slices = places(&parcel.body);
    let mut rig = Rig::new(settings(Format::GrpcProtobuf, Encoding::Identity));
    rig.send(1, parcel);
    let attempt = rig.attempts().pop().expect("one attempt");
    assert_eq!(
        places(&attempt.body)[1..],
        slices,
        "the prefix, then what came in"
    );
}

#[test]
fn http_is_the_message_alone() {
    let plain = request().encode_to_vec();
    let compressions = [
        Encoding::Gzip,
        Encoding::Zstd,
        Encoding::Deflate,
        Encoding::Snappy,
    ];
    for encoding in compressions {
        let (body, _) = Rig::new(settings(Format::HttpProtobuf, encoding)).body();
        assert_eq!(inflated(encoding, &body), plain, "{encoding:?}");
    }
    let (body, _) = Rig::new(settings(Format::HttpProtobuf, Encoding::Identity)).body();
    assert_eq!(&body.to_bytes()[..], plain);
}

#[test]
fn json_is_what_the_oracle_reads_as_the_same_request() {
    let (body, _) = Rig::new(settings(Format::HttpJson, Encoding::Identity)).body();
    let read: ExportLogsServiceRequest = serde_json::from_slice(&body.to_bytes()).unwrap();
    assert_eq!(read, request());
    let (body, _) = Rig::new(settings(Format::HttpJson, Encoding::Gzip)).body();
    let text = inflated(Encoding::Gzip, &body);
    assert_eq!(
        serde_json::from_slice::<ExportLogsServiceRequest>(&text).unwrap(),
        request()
    );
}

#[test]
fn a_file_takes_one_line_a_request() {
    let mut outlet = OutletSettings::File.outlet(1);
    let mut table = ConnectionTable::new();
    let Sent::Append(line) = outlet.send(AttemptId(1), parcel(), &mut table, Instant(0)) else {
        panic!("bytes for the file");
    };
    assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
    assert!(line.ends_with(b"\n"));
    assert_eq!(
        serde_json::from_slice::<ExportLogsServiceRequest>(&line).unwrap(),
        request()
    );
    let sent = outlet.send(AttemptId(2), broken(), &mut table, Instant(0));
    assert!(matches!(sent, Sent::Unfit), "{sent:?}");
}

#[test]
fn the_console_says_as_much_as_it_is_asked_to() {
    let printed = |verbosity| {
        let mut outlet = OutletSettings::Debug(verbosity).outlet(1);
        let mut table = ConnectionTable::new();
        match outlet.send(AttemptId(1), parcel(), &mut table, Instant(0)) {
            Sent::Print(text) => text,
            other => panic!("{other:?}"),
        }
    };
    let bytes = request().encoded_len();
    let counts = format!("Logs\t{{\"log records\": 2, \"bytes\": {bytes}}}\n");
    assert_eq!(printed(Verbosity::Basic), counts);
    let normal = printed(Verbosity::Normal);
    assert_eq!(normal.lines().count(), 2);
    assert!(
        normal.starts_with(&counts) && normal.contains("\u{1F980}"),
        "{normal}"
    );
    let detailed = printed(Verbosity::Detailed);
    assert!(
        detailed.lines().count() > 5 && detailed.ends_with("}\n"),
        "{detailed}"
    );
}

#[test]
fn nothing_is_done_with_what_nobody_wants() {
    let mut outlet = OutletSettings::Nop.outlet(1);
    let sent = outlet.send(
        AttemptId(1),
        broken(),
        &mut ConnectionTable::new(),
        Instant(0),
    );
    assert!(matches!(sent, Sent::Discarded), "{sent:?}");
}

#[test]
fn a_window_lets_out_so_many_and_the_next_when_one_has_ended() {
    let mut rig = Rig::new(NetworkSettings {
        window: Some(2),
        ..settings(Format::HttpProtobuf, Encoding::Identity)
    });
    let sent: Vec<_> = (1..=4).map(|id| rig.send(id, parcel())).collect();
    assert!(matches!(sent[1], Sent::OnItsWay { .. }));
    assert!(matches!(sent[2..], [Sent::Queued, Sent::Queued]));
    assert_eq!(rig.attempts().len(), 2);
    let (id, next) = rig.outlet.next_in_window().expect("the third");
    assert_eq!(id, AttemptId(3));
    rig.send(3, next);
    let (id, _) = rig.outlet.next_in_window().expect("the fourth");
    assert_eq!(id, AttemptId(4));
    assert!(rig.outlet.next_in_window().is_none());
}

#[test]
fn what_cannot_be_json_is_unfit_and_takes_no_place_in_the_window() {
    let mut rig = Rig::new(NetworkSettings {
        window: Some(1),
        ..settings(Format::HttpJson, Encoding::Identity)
    });
    assert!(matches!(rig.send(1, broken()), Sent::Unfit));
    // Its end is told like any other's.
    assert!(rig.outlet.next_in_window().is_none());
    assert!(matches!(rig.send(2, parcel()), Sent::OnItsWay { .. }));
}
