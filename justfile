# What CI runs, from installing what is missing to the last test.
check:
    .ci/run

# The tests; those whose peer is not installed say so and pass.
test *args:
    cargo test --workspace {{args}}

# Installs the peers that tests talk to: SDKs for Python and Node.js, curl.
peers:
    .ci/run peers

fmt:
    cargo fmt --all

lint:
    cargo clippy --workspace --all-targets --all-features --locked -- -D warnings

# Backend, forwarder and load in one process.
demo *args:
    cargo run --release -- demo {{args}}

# One target for a minute, or as `cargo fuzz` options say: `just fuzz scan -- -max_total_time=600`.
fuzz target *args="-- -max_total_time=60":
    cargo +nightly fuzz run {{target}} {{args}}

# Stages of a request's way by themselves: `just bench scan` for those with this in their name.
bench *args:
    cargo bench -p tailrace-bench --bench stages -- {{args}}

# All of them, into the record.
stages:
    STAGES_RECORD={{justfile_directory()}}/bench/record/stages.md cargo bench -p tailrace-bench --bench stages

# What telemetry costs a service, into the record.
embed:
    EMBED_RECORD={{justfile_directory()}}/bench/record/embed.md cargo bench -p tailrace-bench --bench embed

# What a measurement of an instrument costs, into the record.
instruments:
    INSTRUMENTS_RECORD={{justfile_directory()}}/bench/record/instruments.md cargo bench -p tailrace-bench --bench instruments

# What telemetry costs a small HTTP service, into the record.
service:
    SERVICE_RECORD={{justfile_directory()}}/bench/record cargo bench -p tailrace-bench --bench service

# The bounds of speed and memory, on a machine with two processors or more: `just measure small`,
# and `just measure --record bench/record` for all of them.
measure *args:
    cargo build --release -p tailrace -p tailrace-bench
    cargo run --release -p tailrace-bench --bin measure -- {{args}}

# Forwarders beside each other: tailrace, a raw relay, and every peer found on this machine; the
# options are those of `compare --help`.
compare *args:
    cargo build --release -p tailrace -p tailrace-bench
    cargo run --release -p tailrace-bench --bin compare -- {{args}}

# The OpenTelemetry Collector, built by its own builder, which needs Go; then
# `just compare --program otelcol=target/otelcol/otelcol`.
peers-collector:
    GOBIN="{{justfile_directory()}}/target/peers" go install go.opentelemetry.io/collector/cmd/builder@v0.162.0
    target/peers/builder --config bench/collector.yaml

# New seeds for the simulation of anything, for so many minutes; a seed that fails is printed with
# the command that plays it again.
simulate minutes="60":
    SIMULATE_MINUTES={{minutes}} cargo test -p tailrace-tests --test simulation any -- --nocapture

# Whatever is unsafe and needs no system call, by an interpreter that finds undefined behaviour; needs
# a nightly toolchain with the component `miri`.
miri:
    MIRIFLAGS=-Zmiri-disable-isolation cargo +nightly miri test -p tailrace-engine --lib -- \
        runtime::ring embed::recorder embed::tests::chunk embed::clock
    MIRIFLAGS=-Zmiri-disable-isolation PROPTEST_CASES=4 cargo +nightly miri test -p tailrace-codec --lib writer::window

# The pictures of docs/flow.md, from the simulations.
pictures:
    SIMULATE_PICTURES={{justfile_directory()}}/docs/flow cargo test -p tailrace-tests --test simulation

# otel-arrow's dataflow engine, from its published crates, outside of the workspace; then
# `just compare --program dataflow=target/peers/dataflow/release/dataflow`.
peers-dataflow:
    cargo build --release --locked --manifest-path bench/peers/dataflow/Cargo.toml --target-dir target/peers/dataflow

# Advisories, licences, duplicate and foreign sources of the dependencies.
deny:
    cargo deny --locked check
