//! The fuzz corpus, replayed through what the fuzz targets run.

#[path = "../../fuzz/src/lib.rs"]
mod targets;

use std::fs;
use std::path::Path;

fn replay(target: &str, run: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/corpus")
        .join(target);
    let mut paths: Vec<_> = fs::read_dir(&corpus)
        .unwrap_or_else(|error| panic!("{}: {error}", corpus.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "{} has no seeds", corpus.display());
    for path in paths {
        // Shown by the test if the input panics.
        println!("{}", path.display());
        run(&fs::read(&path).unwrap());
    }
}

#[test]
fn scan() {
    replay("scan", targets::scan);
}

#[test]
fn sample() {
    replay("sample", targets::sample);
}

#[test]
fn grpc_frame() {
    replay("grpc_frame", targets::grpc_frame);
}

#[test]
fn response() {
    replay("response", targets::response);
}

#[test]
fn json() {
    replay("json", targets::json);
}

#[test]
fn decompress() {
    replay("decompress", targets::decompress);
}
