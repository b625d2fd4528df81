//! The header is what the sources say.

use cbindgen::{Builder, Config};
use std::fs;
use std::path::Path;

/// In the order in which a reader needs them: a file's types and functions stand together.
const SOURCES: [&str; 9] = [
    "boundary",
    "value",
    "scope",
    "engine",
    "context",
    "span",
    "span/handle",
    "log",
    "metric",
];

/// After a change of the interface: `TAILRACE_WRITE_DOCS=1 cargo test -p tailrace-capi --test header`.
#[test]
fn the_header_is_as_the_sources_are() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut config = Config::from_file(package.join("cbindgen.toml")).expect("its settings");
    let version = env!("CARGO_PKG_VERSION");
    config.after_includes = config
        .after_includes
        .map(|text| text.trim_end().replace("@VERSION@", version));
    let mut builder = Builder::new().with_config(config);
    for source in SOURCES {
        builder = builder.with_src(package.join(format!("src/{source}.rs")));
    }
    let mut made = Vec::new();
    builder.generate().expect("the sources").write(&mut made);
    let made = String::from_utf8(made).expect("text");

    let path = package.join("include/tailrace.h");
    if std::env::var_os("TAILRACE_WRITE_DOCS").is_some() {
        fs::write(&path, &made).expect("the header is written");
    }
    let header = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        header == made,
        "capi/include/tailrace.h is not as the code is: run this test with TAILRACE_WRITE_DOCS=1"
    );
}
