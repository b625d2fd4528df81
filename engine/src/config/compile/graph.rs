//! Pipelines and connectors, followed from each receiver to the exporters it reaches.

use super::{Declared, Processor, find};
use crate::config::fault::FaultKind;
use crate::config::field::Reader;
use crate::config::nearest::nearest;
use crate::config::raw::processors::BatchProcessor;
use crate::config::raw::service::Pipeline;
use crate::config::types::Reference;
use crate::config::{ComponentId, PipelineConfig};
use crate::units::LaneId;
use tailrace_codec::Signal;

/// Who sends to whom.
pub(super) struct Routes<'a> {
    pub pipelines: Vec<PipelineConfig>,
    /// Indexed by lane.
    pub instances: Vec<Instance<'a>>,
    /// Receiver, signal, and its lanes without doubles.
    pub routes: Vec<(ComponentId, Signal, Vec<LaneId>)>,
}

/// One exporter for one signal, and the ways to it.
pub(super) struct Instance<'a> {
    pub exporter: ComponentId,
    pub signal: Signal,
    pub ways: Vec<Way<'a>>,
}

/// A chain of pipelines that ends at an exporter: more than one where connectors join them.
#[derive(Clone)]
pub(super) struct Way<'a> {
    /// The last pipeline of the chain.
    pub pipeline: ComponentId,
    /// The `batch` processors of the whole chain, in order.
    pub batches: Vec<&'a BatchProcessor>,
}

/// Resolves every reference of every pipeline.
pub(super) fn routes<'a>(declared: &'a Declared, reader: &mut Reader) -> Routes<'a> {
    reader.path = vec!["service".into(), "pipelines".into()];
    let named = &declared.service.pipelines.0;
    if named.is_empty() {
        reader.fault(FaultKind::Rule("service must have at least one pipeline"));
    }
    let mut pipelines = Vec::new();
    for (id, pipeline) in named {
        let signal = reader.at(id, |reader| {
            let signal = signal(id, reader)?;
            check(pipeline, declared, reader);
            Some(signal)
        });
        pipelines.extend(signal.map(|signal| pipeline_config(id, signal, pipeline)));
    }
    check_connectors(&pipelines, declared, reader);
    let mut graph = Graph {
        declared,
        pipelines: &pipelines,
        instances: Vec::new(),
    };
    let mut routes = Vec::new();
    for (receiver, _) in &declared.receivers {
        for signal in Signal::ALL {
            let mut lanes = Vec::new();
            for pipeline in graph.fed_by(receiver, signal) {
                graph.follow(pipeline, &[], &mut lanes, &mut Vec::new(), reader);
            }
            if !lanes.is_empty() {
                warn_of_doubles(&mut lanes, receiver, signal, reader);
                routes.push((receiver.clone(), signal, lanes));
            }
        }
    }
    let instances = graph.instances;
    reader.path.clear();
    Routes {
        pipelines,
        instances,
        routes,
    }
}

/// `traces`, `logs/audit`.
fn signal(id: &str, reader: &mut Reader) -> Option<Signal> {
    let (kind, name) = id.split_once('/').unwrap_or((id, "x"));
    let names = || Signal::ALL.iter().map(|signal| signal.name());
    let signal = Signal::ALL.into_iter().find(|signal| signal.name() == kind);
    if signal.is_none() {
        reader.fault(FaultKind::UnknownComponent {
            class: "signal",
            nearest: nearest(kind, names()),
            valid: names().map(str::to_owned).collect(),
        });
    } else if name.is_empty() {
        reader.fault(FaultKind::InvalidId);
        return None;
    }
    signal
}

/// Every reference exists, and no processor is named twice.
fn check(pipeline: &Pipeline, declared: &Declared, reader: &mut Reader) {
    let connectors = || declared.connectors.iter().map(|(id, _)| id.as_str());
    let receivers = || {
        declared
            .receivers
            .iter()
            .map(|(id, _)| id.as_str())
            .chain(connectors())
    };
    let exporters = || {
        declared
            .exporters
            .iter()
            .map(|(id, _)| id.as_str())
            .chain(connectors())
    };
    let processors = || declared.processors.iter().map(|(id, _)| id.as_str());
    check_ids(
        "receiver",
        &pipeline.receivers,
        &receivers().collect::<Vec<_>>(),
        reader,
    );
    check_ids(
        "processor",
        &pipeline.processors,
        &processors().collect::<Vec<_>>(),
        reader,
    );
    check_ids(
        "exporter",
        &pipeline.exporters,
        &exporters().collect::<Vec<_>>(),
        reader,
    );
    if pipeline.receivers.is_empty() {
        reader.rule("receivers", "must have at least one receiver");
    }
    if pipeline.exporters.is_empty() {
        reader.rule("exporters", "must have at least one exporter");
    }
}

fn check_ids(class: &'static str, ids: &[Reference], valid: &[&str], reader: &mut Reader) {
    reader.path.push(format!("{class}s"));
    for (index, reference) in ids.iter().enumerate() {
        let id = &reference.id;
        let before = || ids[..index].iter().any(|other| other.id == *id);
        reader.at(&index.to_string(), |reader| {
            if !valid.contains(&id.as_str()) {
                let nearest = nearest(id, valid.iter().copied());
                reader.fault(FaultKind::NotConfigured {
                    class,
                    id: reference.shown(),
                    nearest,
                });
            } else if before() && class == "processor" {
                reader.fault(FaultKind::Twice {
                    class,
                    id: id.clone(),
                });
            } else if before() {
                reader.warn("is named twice and counts once, as in the Collector");
            }
        });
    }
    reader.path.pop();
}

