//! The oracle against itself: senders and SDKs straight to the backend, with nothing of ours in
//! between. What these prove is that a later difference is the forwarder's.

use std::time::Duration;
use tailrace_tests::attack::{Attack, Ending};
use tailrace_tests::backend::Answer;
use tailrace_tests::interop::{self, Sdk};
use tailrace_tests::{Backend, Load, Outcome, Protocol, Sender, Signal, generate};
use tonic::Code;

const PROTOCOLS: [Protocol; 4] = [
    Protocol::Grpc,
    Protocol::HttpProtobuf,
    Protocol::HttpJson,
    Protocol::Http2Protobuf,
];

#[test]
fn every_sender_reaches_the_backend_unchanged() {
    for protocol in PROTOCOLS {
        let backend = Backend::start();
        let mut sent = Vec::new();
        for (signal, gzip) in Signal::STABLE.into_iter().zip([false, true, true]) {
            let sender = Sender::new(protocol, backend.address());
            let sender = if gzip { sender.gzip() } else { sender };
            let export = generate::request(signal, 1..24);
            sender.send_accepted(&export);
            sent.push(export);
        }
        backend.received().assert_exactly(&sent);
    }
}

#[test]
#[should_panic(expected = "1 of 10 items are lost")]
fn a_lost_item_is_noticed() {
    let backend = Backend::start();
    let sender = Sender::new(Protocol::Grpc, backend.address());
    sender.send_accepted(&generate::request(Signal::Traces, 1..10));
    backend
        .received()
        .assert_exactly(&[generate::request(Signal::Traces, 1..11)]);
}

#[test]
#[should_panic(expected = "items came more than once")]
fn a_duplicate_is_noticed() {
    let backend = Backend::start();
    let sender = Sender::new(Protocol::Grpc, backend.address());
    let export = generate::request(Signal::Logs, 1..10);
    sender.send_accepted(&export);
    sender.send_accepted(&export);
    backend.received().assert_exactly(&[export]);
}

#[test]
fn scripted_answers_reach_the_sender() {
    let backend = Backend::start();
    let export = generate::request(Signal::Traces, 1..3);
    let grpc = Sender::new(Protocol::Grpc, backend.address());
    let http = Sender::new(Protocol::HttpProtobuf, backend.address());
    let json = Sender::new(Protocol::HttpJson, backend.address());

    let partial = Answer::Partial {
        rejected: 2,
        message: "too old".to_owned(),
    };
    backend.script(|script| {
        script
            .next
            .extend([partial.clone(), partial.clone(), partial]);
    });
    for sender in [&grpc, &http, &json] {
        let told = Outcome::Accepted {
            rejected: 2,
            message: "too old".to_owned(),
        };
        assert_eq!(sender.send(&export), told);
    }

    let delay = Duration::from_millis(1500);
    backend.script(|script| {
        script.next.push_back(Answer::Grpc {
            code: Code::Unavailable,
            message: "later".to_owned(),
            retry_after: Some(delay),
        });
    });
    let told = Outcome::Grpc {
        code: Code::Unavailable,
        message: "later".to_owned(),
        retry_after: Some(delay),
    };
    assert_eq!(grpc.send(&export), told);

    backend.script(|script| {
        script.next.push_back(Answer::Http {
            status: 429,
            retry_after: Some("7".to_owned()),
        });
    });
    match http.send(&export) {
        Outcome::Http {
            status, headers, ..
        } => {
            assert_eq!(status.as_u16(), 429);
            assert_eq!(headers["retry-after"], "7");
        }
        other => panic!("a 429 was scripted, and came: {other:?}"),
    }
}

#[test]
fn size_and_poison_refuse() {
    let backend = Backend::start();
    backend.script(|script| {
        script.message_bytes_max = Some(10_000);
        script.poison.insert(5);
    });
    let grpc = Sender::new(Protocol::Grpc, backend.address());
    let code = |outcome| match outcome {
        Outcome::Grpc { code, .. } => code,
        other => panic!("a refusal was scripted, and came: {other:?}"),
    };
    let large = generate::large_span(100, 10_000);
    assert_eq!(code(grpc.send(&large)), Code::ResourceExhausted);
    let poisoned = generate::request(Signal::Traces, 4..7);
    assert_eq!(code(grpc.send(&poisoned)), Code::InvalidArgument);
    let clean = generate::request(Signal::Traces, 6..9);
    grpc.send_accepted(&clean);
    backend.received().assert_exactly(&[clean]);
}

