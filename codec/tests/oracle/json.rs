//! OTLP/JSON against serde with `opentelemetry-proto`, and against the specification's examples.

use crate::generate::{cut, cuts, request, scrambled};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::profiles::v1development::ExportProfilesServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use proptest::prelude::*;
use prost::Message;
use serde_json::{Value, json};
use std::fmt::Debug;
use tailrace_codec::otlp::json::{JsonError, JsonErrorKind, decode, encode};
use tailrace_codec::{Rope, Signal};

/// Calls a generic function with the request type of a signal.
macro_rules! with_type {
    ($signal:expr, $function:ident, $($argument:expr),*) => {
        match $signal {
            Signal::Traces => $function::<ExportTraceServiceRequest>($($argument),*),
            Signal::Metrics => $function::<ExportMetricsServiceRequest>($($argument),*),
            Signal::Logs => $function::<ExportLogsServiceRequest>($($argument),*),
            Signal::Profiles => $function::<ExportProfilesServiceRequest>($($argument),*),
        }
    };
}

/// What a request means, in a form in which NaN equals itself.
fn meaning<M: Message + Default + Debug>(protobuf: &[u8]) -> String {
    format!("{:?}", M::decode(protobuf).unwrap())
}

fn read_by_serde<M: serde::de::DeserializeOwned + Debug>(json: Value) -> String {
    format!("{:?}", serde_json::from_value::<M>(json).unwrap())
}

/// The crate writes infinities and what is not a number as `null`, and knows neither the strings
/// for them nor, in profiles, 64-bit numbers as strings.
fn is_beyond_serde(signal: Signal, meaning: &str) -> bool {
    signal == Signal::Profiles || meaning.contains("NaN") || meaning.contains("inf")
}

