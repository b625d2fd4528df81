//! What a span is about: its kind, its name and its attributes.
//!
//! Source: <https://opentelemetry.io/docs/specs/semconv/general/trace/>

use super::super::fleet::Fleet;
use super::super::values::Any;

/// What a span is about.
#[derive(Debug, Clone, Copy)]
pub enum Call {
    HttpServer,
    HttpClient,
    Database,
    Publish,
    /// Linked to the span that published.
    Process {
        published: usize,
    },
    Internal,
}

impl Call {
    /// The scope: the instrumentation library's place in [`super::super::fleet::SCOPES`].
    pub const fn scope(self) -> usize {
        match self {
            Self::HttpServer | Self::HttpClient => 0,
            Self::Database => 1,
            Self::Publish | Self::Process { .. } => 2,
            Self::Internal => 3,
        }
    }

    pub const fn span_kind(self) -> u64 {
        match self {
            Self::Internal => 1,
            Self::HttpServer => 2,
            Self::HttpClient | Self::Database => 3,
            Self::Publish => 4,
            Self::Process { .. } => 5,
        }
    }

    /// The span's name, and its attributes by the conventions of what it is about.
    pub fn describe(
        self,
        fleet: &mut Fleet<'_>,
        failed: bool,
        path: &str,
    ) -> (String, Vec<(&'static str, Any)>) {
        let method = *fleet
            .random
            .pick(&["GET", "GET", "GET", "POST", "PUT", "DELETE"]);
        let status = if failed { 503 } else { 200 };
        let number = fleet.random.below(fleet.spec.cardinality.max(1));
        match self {
            Call::HttpServer => {
                let entries = vec![
                    ("http.request.method", method.into()),
                    ("url.scheme", "https".into()),
                    ("url.path", format!("{path}/{number}").into()),
                    ("http.route", format!("{path}/{{id}}").into()),
                    ("http.response.status_code", Any::Int(status)),
                    ("server.address", "shop.example.com".into()),
                    ("server.port", Any::Int(443)),
                    (
                        "client.address",
                        format!("203.0.113.{}", number % 256).into(),
                    ),
                    ("network.protocol.version", "2".into()),
                    ("user_agent.original", "okhttp/4.12.0".into()),
                ];
                (format!("{method} {path}/{{id}}"), entries)
            }
            Call::HttpClient => {
                let host = format!("node-{number}.internal.example.com");
                let mut entries = vec![
                    ("http.request.method", method.into()),
                    (
                        "url.full",
                        format!("http://{host}:8080{path}/{number}").into(),
                    ),
                    ("server.address", host.into()),
                    ("server.port", Any::Int(8080)),
                    ("http.response.status_code", Any::Int(status)),
                ];
                if failed {
                    entries.push(("http.request.resend_count", Any::Int(2)));
                    entries.push(("error.type", "503".into()));
                }
                (method.to_owned(), entries)
            }
            Call::Database => {
                let table = format!("table_{number}");
                let query = format!("SELECT * FROM {table} WHERE id = ? AND region = ? LIMIT 50");
                let entries = vec![
                    ("db.system.name", "postgresql".into()),
                    ("db.namespace", "shop".into()),
                    ("db.operation.name", "SELECT".into()),
                    ("db.query.text", query.into()),
                    ("db.response.returned_rows", Any::Int(number as i64)),
                    ("server.address", "db-1.internal.example.com".into()),
                    ("server.port", Any::Int(5432)),
                ];
                (format!("SELECT {table}"), entries)
            }
            Call::Publish | Call::Process { .. } => {
                let operation = match self {
                    Call::Publish => "send",
                    _ => "process",
                };
                let topic = format!("topic-{number}");
                let entries = vec![
                    ("messaging.system", "kafka".into()),
                    ("messaging.destination.name", topic.as_str().into()),
                    ("messaging.operation.name", operation.into()),
                    ("messaging.message.body.size", Any::Int(1742)),
                    ("messaging.destination.partition.id", "7".into()),
                    ("messaging.client.id", Any::Bytes(vec![7; 8])),
                ];
                (format!("{operation} {topic}"), entries)
            }
            Call::Internal => {
                let tags = vec!["checkout".into(), Any::Double(0.25), Any::Bool(true)];
                let entries = vec![
                    ("code.function.name", "com.example.Cart.price".into()),
                    ("thread.id", Any::Int(number as i64)),
                    ("app.cached", Any::Bool(false)),
                    ("app.discount", Any::Double(number as f64 / 8.0)),
                    ("app.tags", Any::Array(tags)),
                    (
                        "app.cart",
                        Any::Map(vec![("items", Any::Int(3)), ("currency", "EUR".into())]),
                    ),
                ];
                ("price".to_owned(), entries)
            }
        }
    }
}
