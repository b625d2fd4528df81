//! The example in C, compiled and linked as its first lines say, against a backend that is not our code.
//!
//! Cargo builds the libraries in the folder of the tests, because they are one target with the `lib`
//! that a test is built after: no cargo runs inside this one.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::resource::v1::Resource;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tailrace_tests::Record;
use tailrace_tests::backend::Backend;
use tailrace_tests::wait;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const TRACE: [u8; 16] = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes();
const PARENT_SPAN: [u8; 8] = 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes();

const STRICT: [&str; 5] = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic"];
/// As the example says.
const SYSTEM: [&str; 3] = ["-lpthread", "-ldl", "-lm"];
const SANITIZED: [&str; 3] = [
    "-g",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
];

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn include() -> String {
    format!("-I{}", package().join("include").display())
}

/// The folder of the test's program and of the libraries.
fn built() -> PathBuf {
    let program = std::env::current_exe().expect("this program");
    program.parent().expect("its folder").to_owned()
}

fn run(command: &mut Command) -> Output {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {output:?}");
    output
}

/// The example, compiled with these options beside the strict ones.
fn compiled(name: &str, options: &[&str], library: &[String]) -> PathBuf {
    let source = package().join("../examples/service/native.c");
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let mut cc = Command::new("cc");
    cc.args(STRICT).args(options).arg(include()).arg(source);
    cc.args(library).args(SYSTEM).arg("-o").arg(&program);
    run(&mut cc);
    program
}

fn static_library() -> [String; 1] {
    [built().join("libtailrace.a").display().to_string()]
}