/// Adds the fields that the crate demands of some messages, and the specification does not.
fn add_required(value: &mut Value) {
    let required = |list: &mut Value, defaults: Value| {
        for element in list.as_array_mut().into_iter().flatten() {
            for (name, default) in defaults.as_object().unwrap() {
                let element = element.as_object_mut().unwrap();
                element.entry(name).or_insert_with(|| default.clone());
            }
        }
    };
    match value {
        Value::Array(elements) => elements.iter_mut().for_each(add_required),
        Value::Object(fields) => {
            for (name, value) in fields {
                add_required(value);
                match name.as_str() {
                    "arrayValue" | "kvlistValue" => {
                        let list = value.as_object_mut().unwrap();
                        list.entry("values").or_insert_with(|| json!([]));
                    }
                    "attributes" | "filteredAttributes" | "metadata" | "values" => {
                        required(value, json!({ "key": "" }));
                    }
                    "entityRefs" => {
                        let lists = json!([]);
                        required(
                            value,
                            json!({ "schemaUrl": "", "type": "", "idKeys": lists, "descriptionKeys": lists }),
                        );
                    }
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

fn written_by_serde<M: Message + Default + serde::Serialize>(protobuf: &[u8]) -> Vec<u8> {
    serde_json::to_vec(&M::decode(protobuf).unwrap()).unwrap()
}

fn to_json(signal: Signal, request: &Rope) -> Vec<u8> {
    encode(signal, request, usize::MAX, Vec::new()).unwrap()
}

fn from_json(signal: Signal, json: &str) -> Result<Vec<u8>, JsonError> {
    let rope = Rope::from(json.as_bytes().to_vec());
    decode(signal, &rope, usize::MAX, Vec::new())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_we_write_means_the_same_to_serde(
        (signal, bytes) in request(),
        cuts in cuts(),
    ) {
        let meaning = with_type!(signal, meaning, &bytes);
        if !is_beyond_serde(signal, &meaning) {
            let json = to_json(signal, &cut(&bytes, &cuts));
            let mut json = serde_json::from_slice(&json).unwrap();
            add_required(&mut json);
            prop_assert_eq!(with_type!(signal, read_by_serde, json), meaning);
        }
    }

    #[test]
    fn what_serde_writes_means_the_same_to_us(
        (signal, bytes) in request(),
        cuts in cuts(),
    ) {
        let meaning_of_bytes = with_type!(signal, meaning, &bytes);
        if !is_beyond_serde(signal, &meaning_of_bytes) {
            let json = with_type!(signal, written_by_serde, &bytes);
            let protobuf = decode(signal, &cut(&json, &cuts), usize::MAX, Vec::new()).unwrap();
            prop_assert_eq!(with_type!(signal, meaning, &protobuf), meaning_of_bytes);
        }
    }

    #[test]
    fn there_and_back_means_the_same_however_it_was_written(
        (signal, bytes) in scrambled(),
        cuts in cuts(),
        back_cuts in cuts(),
    ) {
        let json = to_json(signal, &cut(&bytes, &cuts));
        serde_json::from_slice::<Value>(&json).unwrap();
        let back = decode(signal, &cut(&json, &back_cuts), usize::MAX, Vec::new()).unwrap();
        prop_assert_eq!(
            with_type!(signal, meaning, &back),
            with_type!(signal, meaning, &bytes)
        );
    }

    /// What lies in one slice goes another way than what does not.
    #[test]
    fn slices_change_neither_the_text_nor_the_fault(
        (signal, mut bytes) in prop_oneof![request(), scrambled()],
        fault in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        cap in prop_oneof![3 => Just(usize::MAX), 1 => 0..4000_usize],
    ) {
        if let Some((place, byte)) = fault && !bytes.is_empty() {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        let whole = encode(signal, &Rope::from(bytes.clone()), cap, Vec::new());
        prop_assert_eq!(whole, encode(signal, &cut(&bytes, &[1]), cap, Vec::new()));
    }

    #[test]
    fn white_space_and_unknown_fields_change_nothing((signal, bytes) in request()) {
        let json = to_json(signal, &Rope::from(bytes.clone()));
        // A quote within a string is escaped: where the two meet, an object begins.
        let unknown = r#"{ "\u00e9tat" :"\\ \" \n{\"", "zz": [1,-2.5e-3,[],{},null,{"b":[true]}],
            ""#;
        let pretty = String::from_utf8(json).unwrap().replace("{\"", unknown).replace("},", "}\t\r\n ,");
        let protobuf = from_json(signal, &pretty).unwrap();
        prop_assert_eq!(
            with_type!(signal, meaning, &protobuf),
            with_type!(signal, meaning, &bytes)
        );
    }

    #[test]
    fn a_cut_text_is_truncated_and_a_cap_is_kept(
        (signal, bytes) in request(),
        at: usize,
        cap: usize,
    ) {
        let json = to_json(signal, &Rope::from(bytes.clone()));
        let length = at % json.len();
        let part = Rope::from(json[..length].to_vec());
        let error = decode(signal, &part, usize::MAX, Vec::new()).unwrap_err();
        prop_assert_eq!(error.kind, JsonErrorKind::Truncated);
        prop_assert_eq!(error.offset, length);

        let cap = cap % (json.len() + 1);
        let encoded = encode(signal, &Rope::from(bytes), cap, Vec::new());
        prop_assert_eq!(encoded.is_ok(), cap == json.len());
        let whole = decode(signal, &Rope::from(json.clone()), usize::MAX, Vec::new()).unwrap();
        let cap = cap % (whole.len() + 1);
        let decoded = decode(signal, &Rope::from(json), cap, Vec::new());
        prop_assert_eq!(decoded.is_ok(), cap == whole.len());
    }

    #[test]
    fn anything_is_read_or_refused(bytes: Vec<u8>, text in "[\\[\\]{}\",:a-z0-9\\\\ ]{0,60}") {
        for signal in Signal::ALL {
            let _ = decode(signal, &Rope::from(bytes.clone()), 1 << 16, Vec::new());
            let _ = encode(signal, &Rope::from(bytes.clone()), 1 << 16, Vec::new());
            let text = format!("{{\"resourceSpans\":[{{{text}");
            let _ = decode(signal, &Rope::from(text.into_bytes()), 1 << 16, Vec::new());
        }
    }
}

/// The attribute value in the body of the one log record.
fn log(value: &str) -> String {
    format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"body":{value}}}]}}]}}]}}"#)
}

