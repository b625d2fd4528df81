/*
 * tailrace: OpenTelemetry out of a C or C++ program, by an engine inside of it.
 *
 *   tailrace_engine *engine;
 *   tailrace_start_from_environment(&engine);
 *   tailrace_scope scope = {.name = "cart"};
 *   tailrace_tracer *tracer;
 *   tailrace_tracer_new(engine, &scope, &tracer);
 *
 *   tailrace_span *span;
 *   tailrace_span_start(tracer, "GET /cart", NULL, &span);
 *   tailrace_span_set_attribute(span, "http.response.status_code", tailrace_int(200));
 *   tailrace_span_end(span, 0);
 *
 *   tailrace_tracer_free(tracer);
 *   tailrace_shutdown(engine, 5000, NULL);
 *   tailrace_engine_free(engine);
 *
 * Threads. An engine and a metric may be used by all threads at once. A tracer with its spans, a logger
 * and a meter are for one thread at a time: make one for each thread, or move them with a lock. This is
 * not checked, and two threads at once are undefined behaviour.
 *
 * Errors. Functions give a tailrace_status, 0 on success, and do nothing where an argument is not valid.
 * tailrace_last_message() has the last failure of the thread in words. A program that does not care for
 * its telemetry need not look: where a handle could not be made it is set to NULL, which every function
 * answers with a code, and which is nothing to be freed.
 *
 * Cost. Recording waits for nothing, makes no system call and, but where a function says so, allocates
 * nothing once its thread has recorded for a while; up to 32 attributes may be given at once. What there
 * is no room for is dropped and counted.
 *
 * Texts are UTF-8 and end with a NUL; those of a tailrace_value may have their length instead. All that
 * is pointed to is read during the call and not kept.
 *
 * Processes. A program that forks starts an engine in the child, after the fork: there the parent's
 * records nothing, and what is given to it is dropped.
 *
 * Made from capi/src by cbindgen; do not edit.
 */


#ifndef TAILRACE_H
#define TAILRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The version that this header is of. */
#define TAILRACE_VERSION "0.1.0"

/**
 * Bytes that a traceparent needs, its NUL included.
 */
#define TAILRACE_TRACEPARENT_SIZE 56

/**
 * Bytes that any tracestate needs, its NUL included.
 */
#define TAILRACE_TRACESTATE_SIZE 513

/**
 * What a call came to. 0 is success; `tailrace_last_message` says more of the others.
 */
typedef enum tailrace_status {
    /**
     * It was done.
     */
    TAILRACE_STATUS_OK = 0,
    /**
     * A pointer is NULL or not aligned, a length has no bytes, or a number names nothing: a defect of
     * the caller. Nothing was done.
     */
    TAILRACE_STATUS_INVALID_ARGUMENT = 1,
    /**
     * A text is not UTF-8. Nothing was done.
     */
    TAILRACE_STATUS_NOT_UTF8 = 2,
    /**
     * An environment variable or the configuration is not valid; the message says which, and what
     * is allowed.
     */
    TAILRACE_STATUS_INVALID_SETTINGS = 3,
    /**
     * The engine could not be started. The program can go on without it.
     */
    TAILRACE_STATUS_NOT_STARTED = 4,
    /**
     * There was no room for an item, or the engine has ended: it was dropped and counted.
     */
    TAILRACE_STATUS_DROPPED = 5,
    /**
     * The deadline passed. What is not delivered yet is still tried, unless the engine was to end.
     */
    TAILRACE_STATUS_TIMED_OUT = 6,
    /**
     * The backend refused items for good, or could not be reached for as long as they are tried.
     */
    TAILRACE_STATUS_UNDELIVERED = 7,
    /**
     * The engine has ended, or runs in the process that this one was forked from.
     */
    TAILRACE_STATUS_ENDED = 8,
    /**
     * The span has ended already. Told as long as its tracer is there and has begun no other since.
     */
    TAILRACE_STATUS_SPAN_ENDED = 9,
    /**
     * A defect of the library, stopped at its border. What the call was about may be lost.
     */
    TAILRACE_STATUS_PANICKED = 10,
} tailrace_status;

/**
 * Of which kind a value is.
 */
