use super::*;
use crate::exchange::{GrpcReply, HttpReply};
use crate::units::{ConnectionId, ListenerId};
use ::http::{HeaderName, HeaderValue, Method, Request, StatusCode};
use proptest::prelude::*;
use tailrace_codec::grpc::Code;

const PATHS: [(&str, Signal); 4] = [
    ("/v1/traces", Signal::Traces),
    ("/v1/metrics", Signal::Metrics),
    ("/v1/logs", Signal::Logs),
    ("/v1development/profiles", Signal::Profiles),
];

const CALLS: [(&str, Signal); 4] = [
    (
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        Signal::Traces,
    ),
    (
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        Signal::Metrics,
    ),
    (
        "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        Signal::Logs,
    ),
    (
        "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export",
        Signal::Profiles,
    ),
];

fn receiver(protocol: Protocol) -> Receiver {
    Receiver {
        protocol,
        signals: Signal::ALL.into_iter().collect(),
        message_max: 1 << 20,
        metadata_keys: MetadataKeys::default(),
    }
}

fn grpc_receiver() -> Receiver {
    receiver(Protocol::Grpc)
}

fn http_settings() -> HttpReceiver {
    HttpReceiver {
        paths: Paths::default(),
        cors: None,
        response_headers: HeaderMap::new(),
    }
}

fn http_receiver() -> Receiver {
    receiver(Protocol::Http(Box::new(http_settings())))
}

fn admit_request(
    method: Method,
    path: &str,
    headers: &[(&'static str, &'static str)],
    receiver: &Receiver,
) -> Result<Ingress, Box<Reply>> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let parts = request.body(()).unwrap().into_parts().0;
    let (listener, connection) = (ListenerId(0), ConnectionId(0));
    admit(
        &RequestHead {
            listener,
            connection,
            parts: &parts,
        },
        receiver,
    )
}

fn call(path: &str, headers: &[(&'static str, &'static str)]) -> Result<Ingress, Box<Reply>> {
    admit_request(Method::POST, path, headers, &grpc_receiver())
}

fn post(path: &str, headers: &[(&'static str, &'static str)]) -> Result<Ingress, Box<Reply>> {
    admit_request(Method::POST, path, headers, &http_receiver())
}

fn http_error(result: Result<Ingress, Box<Reply>>) -> HttpReply {
    match *result.expect_err("refused") {
        Reply::Http(reply) => reply,
        reply => panic!("{reply:?}"),
    }
}

fn grpc_error(result: Result<Ingress, Box<Reply>>) -> GrpcReply {
    match *result.expect_err("refused") {
        Reply::Grpc(reply) => reply,
        reply => panic!("{reply:?}"),
    }
}

const GRPC: (&str, &str) = ("content-type", "application/grpc");
const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8");

#[test]
fn every_grpc_path() {
    for (path, signal) in CALLS {
        let ingress = call(path, &[GRPC, ("grpc-encoding", "gzip"), ("te", "trailers")]).unwrap();
        assert_eq!(ingress.signal, signal);
        assert_eq!(ingress.encoding, Encoding::Gzip);
        assert_eq!(
            (ingress.framing, ingress.content),
            (Framing::Grpc, Content::Protobuf)
        );
        assert!(ingress.metadata.is_none() && ingress.timeout.is_none());
    }
}

#[test]
fn what_is_not_served_is_unimplemented() {
    let table = [
        (
            "/opentelemetry.proto.collector.trace.v1.TraceService/Import",
            "unknown method Import",
        ),
        (
            "/grpc.health.v1.Health/Check",
            "unknown service grpc.health.v1.Health",
        ),
        ("/Export", "malformed method name"),
        ("/", "malformed method name"),
    ];
    for (path, message) in table {
        let reply = grpc_error(call(path, &[GRPC]));
        assert_eq!(reply.code, Code::Unimplemented, "{path}");
        assert!(
            reply.message.starts_with(message),
            "{path}: {}",
            reply.message
        );
    }
    for (path, signal) in CALLS {
        let signals = Signal::ALL
            .into_iter()
            .filter(|&other| other != signal)
            .collect();
        let receiver = Receiver {
            signals,
            ..grpc_receiver()
        };
        let reply = grpc_error(admit_request(Method::POST, path, &[GRPC], &receiver));
        assert_eq!(
            reply.code,
            Code::Unimplemented,
            "a signal without a pipeline: {path}"
        );
    }
}

