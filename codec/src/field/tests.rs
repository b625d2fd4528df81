use super::*;
use bytes::Bytes;
use proptest::prelude::*;
use prost::bytes::Buf;
use prost::encoding::{DecodeContext, WireType as ProstWireType, decode_key, skip_field};

fn error_of(bytes: &[u8]) -> Malformed {
    Fields::from(&Rope::from(bytes.to_vec()))
        .find_map(Result::err)
        .expect("an error")
}

#[test]
fn each_fault_has_its_kind_and_offset() {
    use MalformedKind::*;
    let cases: [(&[u8], usize, MalformedKind); 12] = [
        (&[0x08, 0x80], 1, Truncated),
        (&[0x80], 0, Truncated),
        (&[0x09, 1, 2, 3], 1, Truncated),
        (&[0x08, 1, 0x0d, 1, 2, 3], 3, Truncated),
        (&[0x00], 0, Tag),
        (&[0x08, 1, 0x02, 1], 2, Tag),
        (&[0x80, 0x80, 0x80, 0x80, 0x10], 0, Tag),
        (&[0x0b], 0, WireType(3)),
        (&[0x0c], 0, WireType(4)),
        (&[0x16], 0, WireType(6)),
        (&[0x17], 0, WireType(7)),
        (&[0x0a, 3, 1, 2], 1, LengthPastEnd),
    ];
    for (bytes, offset, kind) in cases {
        assert_eq!(error_of(bytes), Malformed { offset, kind }, "{bytes:02x?}");
    }
    let mut huge = vec![0x0a];
    varint::write(u64::MAX, &mut huge);
    let kind = LengthPastEnd;
    assert_eq!(error_of(&huge), Malformed { offset: 1, kind });
    let mut long = vec![0x08];
    long.extend([0x80; 11]);
    assert_eq!(
        error_of(&long),
        Malformed {
            offset: 1,
            kind: VarintTooLong
        }
    );
}

#[test]
fn a_length_may_not_leave_the_message_it_stands_in() {
    // The inner length reaches into the outer message's next field.
    let rope = Rope::from(vec![0x0a, 2, 0x0a, 2, 0x08, 1]);
    let outer = Fields::from(&rope).next().unwrap().unwrap();
    let inner = outer.message().unwrap().next().unwrap();
    let kind = MalformedKind::LengthPastEnd;
    assert_eq!(inner.unwrap_err(), Malformed { offset: 3, kind });
}

#[test]
fn nothing_follows_an_error() {
    let rope = Rope::from(vec![0x08, 1, 0x00, 0x08, 1]);
    let results: Vec<bool> = Fields::from(&rope).map(|field| field.is_ok()).collect();
    assert_eq!(results, [true, false]);
}

#[test]
fn values_are_read_across_slices() {
    #[derive(Clone, PartialEq, prost::Message)]
    struct Sample {
        #[prost(sint64, tag = "1")]
        zigzag: i64,
        #[prost(double, tag = "2")]
        double: f64,
        #[prost(fixed32, tag = "3")]
        fixed: u32,
        #[prost(string, tag = "4")]
        text: String,
    }
    let sample = Sample {
        zigzag: -300,
        double: 0.1,
        fixed: 0xdead_beef,
        text: "straße".into(),
    };
    let encoded = prost::Message::encode_to_vec(&sample);
    let rope: Rope = encoded.chunks(1).map(Bytes::copy_from_slice).collect();
    let fields: Vec<Field<'_>> = Fields::from(&rope).map(Result::unwrap).collect();
    assert_eq!(varint::from_zigzag(fields[0].varint().unwrap()), -300);
    assert_eq!(f64::from_bits(fields[1].fixed64().unwrap()), 0.1);
    assert_eq!(fields[2].fixed32().unwrap(), 0xdead_beef);
    assert!(fields[3].content().unwrap().is("straße".as_bytes()));
    let kind = MalformedKind::UnexpectedWireType(0);
    assert_eq!(
        fields[0].content().unwrap_err(),
        Malformed { offset: 0, kind }
    );
    assert!(fields[3].varint().is_err() && fields[1].fixed32().is_err());
}

proptest! {
    /// Reading and skipping agrees with prost, field by field; groups apart, which prost skips.
    #[test]
    fn arbitrary_bytes_are_cut_into_the_fields_that_prost_sees(
        bytes in prop::collection::vec(prop_oneof![0..0x20u8, any::<u8>()], 0..60),
        step in 1..20usize,
    ) {
        let rope: Rope = bytes.chunks(step).map(Bytes::copy_from_slice).collect();
        let mut rest = &bytes[..];
        for field in Fields::from(&rope) {
            let offset = bytes.len() - rest.len();
            let Ok((number, wire_type)) = decode_key(&mut rest) else {
                prop_assert!(field.is_err());
                break;
            };
            if matches!(wire_type, ProstWireType::StartGroup | ProstWireType::EndGroup) {
                prop_assert!(field.is_err());
                break;
            }
            match skip_field(wire_type, number, &mut rest, DecodeContext::default()) {
                Ok(()) => {
                    let field = field.unwrap();
                    prop_assert_eq!(field.number, number);
                    prop_assert_eq!(field.whole.offset(), offset);
                    prop_assert_eq!(field.whole.end(), bytes.len() - rest.remaining());
                    prop_assert_eq!(field.payload().end(), field.whole.end());
                }
                Err(_) => {
                    prop_assert!(field.is_err());
                    break;
                }
            }
        }
    }

    /// The short ways to a number and to a value see the fields that the long way sees.
    #[test]
    fn numbers_and_values_are_those_of_the_fields(
        bytes in prop::collection::vec(prop_oneof![0..0x20u8, any::<u8>()], 0..60),
        step in 1..20usize,
    ) {
        let rope: Rope = bytes.chunks(step).map(Bytes::copy_from_slice).collect();
        let (mut numbers, mut values) = (Fields::from(&rope), Fields::from(&rope));
        for field in Fields::from(&rope) {
            prop_assert_eq!(numbers.next_number(), Some(field.map(|field| field.number)));
            let value = values.next_value().unwrap();
            match (field, value) {
                (Ok(field), Ok((number, value))) => {
                    prop_assert_eq!(number, field.number);
                    prop_assert_eq!(value.wire_type(), field.wire_type);
                    match value {
                        Value::Varint(value) => prop_assert_eq!(Ok(value), field.varint()),
                        Value::I64(bits) => prop_assert_eq!(Ok(bits), field.fixed64()),
                        Value::I32(bits) => prop_assert_eq!(Ok(bits), field.fixed32()),
                        Value::Len(content) => {
                            prop_assert!(content.same_bytes(field.payload()));
                            prop_assert_eq!(content.offset(), field.payload().offset());
                        }
                    }
                }
                (field, value) => prop_assert_eq!(field.err(), value.err()),
            }
        }
        prop_assert!(numbers.next_number().is_none() && values.next_value().is_none());
    }
}
