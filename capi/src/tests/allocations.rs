//! Recording allocates nothing, once its thread has recorded for a while.

use super::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

// SAFETY: it is the system's allocator, and counts.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // A thread that ends has no count any more.
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: as the caller says.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller says.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[test]
fn recording_allocates_nothing() {
    let own = Program::start();
    let mut metric = null_mut();
    let of_metric = MetricOptions {
        name: c"requests".as_ptr(),
        description: null(),
        unit: null(),
        kind: MetricKind::SumDelta as u32,
        is_monotonic: 1,
    };
    // SAFETY: all pointers are to what is here.
    let made = unsafe { tailrace_metric_new(&raw const of_metric, &raw mut metric) };
    assert_eq!(made, Status::Ok);
    let attribute = Attribute {
        key: c"key".as_ptr(),
        value: text(c"value"),
    };
    let attributes = [attribute; 8];
    let point = Point {
        start_unix_ns: 0,
        unix_ns: 0,
        value: integer(1),
        attributes: attributes.as_ptr(),
        attributes_len: attributes.len(),
    };
    let record = || {
        let span = own.span(null());
        let context = context_of(span);
        let log = LogRecord {
            unix_ns: 0,
            severity: Severity::Info as u32,
            severity_text: c"INFO".as_ptr(),
            event_name: null(),
            body: text(c"body"),
            context: &raw const context,
            attributes: attributes.as_ptr(),
            attributes_len: attributes.len(),
        };
        // SAFETY: all pointers are to what is here. The last is a failure, as one that comes often.
        let done = unsafe {
            [
                tailrace_span_set_attribute(span, c"key".as_ptr(), integer(1)),
                tailrace_span_add_event(span, c"event".as_ptr(), 0, attributes.as_ptr(), 8),
                tailrace_logger_record(own.logger, &raw const log),
                tailrace_meter_record(own.meter, metric, &raw const point),
                tailrace_span_end(span, 0),
                tailrace_span_set_name(null_mut(), c"name".as_ptr()),
            ]
        };
        assert_eq!(done[..5], [Status::Ok; 5]);
        assert_eq!(done[5], Status::InvalidArgument);
    };
    // The first have chunks, buffers and a handle made.
    record();
    let before = ALLOCATIONS.get();
    // Fewer than a chunk holds: a new one may be an allocation, of the recorder's.
    (0..50).for_each(|_| record());
    assert_eq!(ALLOCATIONS.get() - before, 0);
    // SAFETY: it is freed once.
    unsafe { tailrace_metric_free(metric) };
}