#[test]
fn a_killed_backend_is_gone_and_comes_back() {
    let mut backend = Backend::start();
    let load = Load::start(Protocol::Grpc, backend.address(), Signal::Traces, 2, 5);
    load.wait_for_more(50);
    backend.kill();
    let sender = Sender::new(Protocol::Grpc, backend.address());
    let outcome = sender.send(&generate::request(Signal::Logs, 1..2));
    assert!(matches!(outcome, Outcome::Broken(_)), "{outcome:?}");
    backend.restart();
    load.wait_for_more(50);
    // A request that reached the backend just before the kill is not acknowledged: more may have
    // come than was acknowledged, but not less.
    let acknowledged = load.stop();
    backend.received().assert_contains(&acknowledged);
}

#[test]
fn held_answers_wait() {
    let backend = Backend::start();
    backend.hold();
    let address = backend.address();
    let sender = std::thread::spawn(move || {
        Sender::new(Protocol::HttpProtobuf, address).send(&generate::request(Signal::Logs, 1..2))
    });
    backend.wait_for_calls(1);
    assert!(!sender.is_finished());
    backend.release();
    assert!(
        sender
            .join()
            .expect("the sender did not panic")
            .is_accepted()
    );
}

#[test]
fn the_python_sdk_arrives_as_it_says() {
    for protocol in ["grpc", "http/protobuf"] {
        sdk_arrives_as_it_says(Sdk::Python, protocol);
    }
}

#[test]
fn the_node_sdk_arrives_as_it_says() {
    for protocol in ["grpc", "http/protobuf", "http/json"] {
        sdk_arrives_as_it_says(Sdk::Node, protocol);
    }
}

fn sdk_arrives_as_it_says(sdk: Sdk, protocol: &str) {
    for gzip in [false, true] {
        let backend = Backend::start();
        let Some(sent) = sdk.emit(protocol, backend.address(), gzip) else {
            return;
        };
        assert!(sent.len() > 25, "the script sent only {} items", sent.len());
        let calls = backend.calls();
        for call in &calls {
            assert_eq!(call.protocol, protocol);
            let encoding = if protocol == "grpc" {
                "grpc-encoding"
            } else {
                "content-encoding"
            };
            assert_eq!(call.header(encoding) == "gzip", gzip, "{encoding}");
        }
        let received = interop::described(calls.iter().map(|call| &call.export));
        interop::assert_same(&sent, &received);
    }
}

#[test]
fn curl_arrives() {
    let backend = Backend::start();
    for (file, path) in [
        ("traces.json", "/v1/traces"),
        ("metrics.json", "/v1/metrics"),
        ("logs.json", "/v1/logs"),
    ] {
        let url = format!("{}{path}", backend.url());
        for gzip in [false, true] {
            let Some((status, body)) = interop::curl(file, &url, gzip) else {
                return;
            };
            assert_eq!(status, 200, "{body}");
        }
    }
    assert_eq!(backend.received().ids(Signal::Traces).len(), 1);
    assert_eq!(backend.call_count(), 6);
}

/// hyper's server has defences of its own against these: that they spring shows that the frames
/// are what they are meant to be.
#[test]
fn attacks_reach_their_victim() {
    for attack in [
        Attack::RapidReset,
        Attack::MadeYouReset,
        Attack::ContinuationFlood,
        Attack::HeaderBomb,
        Attack::EmptyDataFlood,
    ] {
        let backend = Backend::start();
        let ending = attack.run(backend.address(), 20_000);
        assert!(
            matches!(ending, Ending::Closed { .. }),
            "{attack:?}: {ending:?}"
        );
    }
    // These it answers or ignores for as long as they come.
    for attack in [
        Attack::SettingsFlood,
        Attack::PingFlood,
        Attack::PriorityFlood,
        Attack::UnknownFlood,
    ] {
        let backend = Backend::start();
        let ending = attack.run(backend.address(), 2_000);
        assert_eq!(ending, Ending::Open, "{attack:?}");
    }
}