typedef enum tailrace_value_kind {
    /**
     * There is none: a log record without a body. No attribute is of this kind.
     */
    TAILRACE_VALUE_KIND_NONE = 0,
    /**
     * `slice`: UTF-8, which need not end with a NUL.
     */
    TAILRACE_VALUE_KIND_STRING = 1,
    /**
     * `boolean`
     */
    TAILRACE_VALUE_KIND_BOOL = 2,
    /**
     * `integer`
     */
    TAILRACE_VALUE_KIND_INT = 3,
    /**
     * `real`
     */
    TAILRACE_VALUE_KIND_DOUBLE = 4,
    /**
     * `slice`
     */
    TAILRACE_VALUE_KIND_BYTES = 5,
} tailrace_value_kind;

/**
 * What a span is to its trace.
 */
typedef enum tailrace_span_kind {
    /**
     * As INTERNAL.
     */
    TAILRACE_SPAN_KIND_UNSPECIFIED = 0,
    TAILRACE_SPAN_KIND_INTERNAL = 1,
    TAILRACE_SPAN_KIND_SERVER = 2,
    TAILRACE_SPAN_KIND_CLIENT = 3,
    TAILRACE_SPAN_KIND_PRODUCER = 4,
    TAILRACE_SPAN_KIND_CONSUMER = 5,
} tailrace_span_kind;

/**
 * How a span went.
 */
typedef enum tailrace_span_status {
    TAILRACE_SPAN_STATUS_UNSET = 0,
    TAILRACE_SPAN_STATUS_OK = 1,
    TAILRACE_SPAN_STATUS_ERROR = 2,
} tailrace_span_status;

/**
 * How grave a log record is. Numbers between these are finer steps of the same.
 */
typedef enum tailrace_severity {
    TAILRACE_SEVERITY_UNSPECIFIED = 0,
    TAILRACE_SEVERITY_TRACE = 1,
    TAILRACE_SEVERITY_DEBUG = 5,
    TAILRACE_SEVERITY_INFO = 9,
    TAILRACE_SEVERITY_WARN = 13,
    TAILRACE_SEVERITY_ERROR = 17,
    TAILRACE_SEVERITY_FATAL = 21,
} tailrace_severity;

/**
 * What the numbers of a metric are.
 */
typedef enum tailrace_metric_kind {
    /**
     * A value as it is now.
     */
    TAILRACE_METRIC_KIND_GAUGE = 0,
    /**
     * What was added since the point before.
     */
    TAILRACE_METRIC_KIND_SUM_DELTA = 1,
    /**
     * What was added since the start.
     */
    TAILRACE_METRIC_KIND_SUM_CUMULATIVE = 2,
} tailrace_metric_kind;

/**
 * A running engine: threads of its own that batch and export. May be used by all threads at once.
 */
typedef struct tailrace_engine tailrace_engine;

/**
 * Records log records in one scope. For one thread at a time.
 */
typedef struct tailrace_logger tailrace_logger;

/**
 * Records data points in one scope. For one thread at a time.
 */
typedef struct tailrace_meter tailrace_meter;

/**
 * What points have in common. May be used by all threads and meters at once.
 */
typedef struct tailrace_metric tailrace_metric;

/**
 * A span that goes on. Belongs to the thread of its tracer.
 */
typedef struct tailrace_span tailrace_span;

/**
 * Starts spans in one scope. For one thread at a time.
 */
typedef struct tailrace_tracer tailrace_tracer;

/**
 * Which span of which trace. A plain value: copy it, keep it, give it to other threads. Zeroed it is
 * no span.
 */
typedef struct tailrace_context {
    uint8_t trace_id[16];
    uint8_t span_id[8];
    /**
     * W3C's trace flags: 1 is sampled, 2 that the trace id is random.
     */
    uint8_t trace_flags;
    /**
     * Not 0: it came from another process.
     */
    uint8_t is_remote;
} tailrace_context;

/**
 * Bytes of the caller's. `data` may be NULL where `len` is 0.
 */
typedef struct tailrace_slice {
    const void *data;
    size_t len;
} tailrace_slice;

/**
 * What a value holds; `kind` of the value says which of these.
 */
typedef union tailrace_content {
    /**
     * Whatever is not 0 is true.
     */
    uint8_t boolean;
    int64_t integer;
    double real;
    struct tailrace_slice slice;
} tailrace_content;

/**
 * An attribute's value or a log record's body, made by tailrace_string(), tailrace_text(),
 * tailrace_bool(), tailrace_int(), tailrace_double() or tailrace_bytes().
 */
typedef struct tailrace_value {
    /**
     * One of tailrace_value_kind.
     */
    uint32_t kind;
    union tailrace_content content;
} tailrace_value;

/**
 * A key and a value.
 */
