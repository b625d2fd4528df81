use super::*;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use proptest::prelude::*;
use prost::Message;

fn text(value: &str) -> Value {
    Value::StringValue(value.into())
}

fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.into(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

/// Log records of these severities, each with the attribute `n`, in one scope of one resource.
fn entry(environment: &str, library: &str, severities: &[i32]) -> ResourceLogs {
    let record = |severity: &i32| LogRecord {
        severity_number: *severity,
        attributes: vec![pair("n", Value::IntValue((*severity).into()))],
        ..LogRecord::default()
    };
    ResourceLogs {
        resource: Some(Resource {
            attributes: vec![pair("env", text(environment))],
            ..Resource::default()
        }),
        scope_logs: vec![ScopeLogs {
            scope: Some(InstrumentationScope {
                attributes: vec![pair("sampled", Value::BoolValue(library == "a"))],
                ..InstrumentationScope::default()
            }),
            log_records: severities.iter().map(record).collect(),
            ..ScopeLogs::default()
        }],
        ..ResourceLogs::default()
    }
}

fn request(entries: Vec<ResourceLogs>) -> Rope {
    let request = ExportLogsServiceRequest {
        resource_logs: entries,
    };
    Rope::from(request.encode_to_vec())
}

fn pairs(key: &str, value: &str) -> Vec<(Box<str>, Expected)> {
    vec![(key.into(), Expected::new(value))]
}

fn classifier(rules: Vec<(Match, Priority)>) -> Classifier {
    let rule = |(matches, priority)| PriorityRule { matches, priority };
    Classifier::new(ClassifierSettings {
        rules: rules.into_iter().map(rule).collect(),
        default: Priority::Medium,
        ..ClassifierSettings::default()
    })
}

fn severity(least: u64) -> Match {
    Match {
        severity_min: Some(least),
        ..Match::default()
    }
}

/// By priority: the severities of the records.
fn sorted(classified: &Classified, whole: &Rope) -> Vec<(Priority, Vec<i32>)> {
    let severities = |body: &Rope| {
        let request = ExportLogsServiceRequest::decode(body.to_bytes()).expect("logs");
        let scopes = request
            .resource_logs
            .into_iter()
            .flat_map(|it| it.scope_logs);
        let records = scopes.flat_map(|scope| scope.log_records);
        records.map(|record| record.severity_number).collect()
    };
    match classified {
        Classified::Alike(class) => vec![(class.priority, severities(whole))],
        Classified::Apart(pieces) => pieces
            .iter()
            .map(|(class, piece)| (class.priority, severities(&piece.body)))
            .collect(),
    }
}

#[test]
fn records_are_sorted_by_severity_in_their_order() {
    let mut classifier = classifier(vec![(severity(17), Priority::High)]);
    let logs = request(vec![
        entry("dev", "a", &[9, 17, 5, 21]),
        entry("prod", "a", &[0, 18]),
    ]);
    let classes = classifier.classify(Signal::Logs, &logs, None, Instant(1));
    let expected = [
        (Priority::Medium, vec![9, 5, 0]),
        (Priority::High, vec![17, 21, 18]),
    ];
    assert_eq!(sorted(&classes, &logs), expected);
}

#[test]
fn the_first_rule_that_holds_decides() {
    let rules = vec![
        (
            Match {
                resource: pairs("env", "dev"),
                ..Match::default()
            },
            Priority::Low,
        ),
        (severity(17), Priority::High),
    ];
    let logs = request(vec![entry("dev", "a", &[17]), entry("prod", "a", &[17, 9])]);
    let classes = classifier(rules).classify(Signal::Logs, &logs, None, Instant(1));
    let expected = [
        (Priority::Low, vec![17]),
        (Priority::High, vec![17]),
        (Priority::Medium, vec![9]),
    ];
    assert_eq!(sorted(&classes, &logs), expected);
}

#[test]
fn attributes_of_scope_and_record_are_compared_as_text() {
    let rules = vec![(
        Match {
            scope: pairs("sampled", "true"),
            item: pairs("n", "9"),
            ..Match::default()
        },
        Priority::Low,
    )];
    let logs = request(vec![entry("dev", "a", &[9, 10]), entry("dev", "b", &[9])]);
    let classes = classifier(rules).classify(Signal::Logs, &logs, None, Instant(1));
    let expected = [(Priority::Low, vec![9]), (Priority::Medium, vec![10, 9])];
    assert_eq!(sorted(&classes, &logs), expected);
}

#[test]
fn what_only_other_signals_have_asks_nothing_of_this_one() {
    let status = Match {
        span_status: Some(2),
        ..Match::default()
    };
    let metrics = Match {
        signal: Some(Signal::Metrics),
        ..Match::default()
    };
    let mut classifier = classifier(vec![(status, Priority::High), (metrics, Priority::Low)]);
    let logs = request(vec![entry("dev", "a", &[21])]);
    let mut one = |signal| match classifier.classify(signal, &logs, None, Instant(1)) {
        Classified::Alike(class) => class.priority,
        Classified::Apart(_) => panic!("nothing looks into it"),
    };
    assert_eq!(one(Signal::Logs), Priority::Medium);
    assert_eq!(one(Signal::Metrics), Priority::Low);
    // Not even framing is looked at where the signal decides.
    assert_eq!(classifier.depths[Signal::Logs as usize], Depth::Request);
    assert_eq!(classifier.depths[Signal::Traces as usize], Depth::Items);
}

/// The classifier of one rule for a tenant, whose name stands in this place.
fn of_tenant(source: TenantSource) -> Classifier {
    let theirs = Match {
        tenants: ["dev".into()].into(),
        ..Match::default()
    };
    Classifier::new(ClassifierSettings {
        rules: [PriorityRule {
            matches: theirs,
            priority: Priority::Low,
        }]
        .into(),
        default: Priority::Medium,
        tenants: TenantSettings {
            source: Some(source),
            tenants_max: 10,
            share: 1.0,
            ..TenantSettings::default()
        },
    })
}

#[test]
fn a_tenant_has_a_priority_wherever_its_name_stands() {
    let logs = request(vec![entry("dev", "a", &[9]), entry("prod", "a", &[10])]);
    let mut by_resource = of_tenant(TenantSource::Resource("env".into()));
    let classes = by_resource.classify(Signal::Logs, &logs, None, Instant(1));
    let expected = [(Priority::Low, vec![9]), (Priority::Medium, vec![10])];
    assert_eq!(sorted(&classes, &logs), expected);
    let mut by_header = of_tenant(TenantSource::Metadata("x-env".into()));
    for (name, priority) in [("dev", Priority::Low), ("prod", Priority::Medium)] {
        let values: Box<[Box<str>]> = [name.into()].into();
        let metadata = Metadata::from(vec![("x-env".into(), values)]);
        let classes = by_header.classify(Signal::Logs, &logs, Some(&metadata), Instant(1));
        assert_eq!(sorted(&classes, &logs), [(priority, vec![9, 10])]);
        // The signal and the header decide: nothing is looked into.
        assert_eq!(by_header.depths[Signal::Logs as usize], Depth::Request);
    }
}

#[test]
fn an_item_that_cannot_be_read_matches_nothing() {
    let mut classifier = classifier(vec![(severity(1), Priority::High)]);
    // Severity as a length that runs out of the record.
    let broken = [0x0a, 6, 0x12, 4, 0x12, 2, 0x12, 0x09];
    let classes = classifier.classify(Signal::Logs, &Rope::from(broken.to_vec()), None, Instant(1));
    assert!(matches!(classes, Classified::Alike(class) if class.priority == Priority::Medium));
}

proptest! {
    /// Whatever the records are, each is in the piece of its class, once.
    #[test]
    fn pieces_are_the_request(
        entries in proptest::collection::vec(
            (any::<bool>(), any::<bool>(), proptest::collection::vec(0i32..25, 0..6)),
            0..6,
        ),
    ) {
        let entries: Vec<_> = entries
            .iter()
            .map(|(dev, a, severities)| {
                entry(if *dev { "dev" } else { "prod" }, if *a { "a" } else { "b" }, severities)
            })
            .collect();
        let class = |environment: &KeyValue, record: &LogRecord| {
            if record.severity_number >= 17 {
                Priority::High
            } else if *environment == pair("env", text("dev")) {
                Priority::Low
            } else {
                Priority::Medium
            }
        };
        let mut expected: Vec<(Priority, Vec<i32>)> = Vec::new();
        for entry in &entries {
            let environment = &entry.resource.as_ref().expect("has one").attributes[0];
            for record in &entry.scope_logs[0].log_records {
                let class = class(environment, record);
                match expected.iter_mut().find(|(known, _)| *known == class) {
                    Some((_, severities)) => severities.push(record.severity_number),
                    None => expected.push((class, vec![record.severity_number])),
                }
            }
        }
        let dev = Match { resource: pairs("env", "dev"), ..Match::default() };
        let mut classifier = classifier(vec![(severity(17), Priority::High), (dev, Priority::Low)]);
        let logs = request(entries);
        let found = sorted(&classifier.classify(Signal::Logs, &logs, None, Instant(1)), &logs);
        if expected.is_empty() {
            expected.push((Priority::Medium, Vec::new()));
        }
        prop_assert_eq!(found, expected);
    }
}
