//! Sampling against an implementation on prost's structs, which compares digits as text.

use crate::generate::{self, Entropy, cut, cuts, entropy};
use crate::wire;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::Span;
use proptest::prelude::*;
use prost::Message;
use rapidhash::v3::{RapidSecrets, rapidhash_v3_seeded};
use tailrace_codec::Signal;
use tailrace_codec::otlp::sampling::{
    Dropped, Mode, Precision, Rule, Threshold, Unsampled, sample,
};

mod statistics;

const STATES: [&str; 10] = [
    "",
    "ot=th:8",
    "ot=th:c;rv:e05a99c8df8d32",
    "vendor=1,ot=rv:9b8233f7e3a151;k:v;th:0,other=2",
    "ot=rv:00000000000001;th:00000000000001",
    "ot=th:fd70a",
    "ot=rv:01",
    "ot=th:xyz;k:v",
    "vendor=1",
    "ot=th:80",
];

const NUMBERS: [&str; 7] = [
    "8",
    "0",
    "c",
    "fd70a",
    "6e6d1a75832a2f",
    "e05a99c8df8d32",
    "xyz",
];

fn pick<T: Copy>(entropy: &mut Entropy<'_>, all: &[T]) -> T {
    all[entropy.below(all.len())]
}

fn id(entropy: &mut Entropy<'_>) -> Vec<u8> {
    match entropy.below(8) {
        0 => vec![],
        1 => vec![0; 16],
        2 => vec![7; 15],
        _ => (0..16).map(|_| entropy.byte()).collect(),
    }
}

fn spans(bytes: &[u8]) -> ExportTraceServiceRequest {
    let entropy = &mut Entropy::new(bytes);
    let mut request = generate::traces(entropy);
    let entries = request.resource_spans.iter_mut();
    let scopes = entries.flat_map(|entry| &mut entry.scope_spans);
    for (i, span) in scopes.flat_map(|scope| &mut scope.spans).enumerate() {
        // From the whole of the entropy again: what is left may be nothing.
        let entropy = &mut Entropy::new(bytes.get(i * 24..).unwrap_or_default());
        span.trace_id = id(entropy);
        span.trace_state = pick(entropy, &STATES).to_owned();
        span.flags = pick(entropy, &[0, 0x1, 0x2, 0x3, 0x100, 0x101, 0x302]);
    }
    request
}

fn records(bytes: &[u8]) -> ExportLogsServiceRequest {
    let entropy = &mut Entropy::new(bytes);
    let mut request = generate::logs(entropy);
    let entries = request.resource_logs.iter_mut();
    let scopes = entries.flat_map(|entry| &mut entry.scope_logs);
    for (i, record) in scopes.flat_map(|scope| &mut scope.log_records).enumerate() {
        let entropy = &mut Entropy::new(bytes.get(i * 24..).unwrap_or_default());
        record.trace_id = id(entropy);
        for key in ["sampling.threshold", "sampling.randomness"] {
            for _ in 0..pick(entropy, &[0, 0, 1, 1, 2]) {
                let value = match entropy.below(8) {
                    0 => Some(Value::IntValue(8)),
                    _ => Some(Value::StringValue(pick(entropy, &NUMBERS).to_owned())),
                };
                let at = entropy.below(record.attributes.len() + 1);
                let attribute = KeyValue {
                    key: key.to_owned(),
                    value: Some(AnyValue { value }),
                    ..KeyValue::default()
                };
                record.attributes.insert(at, attribute);
            }
        }
    }
    request
}

/// The text of a threshold with all its digits; greater than every randomness for none at all.
fn digits(threshold: Threshold) -> String {
    let mut text = Vec::new();
    threshold.write(&mut text);
    match String::from_utf8(text).unwrap() {
        text if text.is_empty() => "never".to_owned(),
        text => padded(&text).unwrap(),
    }
}

