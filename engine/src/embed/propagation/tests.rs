//! The standard's own examples and rules, and whatever else is thrown at them.

mod propagators;

use super::*;
use proptest::prelude::*;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[test]
fn the_examples_of_the_standard() {
    let context = extract(PARENT, "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE").expect("valid");
    assert_eq!(
        context.trace_id().to_string(),
        "4bf92f3577b34da6a3ce929d0e0e4736"
    );
    assert_eq!(context.span_id().to_string(), "00f067aa0ba902b7");
    assert!(context.is_sampled() && context.is_remote() && !context.flags().is_random());
    assert_eq!(context.trace_state().get("congo"), Some("t61rcWkgMzE"));
    assert_eq!(context.trace_state().get("rojo"), Some("00f067aa0ba902b7"));
    assert_eq!(TraceParent::of(&context).to_text(), PARENT.as_bytes());

    // Who is called "congo" writes itself first, and keeps the others' order.
    let state = context.trace_state().with("congo", "ucfJifl5GOE");
    let state = state.expect("valid");
    assert_eq!(state.as_str(), "congo=ucfJifl5GOE,rojo=00f067aa0ba902b7");

    let unsampled = &PARENT.replace("-01", "-00");
    assert!(!extract(unsampled, "").expect("valid").is_sampled());
}

#[test]
fn what_is_no_parent() {
    let bad = [
        "",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes-later",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.later",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-001",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x",
        "0-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    ];
    for text in bad {
        assert_eq!(TraceParent::parse(text), None, "{text:?}");
    }
    // A later version may go on behind, and may know more flags.
    for text in [
        "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff-what-comes-later",
        "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03",
        " \t00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03 ",
    ] {
        let parent = TraceParent::parse(text).expect(text);
        assert_eq!(parent.flags, TraceFlags(3));
    }
}

#[test]
fn a_tracestate_is_taken_whole_or_not_at_all() {
    let parse = |text: &str| TraceState::parse(&[text]).map(|state| state.as_str().to_owned());
    let same = |text: &str| assert_eq!(parse(text).as_deref(), Some(text));
    same("foo=1");
    same("foo=1,bar=2");
    same("0x@a-b*/_=  b c~!");
    same(&format!("{}={}", "k".repeat(256), "v".repeat(255)));
    assert_eq!(
        parse(" foo=1 \t,, \t, bar=2,").as_deref(),
        Some("foo=1,bar=2")
    );
    assert_eq!(parse("").as_deref(), Some(""));
    let many = |count: usize| {
        let members: Vec<_> = (0..count).map(|n| format!("k{n}=1")).collect();
        members.join(",")
    };
    same(&many(32));
    let key = format!("{}=1", "k".repeat(257));
    let value = format!("k={}", "v".repeat(257));
    let bad = [
        "foo",
        "foo=",
        "=1",
        "foo=1=2",
        "Foo=1",
        "_a=1",
        "a b=1",
        "a=é",
        "a=\u{7f}",
        "a=1,a=2",
        &many(33),
        &key,
        &value,
    ];
    for text in bad {
        assert_eq!(parse(text), None, "{text:?}");
        let context = extract(PARENT, text).expect("the parent is valid all the same");
        assert!(context.trace_state().is_empty());
    }
    let (long, short) = (format!("long={}", "v".repeat(200)), "s=1".to_owned());
    let fill: Vec<_> = (0..5).map(|n| format!("f{n}={}", "v".repeat(90))).collect();
    let all = [&[short.clone(), long][..], &fill].concat().join(",");
    let kept = [&[short][..], &fill].concat().join(",");
    assert_eq!(parse(&all), Some(kept), "the long one goes first");
}

#[test]
fn headers_that_come_several_times() {
    let mut headers = HeaderMap::new();
    assert_eq!(extract_headers(&headers), None);
    headers.append(TRACEPARENT, HeaderValue::from_static(PARENT));
    headers.append(TRACESTATE, HeaderValue::from_static("a=1,b=2"));
    headers.append(TRACESTATE, HeaderValue::from_static("c=3"));
    let context = extract_headers(&headers).expect("valid");
    assert_eq!(context.trace_state().as_str(), "a=1,b=2,c=3");

    let mut out = HeaderMap::new();
    out.append(TRACESTATE, HeaderValue::from_static("stale=1"));
    inject_headers(&context, &mut out);
    assert_eq!(out[TRACEPARENT], PARENT);
    assert_eq!(out[TRACESTATE], "a=1,b=2,c=3");
    assert_eq!(extract_headers(&out), Some(context));
    inject_headers(&SpanContext::default(), &mut out);
    assert!(out.is_empty());

    headers.append(TRACEPARENT, HeaderValue::from_static(PARENT));
    assert_eq!(extract_headers(&headers), None);
}

proptest! {
    #[test]
    fn what_is_written_is_read(trace in 1_u128.., span in 1_u64.., flags in 0..4_u8) {
        let parent = TraceParent {
            trace_id: TraceId(trace.to_be_bytes()),
            span_id: SpanId(span.to_be_bytes()),
            flags: TraceFlags(flags),
        };
        let text = parent.to_text();
        let text = std::str::from_utf8(&text).expect("ASCII");
        prop_assert_eq!(TraceParent::parse(text), Some(parent));
    }

    /// One character changed: it is refused, or it says something else that is written the same way.
    #[test]
    fn one_character_off(at in 0..55_usize, to in any::<char>()) {
        let mut text: Vec<char> = PARENT.chars().collect();
        text[at] = to;
        let text: String = text.into_iter().collect();
        if let Some(parent) = TraceParent::parse(&text) {
            let known = parent.to_text();
            let is_version = at < 2;
            let is_flag = at >= 53;
            prop_assert!(is_version || is_flag || known == text.as_bytes());
        }
    }

    #[test]
    fn nothing_panics_and_what_is_taken_stays_as_it_is(text in "[a-c=,@ \t]{0,60}|\\PC{0,40}") {
        let _ = TraceParent::parse(&text);
        if let Some(state) = TraceState::parse(&[&text]) {
            prop_assert_eq!(TraceState::parse(&[state.as_str()]), Some(state));
        }
    }
}
