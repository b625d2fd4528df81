use super::Entropy;
use super::common::{any_value, resource, scope};
use opentelemetry_proto::tonic::collector::profiles::v1development::ExportProfilesServiceRequest;
use opentelemetry_proto::tonic::profiles::v1development::{
    Function, KeyValueAndUnit, Line, Link, Location, Mapping, Profile, ProfilesDictionary,
    ResourceProfiles, Sample, ScopeProfiles, Stack, ValueType,
};

pub fn profiles(entropy: &mut Entropy<'_>) -> ExportProfilesServiceRequest {
    ExportProfilesServiceRequest {
        resource_profiles: entropy.many(3, |entropy| ResourceProfiles {
            resource: entropy.maybe(resource),
            scope_profiles: entropy.many(3, |entropy| ScopeProfiles {
                scope: entropy.maybe(scope),
                profiles: entropy.many(4, profile),
                schema_url: entropy.text(),
            }),
            schema_url: entropy.text(),
        }),
        dictionary: entropy.maybe(dictionary),
    }
}

fn profile(entropy: &mut Entropy<'_>) -> Profile {
    Profile {
        sample_type: entropy.maybe(value_type),
        samples: entropy.many(4, |entropy| Sample {
            stack_index: entropy.int32(),
            attribute_indices: entropy.many(3, Entropy::int32),
            link_index: entropy.int32(),
            values: entropy.many(3, |entropy| entropy.number() as i64),
            timestamps_unix_nano: entropy.many(3, Entropy::number),
        }),
        time_unix_nano: entropy.number(),
        duration_nano: entropy.number(),
        period_type: entropy.maybe(value_type),
        period: entropy.number() as i64,
        profile_id: entropy.blob(),
        dropped_attributes_count: entropy.number() as u32,
        original_payload_format: entropy.text(),
        original_payload: entropy.blob(),
        attribute_indices: entropy.many(3, Entropy::int32),
    }
}

fn value_type(entropy: &mut Entropy<'_>) -> ValueType {
    ValueType {
        type_strindex: entropy.int32(),
        unit_strindex: entropy.int32(),
    }
}

fn dictionary(entropy: &mut Entropy<'_>) -> ProfilesDictionary {
    ProfilesDictionary {
        mapping_table: entropy.many(2, |entropy| Mapping {
            memory_start: entropy.number(),
            memory_limit: entropy.number(),
            file_offset: entropy.number(),
            filename_strindex: entropy.int32(),
            attribute_indices: entropy.many(3, Entropy::int32),
        }),
        location_table: entropy.many(2, |entropy| Location {
            mapping_index: entropy.int32(),
            address: entropy.number(),
            lines: entropy.many(2, |entropy| Line {
                function_index: entropy.int32(),
                line: entropy.number() as i64,
                column: entropy.number() as i64,
            }),
            attribute_indices: entropy.many(3, Entropy::int32),
        }),
        function_table: entropy.many(2, |entropy| Function {
            name_strindex: entropy.int32(),
            system_name_strindex: entropy.int32(),
            filename_strindex: entropy.int32(),
            start_line: entropy.number() as i64,
        }),
        link_table: entropy.many(2, |entropy| Link {
            trace_id: entropy.blob(),
            span_id: entropy.blob(),
        }),
        string_table: entropy.many(6, Entropy::text),
        attribute_table: entropy.many(2, |entropy| KeyValueAndUnit {
            key_strindex: entropy.int32(),
            value: entropy.maybe(|entropy| any_value(entropy, 2)),
            unit_strindex: entropy.int32(),
        }),
        stack_table: entropy.many(2, |entropy| Stack {
            location_indices: entropy.many(4, Entropy::int32),
        }),
    }
}
