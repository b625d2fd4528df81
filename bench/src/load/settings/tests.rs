use super::*;

const WHOLE: &str = "
endpoint: 127.0.0.1:4317
protocol: http/protobuf
http: 1.1
compression: gzip
connections: 8
signal: logs
items: 50
seed: 7
timeout: 1.5s
retry: 30s
phases:
  - {ramp: {from: 0/s, to: 50k/s}, duration: 10s}
  - {name: busy, steady: 1000req/s, duration: 1m, arrivals: poisson}
  - {burst: {requests: 20, every: 500ms}, duration: 5s}
  - {pause: 5s}
  - {steady: max}
";

#[test]
fn a_scenario_becomes_a_plan() {
    let settings = Settings::read(WHOLE, "scenario.yaml").expect("it is valid");
    let plan = settings.plan().expect("it goes together");
    assert_eq!(plan.wire.protocol, Protocol::HttpProtobuf);
    assert_eq!(
        (plan.wire.version, plan.wire.encoding),
        (Version::Http1, Encoding::Gzip)
    );
    assert_eq!((plan.connections, plan.streams), (8, 1));
    assert_eq!(
        (plan.spec.signal, plan.spec.items, plan.seed()),
        (Signal::Logs, 50, 7)
    );
    assert_eq!(plan.timeout, Duration::from_millis(1500));
    assert_eq!(
        plan.retry.expect("asked for").give_up_after,
        Duration::from_secs(30)
    );
    let shapes: Vec<_> = plan.phases.iter().map(|phase| phase.shape).collect();
    let expected = [
        Shape::Ramp {
            from: 0.0,
            to: 1000.0,
            spacing: Spacing::Constant,
        },
        Shape::steady(1000.0, Spacing::Poisson),
        Shape::Burst {
            requests: 20,
            every: Duration::from_millis(500),
        },
        Shape::Pause,
        Shape::Max,
    ];
    assert_eq!(shapes, expected);
    let seconds: Vec<_> = plan
        .phases
        .iter()
        .map(|phase| phase.duration.as_secs())
        .collect();
    assert_eq!(seconds, [10, 60, 5, 5, 10]);
    let names: Vec<_> = plan.phases.iter().map(|phase| &*phase.name).collect();
    assert_eq!(
        names[..3],
        ["ramp 0/s to 50000/s", "busy", "burst of 20 every 500ms"]
    );
}

#[test]
fn the_documented_scenario_is_one() {
    let page = include_str!("../../../../docs/load.md");
    let (_, rest) = page.split_once("```yaml\n").expect("a scenario");
    let (scenario, _) = rest.split_once("```").expect("its end");
    let settings = Settings::read(scenario, "load.md").expect("it is valid");
    assert_eq!(settings.plan().expect("it goes together").phases.len(), 4);
}

#[test]
fn every_fault_of_a_scenario_has_its_path() {
    let text = "
streems: 4
protocol: htp
phases:
  - {stedy: 5/s}
  - {steady: fast, duration: 5}
  - {steady: max, pause: 1s}
  - {ramp: {from: 1/s}}
  - {ramp: {from: 1/s, to: max}}
  - {burst: {every: 0s}}
";
    let faults = Settings::read(text, "s.yaml")
        .expect_err("it has faults")
        .to_string();
    for expected in [
        "s.yaml:2:1: streems: unknown key; did you mean \"streams\"?",
        "protocol: expected one of grpc, http/protobuf, http/json, found text \"htp\"",
        "phases.0.stedy: unknown key; did you mean \"steady\"?",
        "phases.0: a phase is one of steady, ramp, burst and pause",
        "phases.1.steady: expected a rate such as 50000/s (items), 500req/s (requests) or max",
        "phases.1.duration: expected a duration such as 5s",
        "phases.2: a phase is one of",
        "phases.3.ramp: a ramp needs from and to",
        "phases.4.ramp.to: expected a rate",
        "phases.5.burst: bursts cannot follow one another every 0s",
    ] {
        assert!(
            faults.contains(expected),
            "{expected}\n\nis not in\n\n{faults}"
        );
    }
}

#[test]
fn flags_win_over_the_file() {
    let file = Settings::read(WHOLE, "scenario.yaml").expect("it is valid");
    let flags = Settings {
        items: Some(3),
        ..Settings::default()
    };
    let both = flags.or(file);
    assert_eq!((both.items, both.seed), (Some(3), Some(7)));
    let rate = Settings {
        rate: Some(Rate::Max),
        ..both
    };
    assert_eq!(
        rate.plan().expect_err("twice"),
        SettingsError::RateAndPhases
    );
}

#[test]
fn what_does_not_go_together_is_refused() {
    let endpoint = Some("127.0.0.1:1".to_owned());
    let base = Settings {
        endpoint,
        ..Settings::default()
    };
    assert_eq!(base.plan().expect("defaults").phases[0].shape, Shape::Max);
    let grpc = Settings {
        http: Some(Version::Http1),
        ..base.clone()
    };
    assert_eq!(
        grpc.plan().expect_err("HTTP/1.1"),
        SettingsError::GrpcOverHttp1
    );
    let streams = Settings {
        protocol: Some(Protocol::HttpJson),
        streams: Some(4),
        ..grpc
    };
    let expected = SettingsError::StreamsOverHttp1 { streams: 4 };
    assert_eq!(streams.plan().expect_err("one at a time"), expected);
    let mix = Settings {
        signal: Some(Signal::Logs),
        mix: Some(Mix::Minimal),
        ..base.clone()
    };
    let error = mix.plan().expect_err("spans").to_string();
    assert_eq!(error, "the mix minimal has no logs");
    let many = Settings {
        connections: Some(1 << 20),
        ..base
    };
    assert!(matches!(
        many.plan(),
        Err(SettingsError::TooManyPlaces { .. })
    ));
    assert_eq!(
        Settings::default().plan().expect_err("none"),
        SettingsError::NoEndpoint
    );
}
