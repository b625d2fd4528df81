//! From the file's shape to what the engine runs. Every rule between values is checked here.
//!
//! ```text
//!   Root --components--> Declared (each read by its type) --pipelines--> graph --> listeners, lanes
//! ```
//!
//! Nothing stops at the first fault: what is faulty takes its default and the work goes on.

mod batching;
mod exporters;
mod graph;
mod listeners;
mod memory;
mod priority;
mod service;
mod tenants;

use super::components::{
    CONNECTORS, Class, Component, EXPORTERS, EXTENSIONS, Lookup, PROCESSORS, RECEIVERS,
};
use super::fault::FaultKind;
use super::field::{Field, Reader};
use super::nearest::nearest;
use super::node::Node;
use super::printed::Printed;
use super::raw::exporters::{DebugExporter, FileExporter, OtlpGrpcExporter, OtlpHttpExporter};
use super::raw::extensions::HealthCheck;
use super::raw::processors::{BatchProcessor, MemoryLimiter};
use super::raw::receivers::OtlpReceiver;
use super::raw::service::Service;
use super::raw::{Components, Root};
use super::types::Empty;
use super::{ComponentId, Config};

/// Every component of the file, read by its type.
pub(super) struct Declared {
    receivers: Vec<(ComponentId, Receiver)>,
    processors: Vec<(ComponentId, Processor)>,
    exporters: Vec<(ComponentId, Exporter)>,
    connectors: Vec<(ComponentId, Empty)>,
    extensions: Vec<(ComponentId, HealthCheck)>,
    service: Service,
}

pub(super) enum Receiver {
    Otlp(Box<OtlpReceiver>),
    Nop(Empty),
}

pub(super) enum Processor {
    Batch(BatchProcessor),
    MemoryLimiter(MemoryLimiter),
}

pub(super) enum Exporter {
    OtlpGrpc(Box<OtlpGrpcExporter>),
    OtlpHttp(Box<OtlpHttpExporter>),
    Debug(DebugExporter),
    File(FileExporter),
    Nop(Empty),
}

/// Reads the whole tree.
pub(super) fn declare(root: &Node, reader: &mut Reader) -> Declared {
    let parts = if root.is_null() {
        &Node::new(empty_map(), root.at.clone())
    } else {
        root
    };
    let file = Root::read(parts, reader).unwrap_or_else(|| unreachable!("a section always reads"));
    Declared {
        receivers: components(
            &file.receivers,
            &RECEIVERS,
            reader,
            |name, node, reader| match name {
                "otlp" => OtlpReceiver::read(node, reader)
                    .map(Box::new)
                    .map(Receiver::Otlp),
                _ => Empty::read(node, reader).map(Receiver::Nop),
            },
        ),
        processors: components(
            &file.processors,
            &PROCESSORS,
            reader,
            |name, node, reader| match name {
                "batch" => BatchProcessor::read(node, reader).map(Processor::Batch),
                _ => MemoryLimiter::read(node, reader).map(Processor::MemoryLimiter),
            },
        ),
        exporters: components(
            &file.exporters,
            &EXPORTERS,
            reader,
            |name, node, reader| match name {
                "otlp_grpc" => OtlpGrpcExporter::read(node, reader)
                    .map(Box::new)
                    .map(Exporter::OtlpGrpc),
                "otlp_http" => OtlpHttpExporter::read(node, reader)
                    .map(Box::new)
                    .map(Exporter::OtlpHttp),
                "debug" => DebugExporter::read(node, reader).map(Exporter::Debug),
                "file" => FileExporter::read(node, reader).map(Exporter::File),
                _ => Empty::read(node, reader).map(Exporter::Nop),
            },
        ),
        connectors: components(&file.connectors, &CONNECTORS, reader, |_, node, reader| {
            Empty::read(node, reader)
        }),
        extensions: components(&file.extensions, &EXTENSIONS, reader, |_, node, reader| {
            HealthCheck::read(node, reader)
        }),
        service: file.service,
    }
}

fn empty_map() -> super::node::Value {
    super::node::Value::Mapping(Vec::new())
}

