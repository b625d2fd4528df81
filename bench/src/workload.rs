//! What is sent: requests made ahead, into which each sending's numbers and times are written, and
//! what is told of them where they arrive.
//!
//! ```text
//!   Spec -> traces | metrics | logs | standard -> Template -> requests ~~> items
//! ```

mod canonical;
mod fleet;
mod layout;
mod logs;
mod metrics;
mod spec;
mod standard;
mod template;
mod traces;
mod values;
mod verify;

pub use spec::{Mix, Spec};
pub use verify::{Item, RUN_KEY, items};

use bytes::Bytes;
use fleet::Fleet;
use std::sync::OnceLock;
use tailrace_codec::Signal;
use template::Template;

/// Requests of one spec.
#[derive(Debug)]
pub struct Workload {
    signal: Signal,
    items: usize,
    protobuf: Vec<Template>,
    /// Rendered when JSON is first asked for.
    json: OnceLock<Vec<Template>>,
}

impl Workload {
    /// Cost: makes every template, some milliseconds.
    ///
    /// # Panics
    /// If the spec asks for no items or for no templates, or for a mix that its signal has not
    /// ([`Mix::is_of`]).
    pub fn new(spec: &Spec) -> Self {
        assert!(
            spec.items > 0 && spec.templates > 0 && spec.mix.is_of(spec.signal),
            "a workload has items, templates, and a mix of its signal: {spec:?}"
        );
        let request =
            |request| Template::protobuf(spec.signal, request).expect("a template is well formed");
        Self {
            signal: spec.signal,
            items: spec.items,
            protobuf: requests(spec).into_iter().map(request).collect(),
            json: OnceLock::new(),
        }
    }

    /// In each request.
    pub const fn items(&self) -> usize {
        self.items
    }

    /// The length of a protobuf request, on average, in bytes.
    pub fn mean_bytes(&self) -> usize {
        let bytes: usize = self.protobuf.iter().map(Template::len).sum();
        bytes / self.protobuf.len()
    }

    /// The request whose items are numbered from `first`, as protobuf.
    ///
    /// `unix_nanos` is when it is sent; between 2001 and 2286 the JSON is as well formed.
    /// Cost: one copy of a template, and a few nanoseconds for each id, time and check.
    pub fn protobuf(&self, first: u64, unix_nanos: u64) -> Bytes {
        self.turn(&self.protobuf, first)
            .fill_protobuf(first, unix_nanos)
    }

    /// The same request as OTLP/JSON.
    pub fn json(&self, first: u64, unix_nanos: u64) -> Bytes {
        let rendered = self.json.get_or_init(|| {
            let protobuf = self.protobuf.iter();
            protobuf
                .map(|template| template.to_json(self.signal))
                .collect()
        });
        self.turn(rendered, first).fill_json(first, unix_nanos)
    }

    /// The numbers and check values of the items of the request that begins with `first`, in order.
    pub fn identities(&self, first: u64) -> impl Iterator<Item = (u64, u64)> {
        self.turn(&self.protobuf, first).identities(first)
    }

    /// By the number, not by a count of calls: a request that is sent again is the same.
    const fn turn<'a>(&self, templates: &'a [Template], first: u64) -> &'a Template {
        let request = first / self.items as u64;
        &templates[(request % templates.len() as u64) as usize]
    }
}

/// The cycle: requests with relative ids and times.
fn requests(spec: &Spec) -> Vec<Vec<u8>> {
    let request = match (spec.mix, spec.signal) {
        (Mix::Realistic, Signal::Metrics) => metrics::request,
        (Mix::Realistic, Signal::Logs) => logs::request,
        (Mix::Realistic, _) => traces::request,
        _ => return vec![standard::request(spec)],
    };
    (0..spec.templates)
        .map(|template| request(&mut Fleet::new(spec, template)))
        .collect()
}

#[cfg(test)]
mod tests;