/// As a user starts it.
fn started(program: &Path, endpoint: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().arg(PARENT).envs([
        ("OTEL_SERVICE_NAME", "shop"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
    ]);
    command
}

/// Runs it, and compares what arrived with what the source says.
fn arrives(program: &Path) {
    let backend = Backend::start();
    let output = run(&mut started(program, &backend.url()));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let said = String::from_utf8_lossy(&output.stdout);

    let calls = backend.calls();
    let items: Vec<_> = calls.iter().flat_map(|call| call.export.items()).collect();
    let (mut spans, mut logs, mut points) = (Vec::new(), Vec::new(), Vec::new());
    for item in &items {
        made_by_the_example(item.resource.as_ref(), item.scope.as_ref());
        match &item.record {
            Record::Span(span) => spans.push(span),
            Record::Log(log) => logs.push(log),
            Record::Point(metric) => points.push(metric),
            other => panic!("not recorded: {other:?}"),
        }
    }
    spans.sort_by_key(|span| &span.name);
    let ([request, look_up], [log], [metric]) = (&spans[..], &logs[..], &points[..]) else {
        panic!("two spans, a log record and a metric: {spans:?} {logs:?} {points:?}");
    };

    assert_eq!((&request.name[..], request.kind), ("GET /cart", 2));
    assert_eq!(request.trace_id, TRACE);
    assert_eq!(request.parent_span_id, PARENT_SPAN);
    assert_eq!(request.flags, 0x301, "sampled, and of a remote parent");
    assert!(request.start_time_unix_nano <= request.end_time_unix_nano);
    let expected = [
        ("url.path", Value::StringValue("/cart".to_owned())),
        ("http.response.status_code", Value::IntValue(200)),
        ("cart.total", Value::DoubleValue(12.5)),
        ("cart.is_gift", Value::BoolValue(true)),
        ("cart.digest", Value::BytesValue(vec![0, 0xff])),
    ];
    assert_eq!(pairs(&request.attributes), expected);

    assert_eq!((&look_up.name[..], look_up.kind), ("look up", 3));
    assert_eq!(look_up.trace_id, TRACE);
    assert_eq!(look_up.parent_span_id, request.span_id);
    assert_eq!(
        look_up.flags, 0x101,
        "sampled, and of a parent that is here"
    );
    let status = look_up.status.as_ref().expect("a status");
    assert_eq!((status.code, &status.message[..]), (2, "no answer"));
    let [event] = &look_up.events[..] else {
        panic!("one event: {look_up:?}");
    };
    assert_eq!(event.name, "gave up");
    assert_eq!(pairs(&event.attributes), [("tries", Value::IntValue(3))]);
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let (trace, span): (String, String) = (hex(&TRACE), hex(&look_up.span_id));
    assert_eq!(
        said,
        format!("traceparent: 00-{trace}-{span}-01\ndropped: 0\n")
    );

    assert_eq!((log.severity_number, &log.severity_text[..]), (13, "WARN"));
    let body = log.body.as_ref().and_then(|body| body.value.clone());
    let text = "prices are those of yesterday".to_owned();
    assert_eq!(body, Some(Value::StringValue(text)));
    assert_eq!(
        (&log.trace_id, &log.span_id),
        (&request.trace_id, &request.span_id)
    );
    assert_eq!((log.flags, log.time_unix_nano > 0), (1, true));
    let id = Value::StringValue("c-1".to_owned());
    assert_eq!(pairs(&log.attributes), [("cart.id", id)]);

    assert_eq!(
        (&metric.name[..], &metric.unit[..]),
        ("requests", "{request}")
    );
    let Some(Data::Sum(sum)) = &metric.data else {
        panic!("a sum: {metric:?}");
    };
    assert_eq!((sum.aggregation_temporality, sum.is_monotonic), (1, true));
    let [point] = &sum.data_points[..] else {
        panic!("one point: {sum:?}");
    };
    let method = Value::StringValue("GET".to_owned());
    assert_eq!(pairs(&point.attributes), [("method", method)]);
    use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
    assert_eq!(point.value, Some(Number::AsInt(1)));
}

fn made_by_the_example(resource: Option<&Resource>, scope: Option<&InstrumentationScope>) {
    let name = Value::StringValue("shop".to_owned());
    let resource = resource.expect("a resource");
    assert_eq!(pairs(&resource.attributes), [("service.name", name)]);
    let scope = scope.expect("a scope");
    assert_eq!((&scope.name[..], &scope.version[..]), ("cart", "1.2"));
}

fn pairs(attributes: &[KeyValue]) -> Vec<(&str, Value)> {
    fn key(own: &KeyValue) -> &str {
        &own.key
    }
    let value = |own: &KeyValue| own.value.clone().and_then(|any| any.value);
    let pair = |own| (key(own), value(own).expect("a value"));
    attributes.iter().map(pair).collect()
}

#[test]
fn the_example_in_c_is_heard_by_a_backend() {
    arrives(&compiled("native", &["-O2"], &static_library()));
}

#[test]
fn so_it_is_with_the_shared_library() {
    let folder = built().display().to_string();
    let library = [
        format!("-L{folder}"),
        "-ltailrace".to_owned(),
        format!("-Wl,-rpath,{folder}"),
    ];
    arrives(&compiled("native_shared", &["-O2"], &library));
}

/// The C side with the compiler's own eyes on it: what it reads, writes, frees and leaves behind.
#[test]
fn sanitizers_find_nothing_in_it() {
    let probe = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sanitized_probe");
    let source = probe.with_extension("c");
    std::fs::write(&source, "int main(void) { return 0; }\n").expect("a file");
    let mut cc = Command::new("cc");
    cc.args(SANITIZED).arg(&source).arg("-o").arg(&probe);
    let runs = |command: &mut Command| command.output().is_ok_and(|out| out.status.success());
    if !(runs(&mut cc) && runs(&mut Command::new(&probe))) {
        return wait::skip_for_machine("a C compiler with sanitizers that run here");
    }
    arrives(&compiled("native_sanitized", &SANITIZED, &static_library()));
}

/// A program whose telemetry does not start says so, and does its work.
#[test]
fn without_an_engine_the_example_goes_on() {
    let program = compiled("native_without", &["-O2"], &static_library());
    let mut command = started(&program, "https://127.0.0.1:1");
    let output = command.output().expect("it runs");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("wants TLS"), "{said}");
    assert!(said.contains("engine: NULL"), "{said}");
}

#[test]
fn the_header_is_read_by_a_compiler_of_cpp() {
    if Command::new("c++").arg("--version").output().is_err() {
        return wait::skip_for_machine("a C++ compiler");
    }
    let source = Path::new(env!("CARGO_TARGET_TMPDIR")).join("header.cc");
    let text = "#include \"tailrace.h\"\n\
        tailrace_value value() { return tailrace_string(\"text\"); }\n\
        int main() { return tailrace_span_end(nullptr, 0); }\n";
    std::fs::write(&source, text).expect("a file");
    let strict = ["-std=c++11", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"];
    run(Command::new("c++").args(strict).arg(include()).arg(source));
}