typedef struct tailrace_attribute {
    const char *key;
    struct tailrace_value value;
} tailrace_attribute;

/**
 * Which library or part of the program makes items. All but `name` may be NULL or 0.
 */
typedef struct tailrace_scope {
    const char *name;
    const char *version;
    const char *schema_url;
    const struct tailrace_attribute *attributes;
    size_t attributes_len;
} tailrace_scope;

/**
 * What may be said of a span that starts. Zeroed it begins a trace, now.
 */
typedef struct tailrace_span_options {
    /**
     * The parent, where it is a span of this thread. Only one of the two parents may be given.
     */
    const struct tailrace_span *parent_span;
    /**
     * The parent, where it is elsewhere: from tailrace_context_extract() or tailrace_span_context().
     * One that is no span is as good as NULL.
     */
    const struct tailrace_context *parent;
    /**
     * What came with `parent` as the header `tracestate`. Costs an allocation. What is not valid is
     * left out.
     */
    const char *tracestate;
    /**
     * Nanoseconds since 1970; 0: now.
     */
    uint64_t start_unix_ns;
    /**
     * One of tailrace_span_kind.
     */
    uint32_t kind;
} tailrace_span_options;

/**
 * A log record. Zeroed it is one that says nothing, and is from now.
 */
typedef struct tailrace_log_record {
    /**
     * When it happened, in nanoseconds since 1970; 0: now.
     */
    uint64_t unix_ns;
    /**
     * tailrace_severity, 0 to 24.
     */
    uint32_t severity;
    /**
     * What its source calls the severity. May be NULL.
     */
    const char *severity_text;
    /**
     * The name of the event that it is, by which its attributes are understood. May be NULL.
     */
    const char *event_name;
    /**
     * What it says; may be of the kind that has no value.
     */
    struct tailrace_value body;
    /**
     * The span it was written in, or NULL.
     */
    const struct tailrace_context *context;
    const struct tailrace_attribute *attributes;
    size_t attributes_len;
} tailrace_log_record;

/**
 * What there is to say of a metric. All but `name` may be NULL or 0.
 */
typedef struct tailrace_metric_options {
    const char *name;
    const char *description;
    /**
     * As UCUM has them: `s`, `By`, `{request}`.
     */
    const char *unit;
    /**
     * One of tailrace_metric_kind.
     */
    uint32_t kind;
    /**
     * Not 0: a sum that never falls.
     */
    uint8_t is_monotonic;
} tailrace_metric_options;

/**
 * A data point.
 */
typedef struct tailrace_point {
    /**
     * Since when a sum was added up, in nanoseconds since 1970; 0: unknown. A gauge has none.
     */
    uint64_t start_unix_ns;
    /**
     * When it was so, in nanoseconds since 1970; 0: now.
     */
    uint64_t unix_ns;
    /**
     * tailrace_int() or tailrace_double().
     */
    struct tailrace_value value;
    const struct tailrace_attribute *attributes;
    size_t attributes_len;
} tailrace_point;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * What the last call of this thread that did not succeed has to say, as a sentence or several; empty
 * where none failed. The text is the library's, and stays until another call of this thread fails.
 */
const char *tailrace_last_message(void);

/**
 * What a code means, in general: a text without an end of life.
 */
const char *tailrace_status_text(int status);

/**
 * The version of the library; that of the header is TAILRACE_VERSION. They must be the same.
 */
const char *tailrace_version(void);

/**
 * Starts an engine as the standard environment variables say: OTEL_SERVICE_NAME,
 * OTEL_RESOURCE_ATTRIBUTES, OTEL_EXPORTER_OTLP_ENDPOINT and its like, OTEL_TRACES_SAMPLER,
 * OTEL_SDK_DISABLED and others. Where telemetry is disabled this succeeds, and nothing is recorded.
 *
 * `engine` is set to NULL where it fails. Ends with tailrace_engine_free().
 */
enum tailrace_status tailrace_start_from_environment(struct tailrace_engine **engine);

/**
 * As tailrace_start_from_environment(), but where telemetry goes is said by `yaml`, a configuration
 * file with one receiver, `otlp` with the protocol `grpc`, which is not bound and stands for this
 * program; `${env:NAME}` and `${file:PATH}` in it are expanded. The resource, the sampler and the
 * limits of spans are those of the environment.
 */
enum tailrace_status tailrace_start_from_yaml(const char *yaml, struct tailrace_engine **engine);