/// What comes back of an attribute value.
fn through(value: &str) -> Result<String, JsonErrorKind> {
    let protobuf = from_json(Signal::Logs, &log(value)).map_err(|error| error.kind)?;
    let json = String::from_utf8(to_json(Signal::Logs, &Rope::from(protobuf))).unwrap();
    let start = json.find(r#""body":"#).unwrap() + 7;
    Ok(json[start..json.len() - "}]}]}]}".len()].to_owned())
}

/// The one span, given and written back.
fn span(fields: &str) -> Result<String, JsonErrorKind> {
    let json = format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{{fields}}}]}}]}}]}}"#);
    let protobuf = from_json(Signal::Traces, &json).map_err(|error| error.kind)?;
    let json = String::from_utf8(to_json(Signal::Traces, &Rope::from(protobuf))).unwrap();
    let start = json.find(r#""spans":[{"#).unwrap() + 10;
    Ok(json[start..json.len() - "}]}]}]}".len()].to_owned())
}

#[test]
fn values_are_read_as_written_and_written_as_specified() {
    for (given, written) in [
        (
            r#"{"stringValue":"\u00e9\ud83d\ude00\/\b\f\t"}"#,
            "{\"stringValue\":\"\u{e9}\u{1f600}/\\u0008\\u000c\\t\"}",
        ),
        (
            r#"{"stringValue":"cut \ud83d"}"#,
            "{\"stringValue\":\"cut \u{fffd}\"}",
        ),
        (
            r#"{"stringValue":"\ud83d\u0041\ude00"}"#,
            "{\"stringValue\":\"\u{fffd}A\u{fffd}\"}",
        ),
        (
            r#"{"intValue":"-9223372036854775808"}"#,
            r#"{"intValue":"-9223372036854775808"}"#,
        ),
        (
            r#"{"intValue":9223372036854775807}"#,
            r#"{"intValue":"9223372036854775807"}"#,
        ),
        (r#"{"intValue":1e3}"#, r#"{"intValue":"1000"}"#),
        (r#"{"doubleValue":"NaN"}"#, r#"{"doubleValue":"NaN"}"#),
        (
            r#"{"doubleValue":"-Infinity"}"#,
            r#"{"doubleValue":"-Infinity"}"#,
        ),
        (r#"{"doubleValue":"1.5"}"#, r#"{"doubleValue":1.5}"#),
        (r#"{"doubleValue":3}"#, r#"{"doubleValue":3.0}"#),
        (r#"{"boolValue":false}"#, r#"{"boolValue":false}"#),
        (r#"{"bytesValue":"-_-_/w"}"#, r#"{"bytesValue":"+/+//w=="}"#),
        (
            r#"{"arrayValue":{"values":[null,{}]}}"#,
            r#"{"arrayValue":{"values":[{},{}]}}"#,
        ),
        (r#"{"arrayValue":{"values":[]}}"#, r#"{"arrayValue":{}}"#),
        (r#"{"intValue":null}"#, "{}"),
        (
            r#"{"stringValue":"a","boolValue":true}"#,
            r#"{"boolValue":true}"#,
        ),
        (r#"{"string_value":"a"}"#, r#"{"stringValue":"a"}"#),
        (r#"{"string\u0056alue":"a"}"#, r#"{"stringValue":"a"}"#),
        (r#"{"StringValue":"a"}"#, "{}"),
    ] {
        assert_eq!(through(given), Ok(written.to_owned()), "{given}");
    }
}

#[test]
fn ids_and_enums() {
    for (given, written) in [
        (
            r#""traceId":"5B8EfF798038103D""#,
            r#""traceId":"5b8eff798038103d""#,
        ),
        (r#""parent_span_id":"""#, r#""parentSpanId":"""#),
        (r#""kind":2"#, r#""kind":2"#),
        (r#""kind":"SPAN_KIND_CLIENT""#, r#""kind":3"#),
        (r#""kind":-7"#, r#""kind":-7"#),
        (r#""flags":"257""#, r#""flags":257"#),
        (r#""name":"a","name":"b""#, r#""name":"b""#),
        (
            r#""attributes":[{"key":"a"}],"name":"n","attributes":[{"key":"b"}]"#,
            r#""attributes":[{"key":"a"},{"key":"b"}],"name":"n""#,
        ),
        (
            r#""status":{"code":1},"status":{"message":"m"}"#,
            r#""status":{"code":1,"message":"m"}"#,
        ),
    ] {
        let read = span(given).map(|json| format!("{{{json}}}"));
        let read = read.map(|json| serde_json::from_str::<Value>(&json).unwrap());
        let expected = serde_json::from_str::<Value>(&format!("{{{written}}}")).unwrap();
        assert_eq!(read, Ok(expected), "{given}");
    }
}

#[test]
fn what_is_wrong_is_said() {
    use JsonErrorKind as Kind;
    for (given, kind) in [
        (r#""traceId":"5b8""#, Kind::Hex),
        (r#""traceId":"zz""#, Kind::Hex),
        (r#""kind":"CLIENT""#, Kind::EnumName),
        (r#""kind":2147483648"#, Kind::OutOfRange),
        (r#""flags":-1"#, Kind::OutOfRange),
        (r#""flags":1.5"#, Kind::Number),
        (r#""flags":01"#, Kind::Number),
        (
            r#""flags":true"#,
            Kind::WrongType {
                expected: "a number",
            },
        ),
        (
            r#""startTimeUnixNano":"18446744073709551616""#,
            Kind::OutOfRange,
        ),
        (r#""startTimeUnixNano":"12x""#, Kind::Number),
        (
            r#""name":1"#,
            Kind::WrongType {
                expected: "a string",
            },
        ),
        (r#""name":"\x""#, Kind::Escape),
        (r#""name":"\u00g0""#, Kind::Escape),
        ("\"name\":\"\n\"", Kind::Unexpected(b'\n')),
        (
            r#""status":[]"#,
            Kind::WrongType {
                expected: "an object",
            },
        ),
        (
            r#""events":{}"#,
            Kind::WrongType {
                expected: "an array",
            },
        ),
        (
            r#""events":[1]"#,
            Kind::WrongType {
                expected: "an object",
            },
        ),
        (
            r#""events":[{},]"#,
            Kind::WrongType {
                expected: "an object",
            },
        ),
        (r#""name":"a","#, Kind::Unexpected(b'}')),
        (r#""name" "a""#, Kind::Unexpected(b'"')),
        (r#"name:"a""#, Kind::Unexpected(b'n')),
        (r#""zz":nul"#, Kind::Unexpected(b'}')),
        (r#""zz":[1 2]"#, Kind::Unexpected(b'2')),
        (r#""zz":[}"#, Kind::Unexpected(b'}')),
        (r#""zz":{"a":1,}"#, Kind::Unexpected(b'}')),
        (r#""zz":-"#, Kind::Number),
    ] {
        assert_eq!(span(given), Err(kind), "{given}");
    }
    assert_eq!(through(r#"{"doubleValue":1e999}"#), Err(Kind::OutOfRange));
    assert_eq!(through(r#"{"bytesValue":"*"}"#), Err(Kind::Base64));
    let error = |json: &[u8]| {
        decode(
            Signal::Logs,
            &Rope::from(json.to_vec()),
            usize::MAX,
            Vec::new(),
        )
        .unwrap_err()
    };
    assert_eq!(
        error(b"{} x"),
        JsonError {
            offset: 3,
            kind: Kind::Unexpected(b'x')
        }
    );
    assert_eq!(error(b"").kind, Kind::Truncated);
    assert_eq!(
        error(b"[]").kind,
        Kind::WrongType {
            expected: "an object"
        }
    );
    assert_eq!(
        error(b"{\"a\xff\":1}"),
        JsonError {
            offset: 2,
            kind: Kind::Utf8
        }
    );
}

#[test]
fn nesting_ends_at_its_limit_in_both_directions() {
    let nested = |depth: usize| {
        let open = r#"{"arrayValue":{"values":["#.repeat(depth - 1);
        format!("{open}{{}}{}", "]}}".repeat(depth - 1))
    };
    assert_eq!(through(&nested(64)), Ok(nested(64)));
    assert_eq!(through(&nested(65)), Err(JsonErrorKind::TooDeep));
    assert_eq!(through(&nested(100_000)), Err(JsonErrorKind::TooDeep));

    let ignored = |depth: usize| {
        format!(
            r#"{{"zz":{}[1]{}}}"#,
            "[".repeat(depth - 1),
            "]".repeat(depth - 1)
        )
    };
    assert_eq!(through(&ignored(128)), Ok("{}".to_owned()));
    assert_eq!(through(&ignored(129)), Err(JsonErrorKind::TooDeep));

    let mut value = Vec::new();
    for _ in 0..64 {
        let mut array = Vec::new();
        prost::encoding::bytes::encode(1, &value, &mut array);
        value.clear();
        prost::encoding::bytes::encode(5, &array, &mut value);
    }
    for field in [5, 2, 2, 1] {
        let inner = std::mem::take(&mut value);
        prost::encoding::bytes::encode(field, &inner, &mut value);
    }
    assert!(encode(Signal::Logs, &Rope::from(value), usize::MAX, Vec::new()).is_err());
}

#[test]
fn repeated_numbers_are_read_packed_one_by_one_and_in_parts() {
    let mut sample = Vec::new();
    prost::encoding::int64::encode_packed(4, &[1, -2], &mut sample);
    prost::encoding::bytes::encode(4, &Vec::new(), &mut sample);
    prost::encoding::int64::encode(4, &3, &mut sample);
    prost::encoding::int64::encode_packed(4, &[4], &mut sample);
    prost::encoding::fixed64::encode(5, &7, &mut sample);
    prost::encoding::bytes::encode(2, &Vec::new(), &mut sample);
    for field in [2, 2, 2, 1] {
        let inner = std::mem::take(&mut sample);
        prost::encoding::bytes::encode(field, &inner, &mut sample);
    }
    let json = to_json(Signal::Profiles, &Rope::from(sample));
    let expected =
        r#"{"values":["1","-2","3","4"],"timestampsUnixNano":["7"],"attributeIndices":[]}"#;
    let text = String::from_utf8(json).unwrap();
    assert!(text.contains(expected), "{text}");
}

/// <https://github.com/open-telemetry/opentelemetry-proto/blob/v1.10.0/examples/trace.json>
#[test]
fn the_specifications_example() {
    let example = r#"{
      "resourceSpans": [
        {
          "resource": {
            "attributes": [
              { "key": "service.name", "value": { "stringValue": "my.service" } }
            ]
          },
          "scopeSpans": [
            {
              "scope": {
                "name": "my.library",
                "version": "1.0.0",
                "attributes": [
                  { "key": "my.scope.attribute", "value": { "stringValue": "some scope attribute" } }
                ]
              },
              "spans": [
                {
                  "traceId": "5B8EFFF798038103D269B633813FC60C",
                  "spanId": "EEE19B7EC3C1B174",
                  "parentSpanId": "EEE19B7EC3C1B173",
                  "name": "I'm a server span",
                  "startTimeUnixNano": "1544712660000000000",
                  "endTimeUnixNano": "1544712661000000000",
                  "kind": 2,
                  "attributes": [
                    { "key": "my.span.attr", "value": { "stringValue": "some value" } }
                  ]
                }
              ]
            }
          ]
        }
      ]
    }"#;
    let protobuf = from_json(Signal::Traces, example).unwrap();
    let request = ExportTraceServiceRequest::decode(&protobuf[..]).unwrap();
    let span = &request.resource_spans[0].scope_spans[0].spans[0];
    assert_eq!(span.trace_id[..2], [0x5b, 0x8e]);
    assert_eq!(span.end_time_unix_nano, 1_544_712_661_000_000_000);

    let json = to_json(Signal::Traces, &Rope::from(protobuf));
    let mut expected: Value = serde_json::from_str(example).unwrap();
    let span = &mut expected["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
    for id in ["traceId", "spanId", "parentSpanId"] {
        span[id] = span[id].as_str().unwrap().to_lowercase().into();
    }
    assert_eq!(serde_json::from_slice::<Value>(&json).unwrap(), expected);
}
