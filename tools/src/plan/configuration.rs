//! A configuration with the planned values.

use super::table::seconds;
use tailrace_engine::flow::sizing::Sizing;

/// Complete, for one exporter of traces; the backend's address comes from the environment.
///
/// `validate` accepts it on any machine: where its memory is less than planned for, it warns.
pub fn yaml(sizing: &Sizing, memory_bytes: f64) -> String {
    let Sizing {
        batch,
        flush,
        consumers,
        connections,
        queue,
        disk,
        shards,
        timeout,
        retries,
        ..
    } = sizing;
    let limit_mib = process_mib(queue.value, shards.value);
    let disk = match disk.value > 0.0 {
        true => format!(
            "# The outage does not fit into {:.0} MiB: beyond them senders are refused.\n# {}\n",
            memory_bytes / 1_048_576.0,
            disk.why
        ),
        false => String::new(),
    };
    format!(
        "# Written by `tailrace plan --emit-config`; without the flag it says why.\n{disk}\
receivers:
  otlp:
    protocols:
      grpc:
        endpoint: 0.0.0.0:4317
      http:
        endpoint: 0.0.0.0:4318

processors:
  memory_limiter:
    check_interval: 1s
    limit_mib: {limit_mib}

exporters:
  otlp_grpc:
    endpoint: ${{env:BACKEND:-127.0.0.1:5317}}
    tls:
      insecure: true
    compression: none
    timeout: {timeout}
    retry_on_failure:
      max_elapsed_time: {retries}
    sending_queue:
      sizer: bytes
      queue_size: {queue:.0}
      num_consumers: {consumers:.0}
      batch:
        sizer: items
        min_size: {batch:.0}
        flush_timeout: {flush}
    tailrace:
      connections_max: {connections:.0}

service:
  tailrace:
    shards: {shards:.0}
  pipelines:
    traces:
      receivers: [otlp]
      processors: [memory_limiter]
      exporters: [otlp_grpc]
",
        timeout = seconds(timeout.value),
        retries = seconds(retries.value),
        queue = queue.value,
        consumers = consumers.value,
        batch = batch.value,
        flush = seconds(flush.value),
        connections = connections.value,
        shards = shards.value,
    )
}

/// The process limit of which a queue of this size is the lanes' part: three quarters of what is
/// left of it after a fifth of spike, the program and its shards.
fn process_mib(queue_bytes: f64, shards: f64) -> u64 {
    let requests = queue_bytes / 1_048_576.0 / 0.75;
    ((requests + 8.0 + 2.0 * shards) / 0.8).ceil() as u64 + 16
}
