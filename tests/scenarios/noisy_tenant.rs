//! A tenant far over its quota is refused, its neighbour is not; on several shards the quota is the
//! process's.

use super::TAILRACE;
use serde_json::json;
use std::time::{Duration, Instant};
use tailrace_tests::{
    Backend, Config, Forwarder, Protocol, Runtime, Sender, Signal, generate, on_each_runtime, wait,
};

on_each_runtime!(
    who_is_over_its_quota_is_refused_and_its_neighbour_is_not,
    a_quota_is_the_processes_however_many_shards_it_has,
);

fn config(backend: &Backend) -> Config {
    let quota = json!({ "rate_limit": { "items_per_second": 100, "burst": "1s" } });
    let tenants = json!({ "from_metadata": "x-tenant", "default": quota });
    Config::to_grpc(backend.address()).set("service/tailrace", json!({ "tenants": tenants }))
}

fn who_is_over_its_quota_is_refused_and_its_neighbour_is_not(runtime: Runtime) {
    let backend = Backend::start();
    let forwarder = Forwarder::start_with(TAILRACE, runtime, &config(&backend), &["--shards", "1"]);
    let noisy = Sender::new(Protocol::Grpc, forwarder.grpc()).header("x-tenant", "noisy");
    let quiet = Sender::new(Protocol::Grpc, forwarder.grpc()).header("x-tenant", "quiet");
    let mut refused = None;
    for request in 0..100 {
        let export = generate::request(Signal::Logs, 1000 + request * 10..1010 + request * 10);
        let answer = noisy.send(&export);
        if !answer.is_accepted() {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("a thousand items at once are over a hundred a second");
    let said = format!("{refused:?}");
    assert!(
        said.contains("items_per_second of tenant \\\"noisy\\\" is spent"),
        "{said}"
    );
    let exports: Vec<_> = (0..5)
        .map(|request| generate::request(Signal::Logs, 1 + request * 10..11 + request * 10))
        .collect();
    for export in &exports {
        quiet.send_accepted(export);
    }
    let quiet_items = ["tenant=\"quiet\""];
    forwarder.wait_for_metric("otelcol_tenant_accepted_items", &quiet_items, 50.0);
    let labels = ["tenant=\"noisy\"", "quota=\"items_per_second\""];
    let counted = forwarder.metric("otelcol_tenant_refused_requests", &labels);
    assert!(
        counted.is_some_and(|requests| requests >= 1.0),
        "{counted:?}"
    );
    forwarder.assert_accounted();
    forwarder.stop();
}

fn a_quota_is_the_processes_however_many_shards_it_has(runtime: Runtime) {
    let backend = Backend::start();
    let forwarder = Forwarder::start_with(TAILRACE, runtime, &config(&backend), &["--shards", "3"]);
    // One connection, so one shard, asks for all of it.
    let sender = Sender::new(Protocol::Grpc, forwarder.grpc()).header("x-tenant", "a");
    let began = Instant::now();
    let mut accepted: Vec<Instant> = Vec::new();
    let mut next = 1;
    let a_second_at_twice_an_even_share = |accepted: &[Instant]| {
        let of_late = accepted.iter().rev();
        let of_late = of_late.take_while(|at| at.elapsed() < Duration::from_secs(1));
        5 * of_late.count() > 66
    };
    wait::until_true("one shard has nearly all of the quota", || {
        if sender
            .send(&generate::request(Signal::Logs, next..next + 5))
            .is_accepted()
        {
            accepted.push(Instant::now());
        }
        next += 5;
        began.elapsed() > Duration::from_secs(2) && a_second_at_twice_an_even_share(&accepted)
    });
    // Over the quota, its burst and an exchange nothing may pass.
    let seconds = began.elapsed().as_secs_f64();
    let most = 100.0 * (seconds + 1.0 + 0.2) + 5.0;
    let items = 5 * accepted.len();
    assert!(items as f64 <= most, "{items} of {most}");
    forwarder.assert_accounted();
    forwarder.stop();
}
