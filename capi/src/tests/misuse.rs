//! Arguments that are not valid: each is a code, and harms nothing.

use super::*;

const LATIN1: &CStr = c"caf\xe9";

#[test]
fn null_is_an_argument_that_is_not_valid_and_is_named() {
    let scope = scope(c"tests");
    // SAFETY: that is what is asked.
    unsafe {
        assert_eq!(
            tailrace_start_from_environment(null_mut()),
            Status::InvalidArgument
        );
        assert_eq!(message(), "engine: NULL");
        let mut engine = null_mut();
        assert_eq!(
            tailrace_start_from_yaml(null(), &raw mut engine),
            Status::InvalidArgument
        );
        assert_eq!((message(), engine), ("yaml: NULL".to_owned(), null_mut()));
        assert_eq!(
            tailrace_flush(null(), 1, null_mut()),
            Status::InvalidArgument
        );
        assert_eq!(
            tailrace_shutdown(null(), 1, null_mut()),
            Status::InvalidArgument
        );
        let mut tracer = null_mut();
        let made = tailrace_tracer_new(null(), &raw const scope, &raw mut tracer);
        assert_eq!((made, tracer), (Status::InvalidArgument, null_mut()));
        let mut span = null_mut();
        let made = tailrace_span_start(null(), c"x".as_ptr(), null(), &raw mut span);
        assert_eq!((made, span), (Status::InvalidArgument, null_mut()));
        let set = tailrace_span_set_attribute(null_mut(), c"key".as_ptr(), integer(1));
        assert_eq!(
            (set, message()),
            (Status::InvalidArgument, "span: NULL".to_owned())
        );
        assert_eq!(
            tailrace_logger_record(null(), null()),
            Status::InvalidArgument
        );
        assert_eq!(
            tailrace_meter_record(null(), null(), null()),
            Status::InvalidArgument
        );
        let mut metric = null_mut();
        assert_eq!(
            tailrace_metric_new(null(), &raw mut metric),
            Status::InvalidArgument
        );
        assert!(!tailrace_span_is_recording(null()));
        let dropped = (
            tailrace_tracer_dropped(null()),
            tailrace_logger_dropped(null()),
            tailrace_meter_dropped(null()),
        );
        assert_eq!(dropped, (0, 0, 0));
        // Nothing to be freed.
        assert_eq!(tailrace_span_end(null_mut(), 0), Status::Ok);
        tailrace_metric_free(null_mut());
        tailrace_meter_free(null_mut());
        tailrace_logger_free(null_mut());
        tailrace_tracer_free(null_mut());
        tailrace_engine_free(null_mut());
    }
}

#[test]
fn pointers_that_are_not_aligned_and_texts_that_are_not_utf8_are_told() {
    let own = Program::start();
    let span = own.span(null());
    let crooked = [0_u64; 8];
    let crooked = crooked.as_ptr().cast::<u8>().wrapping_add(1);
    // SAFETY: the crooked ones are refused before they are read.
    unsafe {
        let linked = tailrace_span_add_event(span, c"x".as_ptr(), 0, crooked.cast(), 1);
        assert_eq!(
            (linked, message()),
            (
                Status::InvalidArgument,
                "attributes: not aligned".to_owned()
            )
        );
        let long =
            tailrace_span_add_event(span, c"x".as_ptr(), 0, std::ptr::dangling(), usize::MAX);
        assert_eq!(
            (long, message()),
            (
                Status::InvalidArgument,
                "attributes: longer than memory".to_owned()
            )
        );
        let named = tailrace_span_set_name(span, LATIN1.as_ptr());
        assert_eq!(
            (named, message()),
            (Status::NotUtf8, "name: not UTF-8".to_owned())
        );
        let set = tailrace_span_set_attribute(span, c"key".as_ptr(), text(LATIN1));
        assert_eq!(
            (set, message()),
            (Status::NotUtf8, "value: not UTF-8".to_owned())
        );
        let mut engine = null_mut();
        let started = tailrace_start_from_yaml(LATIN1.as_ptr(), &raw mut engine);
        assert_eq!((started, engine), (Status::NotUtf8, null_mut()));
        assert_eq!(tailrace_span_end(span, 0), Status::Ok);
    }
}

#[test]
fn numbers_that_name_nothing_are_told() {
    let own = Program::start();
    let span = own.span(null());
    let mut options = SpanOptions {
        parent_span: span,
        parent: null(),
        tracestate: null(),
        start_unix_ns: 0,
        kind: 6,
    };
    let unknown = Value {
        kind: 6,
        ..integer(1)
    };
    let none = Value {
        kind: ValueKind::None as u32,
        ..integer(1)
    };
    let mut record = LogRecord {
        unix_ns: 0,
        severity: 25,
        severity_text: null(),
        event_name: null(),
        body: none,
        context: null(),
        attributes: null(),
        attributes_len: 0,
    };
    let mut metric = null_mut();
    let mut of_metric = MetricOptions {
        name: c"requests".as_ptr(),
        description: null(),
        unit: null(),
        kind: 3,
        is_monotonic: 1,
    };
    let mut point = Point {
        start_unix_ns: 0,
        unix_ns: 0,
        value: text(c"many"),
        attributes: null(),
        attributes_len: 0,
    };
    let mut other = null_mut();
    let wrong = Status::InvalidArgument;
    // SAFETY: all pointers are to what is here.
    unsafe {
        let start = |options: &SpanOptions, place: &mut *mut Span| {
            tailrace_span_start(own.tracer, c"x".as_ptr(), options, place)
        };
        assert_eq!((start(&options, &mut other), other), (wrong, null_mut()));
        options.kind = SpanKind::Consumer as u32;
        let elsewhere = context_of(span);
        options.parent = &raw const elsewhere;
        assert_eq!(start(&options, &mut other), wrong);
        assert_eq!(message(), "options: two parents");
        assert_eq!(tailrace_span_set_status(span, 3, null()), wrong);
        for value in [unknown, none] {
            assert_eq!(
                tailrace_span_set_attribute(span, c"key".as_ptr(), value),
                wrong
            );
        }
        assert_eq!(tailrace_logger_record(own.logger, &raw const record), wrong);
        record.severity = 24;
        assert_eq!(
            tailrace_logger_record(own.logger, &raw const record),
            Status::Ok
        );
        assert_eq!(
            tailrace_metric_new(&raw const of_metric, &raw mut metric),
            wrong
        );
        of_metric.kind = MetricKind::SumCumulative as u32;
        assert_eq!(
            tailrace_metric_new(&raw const of_metric, &raw mut metric),
            Status::Ok
        );
        assert_eq!(
            tailrace_meter_record(own.meter, metric, &raw const point),
            wrong
        );
        assert_eq!(message(), "point->value: no number");
        point.value = integer(1);
        assert_eq!(
            tailrace_meter_record(own.meter, metric, &raw const point),
            Status::Ok
        );
        tailrace_metric_free(metric);
        assert_eq!(tailrace_span_end(span, 0), Status::Ok);
    }
}
