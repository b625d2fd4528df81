use crate::generate::{cut, cuts, request, scrambled};
use crate::wire::{self, Field};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::profiles::v1development::ExportProfilesServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as ProstValue;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::profiles::v1development::{ProfilesDictionary, ResourceProfiles};
use opentelemetry_proto::tonic::resource::v1::Resource;
use proptest::prelude::*;
use prost::Message;
use tailrace_codec::otlp::edit::{Action, Edit, EditError, Edits, Target, Value};
use tailrace_codec::{Rope, Signal};

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        "[a-z]{0,300}".prop_map(Value::String),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<f64>().prop_map(Value::Double),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Value::Bytes),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
            prop::collection::vec(("[a-z]{0,4}", inner), 0..3).prop_map(Value::Map),
        ]
    })
}

/// Edits of the keys that the generator uses, and of one that it does not.
fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let target = prop::sample::select(&[Target::Resource, Target::Scope, Target::Item][..]);
    let key = prop::sample::select(&["", "a", "key", "tenant", "new"][..]);
    let action = prop_oneof![
        value().prop_map(Action::Insert),
        value().prop_map(Action::Update),
        value().prop_map(Action::Upsert),
        Just(Action::Delete),
    ];
    let edit = (target, key, action).prop_map(|(target, key, action)| Edit {
        target,
        key: key.to_owned(),
        action,
    });
    prop::collection::vec(edit, 0..7)
}

fn to_prost(value: &Value) -> AnyValue {
    let value = match value.clone() {
        Value::String(text) => ProstValue::StringValue(text),
        Value::Bool(value) => ProstValue::BoolValue(value),
        Value::Int(value) => ProstValue::IntValue(value),
        Value::Double(value) => ProstValue::DoubleValue(value),
        Value::Bytes(bytes) => ProstValue::BytesValue(bytes),
        Value::Array(values) => ProstValue::ArrayValue(ArrayValue {
            values: values.iter().map(to_prost).collect(),
        }),
        Value::Map(entries) => ProstValue::KvlistValue(KeyValueList {
            values: entries
                .iter()
                .map(|(key, value)| new_attribute(key, value))
                .collect(),
        }),
    };
    AnyValue { value: Some(value) }
}

fn new_attribute(key: &str, value: &Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(to_prost(value)),
        key_strindex: 0,
    }
}

/// The edits made to prost's structs, one after the other.
fn edit_attributes(attributes: &mut Vec<KeyValue>, edits: &[Edit], target: Target) {
    for edit in edits.iter().filter(|edit| edit.target == target) {
        let first = attributes.iter_mut().find(|held| held.key == edit.key);
        match (&edit.action, first) {
            (Action::Delete, _) => attributes.retain(|held| held.key != edit.key),
            (Action::Update(value) | Action::Upsert(value), Some(held)) => {
                held.value = Some(to_prost(value));
            }
            (Action::Insert(value) | Action::Upsert(value), None) => {
                attributes.push(new_attribute(&edit.key, value));
            }
            (Action::Insert(_), Some(_)) | (Action::Update(_), None) => {}
        }
    }
    sort(attributes);
}

/// Attributes are a map: only those with the same key have an order.
fn sort(attributes: &mut [KeyValue]) {
    attributes.sort_by(|a, b| a.key.cmp(&b.key));
}

fn edit_resource(resource: &mut Option<Resource>, edits: &[Edit]) {
    let was_missing = resource.is_none();
    let mut edited = resource.take().unwrap_or_default();
    edit_attributes(&mut edited.attributes, edits, Target::Resource);
    *resource = (!was_missing || !edited.attributes.is_empty()).then_some(edited);
}

fn edit_scope(scope: &mut Option<InstrumentationScope>, edits: &[Edit]) {
    let was_missing = scope.is_none();
    let mut edited = scope.take().unwrap_or_default();
    edit_attributes(&mut edited.attributes, edits, Target::Scope);
    *scope = (!was_missing || !edited.attributes.is_empty()).then_some(edited);
}

/// Decodes a request, makes the edits, and encodes it with its attributes sorted.
fn edited(signal: Signal, bytes: &[u8], edits: &[Edit]) -> Vec<u8> {
    match signal {
        Signal::Traces => {
            let mut request = ExportTraceServiceRequest::decode(bytes).unwrap();
            for entry in &mut request.resource_spans {
                edit_resource(&mut entry.resource, edits);
                for scope in &mut entry.scope_spans {
                    edit_scope(&mut scope.scope, edits);
                    for span in &mut scope.spans {
                        edit_attributes(&mut span.attributes, edits, Target::Item);
                    }
                }
            }
            request.encode_to_vec()
        }
        Signal::Logs => {
            let mut request = ExportLogsServiceRequest::decode(bytes).unwrap();
            for entry in &mut request.resource_logs {
                edit_resource(&mut entry.resource, edits);
                for scope in &mut entry.scope_logs {
                    edit_scope(&mut scope.scope, edits);
                    for record in &mut scope.log_records {
                        edit_attributes(&mut record.attributes, edits, Target::Item);
                    }
                }
            }
            request.encode_to_vec()
        }
        Signal::Metrics => {
            let mut request = ExportMetricsServiceRequest::decode(bytes).unwrap();
            for entry in &mut request.resource_metrics {
                edit_resource(&mut entry.resource, edits);
                for scope in &mut entry.scope_metrics {
                    edit_scope(&mut scope.scope, edits);
                    for metric in &mut scope.metrics {
                        edit_points(metric.data.as_mut(), edits);
                    }
                }
            }
            request.encode_to_vec()
        }
        Signal::Profiles => {
            let mut request = ExportProfilesServiceRequest::decode(bytes).unwrap();
            for entry in &mut request.resource_profiles {
                edit_resource(&mut entry.resource, edits);
                for scope in &mut entry.scope_profiles {
                    edit_scope(&mut scope.scope, edits);
                }
            }
            request.encode_to_vec()
        }
    }
}

