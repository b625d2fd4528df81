//! What the forwarder promises, tried on the binary over real sockets: one scenario a file, each
//! on both executors.

mod attacks;
mod backend_restart;
mod circuit_breaker;
mod components;
mod config_errors;
mod connections;
mod degradation;
mod demo;
mod exit_codes;
mod fan_out;
mod file_exporter;
mod forward_grpc;
mod forward_http;
mod half_received;
mod ipv6;
mod ledger;
mod load;
mod load_balancing;
mod metrics_and_health;
mod noisy_tenant;
mod partial_success;
mod peers;
mod plan;
mod poison_item;
mod priorities;
mod queue_full_drops;
mod queue_full_refuses;
mod rate_limit;
mod refusals;
mod retry_after;
mod sandboxed;
mod shutdown_drains;
mod sink;
mod skewed;
mod threads;
mod told_as_configured;
mod too_large_split;
mod unix_sockets;

/// The binary under test.
const TAILRACE: &str = env!("CARGO_BIN_EXE_tailrace");
