//! Logs and health are told where, how and as much as the file says.

use super::TAILRACE;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use tailrace_tests::forwarder::Folder;
use tailrace_tests::{Config, Forwarder, Runtime};

/// With a key that is warned of at start.
fn warned_of() -> Config {
    Config::new()
        .exporter("nop", Value::Null)
        .set("service/telemetry/metrics/level", json!("detailed"))
}

const WARNED_OF: &str = "service.telemetry.metrics.level";

#[test]
fn logs() {
    let folder = Folder::create();
    let path = folder.path("own.log");
    let logged = |logs: Value| {
        let config = warned_of().set("service/telemetry/logs", logs);
        Forwarder::start(TAILRACE, Runtime::Epoll, &config).stop()
    };
    let text = logged(json!({ "level": "info" }));
    assert!(text.contains("INFO") && text.contains(WARNED_OF), "{text}");

    let text = logged(json!({ "level": "error" }));
    assert!(!text.contains("INFO") && !text.contains("WARN"), "{text}");

    let file = json!({
        "level": "warn",
        "encoding": "json",
        "output_paths": [path.display().to_string()],
    });
    let text = logged(file);
    assert!(!text.contains(WARNED_OF), "{text}");
    let lines = std::fs::read_to_string(&path).expect("the log");
    let parsed = lines.lines().map(serde_json::from_str::<Value>);
    let parsed: Vec<_> = parsed.map(|line| line.expect("JSON")).collect();
    assert!(parsed.iter().all(|line| line["level"] == "WARN"), "{lines}");
    let named = |line: &Value| {
        line["message"]
            .as_str()
            .is_some_and(|text| text.contains(WARNED_OF))
    };
    assert!(parsed.iter().any(named), "{lines}");
}

#[test]
fn health() {
    let folder = Folder::create();
    let socket = folder.path("health.sock");
    let bodies = json!({ "healthy": "up and well", "unhealthy": "down" });
    let checked = |keys: Value| {
        let config = warned_of().set("extensions/health_check", keys);
        Forwarder::start(TAILRACE, Runtime::Epoll, &config)
    };
    let over_tcp = checked(json!({
        "endpoint": "127.0.0.1:0",
        "path": "/healthz",
        "response_body": bodies,
    }));
    let address = over_tcp.address("health_check", "http");
    let connect = || TcpStream::connect(address).expect("a connection");
    let answer = get(connect(), "/healthz");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.ends_with("up and well"), "{answer}");
    let elsewhere = get(connect(), "/");
    assert!(elsewhere.starts_with("HTTP/1.1 404"), "{elsewhere}");
    over_tcp.stop();

    let endpoint = socket.display().to_string();
    let over_file = checked(json!({ "endpoint": endpoint, "transport": "unix" }));
    let answer = get(UnixStream::connect(&socket).expect("a connection"), "/");
    assert!(answer.contains("Server available"), "{answer}");
    over_file.stop();
}

/// One HTTP/1.1 request; everything that comes back.
fn get(mut stream: impl Read + Write, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it is taken");
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .expect("an answer in text");
    answer
}
