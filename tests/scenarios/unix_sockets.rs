//! Unix sockets on both sides: one forwarder sends to another that listens on them.

use super::TAILRACE;
use serde_json::json;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use tailrace_tests::forwarder::Folder;
use tailrace_tests::{
    Backend, Config, Export, Forwarder, Outcome, Protocol, Runtime, Sender, Signal, generate,
    on_each_runtime,
};

on_each_runtime!(grpc_and_http_pass_over_files);

fn grpc_and_http_pass_over_files(runtime: Runtime) {
    let backend = Backend::start();
    let folder = Folder::create();
    let grpc_path = folder.path("grpc.sock").display().to_string();
    let http_path = folder.path("http.sock").display().to_string();
    let listening = json!({
        "grpc": { "endpoint": grpc_path, "transport": "unix" },
        "http": { "endpoint": http_path, "transport": "unix" },
    });
    let inner = Config::to_grpc(backend.address()).set("receivers/otlp/protocols", listening);
    let inner = Forwarder::start(TAILRACE, runtime, &inner);
    let outer = |id: &str, path: &str| {
        let endpoint = json!({ "endpoint": format!("unix://{path}") });
        Forwarder::start(TAILRACE, runtime, &Config::new().exporter(id, endpoint))
    };
    let over_grpc = outer("otlp_grpc", &grpc_path);
    let requests: Vec<Export> = (0..40)
        .map(|n| generate::request(Signal::Traces, 1 + n * 10..11 + n * 10))
        .collect();
    let outcomes = Sender::new(Protocol::Grpc, over_grpc.grpc()).send_all(&requests, 8);
    assert!(outcomes.iter().all(Outcome::is_accepted), "{outcomes:?}");
    over_grpc.stop();
    let over_http = generate::request(Signal::Logs, 1..11);
    let answer = post(&http_path, &over_http);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    inner.stop();
    let sent: Vec<Export> = requests.into_iter().chain([over_http]).collect();
    backend.received().assert_exactly(&sent);
    assert!(
        !std::path::Path::new(&grpc_path).exists(),
        "the socket file is removed"
    );
}

/// One HTTP/1.1 request; everything that comes back.
fn post(path: &str, export: &Export) -> String {
    let body = export.encode_protobuf();
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/x-protobuf\r\ncontent-length: {}\r\n\r\n",
        export.signal().http_path(),
        body.len(),
    );
    let mut socket = UnixStream::connect(path).expect("somebody listens");
    socket.write_all(head.as_bytes()).expect("a whole head");
    socket.write_all(&body).expect("a whole body");
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).expect("an answer");
    String::from_utf8_lossy(&answer).into_owned()
}
