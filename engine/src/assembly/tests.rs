//! What shards are told of a file.

mod wiring;

use super::*;
use crate::config::{Inputs, ProcessEnvironment, load};
use crate::egress::outlet::NetworkSettings;
use crate::units::{ByteCount, ShardId};

const LIMITS: ShardLimits = ShardLimits {
    credit: ByteCount::mib(64),
    credit_high: ByteCount::mib(48),
    lane: ByteCount::mib(8),
    receive: ByteCount::mib(12),
    connections_max: 100,
};

/// One exporter behind a pipeline of each signal given.
fn assembled(exporter: &str, signals: &[&str], shards: usize) -> Assembly {
    let id = exporter.split(':').next().expect("an id");
    let pipeline = |signal: &&str| format!("{signal}: {{receivers: [otlp], exporters: [{id}]}}");
    let pipelines: Vec<_> = signals.iter().map(pipeline).collect();
    let text = format!(
        "yaml:receivers: {{otlp: {{protocols: {{grpc: }}}}}}\nexporters: {{{exporter}}}\n\
         service: {{pipelines: {{{}}}}}",
        pipelines.join(", ")
    );
    let inputs = Inputs {
        configs: vec![text],
        sets: Vec::new(),
    };
    let loaded = load(&inputs, &ProcessEnvironment).expect("a valid file");
    assemble(&loaded.config, shards, &LIMITS)
}

fn slots(assembly: &Assembly, lane: usize) -> Vec<usize> {
    let pipelines = assembly.pipelines.iter();
    pipelines
        .map(|pipeline| pipeline.lanes[lane].slots)
        .collect()
}

fn network(assembly: &Assembly, lane: usize) -> Vec<NetworkSettings> {
    let pipelines = assembly.pipelines.iter();
    let settings = pipelines.map(|pipeline| match &pipeline.outlets[lane] {
        OutletSettings::Network(settings) => NetworkSettings::clone(settings),
        other => panic!("{other:?}"),
    });
    settings.collect()
}

fn connections(assembly: &Assembly, lane: usize) -> Vec<usize> {
    let settings = network(assembly, lane).into_iter();
    settings
        .map(|settings| settings.destination.connections_max)
        .collect()
}

#[test]
fn consumers_connections_and_queues_are_totals_of_the_process() {
    let exporter = "otlp: {endpoint: 'http://h:1', sending_queue: {queue_size: 1001}}";
    let assembly = assembled(exporter, &["traces", "logs"], 4);
    // Ten consumers by default, and a connection for each; the remainder is not always the first
    // shard's.
    assert_eq!(slots(&assembly, 0), [3, 3, 2, 2]);
    assert_eq!(slots(&assembly, 1), [3, 2, 2, 3]);
    assert_eq!(connections(&assembly, 0), slots(&assembly, 0));
    assert_eq!(connections(&assembly, 1), slots(&assembly, 1));
    let pipelines = assembly.pipelines.iter();
    let queues = pipelines.map(|pipeline| pipeline.lanes[0].queue.max);
    assert!(queues.eq([251, 250, 250, 250]));
    assert!(assembly.pipelines.iter().all(|p| p.homes == [None, None]));
}

#[test]
fn fewer_consumers_than_shards_send_from_a_home() {
    let exporter = "otlp: {endpoint: 'http://h:1', sending_queue: {num_consumers: 3}}";
    let assembly = assembled(exporter, &["traces", "logs"], 4);
    for (lane, home) in [(0, 0), (1, 1)] {
        for (shard, settings) in (0..).zip(network(&assembly, lane)) {
            assert_eq!(settings.window, Some(3));
            let here = if shard == home { 3 } else { 0 };
            assert_eq!(settings.destination.connections_max, here);
        }
        let homes = assembly.pipelines.iter().map(|p| p.homes[lane]);
        assert!(homes.eq([Some(ShardId(home)); 4]));
    }
    assert_eq!(slots(&assembly, 0), [1; 4], "each shard may hand one over");
}

#[test]
fn fewer_connections_than_shards_are_not_one_for_each() {
    let exporter = "otlp: {endpoint: 'http://h:1', tailrace: {connections_max: 2}}";
    let assembly = assembled(exporter, &["traces"], 4);
    assert_eq!(connections(&assembly, 0), [2, 0, 0, 0]);
    assert_eq!(network(&assembly, 0)[0].window, Some(10));
}

#[test]
fn without_a_queue_nothing_bounds_the_batches_but_memory() {
    let exporter = "otlp: {endpoint: 'http://h:1', sending_queue: {enabled: false}}";
    let assembly = assembled(exporter, &["traces"], 2);
    let total: usize = slots(&assembly, 0).iter().sum();
    assert_eq!(total, u32::MAX as usize);
    assert_eq!(connections(&assembly, 0), [50, 50]);
}

#[test]
fn files_and_the_console_are_written_by_one_shard_that_can_take_what_all_send() {
    // All that is written to one file is written by one shard.
    for (exporter, second) in [("file: {path: /dev/null}", 0), ("debug: ", 1)] {
        let assembly = assembled(exporter, &["traces", "logs"], 3);
        assert_eq!(
            assembly.pipelines[2].homes,
            [Some(ShardId(0)), Some(ShardId(second))]
        );
        let total: usize = slots(&assembly, 0).iter().sum();
        assert_eq!(total, 64);
    }
}

#[test]
fn a_queue_of_one_has_room_for_one_in_each_shard() {
    let exporter = "otlp: {endpoint: 'http://h:1', sending_queue: {queue_size: 1}}";
    let assembly = assembled(exporter, &["traces"], 2);
    assert!(assembly.pipelines.iter().all(|p| p.lanes[0].queue.max == 1));
}

#[test]
fn profiles_are_never_merged() {
    let exporter = "otlp: {endpoint: 'http://h:1', sending_queue: {batch: {}}}";
    let assembly = assembled(exporter, &["traces", "profiles"], 1);
    let lanes = &assembly.pipelines[0].lanes;
    assert!(lanes[0].batching.is_some());
    assert!(lanes[1].batching.is_none());
}

#[test]
fn heads_say_what_the_body_is() {
    let grpc = assembled(
        "otlp: {endpoint: 'http://h:1', compression: snappy}",
        &["metrics"],
        1,
    );
    let settings = &network(&grpc, 0)[0];
    assert_eq!(
        settings.endpoints[0].uri.path(),
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
    );
    assert_eq!(settings.endpoints[0].headers["te"], "trailers");
    assert_eq!(settings.endpoints[0].headers["grpc-encoding"], "snappy");
    assert_eq!(
        settings.encoding,
        tailrace_codec::compress::Encoding::SnappyFramed
    );
    let http = "otlphttp: {endpoint: 'http://h:1/base', encoding: json, compression: none, headers: {x-key: secret}}";
    let settings = &network(&assembled(http, &["logs"], 1), 0)[0];
    assert_eq!(settings.endpoints[0].uri.path(), "/base/v1/logs");
    assert_eq!(
        settings.endpoints[0].headers["content-type"],
        "application/json"
    );
    assert!(
        !settings.endpoints[0]
            .headers
            .contains_key("content-encoding")
    );
    assert!(settings.endpoints[0].headers["x-key"].is_sensitive());
    assert_eq!(settings.endpoints[0].headers["host"], "h:1");
}
