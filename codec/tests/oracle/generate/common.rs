//! Attributes, resources and scopes: what all signals share.

use super::Entropy;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, EntityRef, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

/// A value of any kind, at most `depth` levels of lists and maps deep.
pub fn any_value(entropy: &mut Entropy<'_>, depth: usize) -> AnyValue {
    let value = match entropy.below(12) {
        0 => Some(Value::StringValue(entropy.text())),
        1 => Some(Value::BoolValue(entropy.below(2) == 1)),
        2 | 3 => Some(Value::IntValue(entropy.number() as i64)),
        4 => Some(Value::DoubleValue(entropy.double())),
        5 => Some(Value::BytesValue(entropy.blob())),
        6 => None,
        7 | 8 if depth > 0 => Some(Value::ArrayValue(ArrayValue {
            values: entropy.many(3, |entropy| any_value(entropy, depth - 1)),
        })),
        9 | 10 if depth > 0 => Some(Value::KvlistValue(KeyValueList {
            values: key_values(entropy, depth - 1),
        })),
        _ => Some(Value::StringValue(entropy.text())),
    };
    AnyValue { value }
}

/// Attributes with few distinct keys, so that keys are found, missed and met twice.
pub fn attributes(entropy: &mut Entropy<'_>) -> Vec<KeyValue> {
    key_values(entropy, 3)
}

fn key_values(entropy: &mut Entropy<'_>, depth: usize) -> Vec<KeyValue> {
    entropy.many(4, |entropy| KeyValue {
        key: entropy.text(),
        value: (!entropy.one_in(10)).then(|| any_value(entropy, depth)),
        key_strindex: 0,
    })
}

pub fn resource(entropy: &mut Entropy<'_>) -> Resource {
    Resource {
        attributes: attributes(entropy),
        dropped_attributes_count: entropy.number() as u32,
        entity_refs: entropy.many(1, |entropy| EntityRef {
            schema_url: entropy.text(),
            r#type: entropy.text(),
            id_keys: entropy.many(2, Entropy::text),
            description_keys: entropy.many(2, Entropy::text),
        }),
    }
}

pub fn scope(entropy: &mut Entropy<'_>) -> InstrumentationScope {
    InstrumentationScope {
        name: entropy.text(),
        version: entropy.text(),
        attributes: attributes(entropy),
        dropped_attributes_count: entropy.number() as u32,
    }
}
