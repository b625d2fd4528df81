//! `opentelemetry/proto/profiles/v1development/profiles.proto`.

use super::Kind::{Bytes, Fixed64, Id, Int32, Int64, Message as Nested, String, Uint32, Uint64};
use super::{ANY_VALUE, Message, RESOURCE, SCOPE, many, one};

pub static REQUEST: Message = Message {
    name: "ExportProfilesServiceRequest",
    fields: &[
        many(1, "resourceProfiles", Nested(&RESOURCE_PROFILES)),
        one(2, "dictionary", Nested(&DICTIONARY)),
    ],
};

static RESOURCE_PROFILES: Message = Message {
    name: "ResourceProfiles",
    fields: &[
        one(1, "resource", Nested(&RESOURCE)),
        many(2, "scopeProfiles", Nested(&SCOPE_PROFILES)),
        one(3, "schemaUrl", String),
    ],
};

static SCOPE_PROFILES: Message = Message {
    name: "ScopeProfiles",
    fields: &[
        one(1, "scope", Nested(&SCOPE)),
        many(2, "profiles", Nested(&PROFILE)),
        one(3, "schemaUrl", String),
    ],
};

static PROFILE: Message = Message {
    name: "Profile",
    fields: &[
        one(1, "sampleType", Nested(&VALUE_TYPE)),
        many(2, "samples", Nested(&SAMPLE)),
        one(3, "timeUnixNano", Fixed64),
        one(4, "durationNano", Uint64),
        one(5, "periodType", Nested(&VALUE_TYPE)),
        one(6, "period", Int64),
        one(7, "profileId", Id),
        one(8, "droppedAttributesCount", Uint32),
        one(9, "originalPayloadFormat", String),
        one(10, "originalPayload", Bytes),
        many(11, "attributeIndices", Int32),
    ],
};

static VALUE_TYPE: Message = Message {
    name: "ValueType",
    fields: &[one(1, "typeStrindex", Int32), one(2, "unitStrindex", Int32)],
};

static SAMPLE: Message = Message {
    name: "Sample",
    fields: &[
        one(1, "stackIndex", Int32),
        many(2, "attributeIndices", Int32),
        one(3, "linkIndex", Int32),
        many(4, "values", Int64),
        many(5, "timestampsUnixNano", Fixed64),
    ],
};

static DICTIONARY: Message = Message {
    name: "ProfilesDictionary",
    fields: &[
        many(1, "mappingTable", Nested(&MAPPING)),
        many(2, "locationTable", Nested(&LOCATION)),
        many(3, "functionTable", Nested(&FUNCTION)),
        many(4, "linkTable", Nested(&LINK)),
        many(5, "stringTable", String),
        many(6, "attributeTable", Nested(&KEY_VALUE_AND_UNIT)),
        many(7, "stackTable", Nested(&STACK)),
    ],
};

static MAPPING: Message = Message {
    name: "Mapping",
    fields: &[
        one(1, "memoryStart", Uint64),
        one(2, "memoryLimit", Uint64),
        one(3, "fileOffset", Uint64),
        one(4, "filenameStrindex", Int32),
        many(5, "attributeIndices", Int32),
    ],
};

static STACK: Message = Message {
    name: "Stack",
    fields: &[many(1, "locationIndices", Int32)],
};

static LOCATION: Message = Message {
    name: "Location",
    fields: &[
        one(1, "mappingIndex", Int32),
        one(2, "address", Uint64),
        many(3, "lines", Nested(&LINE)),
        many(4, "attributeIndices", Int32),
    ],
};

static LINE: Message = Message {
    name: "Line",
    fields: &[
        one(1, "functionIndex", Int32),
        one(2, "line", Int64),
        one(3, "column", Int64),
    ],
};

static FUNCTION: Message = Message {
    name: "Function",
    fields: &[
        one(1, "nameStrindex", Int32),
        one(2, "systemNameStrindex", Int32),
        one(3, "filenameStrindex", Int32),
        one(4, "startLine", Int64),
    ],
};

static LINK: Message = Message {
    name: "Link",
    fields: &[one(1, "traceId", Id), one(2, "spanId", Id)],
};

static KEY_VALUE_AND_UNIT: Message = Message {
    name: "KeyValueAndUnit",
    fields: &[
        one(1, "keyStrindex", Int32),
        one(2, "value", Nested(&ANY_VALUE)),
        one(3, "unitStrindex", Int32),
    ],
};
