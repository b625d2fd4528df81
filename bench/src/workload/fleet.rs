//! The services that a realistic workload comes from: their resources, their instrumentation
//! libraries, and what is chosen at random.

use super::layout::mix;
use super::spec::Spec;
use super::values::{Any, attribute, attributes, entry};
use super::verify::RUN_KEY;
use tailrace_codec::otlp::fields::{
    ENTRY_SCOPES, REQUEST_RESOURCES, RESOURCE_ATTRIBUTES, SCOPE_ATTRIBUTES,
};
use tailrace_codec::writer::Writer;

/// The instrumentation libraries of each service.
pub const SCOPES: [&str; 4] = [
    "io.opentelemetry.http",
    "io.opentelemetry.jdbc",
    "io.opentelemetry.kafka-clients",
    "com.example.shop",
];

const SERVICES: [&str; 6] = [
    "frontend",
    "orders",
    "payments",
    "inventory",
    "mail",
    "search",
];
const ROUTES: [&str; 5] = ["orders", "customers", "products", "carts", "invoices"];
const SCHEMA_URL: &[u8] = b"https://opentelemetry.io/schemas/1.37.0";

/// Where an item stands: neighbours of one group share their resource and scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    pub service: usize,
    /// In [`SCOPES`].
    pub scope: usize,
}

/// Whatever a request of the realistic mix is made from.
#[derive(Debug)]
pub struct Fleet<'a> {
    pub spec: &'a Spec,
    /// The place of the request in the cycle.
    pub template: usize,
    pub random: Random,
}

impl<'a> Fleet<'a> {
    /// For the request of this place in the cycle.
    pub const fn new(spec: &'a Spec, template: usize) -> Self {
        let state = mix(spec.seed ^ mix(template as u64));
        Self {
            spec,
            template,
            random: Random { state },
        }
    }

    /// A request of items that stand in these groups, neighbours together; `item` writes one.
    pub fn request(
        &mut self,
        groups: &[Group],
        mut item: impl FnMut(&mut Self, &mut Writer, usize),
    ) -> Vec<u8> {
        let mut out = Writer::default();
        let mut at = 0;
        for of_service in groups.chunk_by(|a, b| a.service == b.service) {
            let resource = resource(self.spec, of_service[0].service);
            let about = |out: &mut Writer| attributes(out, RESOURCE_ATTRIBUTES, &resource);
            entry(&mut out, REQUEST_RESOURCES, about, |out| {
                for of_scope in of_service.chunk_by(|a, b| a.scope == b.scope) {
                    let about = |out: &mut Writer| scope(out, of_scope[0].scope);
                    entry(out, ENTRY_SCOPES, about, |out| {
                        for _ in of_scope {
                            item(self, out, at);
                            at += 1;
                        }
                        out.bytes(3, SCHEMA_URL);
                    });
                }
                out.bytes(3, SCHEMA_URL);
            });
        }
        out.into_buffer()
    }

    /// As many groups as items, in order: each service has its share, each scope its share of it.
    pub fn groups(&self, units: usize) -> Vec<Group> {
        let services = self.spec.services.clamp(1, units);
        let group = |at: usize| {
            let share = at * services * SCOPES.len() / units;
            Group {
                service: share / SCOPES.len(),
                scope: share % SCOPES.len(),
            }
        };
        (0..units).map(group).collect()
    }

    /// A path, of as many as the cardinality says.
    pub fn route(&mut self) -> String {
        let number = self.random.below(self.spec.cardinality.max(1));
        let name = ROUTES[number % ROUTES.len()];
        format!("/api/v{}/{name}", number / ROUTES.len())
    }

    /// A time that is content: inside an item, where it is the same in every request.
    pub fn moment(&mut self) -> u64 {
        1_790_000_000_000_000_000 + self.random.below(1 << 30) as u64
    }

    pub fn extra_attributes(&mut self, out: &mut Writer, number: u32) {
        for at in 0..self.spec.extra_attributes {
            let value = self.filler();
            attribute(out, number, &format!("app.extra.{at}"), &value.into());
        }
    }

    /// Text of the length that the spec asks for, of as many as the cardinality says.
    pub fn filler(&mut self) -> String {
        let mut word = mix(self.random.below(self.spec.cardinality.max(1)) as u64);
        let mut text = String::with_capacity(self.spec.value_bytes + 16);
        while text.len() < self.spec.value_bytes {
            text.push_str(&format!("{word:016x}"));
            word = mix(word);
        }
        text.truncate(self.spec.value_bytes);
        text
    }
}

/// Source: <https://opentelemetry.io/docs/specs/semconv/resource/>
fn resource(spec: &Spec, service: usize) -> Vec<(&'static str, Any)> {
    let name = SERVICES[service % SERVICES.len()];
    let name = match service / SERVICES.len() {
        0 => name.to_owned(),
        more => format!("{name}-{more}"),
    };
    let id = mix(spec.seed ^ service as u64);
    let args = vec![
        "java".into(),
        "-jar".into(),
        format!("/app/{name}.jar").into(),
    ];
    vec![
        ("service.name", name.as_str().into()),
        ("service.namespace", "shop".into()),
        ("service.version", "2.14.3".into()),
        ("service.instance.id", format!("{name}-{id:016x}").into()),
        ("deployment.environment.name", "production".into()),
        ("host.name", format!("node-{}", id % 500).into()),
        ("k8s.pod.name", format!("{name}-{:08x}", id as u32).into()),
        ("process.pid", Any::Int((id % 30_000) as i64)),
        ("process.command_args", Any::Array(args)),
        ("telemetry.sdk.language", "java".into()),
        ("telemetry.sdk.name", "opentelemetry".into()),
        ("telemetry.sdk.version", "1.54.0".into()),
        (RUN_KEY, format!("{:016x}", spec.run).into()),
    ]
}

fn scope(out: &mut Writer, scope: usize) {
    out.bytes(1, SCOPES[scope].as_bytes());
    out.bytes(2, b"2.20.1-alpha");
    if scope == 3 {
        attribute(out, SCOPE_ATTRIBUTES, "app.team", &"checkout".into());
    }
}

/// SplitMix64, so that a seed means the same on every machine and in every release.
///
/// Source: <https://prng.di.unimi.it/splitmix64.c>
#[derive(Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// Uniform in `0..bound`, which is above 0. The bias of the remainder is below `bound / 2^64`.
    pub const fn below(&mut self, bound: usize) -> usize {
        let value = mix(self.state);
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        (value % bound as u64) as usize
    }

    /// True this often of a hundred times.
    pub const fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub const fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}
