//! B3's own examples, and that what one form writes either form reads.

use super::*;
use std::collections::HashMap;

const B3: Propagators = Propagators {
    b3: true,
    ..Propagators::NONE
};

const MULTI: Propagators = Propagators {
    b3_multi: true,
    ..Propagators::NONE
};

const TRACE: &str = "80f198ee56343ba864fe8b2a57d3eff7";
const SPAN: &str = "e457b5a2e4d86bd1";

/// Out of a map of headers and out of any other carrier alike.
fn read(propagators: Propagators, headers: &[(&str, &str)]) -> Option<SpanContext> {
    let headers: HashMap<_, _> = headers.iter().copied().collect();
    let context = propagators.extract(|name| headers.get(name).copied());
    let parsed = headers.iter().map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        (name, HeaderValue::from_str(value).expect("a value"))
    });
    assert_eq!(propagators.extract_headers(&parsed.collect()), context);
    context
}

#[test]
fn headers_of_another_parent_are_replaced() {
    let context = single(&format!("{TRACE}-{SPAN}-1")).expect("valid");
    let all = Propagators {
        b3_multi: true,
        ..B3
    };
    for (propagators, expected) in [
        (Propagators::NONE, 1),
        (Propagators::default(), 2),
        (B3, 1),
        (MULTI, 3),
        (all, 4),
    ] {
        let mut headers = HeaderMap::new();
        let old = HeaderValue::from_static("0");
        headers.insert(b3::FLAGS, old);
        propagators.inject_headers(&context, &mut headers);
        assert_eq!(headers.len(), expected, "{propagators:?}: {headers:?}");
        let mut set = HashMap::new();
        propagators.inject(&context, |name, value| {
            set.insert(name, value.to_owned());
        });
        for (name, value) in &set {
            assert_eq!(headers[*name], value[..]);
        }
        if propagators != Propagators::NONE {
            assert_eq!(
                propagators.extract_headers(&headers).as_ref(),
                Some(&context)
            );
        }
        propagators.inject_headers(&SpanContext::default(), &mut headers);
        assert_eq!(propagators.extract_headers(&headers), None);
    }
}

fn single(text: &str) -> Option<SpanContext> {
    read(B3, &[("b3", text)])
}

#[test]
fn the_examples_of_b3() {
    for (rest, is_sampled) in [
        ("", false),
        ("-0", false),
        ("-1", true),
        ("-d", true),
        ("-1-05e3ac9a4f6e3b90", true),
    ] {
        let context = single(&format!("{TRACE}-{SPAN}{rest}")).expect(rest);
        assert_eq!(context.trace_id().to_string(), TRACE);
        assert_eq!(context.span_id().to_string(), SPAN);
        assert_eq!(context.is_sampled(), is_sampled, "{rest:?}");
        assert!(context.is_remote());
    }
    let short = single("64fe8b2a57d3eff7-e457b5a2e4d86bd1-1").expect("64 bits");
    assert_eq!(short.trace_id().0[..8], [0; 8]);
    for text in [
        "",
        "0",
        "1",
        "d",
        "80f198ee56343ba864fe8b2a57d3eff7",
        "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-2",
        "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1-05e3ac9a4f6e3b9",
        "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1-05e3ac9a4f6e3b90-",
        "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd-1",
        "80f198ee56343ba864fe8b2a57d3eff-e457b5a2e4d86bd1-1",
        "00000000000000000000000000000000-e457b5a2e4d86bd1-1",
        "80f198ee56343ba864fe8b2a57d3eff7-0000000000000000-1",
        "80f198ee56343ba864fe8b2a57d3efgg-e457b5a2e4d86bd1-1",
    ] {
        assert_eq!(single(text), None, "{text:?}");
    }
}

#[test]
fn several_headers() {
    let ids = [("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN)];
    for (more, is_sampled) in [
        (None, Some(false)),
        (Some(("x-b3-sampled", "0")), Some(false)),
        (Some(("x-b3-sampled", "1")), Some(true)),
        (Some(("x-b3-sampled", "true")), Some(true)),
        (Some(("x-b3-flags", "1")), Some(true)),
        (Some(("x-b3-sampled", "yes")), None),
    ] {
        let headers: Vec<_> = ids.into_iter().chain(more).collect();
        let found = read(MULTI, &headers).map(|context| context.is_sampled());
        assert_eq!(found, is_sampled, "{more:?}");
    }
    assert_eq!(read(MULTI, &ids[..1]), None);
}

#[test]
fn who_goes_first_and_who_is_not_asked() {
    let b3 = format!("{TRACE}-{SPAN}-1");
    let headers = [("traceparent", PARENT), ("b3", &b3[..])];
    let both = Propagators {
        trace_context: true,
        ..B3
    };
    let trace = |propagators| read(propagators, &headers).map(|c| c.trace_id().to_string());
    let w3c = "4bf92f3577b34da6a3ce929d0e0e4736";
    assert_eq!(trace(both).as_deref(), Some(w3c));
    assert_eq!(trace(Propagators::default()).as_deref(), Some(w3c));
    assert_eq!(trace(MULTI).as_deref(), Some(TRACE));
    assert_eq!(trace(Propagators::NONE), None);
    let broken = [("traceparent", "00-"), ("b3", &b3[..])];
    assert!(read(both, &broken).is_some());
}

proptest! {
    #[test]
    fn what_a_propagator_writes_it_reads(
        trace in 1_u128..,
        span in 1_u64..,
        is_sampled: bool,
        wanted in prop::array::uniform3(any::<bool>()),
    ) {
        let [trace_context, b3, b3_multi] = wanted;
        let propagators = Propagators { trace_context, b3, b3_multi };
        let context = SpanContext::remote(
            TraceId(trace.to_be_bytes()),
            SpanId(span.to_be_bytes()),
            TraceFlags(u8::from(is_sampled)),
            TraceState::default(),
        );
        let mut headers = HashMap::new();
        propagators.inject(&context, |name, value| {
            headers.insert(name.to_owned(), value.to_owned());
        });
        let read = propagators.extract(|name| headers.get(name).map(String::as_str));
        prop_assert_eq!(read, wanted.contains(&true).then_some(context));
    }

    #[test]
    fn no_header_panics(text in "[0-9a-f]{0,33}-[0-9a-f]{0,17}(-[01d]{0,2}){0,3}|\\PC{0,60}") {
        let _ = single(&text);
        let _ = read(MULTI, &[("x-b3-traceid", &text), ("x-b3-spanid", &text)]);
    }
}
