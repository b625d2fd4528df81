//! Varints and fields, which all else is made of.

use crate::bench::{Bench, Input};
use crate::input::{Request, SPANS};
use crate::product::{Given, Written};
use prost::encoding::{decode_varint, encode_varint};
use std::hint::black_box;
use tailrace_codec::field::{Fields, Malformed};
use tailrace_codec::rope::Cursor;
use tailrace_codec::{Rope, Signal, varint};

const VALUES: u64 = 1024;

pub fn stages(bench: &mut Bench) {
    // Tags and most lengths; and of each length as often as of any other.
    let short = (0..VALUES).map(|n| (n * n * 7) % 300).collect();
    let any = (0..VALUES).map(|n| u64::MAX >> (n * n * 7 % 64)).collect();
    varints(bench, "varints_1_to_2_bytes", short);
    varints(bench, "varints_1_to_10_bytes", any);
    fields(bench);
}

fn varints(bench: &mut Bench, name: &str, values: Vec<u64>) {
    let mut encoded = Vec::new();
    values
        .iter()
        .for_each(|value| varint::write(*value, &mut encoded));
    let rope = Rope::from(encoded.clone());
    let input = Input {
        name: name.to_owned(),
        bytes: encoded.len(),
        items: values.len(),
        requests: 1,
    };
    let (mut out, mut prost_out) = (Vec::new(), Vec::new());
    bench
        .stages(input, Given::default())
        .stage("varint_read", || {
            let mut cursor = black_box(&rope).cursor();
            let mut sum = 0_u64;
            while let Ok(value) = varint::read(&mut cursor) {
                sum = sum.wrapping_add(value);
            }
            sum
        })
        .other("prost_varint_read", || {
            let mut bytes = black_box(&encoded[..]);
            let mut sum = 0_u64;
            while let Ok(value) = decode_varint(&mut bytes) {
                sum = sum.wrapping_add(value);
            }
            sum
        })
        .stage("varint_write", || {
            out.clear();
            black_box(&values)
                .iter()
                .for_each(|value| varint::write(*value, &mut out));
            Written(out.len())
        })
        .other("prost_varint_write", || {
            prost_out.clear();
            black_box(&values)
                .iter()
                .for_each(|value| encode_varint(*value, &mut prost_out));
            Written(prost_out.len())
        });
}

/// Every field of every message, down to `depth` levels.
fn count(message: Cursor<'_>, depth: usize) -> Result<u64, Malformed> {
    let mut fields = 0;
    for field in Fields::new(message) {
        let field = field?;
        fields += 1;
        if depth > 0
            && let Ok(content) = field.content()
        {
            // A string is taken for a message here, and is seldom one.
            fields += count(content, depth - 1).unwrap_or(0);
        }
    }
    Ok(fields)
}

fn fields(bench: &mut Bench) {
    let request = Request::of(Signal::Traces, SPANS);
    let fields = |rope: &Rope| count(rope.cursor(), 3).expect("a request");
    let items = fields(&request.whole) as usize;
    let input = Input {
        items,
        ..request.input("fields_of_512_spans")
    };
    bench
        .stages(input, request.given())
        .stage("fields_one_slice", || fields(black_box(&request.whole)))
        .stage("fields_16_KiB_slices", || {
            fields(black_box(&request.sliced))
        });
}
