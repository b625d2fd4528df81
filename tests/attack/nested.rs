//! Messages nested so deep that a recursive reader runs out of stack. Built from the inside out,
//! for the generated types could not be encoded either.

/// An `ExportTraceServiceRequest` of one span with one attribute of `depth` arrays, each in the
/// other.
pub fn nested_protobuf(depth: usize) -> Vec<u8> {
    // Written backwards: the length of what is inside is known when its prefix is due.
    let mut reversed = Vec::new();
    for _ in 0..depth {
        // AnyValue.array_value = 5, of ArrayValue.values = 1.
        enclose(&mut reversed, 0x0a);
        enclose(&mut reversed, 0x2a);
    }
    // KeyValue.value = 2, Span.attributes = 9, ScopeSpans.spans = 2, ResourceSpans.scope_spans = 2,
    // ExportTraceServiceRequest.resource_spans = 1.
    for tag in [0x12, 0x4a, 0x12, 0x12, 0x0a] {
        enclose(&mut reversed, tag);
    }
    reversed.reverse();
    reversed
}

/// The same request as OTLP/JSON.
pub fn nested_json(depth: usize) -> Vec<u8> {
    let open = r#"{"arrayValue":{"values":["#.repeat(depth);
    let close = "]}}".repeat(depth);
    let head = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"attributes":[{"key":"a","value":"#;
    format!("{head}{open}{{}}{close}}}]}}]}}]}}]}}").into_bytes()
}

/// Puts the tag and the length in front of what is there, all of it reversed.
fn enclose(reversed: &mut Vec<u8>, tag: u8) {
    let mut length = reversed.len();
    let mut prefix = vec![tag];
    while length >= 128 {
        prefix.push((length % 128) as u8 | 0x80);
        length /= 128;
    }
    prefix.push(length as u8);
    reversed.extend(prefix.into_iter().rev());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::{Export, Signal};

    #[test]
    fn a_shallow_one_is_valid() {
        let protobuf = Export::decode_protobuf(Signal::Traces, &nested_protobuf(20));
        let json = Export::decode_json(Signal::Traces, &nested_json(20));
        assert_eq!(protobuf.expect("valid").items().len(), 1);
        assert_eq!(json.expect("valid").items().len(), 1);
    }

    #[test]
    fn a_deep_one_is_refused_by_a_reader_with_a_limit() {
        assert!(Export::decode_protobuf(Signal::Traces, &nested_protobuf(10_000)).is_err());
        assert!(Export::decode_json(Signal::Traces, &nested_json(10_000)).is_err());
    }
}
