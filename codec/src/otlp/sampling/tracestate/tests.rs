use super::*;
use proptest::prelude::*;

/// The tracestate with this threshold.
fn with(threshold: Option<&str>, text: &str) -> String {
    let mut state = TraceState::parse(text.as_bytes());
    state.threshold = threshold.and_then(|text| Threshold::parse(text.as_bytes()));
    let mut out = b"before".to_vec();
    state.write(&mut out);
    let text = String::from_utf8(out).unwrap();
    text.strip_prefix("before").unwrap().to_owned()
}

fn read(text: &str) -> (Option<Threshold>, Option<Randomness>) {
    let state = TraceState::parse(text.as_bytes());
    (state.threshold, state.randomness)
}

#[test]
fn the_threshold_takes_its_place() {
    assert_eq!(with(Some("c"), ""), "ot=th:c");
    assert_eq!(
        with(Some("8"), "ot=rv:9b8233f7e3a151;th:0"),
        "ot=th:8;rv:9b8233f7e3a151"
    );
    assert_eq!(with(Some("8"), "a=1, b=2"), "ot=th:8,a=1,b=2");
    assert_eq!(
        with(Some("8"), "a=1,,ot=k:v;th:0;k2:,b=2=3;"),
        "ot=th:8;k:v;k2:,a=1,b=2=3;"
    );
    // Keys that only look like it.
    assert_eq!(
        with(Some("8"), "ott=th:1,t@ot=th:2"),
        "ot=th:8,ott=th:1,t@ot=th:2"
    );
}

#[test]
fn without_a_threshold_the_rest_stays() {
    assert_eq!(with(None, ""), "");
    assert_eq!(with(None, "ot=th:8"), "");
    assert_eq!(with(None, "a=1,ot=th:8"), "a=1");
    assert_eq!(with(None, "a=1,ot=th:8;k:v"), "ot=k:v,a=1");
    let mut state = TraceState::parse(b"a=1");
    state.threshold = Some(Threshold::NEVER);
    let mut out = Vec::new();
    state.write(&mut out);
    assert_eq!(out, b"a=1");
}

#[test]
fn what_breaks_the_grammar_is_not_there() {
    let threshold = Threshold::parse(b"8");
    assert_eq!(read("ot=th:8;rv:6e6d1a75832a2"), (threshold, None));
    assert_eq!(read("ot=th:8;rv:6e6d1a75832a2g"), (threshold, None));
    assert_eq!(read("ot=th:123456789abcdef"), (None, None));
    assert_eq!(read("ot=th:1;th:8"), (threshold, None));
    for broken in [
        "th",
        "th:8;",
        ";th:8",
        "th:8;Key:v",
        "th:8;k:v v",
        "th:8;:v",
        "th:8;k:ä",
    ] {
        assert_eq!(read(&format!("ot={broken}")), (None, None), "{broken}");
    }
    let long = format!("ot=th:8;k:{}", "v".repeat(VALUE_MAX));
    assert_eq!(read(&long), (None, None));
    assert_eq!(with(Some("c"), "a=1,ot=th:8;Key:v"), "ot=th:c,a=1");
    // Of two members the first counts, and there is one afterwards.
    assert_eq!(with(Some("c"), "ot=k:v,ot=th:8"), "ot=th:c;k:v");
}

#[test]
fn the_limits_hold() {
    let members: Vec<String> = (0..40).map(|i| format!("k{i}=v")).collect();
    let full = with(Some("c"), &members.join(","));
    assert_eq!(full.split(',').count(), MEMBERS_MAX);
    assert!(full.ends_with(",k30=v"), "{full}");
    let long = format!("ot=a:{};b:v", "v".repeat(VALUE_MAX - 6));
    let written = with(Some("c"), &long);
    assert_eq!(written, "ot=th:c;b:v");
    let just = format!("ot=a:{}", "v".repeat(VALUE_MAX - 7));
    assert_eq!(with(Some("c"), &just).len(), "ot=".len() + VALUE_MAX);
}

fn state() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(
        &[
            "ot=",
            "th:",
            "rv:",
            "c",
            "0",
            "6e6d1a75832a2f",
            ";",
            ",",
            "k:v",
            "a=1",
            " ",
            "é",
        ][..],
    );
    prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn what_was_written_is_read(text in state(), bits in 0..1u64 << 56) {
        let threshold = Threshold::parse(format!("{bits:014x}").as_bytes());
        let mut state = TraceState::parse(text.as_bytes());
        state.threshold = threshold;
        let mut written = Vec::new();
        state.write(&mut written);
        let read = TraceState::parse(&written);
        prop_assert_eq!((read.threshold, read.randomness), (threshold, state.randomness));
        // Once more, and nothing changes.
        let mut again = Vec::new();
        read.write(&mut again);
        prop_assert_eq!(&again, &written);
        // Every member of others is still there.
        for member in text.split(',').map(str::trim) {
            let kept = std::str::from_utf8(&written).unwrap().split(',').any(|held| held == member);
            prop_assert!(kept || member.is_empty() || member.starts_with("ot="), "{member}");
        }
    }
}