/// Reads one map of components; `read` knows each name of its class.
fn components<T>(
    nodes: &Components,
    class: &'static Class,
    reader: &mut Reader,
    read: impl Fn(&'static str, &Node, &mut Reader) -> Option<T>,
) -> Vec<(ComponentId, T)> {
    let mut components = Vec::new();
    reader.path.push(format!("{}s", class.name));
    for (id, node) in &nodes.0 {
        let component = reader.at(id, |reader| {
            let component = look_up(id, class, reader)?;
            read(component.name, node, reader)
        });
        components.extend(component.map(|component| (ComponentId::new(id), component)));
    }
    reader.path.pop();
    components
}

fn look_up(id: &str, class: &'static Class, reader: &mut Reader) -> Option<&'static Component> {
    let (kind, name) = id.split_once('/').unwrap_or((id, "x"));
    if kind.is_empty() || name.is_empty() || id.contains(char::is_whitespace) {
        reader.fault(FaultKind::InvalidId);
        return None;
    }
    let names = || {
        class
            .components
            .iter()
            .map(|component| component.name.to_owned())
            .collect()
    };
    match class.look_up(kind) {
        Lookup::Found(component) => return Some(component),
        Lookup::Absent => {
            reader.fault(FaultKind::NotInThisBuild {
                class: class.name,
                valid: names(),
            });
        }
        Lookup::Unknown => reader.fault(FaultKind::UnknownComponent {
            class: class.name,
            nearest: nearest(kind, class.names()),
            valid: names(),
        }),
    }
    None
}

/// Makes the configuration. It is valid if the reader has no fault in the end.
pub(super) fn compile(declared: &Declared, reader: &mut Reader) -> Config {
    let routes = graph::routes(declared, reader);
    let lanes = exporters::lanes(declared, &routes, reader);
    let listeners = listeners::listeners(declared, &routes, &lanes, reader);
    let health_checks = service::health_checks(declared, reader);
    let telemetry = service::telemetry(&declared.service.telemetry, reader);
    Config {
        pipelines: routes.pipelines,
        memory: memory::memory(declared, reader),
        priority: {
            let ours = &declared.service.tailrace;
            priority::priority(ours.priority.0.as_ref(), ours.tenants.0.is_some(), reader)
        },
        tenants: tenants::tenants(declared.service.tailrace.tenants.0.as_ref(), reader),
        ingress: tenants::ingress(declared.service.tailrace.rate_limit.0.as_ref(), reader),
        engine: service::engine(&declared.service.tailrace, reader),
        listeners,
        lanes,
        health_checks,
        telemetry,
        warnings: std::mem::take(&mut reader.warnings),
    }
}

/// The effective configuration: everything that was read, defaults filled in, secrets masked.
pub(super) fn print(declared: &Declared) -> Printed {
    let mut sections = Vec::new();
    let mut section = |name: &str, components: Vec<(String, Printed)>| {
        if !components.is_empty() {
            sections.push((name.to_owned(), Printed::Map(components)));
        }
    };
    section(
        "receivers",
        list(&declared.receivers, |receiver| match receiver {
            Receiver::Otlp(receiver) => receiver.print(),
            Receiver::Nop(receiver) => receiver.print(),
        }),
    );
    section(
        "processors",
        list(&declared.processors, |processor| match processor {
            Processor::Batch(processor) => processor.print(),
            Processor::MemoryLimiter(processor) => processor.print(),
        }),
    );
    section(
        "exporters",
        list(&declared.exporters, |exporter| match exporter {
            Exporter::OtlpGrpc(exporter) => exporter.print(),
            Exporter::OtlpHttp(exporter) => exporter.print(),
            Exporter::Debug(exporter) => exporter.print(),
            Exporter::File(exporter) => exporter.print(),
            Exporter::Nop(exporter) => exporter.print(),
        }),
    );
    section("connectors", list(&declared.connectors, Field::print));
    section("extensions", list(&declared.extensions, Field::print));
    sections.push(("service".to_owned(), declared.service.print()));
    Printed::Map(sections)
}

fn list<T>(
    components: &[(ComponentId, T)],
    print: impl Fn(&T) -> Printed,
) -> Vec<(String, Printed)> {
    components
        .iter()
        .map(|(id, component)| (id.to_string(), print(component)))
        .collect()
}

/// The component with an id.
fn find<'a, T>(components: &'a [(ComponentId, T)], id: &str) -> Option<&'a T> {
    components
        .iter()
        .find(|(known, _)| known.as_str() == id)
        .map(|(_, component)| component)
}
