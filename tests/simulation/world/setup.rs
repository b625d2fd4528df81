//! What a world is made of: a configuration, backends, traffic, and a seed.

use super::backend::Plan;
use std::fmt::Write;
use std::time::Duration;
use tailrace_bench::load::arrivals::{Phase, Shape};
use tailrace_engine::Pipeline;
use tailrace_engine::config::limits::{Limits, Machine, MemorySource};
use tailrace_engine::config::{self, Inputs, ProcessEnvironment};
use tailrace_engine::units::ByteCount;

/// Of the first backend.
pub const PORT: u16 = 10_000;

pub struct Setup {
    /// Of everything that is left to chance.
    pub seed: u64,
    /// The exporters' keys, and the memory limit in MiB.
    pub yaml: String,
    /// By exporter, or by endpoint where one has several.
    pub backends: Vec<Plan>,
    /// By sender.
    pub traffic: Vec<Traffic>,
}

/// What one sender sends. Its resource says as `tailrace.run` which one it is: sixteen hexadecimal
/// digits, counted from 0.
pub struct Traffic {
    pub phases: Vec<Phase>,
    /// Spans in each request.
    pub items: usize,
    /// What it says as `x-tenant`.
    pub tenant: Option<&'static str>,
}

impl Traffic {
    /// Requests of so many spans, for so long.
    pub fn steady(shape: Shape, items: usize, duration: Duration) -> Self {
        let phase = Phase {
            name: "steady".to_owned(),
            duration,
            shape,
        };
        Self {
            phases: vec![phase],
            items,
            tenant: None,
        }
    }

    pub fn of(self, tenant: &'static str) -> Self {
        Self {
            tenant: Some(tenant),
            ..self
        }
    }
}

/// A configuration of one gRPC receiver, a memory limit, and an otlp_grpc exporter for each of
/// `keys`, which stand beside its endpoint, or name its endpoints.
pub fn exporters<'a>(limit_mib: u32, keys: impl IntoIterator<Item = &'a str>) -> String {
    let mut yaml = format!(
        "receivers: {{otlp: {{protocols: {{grpc: {{}}}}}}}}
processors: {{memory_limiter: {{check_interval: 1s, limit_mib: {limit_mib}, spike_limit_mib: 1}}}}
exporters:
"
    );
    let mut names = Vec::new();
    for (lane, keys) in keys.into_iter().enumerate() {
        names.push(format!("otlp_grpc/{lane}"));
        let port = usize::from(PORT) + lane;
        let endpoint = match keys.contains("load_balancing") {
            true => "compression: none".to_owned(),
            false => format!("endpoint: 'http://127.0.0.1:{port}', compression: none"),
        };
        // What a string is written to never fails.
        let _ = writeln!(yaml, "  otlp_grpc/{lane}: {{{endpoint}, {keys}}}");
    }
    let names = names.join(", ");
    let _ = writeln!(
        yaml,
        "service: {{pipelines: {{traces: {{receivers: [otlp], processors: [memory_limiter], exporters: [{names}]}}}}}}"
    );
    yaml
}

/// The same with these keys of `service.tailrace`.
pub fn with_engine(yaml: &str, keys: &str) -> String {
    yaml.replace("service: {", &format!("service: {{tailrace: {{{keys}}}, "))
}

impl Setup {
    /// The one shard of this configuration.
    pub fn pipeline(&self) -> Pipeline {
        let inputs = Inputs {
            configs: vec![format!("yaml:{}", self.yaml)],
            sets: Vec::new(),
        };
        let loaded = config::load(&inputs, &ProcessEnvironment);
        let config = loaded.unwrap_or_else(|faults| panic!("{faults}")).config;
        let machine = Machine {
            memory: ByteCount::mib(4096),
            source: MemorySource::Assumed,
        };
        let limits = Limits::plan(&config, 1, machine);
        let limits = limits.unwrap_or_else(|fault| panic!("{fault}"));
        let mut pipelines = tailrace_engine::pipelines(&config, &limits, self.seed);
        let pipeline = pipelines.pop().expect("one for each shard");
        let endpoints = config.lanes.iter().map(|lane| {
            let several = lane.balancing.as_ref();
            several.map_or(1, |several| several.endpoints.len())
        });
        let endpoints: usize = endpoints.sum();
        assert_eq!(endpoints, self.backends.len(), "a backend for each");
        pipeline
    }
}
