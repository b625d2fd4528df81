use super::*;
use std::collections::BTreeSet;
use std::ptr;

/// Every message that a signal's request can hold.
fn messages() -> Vec<&'static Message> {
    let mut found: Vec<&'static Message> = Signal::ALL.map(request).to_vec();
    let mut next = 0;
    while next < found.len() {
        for field in found[next].fields {
            if let Kind::Message(inner) = field.kind
                && !found.iter().any(|seen| ptr::eq(*seen, inner))
            {
                found.push(inner);
            }
        }
        next += 1;
    }
    found
}

#[test]
fn numbers_are_in_order_and_names_are_json_names() {
    let messages = messages();
    assert_eq!(messages.len(), 48);
    for message in messages {
        let numbers: Vec<u32> = message.fields.iter().map(|field| field.number).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "{}", message.name);
        let names: BTreeSet<&str> = message.fields.iter().map(|field| field.name).collect();
        assert_eq!(names.len(), message.fields.len(), "{}", message.name);
        assert!(message.fields.len() <= 64, "a bit for each field");
        for field in message.fields {
            assert!(ptr::eq(message.field(field.number).unwrap(), field));
            assert!(field.name.chars().all(|c| c.is_ascii_alphanumeric()));
        }
        assert!(message.field(0).is_none() && message.field(99).is_none());
    }
}

/// The short constants of the way in are those of the tables.
#[test]
fn the_way_in_is_in_the_tables() {
    fn inner(message: &'static Message, number: u32) -> &'static Message {
        match message.field(number).unwrap().kind {
            Kind::Message(inner) => inner,
            other => panic!("{} {number} is {other:?}", message.name),
        }
    }
    fn name(message: &'static Message, number: u32) -> &'static str {
        message.field(number).unwrap().name
    }
    for signal in Signal::ALL {
        let entry = inner(request(signal), REQUEST_RESOURCES);
        assert_eq!(
            name(inner(entry, ENTRY_RESOURCE), RESOURCE_ATTRIBUTES),
            "attributes"
        );
        let scope_entry = inner(entry, ENTRY_SCOPES);
        assert_eq!(
            name(inner(scope_entry, SCOPE_ENTRY_SCOPE), SCOPE_ATTRIBUTES),
            "attributes"
        );
        let item = inner(scope_entry, SCOPE_ENTRY_ITEMS);
        match signal {
            Signal::Traces => {
                assert_eq!(name(item, SPAN_ATTRIBUTES), "attributes");
                assert_eq!(name(item, SPAN_TRACE_ID), "traceId");
                assert_eq!(name(item, SPAN_TRACE_STATE), "traceState");
                assert_eq!(name(item, SPAN_FLAGS), "flags");
                assert_eq!(name(inner(item, SPAN_STATUS), STATUS_CODE), "code");
            }
            Signal::Logs => {
                assert_eq!(name(item, LOG_ATTRIBUTES), "attributes");
                assert_eq!(name(item, LOG_SEVERITY_NUMBER), "severityNumber");
                assert_eq!(name(item, LOG_TRACE_ID), "traceId");
            }
            Signal::Profiles => {
                assert_eq!(name(item, PROFILE_SAMPLES), "samples");
                let dictionary = inner(request(signal), REQUEST_DICTIONARY);
                assert_eq!(name(dictionary, DICTIONARY_STRINGS), "stringTable");
            }
            Signal::Metrics => {
                for data in METRIC_DATA {
                    let point = inner(inner(item, data), DATA_POINTS);
                    assert_eq!(name(point, point_attributes(data)), "attributes");
                }
            }
        }
    }
    assert_eq!(name(&ANY_VALUE, ANY_VALUE_STRING), "stringValue");
    assert_eq!(name(&KEY_VALUE, KEY_VALUE_KEY), "key");
    assert_eq!(name(&KEY_VALUE, KEY_VALUE_VALUE), "value");
    assert_eq!(name(&KEY_VALUE, KEY_VALUE_KEY_INDEX), "keyStrindex");
}