#[test]
fn what_is_not_grpc_is_answered_in_http() {
    let path = CALLS[0].0;
    for content_type in [&[][..], &[("content-type", "application/json")]] {
        let reply = http_error(call(path, content_type));
        assert_eq!(reply.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let reply = http_error(admit_request(Method::GET, path, &[GRPC], &grpc_receiver()));
    assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(reply.headers["allow"], "POST");
}

#[test]
fn an_unknown_grpc_encoding_is_told_what_is_known() {
    let reply = http_error(call(CALLS[0].0, &[GRPC, ("grpc-encoding", "lz4")]));
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.headers["grpc-status"], "12");
    assert!(
        reply.headers["grpc-accept-encoding"]
            .to_str()
            .unwrap()
            .contains("gzip")
    );
    assert_eq!(reply.headers["content-type"], "application/grpc");
    assert!(reply.body.is_empty());
}

#[test]
fn every_encoding_is_announced() {
    let http: Vec<&str> = Encoding::ALL.iter().map(|e| e.content_encoding()).collect();
    assert_eq!(http::ACCEPTED_ENCODINGS, http.join(", "));
    let mut grpc: Vec<&str> = grpc::ACCEPTED_ENCODINGS.split(',').collect();
    let mut known: Vec<&str> = Encoding::ALL
        .iter()
        .filter_map(|e| e.grpc_encoding())
        .collect();
    grpc.sort_unstable();
    known.sort_unstable();
    assert_eq!(grpc, known);
}

#[test]
fn grpc_timeouts() {
    let with = |value| call(CALLS[0].0, &[GRPC, ("grpc-timeout", value)]);
    assert_eq!(with("10S").unwrap().timeout, Some(Duration::from_secs(10)));
    assert_eq!(grpc_error(with("soon")).code, Code::Internal);
}

#[test]
fn every_http_path() {
    for (path, signal) in PATHS {
        let ingress = post(path, &[PROTOBUF, ("content-encoding", "zstd")]).unwrap();
        assert_eq!(
            (ingress.signal, ingress.content),
            (signal, Content::Protobuf)
        );
        assert_eq!(
            (ingress.encoding, ingress.framing),
            (Encoding::Zstd, Framing::Plain)
        );
        let json = post(path, &[JSON]).map(|ingress| ingress.content);
        if signal == Signal::Profiles {
            assert_eq!(json.map_err(|reply| *reply).unwrap_err().status(), 415);
        } else {
            assert_eq!(json.unwrap(), Content::Json);
        }
    }
    assert!(post("/v1/traces?query=ignored", &[PROTOBUF]).is_ok());
}

#[test]
fn configured_paths_take_the_place_of_the_usual_ones() {
    let paths = Paths {
        traces: "/in".into(),
        ..Paths::default()
    };
    let receiver = receiver(Protocol::Http(Box::new(HttpReceiver {
        paths,
        ..http_settings()
    })));
    let status = |path| {
        admit_request(Method::POST, path, &[PROTOBUF], &receiver).map_err(|reply| reply.status())
    };
    assert!(status("/in").is_ok());
    assert_eq!(status("/v1/traces").unwrap_err(), 404);
}

#[test]
fn http_refusals_by_header() {
    type Row = (
        Method,
        &'static str,
        &'static [(&'static str, &'static str)],
        u16,
    );
    let table: [Row; 13] = [
        (Method::POST, "/v1/trace", &[PROTOBUF], 404),
        (Method::POST, "/v1/traces/", &[PROTOBUF], 404),
        (Method::POST, "/", &[PROTOBUF], 404),
        (Method::GET, "/v1/traces", &[PROTOBUF], 405),
        (Method::PUT, "/v1/traces", &[PROTOBUF], 405),
        (
            Method::OPTIONS,
            "/v1/traces",
            &[("access-control-request-method", "POST")],
            405,
        ),
        (Method::POST, "/v1/traces", &[], 415),
        (Method::POST, "/v1/traces", &[("content-type", "")], 415),
        (
            Method::POST,
            "/v1/traces",
            &[("content-type", "text/plain")],
            415,
        ),
        (
            Method::POST,
            "/v1/traces",
            &[("content-type", "application/grpc")],
            415,
        ),
        (
            Method::POST,
            "/v1/traces",
            &[PROTOBUF, ("content-encoding", "br")],
            415,
        ),
        (
            Method::POST,
            "/v1/traces",
            &[JSON, ("content-encoding", "gzip, gzip")],
            415,
        ),
        (
            Method::POST,
            "/v1/traces",
            &[PROTOBUF, ("content-length", "1048577")],
            413,
        ),
    ];
    for (method, path, headers, status) in table {
        let reply = http_error(admit_request(
            method.clone(),
            path,
            headers,
            &http_receiver(),
        ));
        assert_eq!(reply.status, status, "{method} {path} {headers:?}");
        if status == 405 {
            assert_eq!(reply.headers["allow"], "POST");
        }
    }
    assert!(post("/v1/traces", &[PROTOBUF, ("content-length", "1048576")]).is_ok());
    let reply = http_error(post("/v1/traces", &[PROTOBUF, ("content-encoding", "br")]));
    assert_eq!(reply.headers["accept-encoding"], http::ACCEPTED_ENCODINGS);
    assert_eq!(reply.headers["content-type"], "application/x-protobuf");
}

#[test]
fn a_signal_without_a_pipeline_is_not_found() {
    let receiver = Receiver {
        signals: Signals::default().with(Signal::Logs),
        ..http_receiver()
    };
    for (path, signal) in PATHS {
        let found = admit_request(Method::POST, path, &[PROTOBUF], &receiver);
        assert_eq!(found.is_ok(), signal == Signal::Logs);
        if let Err(reply) = found {
            assert_eq!(reply.status(), 404);
        }
    }
}

fn cors_receiver() -> Receiver {
    let rule = CorsRule {
        allowed_origins: vec!["https://*.example".into()],
        exposed_headers: vec![HeaderName::from_static("x-seen")],
        ..CorsRule::default()
    };
    let mut response_headers = HeaderMap::new();
    response_headers.insert("x-served-by", HeaderValue::from_static("us"));
    receiver(Protocol::Http(Box::new(HttpReceiver {
        cors: Cors::new(&rule),
        response_headers,
        ..http_settings()
    })))
}

#[test]
fn a_preflight_is_answered_on_any_path() {
    let headers = [
        ("origin", "https://app.example"),
        ("access-control-request-method", "POST"),
    ];
    let reply = http_error(admit_request(
        Method::OPTIONS,
        "/anywhere",
        &headers,
        &cors_receiver(),
    ));
    assert_eq!(reply.status, StatusCode::NO_CONTENT);
    assert_eq!(
        reply.headers["access-control-allow-origin"],
        "https://app.example"
    );
    assert_eq!(reply.headers["x-served-by"], "us");
}

#[test]
fn real_answers_carry_what_the_browser_needs() {
    let origin = ("origin", "https://app.example");
    let receiver = cors_receiver();
    let ingress = admit_request(Method::POST, "/v1/logs", &[origin, JSON], &receiver).unwrap();
    let replies = [
        ingress.reply.success(Outcome::Accepted),
        ingress.reply.refusal(&Refusal::Full {
            retry_after: Duration::from_secs(2),
        }),
        *admit_request(Method::POST, "/v1/nothing", &[origin, JSON], &receiver).unwrap_err(),
        *admit_request(Method::POST, "/v1/logs", &[origin], &receiver).unwrap_err(),
    ];
    for reply in replies {
        let Reply::Http(reply) = reply else {
            panic!("not HTTP")
        };
        assert_eq!(
            reply.headers["access-control-allow-origin"],
            "https://app.example"
        );
        assert_eq!(reply.headers["access-control-allow-credentials"], "true");
        assert_eq!(reply.headers["access-control-expose-headers"], "x-seen");
        assert_eq!(reply.headers["vary"], "Origin");
        assert_eq!(reply.headers["x-served-by"], "us");
        assert_eq!(reply.headers.get_all("content-type").iter().count(), 1);
    }
}

#[test]
fn metadata_is_kept_where_it_is_asked_for() {
    let metadata_keys = [HeaderName::from_static("x-tenant")].into_iter().collect();
    for (receiver, path, media) in [
        (grpc_receiver(), CALLS[0].0, GRPC),
        (http_receiver(), "/v1/traces", PROTOBUF),
    ] {
        let receiver = Receiver {
            metadata_keys: MetadataKeys::clone(&metadata_keys),
            ..receiver
        };
        let headers = [media, ("x-tenant", "a"), ("x-other", "b")];
        let ingress = admit_request(Method::POST, path, &headers, &receiver).unwrap();
        let metadata = ingress.metadata.unwrap();
        assert_eq!(metadata.len(), 1);
        assert_eq!(
            (&*metadata[0].0, &*metadata[0].1),
            ("x-tenant", &[Box::from("a")][..])
        );
    }
}

trait Status {
    fn status(&self) -> u16;
}

impl Status for Reply {
    fn status(&self) -> u16 {
        match self {
            Self::Http(reply) => reply.status.as_u16(),
            other => panic!("{other:?}"),
        }
    }
}

fn header_name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "content-type",
        "content-encoding",
        "content-length",
        "grpc-encoding",
        "grpc-timeout",
        "origin",
        "access-control-request-method",
        "access-control-request-headers",
        "x-tenant",
        "te",
    ])
}

