//! Configurations of the usual shape: one `otlp` receiver on ports of the system's choice, the
//! given exporters behind every pipeline.

use serde_json::{Value, json};
use std::net::SocketAddr;

/// A Collector configuration as a tree. JSON is YAML, so it is written as JSON.
#[derive(Debug, Clone)]
pub struct Config(Value);

impl Config {
    /// Receiver, health check and metrics on port 0, no exporter yet, pipelines for the three
    /// stable signals.
    #[expect(
        clippy::new_without_default,
        reason = "it is not complete without an exporter"
    )]
    pub fn new() -> Self {
        let pipeline = json!({ "receivers": ["otlp"], "processors": [], "exporters": [] });
        Self(json!({
            "receivers": {
                "otlp": {
                    "protocols": {
                        "grpc": { "endpoint": "127.0.0.1:0" },
                        "http": { "endpoint": "127.0.0.1:0" },
                    },
                },
            },
            "processors": {},
            "exporters": {},
            "extensions": { "health_check": { "endpoint": "127.0.0.1:0" } },
            "service": {
                "extensions": ["health_check"],
                "telemetry": {
                    "metrics": {
                        "readers": [{
                            "pull": {
                                "exporter": { "prometheus": { "host": "127.0.0.1", "port": 0 } },
                            },
                        }],
                    },
                },
                "pipelines": {
                    "traces": pipeline,
                    "metrics": pipeline,
                    "logs": pipeline,
                },
            },
        }))
    }

    /// A forwarder to one gRPC backend, with short retry delays.
    pub fn to_grpc(backend: SocketAddr) -> Self {
        Self::new().exporter("otlp_grpc", Self::grpc_exporter(backend))
    }

    /// A forwarder to one HTTP backend, with short retry delays.
    pub fn to_http(backend: SocketAddr) -> Self {
        Self::new().exporter("otlp_http", Self::http_exporter(backend))
    }

    /// The body of an `otlp_grpc` exporter.
    pub fn grpc_exporter(backend: SocketAddr) -> Value {
        json!({
            "endpoint": format!("http://{backend}"),
            "tls": { "insecure": true },
            "retry_on_failure": Self::impatient_retry(),
        })
    }

    /// The body of an `otlp_http` exporter.
    pub fn http_exporter(backend: SocketAddr) -> Value {
        json!({
            "endpoint": format!("http://{backend}"),
            "retry_on_failure": Self::impatient_retry(),
        })
    }

    /// Retries that a test can wait for, and that do not end while it runs.
    fn impatient_retry() -> Value {
        json!({
            "enabled": true,
            "initial_interval": "20ms",
            "max_interval": "200ms",
            "max_elapsed_time": "0s",
        })
    }

    /// Adds an exporter behind every pipeline.
    pub fn exporter(mut self, id: &str, body: Value) -> Self {
        self.0["exporters"][id] = body;
        for pipeline in self.pipelines() {
            let exporters = pipeline["exporters"].as_array_mut().expect("a list");
            exporters.push(json!(id));
        }
        self
    }

    /// Adds a processor to the end of every pipeline.
    pub fn processor(mut self, id: &str, body: Value) -> Self {
        self.0["processors"][id] = body;
        for pipeline in self.pipelines() {
            let processors = pipeline["processors"].as_array_mut().expect("a list");
            processors.push(json!(id));
        }
        self
    }

    /// Sets the value at `path`, whose parts are separated by `/`, making the maps on the way.
    pub fn set(mut self, path: &str, value: Value) -> Self {
        let mut place = &mut self.0;
        for part in path.split('/') {
            place = &mut place[part];
        }
        *place = value;
        self
    }

    /// The text of the file.
    pub fn to_yaml(&self) -> String {
        format!("{:#}", self.0)
    }

    fn pipelines(&mut self) -> impl Iterator<Item = &mut Value> {
        let pipelines = self.0["service"]["pipelines"]
            .as_object_mut()
            .expect("a map");
        pipelines.values_mut()
    }
}
