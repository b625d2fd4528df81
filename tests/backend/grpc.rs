//! The gRPC half: tonic's generated services.

use super::script::Answer;
use super::{Call, Shared, response};
use crate::item::Export;
use ::http::{Request, Response};
use bytes::Bytes;
use hyper::body::Incoming;
use opentelemetry_proto::tonic::collector::logs::v1 as logs;
use opentelemetry_proto::tonic::collector::metrics::v1 as metrics;
use opentelemetry_proto::tonic::collector::profiles::v1development as profiles;
use opentelemetry_proto::tonic::collector::trace::v1 as trace;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tonic::body::Body;
use tonic::codec::CompressionEncoding::{Gzip, Zstd};
use tonic::{Code, Status};
use tower_service::Service;

/// One instance of each service; a clone shares the ledger.
#[derive(Debug, Clone)]
pub(super) struct Services {
    trace: trace::trace_service_server::TraceServiceServer<Collector>,
    metrics: metrics::metrics_service_server::MetricsServiceServer<Collector>,
    logs: logs::logs_service_server::LogsServiceServer<Collector>,
    profiles: profiles::profiles_service_server::ProfilesServiceServer<Collector>,
}

#[derive(Debug, Clone)]
struct Collector(Arc<Shared>);

/// Tonic's own limit is 4 MiB; the script has its own.
const MESSAGE_BYTES_MAX: usize = 256 << 20;

impl Services {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        macro_rules! server {
            ($module:ident :: $inner:ident :: $server:ident) => {
                $module::$inner::$server::new(Collector(Arc::clone(&shared)))
                    .max_decoding_message_size(MESSAGE_BYTES_MAX)
                    .accept_compressed(Gzip)
                    .accept_compressed(Zstd)
            };
        }
        Self {
            trace: server!(trace::trace_service_server::TraceServiceServer),
            metrics: server!(metrics::metrics_service_server::MetricsServiceServer),
            logs: server!(logs::logs_service_server::LogsServiceServer),
            profiles: server!(profiles::profiles_service_server::ProfilesServiceServer),
        }
    }

    pub(super) async fn call(&mut self, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path();
        let answer = if path.contains(".TraceService/") {
            self.trace.call(request).await
        } else if path.contains(".MetricsService/") {
            self.metrics.call(request).await
        } else if path.contains(".LogsService/") {
            self.logs.call(request).await
        } else if path.contains(".ProfilesService/") {
            self.profiles.call(request).await
        } else {
            Ok(Status::unimplemented("no such service").into_http())
        };
        answer.unwrap_or_else(|never| match never {})
    }
}

impl Collector {
    /// Enters the call and gives the answer as tonic wants it; `partial` makes the response of a
    /// success.
    async fn judge<T>(
        &self,
        metadata: tonic::metadata::MetadataMap,
        export: Export,
        partial: impl FnOnce(i64, String) -> T,
    ) -> Result<tonic::Response<T>, Status> {
        let bytes = export.encode_protobuf().len();
        let answer = self.0.judge.judge(&export, bytes);
        self.0.ledger.enter(Call {
            at: Instant::now(),
            protocol: "grpc",
            headers: metadata.into_headers(),
            bytes,
            export,
            answer: answer.clone(),
        });
        self.0.judge.gate().await;
        match answer {
            Answer::Accept => Ok(tonic::Response::new(partial(0, String::new()))),
            Answer::Partial { rejected, message } => {
                Ok(tonic::Response::new(partial(rejected, message)))
            }
            Answer::Grpc {
                code,
                message,
                retry_after,
            } => Err(status(code, &message, retry_after)),
            Answer::Http { status, .. } => {
                panic!("HTTP {status} was scripted for a gRPC call")
            }
            Answer::Silence => std::future::pending().await,
        }
    }
}

/// A status with its `google.rpc.Status` details where a delay is given.
fn status(code: Code, message: &str, retry_after: Option<Duration>) -> Status {
    let Some(delay) = retry_after else {
        return Status::new(code, message);
    };
    let details = response::status(code as i32, message, Some(delay));
    Status::with_details(code, message, Bytes::from(details))
}

macro_rules! service {
    ($module:ident :: $server:ident :: $trait:ident,
     $request:ident -> $response:ident, $variant:ident, $success:ident) => {
        #[tonic::async_trait]
        impl $module::$server::$trait for Collector {
            async fn export(
                &self,
                request: tonic::Request<$module::$request>,
            ) -> Result<tonic::Response<$module::$response>, Status> {
                let (metadata, _, message) = request.into_parts();
                self.judge(metadata, Export::$variant(message), response::$success)
                    .await
            }
        }
    };
}

service!(trace::trace_service_server::TraceService,
    ExportTraceServiceRequest -> ExportTraceServiceResponse, Traces, traces);
service!(metrics::metrics_service_server::MetricsService,
    ExportMetricsServiceRequest -> ExportMetricsServiceResponse, Metrics, metrics);
service!(logs::logs_service_server::LogsService,
    ExportLogsServiceRequest -> ExportLogsServiceResponse, Logs, logs);
service!(profiles::profiles_service_server::ProfilesService,
    ExportProfilesServiceRequest -> ExportProfilesServiceResponse, Profiles, profiles);
