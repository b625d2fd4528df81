//! Appends fields to a buffer that its owner may use again.

mod window;

pub use window::Window;

use crate::field::{Tag, WireType};
use crate::varint;
use bytes::Bytes;

/// A buffer and the protobuf fields written to it so far.
///
/// The length of a nested message is known only after its content: [`Writer::open`] leaves room
/// for the length that is expected, and [`Writer::close`] moves the content by a few bytes where
/// the guess was wrong. So every length is in its shortest form, and a right guess costs nothing.
#[derive(Debug, Default)]
pub struct Writer {
    buffer: Vec<u8>,
}

/// A nested message whose end is not written yet. Messages close in the reverse of their order.
#[derive(Debug)]
#[must_use = "a message that is not closed has no length"]
pub struct Open {
    /// Where the content begins.
    content: usize,
    /// Bytes left for the length before it.
    reserved: usize,
}

impl Writer {
    /// Writes at the end of `buffer`, whose capacity is used first.
    pub const fn new(buffer: Vec<u8>) -> Self {
        Self { buffer }
    }

    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// How many bytes the buffer has room for, those that were written included.
    pub const fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// What has been written so far.
    pub fn as_slice(&self) -> &[u8] {
        &self.buffer
    }

    /// Forgets what was written; the buffer stays.
    pub fn clear(&mut self) {
        self.buffer.clear();
    }

    /// The buffer, for its owner.
    pub fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }

    /// What was written, without a copy.
    pub fn finish(self) -> Bytes {
        Bytes::from(self.buffer)
    }

    /// An int64, uint64, int32, uint32, bool or enum field, written even where it is 0.
    /// Negative numbers are given in two's complement of 64 bits.
    pub fn varint(&mut self, number: u32, value: u64) {
        self.tag(number, WireType::Varint);
        varint::write(value, &mut self.buffer);
    }

    /// A fixed64, sfixed64 or double (by its bits) field.
    pub fn fixed64(&mut self, number: u32, bits: u64) {
        self.tag(number, WireType::I64);
        self.buffer.extend_from_slice(&bits.to_le_bytes());
    }

    /// A fixed32, sfixed32 or float (by its bits) field.
    pub fn fixed32(&mut self, number: u32, bits: u32) {
        self.tag(number, WireType::I32);
        self.buffer.extend_from_slice(&bits.to_le_bytes());
    }

    /// A string, bytes or ready-made message field.
    #[inline]
    pub fn bytes(&mut self, number: u32, content: &[u8]) {
        self.header(number, content.len());
        self.buffer.extend_from_slice(content);
    }

    /// Tag and length of a field whose `len` bytes of content come next, or come from elsewhere.
    #[inline]
    pub fn header(&mut self, number: u32, len: usize) {
        if number < 16 && len < 0x80 {
            // Nearly every field of telemetry: one byte each, appended at once.
            let tag = (number << 3) as u8 | WireType::Len as u8;
            self.buffer.extend_from_slice(&[tag, len as u8]);
        } else {
            self.long_header(number, len);
        }
    }

    #[inline(never)]
    fn long_header(&mut self, number: u32, len: usize) {
        self.tag(number, WireType::Len);
        varint::write(len as u64, &mut self.buffer);
    }

    /// Bytes as they are: fields written before, or part of a content.
    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Takes the place of bytes that were written before. Panics where they were not.
    #[inline]
    pub fn patch<const N: usize>(&mut self, at: usize, bytes: [u8; N]) {
        self.buffer[at..at + N].copy_from_slice(&bytes);
    }

    /// A varint without a tag: an element of a packed field.
    pub fn raw_varint(&mut self, value: u64) {
        varint::write(value, &mut self.buffer);
    }

    /// Begins a nested message of about `expected_len` bytes.
    pub fn open(&mut self, number: u32, expected_len: usize) -> Open {
        self.tag(number, WireType::Len);
        let reserved = varint::len(expected_len as u64);
        let content = self.buffer.len() + reserved;
        self.buffer.resize(content, 0);
        Open { content, reserved }
    }

    /// Ends a nested message.
    pub fn close(&mut self, message: Open) {
        let Open { content, reserved } = message;
        let end = self.buffer.len();
        let (length, needed) = varint::encode((end - content) as u64);
        let start = content - reserved;
        if needed > reserved {
            self.buffer.resize(end + needed - reserved, 0);
        }
        if needed != reserved {
            self.buffer.copy_within(content..end, start + needed);
            self.buffer.truncate(end + needed - reserved);
        }
        self.buffer[start..start + needed].copy_from_slice(&length[..needed]);
    }

    fn tag(&mut self, number: u32, wire_type: WireType) {
        varint::write(Tag { number, wire_type }.key(), &mut self.buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use prost::Message;

    #[derive(Clone, PartialEq, prost::Message)]
    struct Node {
        #[prost(int64, tag = "1")]
        int: i64,
        #[prost(double, tag = "2")]
        double: f64,
        #[prost(fixed32, tag = "3")]
        fixed: u32,
        #[prost(string, tag = "4")]
        text: String,
        #[prost(message, repeated, tag = "500")]
        children: Vec<Node>,
    }

    fn node() -> impl Strategy<Value = Node> {
        // Never a default value: prost leaves those out, the writer is told what to write.
        let leaf = (1..i64::MAX, 1.0..9e9, 1..u32::MAX, "[a-z]{1,200}").prop_map(
            |(int, double, fixed, text)| Node {
                int: -int,
                double,
                fixed,
                text,
                children: vec![],
            },
        );
        leaf.prop_recursive(5, 20, 3, |inner| {
            (inner.clone(), prop::collection::vec(inner, 0..3))
                .prop_map(|(node, children)| Node { children, ..node })
        })
    }

    fn write(node: &Node, expected_len: usize, writer: &mut Writer) {
        writer.varint(1, node.int as u64);
        writer.fixed64(2, node.double.to_bits());
        writer.fixed32(3, node.fixed);
        writer.bytes(4, node.text.as_bytes());
        for child in &node.children {
            let open = writer.open(500, expected_len);
            write(child, expected_len, writer);
            writer.close(open);
        }
    }

    proptest! {
        #[test]
        fn the_bytes_are_those_of_prost_whatever_lengths_were_expected(
            node in node(),
            expected_len in prop_oneof![Just(0usize), Just(128), Just(16384), Just(1 << 21)],
        ) {
            let mut writer = Writer::new(vec![7, 7]);
            write(&node, expected_len, &mut writer);
            prop_assert_eq!(&writer.as_slice()[2..], &node.encode_to_vec()[..]);
        }
    }

    #[test]
    fn a_buffer_is_used_again() {
        let mut buffer = Vec::with_capacity(64);
        let place = buffer.as_ptr();
        buffer.push(1);
        buffer.clear();
        let mut writer = Writer::new(buffer);
        writer.bytes(1, b"abc");
        assert_eq!(writer.len(), 5);
        assert_eq!(writer.finish().as_ptr(), place);
    }
}