fn edit_points(data: Option<&mut Data>, edits: &[Edit]) {
    let edit = |attributes| edit_attributes(attributes, edits, Target::Item);
    match data {
        None => {}
        Some(Data::Gauge(data)) => data
            .data_points
            .iter_mut()
            .for_each(|p| edit(&mut p.attributes)),
        Some(Data::Sum(data)) => data
            .data_points
            .iter_mut()
            .for_each(|p| edit(&mut p.attributes)),
        Some(Data::Histogram(data)) => {
            data.data_points
                .iter_mut()
                .for_each(|p| edit(&mut p.attributes));
        }
        Some(Data::ExponentialHistogram(data)) => {
            data.data_points
                .iter_mut()
                .for_each(|p| edit(&mut p.attributes));
        }
        Some(Data::Summary(data)) => {
            data.data_points
                .iter_mut()
                .for_each(|p| edit(&mut p.attributes));
        }
    }
}

/// The edits that a signal has a place for.
fn possible(signal: Signal, mut edits: Vec<Edit>) -> Vec<Edit> {
    edits.retain(|edit| signal != Signal::Profiles || edit.target != Target::Item);
    edits
}

proptest! {
    #[test]
    fn an_edit_is_that_made_on_the_decoded_request(
        (signal, bytes) in scrambled(),
        edits in edits(),
        cuts in cuts(),
    ) {
        let edits = possible(signal, edits);
        let compiled = Edits::new(signal, &edits).unwrap();
        let ours = compiled.apply(&cut(&bytes, &cuts)).unwrap().to_bytes();
        prop_assert_eq!(edited(signal, &ours, &[]), edited(signal, &bytes, &edits));
    }

    /// Everything but attributes is as it was, unknown fields included.
    #[test]
    fn what_is_not_an_attribute_survives(
        (signal, bytes) in scrambled(),
        edits in edits(),
        cuts in cuts(),
    ) {
        let compiled = Edits::new(signal, &possible(signal, edits)).unwrap();
        let ours = compiled.apply(&cut(&bytes, &cuts)).unwrap().to_bytes();
        prop_assert_eq!(without_attributes(signal, &ours), without_attributes(signal, &bytes));
    }

    #[test]
    fn edits_without_effect_return_the_request((signal, bytes) in request(), cuts in cuts()) {
        let edits = [Edit {
            target: Target::Resource,
            key: "nowhere".to_owned(),
            action: Action::Delete,
        }];
        let rope = cut(&bytes, &cuts);
        let ours = Edits::new(signal, &edits).unwrap().apply(&rope).unwrap();
        prop_assert_eq!(&ours, &rope);
        prop_assert_eq!(ours.slices().len(), rope.slices().len());
    }
}

/// The own fields of each level but its resource or scope, and those of the items but the fields
/// in which some item has its attributes.
fn without_attributes(signal: Signal, bytes: &[u8]) -> Vec<Vec<Field>> {
    let is_attributes = |number: u32| match signal {
        Signal::Traces => number == 9,
        Signal::Logs => number == 6,
        Signal::Metrics => [1, 7, 9].contains(&number),
        Signal::Profiles => false,
    };
    let mut rest = Vec::new();
    for flat in wire::flatten(signal, bytes) {
        for (depth, (_, own)) in flat.around.into_iter().enumerate() {
            let mut own = own;
            own.retain(|(number, ..)| !((1..=2).contains(&depth) && *number == 1));
            rest.push(own);
        }
        let item = flat.item.map_or(vec![], |item| wire::fields(&item.2));
        rest.push(
            item.into_iter()
                .filter(|field| !is_attributes(field.0))
                .collect(),
        );
    }
    rest
}

/// In profiles a key may be an index into the dictionary's strings.
#[test]
fn keys_of_profiles_are_found_in_the_dictionary() {
    let attribute = KeyValue {
        key_strindex: 2,
        value: Some(to_prost(&Value::Int(1))),
        ..KeyValue::default()
    };
    let request = |attributes| ExportProfilesServiceRequest {
        resource_profiles: vec![ResourceProfiles {
            resource: Some(Resource {
                attributes,
                ..Resource::default()
            }),
            ..ResourceProfiles::default()
        }],
        dictionary: Some(ProfilesDictionary {
            string_table: vec![String::new(), "other".to_owned(), "secret".to_owned()],
            ..ProfilesDictionary::default()
        }),
    };
    let edit = |key: &str, action| {
        let edits = [Edit {
            target: Target::Resource,
            key: key.to_owned(),
            action,
        }];
        let rope = Rope::from(request(vec![attribute.clone()]).encode_to_vec());
        let ours = Edits::new(Signal::Profiles, &edits)
            .unwrap()
            .apply(&rope)
            .unwrap();
        ExportProfilesServiceRequest::decode(ours.to_bytes()).unwrap()
    };
    assert_eq!(edit("secret", Action::Delete), request(vec![]));
    assert_eq!(
        edit("other", Action::Delete),
        request(vec![attribute.clone()])
    );
    let updated = KeyValue {
        value: Some(to_prost(&Value::Int(2))),
        ..attribute.clone()
    };
    assert_eq!(
        edit("secret", Action::Update(Value::Int(2))),
        request(vec![updated])
    );
}

#[test]
fn attributes_of_profiles_are_out_of_reach() {
    let edit = Edit {
        target: Target::Item,
        key: "a".to_owned(),
        action: Action::Delete,
    };
    let refused = Edits::new(Signal::Profiles, &[edit]).unwrap_err();
    assert_eq!(refused, EditError::ProfileItems);
}
