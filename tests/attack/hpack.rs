//! Header blocks by hand (RFC 7541), without Huffman coding.

/// An index to the newest entry of the dynamic table: 62.
pub(super) const NEWEST_ENTRY: u8 = 0x80 | 62;

/// The head of a gRPC export of traces.
pub(super) fn export_request() -> Vec<u8> {
    // From the static table: `:method: POST`, `:scheme: http`.
    let mut block = vec![0x83, 0x86];
    let path = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
    block.extend(literal(":path", path));
    block.extend(literal(":authority", "victim"));
    block.extend(literal("content-type", "application/grpc"));
    block.extend(literal("te", "trailers"));
    block
}

/// A literal field that leaves the dynamic table alone (section 6.2.2).
pub(super) fn literal(name: &str, value: &str) -> Vec<u8> {
    field(0x00, name, value)
}

/// A literal field that enters the dynamic table (section 6.2.1).
pub(super) fn indexed_literal(name: &str, value: &str) -> Vec<u8> {
    field(0x40, name, value)
}

fn field(kind: u8, name: &str, value: &str) -> Vec<u8> {
    let mut block = vec![kind];
    string(&mut block, name);
    string(&mut block, value);
    block
}

/// A length with a prefix of 7 bits (section 5.1), then the bytes.
fn string(block: &mut Vec<u8>, text: &str) {
    let mut rest = text.len();
    if rest < 127 {
        block.push(rest as u8);
    } else {
        block.push(127);
        rest -= 127;
        while rest >= 128 {
            block.push((rest % 128) as u8 | 0x80);
            rest /= 128;
        }
        block.push(rest as u8);
    }
    block.extend_from_slice(text.as_bytes());
}