fn pipeline_config(id: &str, signal: Signal, pipeline: &Pipeline) -> PipelineConfig {
    let ids = |ids: &[Reference]| {
        let mut once: Vec<ComponentId> = Vec::new();
        for id in ids.iter().map(|reference| ComponentId::new(&reference.id)) {
            if !once.contains(&id) {
                once.push(id);
            }
        }
        once
    };
    PipelineConfig {
        id: ComponentId::new(id),
        signal,
        receivers: ids(&pipeline.receivers),
        processors: ids(&pipeline.processors),
        exporters: ids(&pipeline.exporters),
    }
}

/// What goes into a connector must come out of it, in the same signal.
fn check_connectors(pipelines: &[PipelineConfig], declared: &Declared, reader: &mut Reader) {
    for (id, _) in &declared.connectors {
        for pipeline in pipelines {
            let peers = || {
                pipelines
                    .iter()
                    .filter(|other| other.signal == pipeline.signal)
            };
            let fault = |side| FaultKind::ConnectorUnused {
                id: id.to_string(),
                side,
            };
            if pipeline.exporters.contains(id) && !peers().any(|p| p.receivers.contains(id)) {
                reader.at(pipeline.id.as_str(), |reader| {
                    reader.fault(fault("receiver"));
                });
            }
            if pipeline.receivers.contains(id) && !peers().any(|p| p.exporters.contains(id)) {
                reader.at(pipeline.id.as_str(), |reader| {
                    reader.fault(fault("exporter"));
                });
            }
        }
    }
}

struct Graph<'a, 'p> {
    declared: &'a Declared,
    pipelines: &'p [PipelineConfig],
    instances: Vec<Instance<'a>>,
}

impl<'a, 'p> Graph<'a, 'p> {
    /// The pipelines that a receiver or connector feeds.
    fn fed_by(&self, source: &ComponentId, signal: Signal) -> Vec<&'p PipelineConfig> {
        let feeds = |pipeline: &&PipelineConfig| {
            pipeline.signal == signal && pipeline.receivers.contains(source)
        };
        self.pipelines.iter().filter(feeds).collect()
    }

    /// Adds every lane behind `pipeline`. `open`: the pipelines on the way here.
    fn follow(
        &mut self,
        pipeline: &'p PipelineConfig,
        batches: &[&'a BatchProcessor],
        lanes: &mut Vec<LaneId>,
        open: &mut Vec<&'p ComponentId>,
        reader: &mut Reader,
    ) {
        if open.contains(&&pipeline.id) {
            let kind = FaultKind::Cycle {
                id: pipeline.receivers[0].to_string(),
            };
            reader.at(pipeline.id.as_str(), |reader| {
                if !reader.faults.iter().any(|fault| fault.kind == kind) {
                    reader.fault(kind);
                }
            });
            return;
        }
        open.push(&pipeline.id);
        let mut batches = batches.to_vec();
        batches.extend(pipeline.processors.iter().filter_map(|id| self.batch(id)));
        for exporter in &pipeline.exporters {
            if find(&self.declared.connectors, exporter.as_str()).is_some() {
                for next in self.fed_by(exporter, pipeline.signal) {
                    self.follow(next, &batches, lanes, open, reader);
                }
            } else if find(&self.declared.exporters, exporter.as_str()).is_some() {
                let way = Way {
                    pipeline: pipeline.id.clone(),
                    batches: batches.clone(),
                };
                lanes.push(self.instance(exporter, pipeline.signal, way));
            }
        }
        open.pop();
    }

    fn batch(&self, id: &ComponentId) -> Option<&'a BatchProcessor> {
        match find(&self.declared.processors, id.as_str())? {
            Processor::Batch(batch) => Some(batch),
            Processor::MemoryLimiter(_) => None,
        }
    }

    fn instance(&mut self, exporter: &ComponentId, signal: Signal, way: Way<'a>) -> LaneId {
        let known =
            |instance: &Instance<'_>| instance.exporter == *exporter && instance.signal == signal;
        let index = self.instances.iter().position(known).unwrap_or_else(|| {
            let exporter = exporter.clone();
            self.instances.push(Instance {
                exporter,
                signal,
                ways: Vec::new(),
            });
            self.instances.len() - 1
        });
        self.instances[index].ways.push(way);
        LaneId(u32::try_from(index).unwrap_or(u32::MAX))
    }
}

/// One exporter by two pipelines: the Collector sends everything twice.
fn warn_of_doubles(
    lanes: &mut Vec<LaneId>,
    receiver: &ComponentId,
    signal: Signal,
    reader: &mut Reader,
) {
    let count = lanes.len();
    lanes.sort_unstable();
    lanes.dedup();
    if lanes.len() < count {
        reader.warn(format!(
            "several {} pipelines lead from receiver {receiver} to one exporter; it is sent to \
             once, where the Collector sends once for each pipeline",
            signal.name()
        ));
    }
}