/// The 14 digits of a threshold's text.
fn padded(text: &str) -> Option<String> {
    let is_number = (1..=14).contains(&text.len()) && u64::from_str_radix(text, 16).is_ok();
    is_number.then(|| format!("{text:0<14}"))
}

fn of_id(id: &[u8]) -> Option<String> {
    let text: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    (text.len() == 32 && text.contains(|digit| digit != '0')).then(|| text[18..].to_owned())
}

/// The new threshold with all its digits, or the reason.
fn decide(
    rule: &Rule,
    threshold: Option<String>,
    randomness: Option<&str>,
) -> Result<Option<String>, fn(&mut Dropped) -> &mut u64> {
    let is_true = match (&threshold, randomness) {
        (Some(threshold), Some(randomness)) => randomness >= threshold.as_str(),
        (_, randomness) => randomness.is_some(),
    };
    if !is_true {
        return match rule.fail_closed {
            true => Err(|dropped| &mut dropped.inconsistent),
            false => Ok(threshold.filter(|_| randomness.is_none())),
        };
    }
    let before = threshold.unwrap_or_else(|| "0".repeat(14));
    let own = match rule.mode {
        Mode::All => before.clone(),
        Mode::Equalizing(threshold) => digits(threshold),
        Mode::Proportional { ratio, precision } => {
            // Subtracted as whole numbers: 1 less a share close to 1 would lose digits.
            let all = 1u64 << 56;
            let kept = all - u64::from_str_radix(&before, 16).unwrap();
            let before = kept as f64 / all as f64;
            digits(Threshold::from_probability(before * ratio, precision))
        }
    };
    let threshold = own.max(before);
    match randomness >= Some(threshold.as_str()) {
        true => Ok(Some(threshold)),
        false => Err(|dropped| &mut dropped.probability),
    }
}

/// As it is written: without trailing zeros, but never without digits.
fn short(digits: &str) -> &str {
    match digits.trim_end_matches('0') {
        "" => "0",
        short => short,
    }
}

fn keep_span(rule: &Rule, span: &mut Span, dropped: &mut Dropped) -> bool {
    let w3c = span.flags & 0xff;
    let unsampled = w3c & 1 == 0
        && match rule.unsampled {
            Unsampled::Keep => false,
            Unsampled::DropMarked => w3c != 0,
            Unsampled::Drop => span.flags != 0,
        };
    if unsampled {
        dropped.unsampled += 1;
        return false;
    }
    let members: Vec<&str> = span.trace_state.split(',').collect();
    let ot = members.iter().find_map(|member| member.strip_prefix("ot="));
    let pairs: Vec<&str> = ot.map_or(vec![], |ot| ot.split(';').collect());
    let value = |key| pairs.iter().find_map(|pair| pair.strip_prefix(key));
    let threshold = value("th:").and_then(padded);
    let explicit = value("rv:").filter(|text| text.len() == 14);
    let randomness = explicit.map(str::to_owned).or(of_id(&span.trace_id));
    let new = match decide(rule, threshold.clone(), randomness.as_deref()) {
        Ok(new) => new,
        Err(reason) => {
            *reason(dropped) += 1;
            return false;
        }
    };
    if new != threshold {
        let th = new.map(|new| format!("th:{}", short(&new)));
        let rv = explicit.map(|text| format!("rv:{text}"));
        let others = pairs
            .iter()
            .filter(|pair| !pair.starts_with("th:") && !pair.starts_with("rv:"));
        let pairs = th
            .into_iter()
            .chain(rv)
            .chain(others.map(|pair| (*pair).to_owned()));
        let ot = pairs.collect::<Vec<_>>().join(";");
        let ot = (!ot.is_empty()).then(|| format!("ot={ot}"));
        let others = members
            .iter()
            .filter(|member| !member.is_empty() && !member.starts_with("ot="));
        let members = ot
            .into_iter()
            .chain(others.map(|member| (*member).to_owned()));
        span.trace_state = members.collect::<Vec<_>>().join(",");
    }
    true
}

