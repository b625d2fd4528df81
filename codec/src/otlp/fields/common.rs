//! `opentelemetry/proto/common/v1/common.proto` and `resource/v1/resource.proto`.

use super::Kind::{Bool, Bytes, Double, Int32, Int64, Message as Nested, String, Uint32};
use super::{Message, choice, many, one};

pub static ANY_VALUE: Message = Message {
    name: "AnyValue",
    fields: &[
        choice(1, "stringValue", String),
        choice(2, "boolValue", Bool),
        choice(3, "intValue", Int64),
        choice(4, "doubleValue", Double),
        choice(5, "arrayValue", Nested(&ARRAY_VALUE)),
        choice(6, "kvlistValue", Nested(&KEY_VALUE_LIST)),
        choice(7, "bytesValue", Bytes),
        choice(8, "stringValueStrindex", Int32),
    ],
};

pub static ARRAY_VALUE: Message = Message {
    name: "ArrayValue",
    fields: &[many(1, "values", Nested(&ANY_VALUE))],
};

pub static KEY_VALUE_LIST: Message = Message {
    name: "KeyValueList",
    fields: &[many(1, "values", Nested(&KEY_VALUE))],
};

pub static KEY_VALUE: Message = Message {
    name: "KeyValue",
    fields: &[
        one(1, "key", String),
        one(2, "value", Nested(&ANY_VALUE)),
        one(3, "keyStrindex", Int32),
    ],
};

pub static SCOPE: Message = Message {
    name: "InstrumentationScope",
    fields: &[
        one(1, "name", String),
        one(2, "version", String),
        many(3, "attributes", Nested(&KEY_VALUE)),
        one(4, "droppedAttributesCount", Uint32),
    ],
};

pub static RESOURCE: Message = Message {
    name: "Resource",
    fields: &[
        many(1, "attributes", Nested(&KEY_VALUE)),
        one(2, "droppedAttributesCount", Uint32),
        many(3, "entityRefs", Nested(&ENTITY_REF)),
    ],
};

static ENTITY_REF: Message = Message {
    name: "EntityRef",
    fields: &[
        one(1, "schemaUrl", String),
        one(2, "type", String),
        many(3, "idKeys", String),
        many(4, "descriptionKeys", String),
    ],
};