/**
 * Waits until everything that was recorded before is delivered, at most for `timeout_ms`. Items of
 * all threads count, and those of spans that have not ended do not.
 *
 * `dropped_items`, unless it is NULL, is set on success to what there was no room for since the start.
 */
enum tailrace_status tailrace_flush(const struct tailrace_engine *engine,
                                    uint64_t timeout_ms,
                                    uint64_t *dropped_items);

/**
 * Flushes, and ends the engine's threads, all within `timeout_ms`; what is not delivered by then is
 * dropped. From then on tracers, loggers and meters drop what they are given, and a flush says that the
 * engine has ended. The engine is still to be freed.
 */
enum tailrace_status tailrace_shutdown(const struct tailrace_engine *engine,
                                       uint64_t timeout_ms,
                                       uint64_t *dropped_items);

/**
 * Lets go of an engine; NULL is nothing to do. One that was not shut down delivers what is recorded
 * for as long as the process lives, half a minute at most, and nobody waits for it. No other thread may
 * be using it. Tracers, loggers and meters stay valid, and are freed by themselves.
 */
void tailrace_engine_free(struct tailrace_engine *engine);

/**
 * Reads the header `traceparent` of a request. Where it is not valid, this is
 * TAILRACE_STATUS_INVALID_ARGUMENT, and `context` is no span: a span that has it as its parent begins a
 * trace, as it should.
 */
enum tailrace_status tailrace_context_extract(const char *traceparent,
                                              struct tailrace_context *context);

/**
 * Writes the header `traceparent` of a request that is made in a span: TAILRACE_TRACEPARENT_SIZE bytes,
 * with a NUL at their end. Of no span it is the empty text.
 */
enum tailrace_status tailrace_context_inject(const struct tailrace_context *context,
                                             char *traceparent);

/**
 * Makes what starts spans, in one scope. For one thread at a time, and so are its spans: together they
 * may move to another. Ends with tailrace_tracer_free().
 */
enum tailrace_status tailrace_tracer_new(const struct tailrace_engine *engine,
                                         const struct tailrace_scope *scope,
                                         struct tailrace_tracer **tracer);

/**
 * Spans that this tracer had no room for; 0 of NULL.
 */
uint64_t tailrace_tracer_dropped(const struct tailrace_tracer *tracer);

/**
 * Lets go of a tracer; NULL is nothing to do. Spans of it that go on are valid until they end.
 */
void tailrace_tracer_free(struct tailrace_tracer *tracer);

/**
 * Starts a span; `options` may be NULL. It goes on until tailrace_span_end(), and belongs to the thread
 * of its tracer. Where this fails `span` is set to NULL, which every function of spans takes for an
 * argument that is not valid, without harm.
 */
enum tailrace_status tailrace_span_start(const struct tailrace_tracer *tracer,
                                         const char *name,
                                         const struct tailrace_span_options *options,
                                         struct tailrace_span **span);

/**
 * Gives a span an attribute. A key that is given twice stands there twice.
 */
enum tailrace_status tailrace_span_set_attribute(struct tailrace_span *span,
                                                 const char *key,
                                                 struct tailrace_value value);

/**
 * Something that happened in a span, at `unix_ns` nanoseconds since 1970; 0: now.
 */
enum tailrace_status tailrace_span_add_event(struct tailrace_span *span,
                                             const char *name,
                                             uint64_t unix_ns,
                                             const struct tailrace_attribute *attributes,
                                             size_t attributes_len);

/**
 * Another span that this one has to do with.
 */
enum tailrace_status tailrace_span_add_link(struct tailrace_span *span,
                                            const struct tailrace_context *to,
                                            const struct tailrace_attribute *attributes,
                                            size_t attributes_len);

/**
 * How a span went, as one of tailrace_span_status. `message` counts for an error alone, may be NULL, and
 * costs an allocation. OK stays whatever is said after it.
 */
enum tailrace_status tailrace_span_set_status(struct tailrace_span *span,
                                              uint32_t status,
                                              const char *message);

/**
 * Gives a span another name.
 */
enum tailrace_status tailrace_span_set_name(struct tailrace_span *span, const char *name);

/**
 * Which span of which trace it is: for log records, links, spans of other threads and calls.
 */
enum tailrace_status tailrace_span_context(const struct tailrace_span *span,
                                           struct tailrace_context *context);

/**
 * The header `tracestate` of a call that is made in a span: TAILRACE_TRACESTATE_SIZE bytes are written,
 * with a NUL behind the text, which is empty where the call needs no such header.
 */