fn text_of(record: &LogRecord, key: &str) -> Option<String> {
    let first = record.attributes.iter().find(|held| held.key == key)?;
    match first.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        _ => None,
    }
}

fn set(record: &mut LogRecord, key: &str, text: Option<&str>) {
    let at = record.attributes.iter().position(|held| held.key == key);
    let attribute = text.map(|text| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue {
            value: Some(Value::StringValue(text.to_owned())),
        }),
        ..KeyValue::default()
    });
    match (at, attribute) {
        (Some(at), Some(attribute)) => record.attributes[at] = attribute,
        (None, Some(attribute)) => record.attributes.push(attribute),
        (Some(at), None) => drop(record.attributes.remove(at)),
        (None, None) => {}
    }
}

fn keep_record(rule: &Rule, record: &mut LogRecord, dropped: &mut Dropped) -> bool {
    let threshold = text_of(record, "sampling.threshold").and_then(|text| padded(&text));
    let given =
        text_of(record, "sampling.randomness").filter(|text| padded(text).as_ref() == Some(text));
    let given = given.or(of_id(&record.trace_id));
    let randomness = given.clone().unwrap_or_else(|| {
        let secrets = RapidSecrets::seed_cpp(rule.seed);
        let hash = u128::from(rapidhash_v3_seeded(&record.encode_to_vec(), &secrets) >> 8);
        let before = threshold.as_deref().unwrap_or("0");
        let before = u128::from_str_radix(before, 16).unwrap();
        format!("{:014x}", before + ((hash * ((1 << 56) - before)) >> 56))
    });
    match decide(rule, threshold.clone(), Some(&randomness)) {
        Ok(new) => {
            if new != threshold {
                set(record, "sampling.threshold", new.as_deref().map(short));
            }
            if given.is_none() {
                set(record, "sampling.randomness", Some(&randomness));
            }
            true
        }
        Err(reason) => {
            *reason(dropped) += 1;
            false
        }
    }
}

/// Retains by `keep`; whether nothing is left of something.
fn empties<T>(items: &mut Vec<T>, keep: impl FnMut(&mut T) -> bool) -> bool {
    let before = items.len();
    items.retain_mut(keep);
    before > 0 && items.is_empty()
}

fn sampled_spans(bytes: &[u8], rule: &Rule) -> (ExportTraceServiceRequest, Dropped) {
    let (mut request, mut dropped) = (
        ExportTraceServiceRequest::decode(bytes).unwrap(),
        Dropped::default(),
    );
    request.resource_spans.retain_mut(|entry| {
        !empties(&mut entry.scope_spans, |scope| {
            !empties(&mut scope.spans, |span| keep_span(rule, span, &mut dropped))
        })
    });
    (request, dropped)
}

fn sampled_records(bytes: &[u8], rule: &Rule) -> (ExportLogsServiceRequest, Dropped) {
    let (mut request, mut dropped) = (
        ExportLogsServiceRequest::decode(bytes).unwrap(),
        Dropped::default(),
    );
    request.resource_logs.retain_mut(|entry| {
        !empties(&mut entry.scope_logs, |scope| {
            !empties(&mut scope.log_records, |record| {
                keep_record(rule, record, &mut dropped)
            })
        })
    });
    (request, dropped)
}

fn rule() -> impl Strategy<Value = Rule> {
    let probability =
        || prop::sample::select(&[0.0, 1e-9, 0.01, 0.25, 1.0 / 3.0, 0.5, 0.9, 1.0][..]);
    let precision = (1..=14u8).prop_map(|digits| Precision::new(digits).unwrap());
    let mode =
        (probability(), precision, any::<bool>()).prop_map(|(ratio, precision, is_equal)| {
            match is_equal {
                true => Mode::Equalizing(Threshold::from_probability(ratio, precision)),
                false => Mode::Proportional { ratio, precision },
            }
        });
    let all = &[Unsampled::Keep, Unsampled::DropMarked, Unsampled::Drop][..];
    (mode, prop::sample::select(all), any::<bool>(), any::<u64>()).prop_map(
        |(mode, unsampled, fail_closed, seed)| Rule {
            mode,
            unsampled,
            fail_closed,
            seed,
        },
    )
}

