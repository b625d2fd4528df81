use super::*;
use crate::config::{Inputs, ProcessEnvironment, load};

fn config(limiter: &str, exporters: &str) -> Config {
    let text = format!(
        "yaml:{{receivers: {{otlp: {{protocols: {{http: }}}}}}, processors: {{memory_limiter: \
         {{check_interval: 1s, {limiter}}}}}, exporters: {{nop: , debug: , otlp: {{endpoint: \
         'http://h:1'}}}}, service: {{pipelines: {{logs: {{receivers: [otlp], processors: \
         [memory_limiter], exporters: [{exporters}]}}}}}}}}"
    );
    let inputs = Inputs {
        configs: vec![text],
        sets: Vec::new(),
    };
    load(&inputs, &ProcessEnvironment).expect("valid").config
}

const MACHINE: Machine = Machine {
    memory: ByteCount::mib(4096),
    source: MemorySource::Host,
};

#[test]
fn every_byte_has_one_holder() {
    for shards in [1, 2, 7] {
        let config = config("limit_mib: 1000, spike_limit_mib: 100", "nop, debug, otlp");
        let limits = Limits::plan(&config, shards, MACHINE).expect("fits");
        let fixed: u64 = limits.fixed.iter().map(|holder| holder.total().0).sum();
        let shard = limits.shard;
        let requests = shard.credit_high.0 * u64::from(shards);
        let whole = ByteCount::mib(1000).0;
        assert!(fixed + requests + limits.spike.0 <= whole);
        // Nothing but the remainder of the division is lost.
        assert!(whole - (fixed + requests + limits.spike.0) < u64::from(shards));
        assert!(shard.lane.0 * 3 + shard.receive.0 <= shard.credit_high.0);
        assert!(shard.credit_high < shard.credit);
    }
}

#[test]
fn percentages_are_of_the_machine() {
    let config = config("limit_percentage: 50", "nop");
    let limits = Limits::plan(&config, 2, MACHINE).expect("fits");
    assert_eq!(limits.process, ByteCount(MACHINE.memory.0 / 100 * 50));
    assert_eq!(limits.spike.0, limits.process.0 / 5);
}

#[test]
fn a_limit_beyond_the_machine_is_lowered_and_said() {
    let config = config("limit_mib: 8192", "nop");
    let limits = Limits::plan(&config, 1, MACHINE).expect("fits");
    assert_eq!(limits.process, MACHINE.memory);
    assert_eq!(
        limits.warnings[0].to_string(),
        "processors.memory_limiter: the limit of 8 GiB is more than the 4 GiB of the machine, \
         which hold instead"
    );
}

#[test]
fn what_does_not_fit_is_a_fault() {
    let config = config("limit_mib: 20, spike_limit_mib: 1", "nop, otlp");
    let fault = Limits::plan(&config, 4, MACHINE).expect_err("too small");
    let said = fault.to_string();
    let mut lines = said.lines();
    assert_eq!(
        lines.next(),
        Some(
            "the memory limit leaves 19 MiB where 4 shards and 2 exporter instances need at least \
             29.3 MiB; raise the limit or lower service.tailrace.shards"
        )
    );
    let names = lines.skip(1).map(|line| line.split("  ").next());
    let names: Vec<_> = names.flatten().collect();
    assert_eq!(
        names,
        [
            "program",
            "shards",
            "gzip compressors",
            "requests, each shard"
        ]
    );
    let sum: u64 = fault.holders.iter().map(|holder| holder.total().0).sum();
    assert_eq!(ByteCount(sum), fault.needed);
    assert!(Limits::plan(&config, 1, MACHINE).is_ok());
}

#[test]
fn a_request_that_fits_no_share_is_warned_of() {
    let config = config("limit_mib: 60, spike_limit_mib: 1", "nop");
    let limits = Limits::plan(&config, 1, MACHINE).expect("fits");
    assert_eq!(
        limits.warnings[0].to_string(),
        "receivers.otlp: a request may have 20 MiB, but one of more than 12.2 MiB cannot be held \
         and is refused"
    );
}

#[test]
fn the_table_has_one_holder_a_line() {
    let config = config("limit_mib: 512, spike_limit_mib: 128", "otlp");
    let table = Limits::plan(&config, 2, MACHINE).expect("fits").table();
    let lines: Vec<&str> = table
        .lines()
        .map(|line| line.split("  ").next().unwrap_or(""))
        .collect();
    assert_eq!(
        lines[..6],
        [
            "memory",
            "process limit",
            "spike, kept free",
            "program",
            "shards",
            "gzip compressors",
        ]
    );
}