enum tailrace_status tailrace_span_tracestate(const struct tailrace_span *span,
                                              char *tracestate);

/**
 * Whether what is said of a span is kept. Where it is not, because it is not sampled or telemetry is
 * disabled, what is costly to find out need not be. `false` of NULL and of a span that has ended.
 */
bool tailrace_span_is_recording(const struct tailrace_span *span);

/**
 * Ends a span, and frees it; NULL is nothing to do. The end is `unix_ns` nanoseconds since 1970, and now
 * where that is 0. TAILRACE_STATUS_DROPPED: there was no room for it.
 */
enum tailrace_status tailrace_span_end(struct tailrace_span *span,
                                       uint64_t unix_ns);

/**
 * Makes what records log records, in one scope. Ends with tailrace_logger_free().
 */
enum tailrace_status tailrace_logger_new(const struct tailrace_engine *engine,
                                         const struct tailrace_scope *scope,
                                         struct tailrace_logger **logger);

/**
 * Records a log record. TAILRACE_STATUS_DROPPED: there was no room for it.
 */
enum tailrace_status tailrace_logger_record(const struct tailrace_logger *logger,
                                            const struct tailrace_log_record *record);

/**
 * Log records that this logger had no room for; 0 of NULL.
 */
uint64_t tailrace_logger_dropped(const struct tailrace_logger *logger);

/**
 * Lets go of a logger; NULL is nothing to do. What it recorded leaves.
 */
void tailrace_logger_free(struct tailrace_logger *logger);

/**
 * Says what points will have in common. Ends with tailrace_metric_free().
 */
enum tailrace_status tailrace_metric_new(const struct tailrace_metric_options *options,
                                         struct tailrace_metric **metric);

/**
 * Lets go of a metric; NULL is nothing to do. No other thread may be using it.
 */
void tailrace_metric_free(struct tailrace_metric *metric);

/**
 * Makes what records data points, in one scope. Ends with tailrace_meter_free().
 */
enum tailrace_status tailrace_meter_new(const struct tailrace_engine *engine,
                                        const struct tailrace_scope *scope,
                                        struct tailrace_meter **meter);

/**
 * Records a data point. TAILRACE_STATUS_DROPPED: there was no room for it.
 */
enum tailrace_status tailrace_meter_record(const struct tailrace_meter *meter,
                                           const struct tailrace_metric *metric,
                                           const struct tailrace_point *point);

/**
 * Data points that this meter had no room for; 0 of NULL.
 */
uint64_t tailrace_meter_dropped(const struct tailrace_meter *meter);

/**
 * Lets go of a meter; NULL is nothing to do. What it recorded leaves.
 */
void tailrace_meter_free(struct tailrace_meter *meter);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* TAILRACE_H */

#ifdef __cplusplus
extern "C" {
#endif

/* No value: the body of a log record that has none. */
static inline tailrace_value tailrace_none(void) {
    tailrace_value value;
    memset(&value, 0, sizeof value);
    return value;
}

/* Text of a length; it need not end with a NUL. */
static inline tailrace_value tailrace_text(const char *data, size_t len) {
    tailrace_value value = tailrace_none();
    value.kind = TAILRACE_VALUE_KIND_STRING;
    value.content.slice.data = data;
    value.content.slice.len = len;
    return value;
}

/* Text that ends with a NUL. NULL is the empty text. */
static inline tailrace_value tailrace_string(const char *text) {
    return tailrace_text(text, text == NULL ? 0 : strlen(text));
}

static inline tailrace_value tailrace_bool(bool boolean) {
    tailrace_value value = tailrace_none();
    value.kind = TAILRACE_VALUE_KIND_BOOL;
    value.content.boolean = boolean ? 1 : 0;
    return value;
}

static inline tailrace_value tailrace_int(int64_t integer) {
    tailrace_value value = tailrace_none();
    value.kind = TAILRACE_VALUE_KIND_INT;
    value.content.integer = integer;
    return value;
}

static inline tailrace_value tailrace_double(double real) {
    tailrace_value value = tailrace_none();
    value.kind = TAILRACE_VALUE_KIND_DOUBLE;
    value.content.real = real;
    return value;
}

static inline tailrace_value tailrace_bytes(const void *data, size_t len) {
    tailrace_value value = tailrace_none();
    value.kind = TAILRACE_VALUE_KIND_BYTES;
    value.content.slice.data = data;
    value.content.slice.len = len;
    return value;
}

#ifdef __cplusplus
} /* extern "C" */
#endif