proptest! {
    #[test]
    fn spans_are_sampled_as_on_the_decoded_request(
        bytes in entropy(), order in entropy(), cuts in cuts(), rule in rule(),
    ) {
        let bytes = spans(&bytes).encode_to_vec();
        let bytes = wire::scramble(Signal::Traces, &bytes, &mut Entropy::new(&order));
        let (expected, dropped) = sampled_spans(&bytes, &rule);
        // By their bytes: a value that is not a number is not equal to itself.
        let expected = expected.encode_to_vec();
        let ours = sample(Signal::Traces, &cut(&bytes, &cuts), &rule).unwrap();
        let Some(ours) = ours else {
            let same = ExportTraceServiceRequest::decode(&bytes[..]).unwrap().encode_to_vec();
            prop_assert_eq!(expected, same);
            prop_assert_eq!(dropped.total(), 0);
            return Ok(());
        };
        let body = ours.body.to_bytes();
        prop_assert_eq!(wire::items(Signal::Traces, &body).unwrap(), ours.kept);
        let decoded = ExportTraceServiceRequest::decode(body).unwrap();
        prop_assert_eq!(decoded.encode_to_vec(), expected);
        prop_assert_eq!(ours.dropped, dropped);
    }

    #[test]
    fn records_are_sampled_as_on_the_decoded_request(
        bytes in entropy(), order in entropy(), cuts in cuts(), rule in rule(),
    ) {
        let bytes = records(&bytes).encode_to_vec();
        let bytes = wire::scramble(Signal::Logs, &bytes, &mut Entropy::new(&order));
        let (expected, dropped) = sampled_records(&bytes, &rule);
        let ours = sample(Signal::Logs, &cut(&bytes, &cuts), &rule).unwrap();
        let expected = expected.encode_to_vec();
        let Some(ours) = ours else {
            let same = ExportLogsServiceRequest::decode(&bytes[..]).unwrap().encode_to_vec();
            prop_assert_eq!(expected, same);
            prop_assert_eq!(dropped.total(), 0);
            return Ok(());
        };
        let body = ours.body.to_bytes();
        prop_assert_eq!(wire::items(Signal::Logs, &body).unwrap(), ours.kept);
        let decoded = ExportLogsServiceRequest::decode(body).unwrap();
        prop_assert_eq!(decoded.encode_to_vec(), expected);
        prop_assert_eq!(ours.dropped, dropped);
    }

    /// What an equalizing stage has let pass it lets pass again, as it is.
    #[test]
    fn a_second_time_nothing_changes(bytes in entropy(), precision in 1..=14u8, p in 0.01..1.0) {
        let precision = Precision::new(precision).unwrap();
        let rule = Rule {
            mode: Mode::Equalizing(Threshold::from_probability(p, precision)),
            unsampled: Unsampled::Drop,
            fail_closed: true,
            seed: 0,
        };
        let requests = [
            (Signal::Traces, spans(&bytes).encode_to_vec()),
            (Signal::Logs, records(&bytes).encode_to_vec()),
        ];
        for (signal, bytes) in requests {
            if let Some(once) = sample(signal, &cut(&bytes, &[usize::MAX]), &rule).unwrap() {
                prop_assert!(sample(signal, &once.body, &rule).unwrap().is_none());
            }
        }
    }

    #[test]
    fn metrics_and_profiles_are_never_sampled(bytes in entropy(), rule in rule()) {
        for signal in [Signal::Metrics, Signal::Profiles] {
            let request = cut(&generate::encoded(signal, &bytes), &[usize::MAX]);
            prop_assert!(sample(signal, &request, &rule).unwrap().is_none());
        }
    }
}