fn header_value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        prop::sample::select(vec![
            b"application/grpc".to_vec(),
            b"application/x-protobuf".to_vec(),
            b"application/json".to_vec(),
            b"gzip".to_vec(),
            b"POST".to_vec(),
            b"https://app.example".to_vec(),
            b"99999999H".to_vec(),
            b"18446744073709551616".to_vec(),
        ]),
    ]
}

proptest! {
    #[test]
    fn no_header_map_panics(
        method in prop::sample::select(vec![Method::POST, Method::GET, Method::OPTIONS]),
        path in prop_oneof![
            prop::sample::select(
                PATHS.iter().chain(&CALLS).map(|(path, _)| path.to_string()).collect::<Vec<_>>()
            ),
            "/[!-~&&[^?#]]{0,30}",
        ],
        headers in prop::collection::vec((header_name(), header_value()), 0..12),
    ) {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                request = request.header(name, value);
            }
        }
        let Ok(request) = request.body(()) else { return Ok(()) };
        let parts = request.into_parts().0;
        let head =
            RequestHead { listener: ListenerId(0), connection: ConnectionId(0), parts: &parts };
        let metadata_keys: MetadataKeys = [HeaderName::from_static("x-tenant")].into_iter().collect();
        for receiver in [grpc_receiver(), http_receiver(), cors_receiver()] {
            let receiver = Receiver { metadata_keys: metadata_keys.clone(), ..receiver };
            if let Err(reply) = admit(&head, &receiver)
                && let Reply::Http(reply) = *reply
            {
                prop_assert!(reply.status != StatusCode::INTERNAL_SERVER_ERROR);
            }
        }
    }
}
