/*
 * A program in C that makes spans, log records and data points by the embedded engine.
 *
 * From the root of the repository, with a collector, or `tailrace sink`, on port 4318:
 *
 *   cargo build --release -p tailrace-capi
 *   cc -std=c11 -O2 -I capi/include examples/service/native.c target/release/libtailrace.a \
 *       -o native -lpthread -ldl -lm
 *   OTEL_SERVICE_NAME=shop ./native 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
 *
 * Or with the shared library: -L target/release -ltailrace in place of the static one.
 */

#include "tailrace.h"

#include <stdio.h>

/* Telemetry is not what a program is for: what goes wrong with it is said, and the work goes on. */
static void said(tailrace_status status, const char *what) {
    if (status != TAILRACE_STATUS_OK) {
        fprintf(stderr, "%s: %s: %s\n", what, tailrace_status_text((int)status),
                tailrace_last_message());
    }
}

/* What a thread records with. Each thread has its own. */
typedef struct {
    tailrace_tracer *tracer;
    tailrace_logger *logger;
    tailrace_meter *meter;
} telemetry;

/* Looks prices up, as a child of the request's span. */
static void look_up(const telemetry *own, const tailrace_span *request) {
    tailrace_span_options options = {.parent_span = request, .kind = TAILRACE_SPAN_KIND_CLIENT};
    tailrace_span *span;
    said(tailrace_span_start(own->tracer, "look up", &options, &span), "span");

    /* The headers of the call that this would be. */
    tailrace_context context;
    char traceparent[TAILRACE_TRACEPARENT_SIZE];
    if (tailrace_span_context(span, &context) == TAILRACE_STATUS_OK &&
        tailrace_context_inject(&context, traceparent) == TAILRACE_STATUS_OK) {
        printf("traceparent: %s\n", traceparent);
    }

    tailrace_attribute tries = {.key = "tries", .value = tailrace_int(3)};
    tailrace_span_add_event(span, "gave up", 0, &tries, 1);
    tailrace_span_set_status(span, TAILRACE_SPAN_STATUS_ERROR, "no answer");
    said(tailrace_span_end(span, 0), "span");
}

/* Serves a request that came with this header, or NULL. */
static void serve(const telemetry *own, const tailrace_metric *requests, const char *header) {
    tailrace_context parent = {0};
    if (header != NULL) {
        said(tailrace_context_extract(header, &parent), "header");
    }
    tailrace_span_options options = {.parent = &parent, .kind = TAILRACE_SPAN_KIND_SERVER};
    tailrace_span *span;
    said(tailrace_span_start(own->tracer, "GET /cart", &options, &span), "span");
    tailrace_span_set_attribute(span, "url.path", tailrace_string("/cart"));
    tailrace_span_set_attribute(span, "http.response.status_code", tailrace_int(200));
    tailrace_span_set_attribute(span, "cart.total", tailrace_double(12.5));
    tailrace_span_set_attribute(span, "cart.is_gift", tailrace_bool(true));
    tailrace_span_set_attribute(span, "cart.digest", tailrace_bytes("\x00\xff", 2));

    look_up(own, span);

    tailrace_context here;
    bool in_span = tailrace_span_context(span, &here) == TAILRACE_STATUS_OK;
    tailrace_attribute cart = {.key = "cart.id", .value = tailrace_string("c-1")};
    tailrace_log_record record = {
        .severity = TAILRACE_SEVERITY_WARN,
        .severity_text = "WARN",
        .body = tailrace_string("prices are those of yesterday"),
        .context = in_span ? &here : NULL,
        .attributes = &cart,
        .attributes_len = 1,
    };
    said(tailrace_logger_record(own->logger, &record), "log record");

    tailrace_attribute method = {.key = "method", .value = tailrace_text("GET /cart", 3)};
    tailrace_point point = {.value = tailrace_int(1), .attributes = &method, .attributes_len = 1};
    said(tailrace_meter_record(own->meter, requests, &point), "data point");
    said(tailrace_span_end(span, 0), "span");
}

int main(int argc, char **argv) {
    tailrace_engine *engine;
    said(tailrace_start_from_environment(&engine), "telemetry");
    /* From here on all goes well without an engine, too: handles are NULL then. */

    tailrace_scope scope = {.name = "cart", .version = "1.2"};
    telemetry own;
    said(tailrace_tracer_new(engine, &scope, &own.tracer), "tracer");
    said(tailrace_logger_new(engine, &scope, &own.logger), "logger");
    said(tailrace_meter_new(engine, &scope, &own.meter), "meter");

    tailrace_metric_options options = {
        .name = "requests",
        .unit = "{request}",
        .kind = TAILRACE_METRIC_KIND_SUM_DELTA,
        .is_monotonic = 1,
    };
    tailrace_metric *requests;
    said(tailrace_metric_new(&options, &requests), "metric");

    serve(&own, requests, argc > 1 ? argv[1] : NULL);

    uint64_t dropped = 0;
    tailrace_status flushed = tailrace_flush(engine, 10000, &dropped);
    said(flushed, "flush");
    printf("dropped: %llu\n", (unsigned long long)dropped);

    tailrace_metric_free(requests);
    tailrace_meter_free(own.meter);
    tailrace_logger_free(own.logger);
    tailrace_tracer_free(own.tracer);
    said(tailrace_shutdown(engine, 5000, NULL), "shutdown");
    tailrace_engine_free(engine);
    return flushed == TAILRACE_STATUS_OK ? 0 : 1;
}
