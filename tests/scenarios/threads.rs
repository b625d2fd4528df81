//! The threads of the process are those that `docs/operations.md` lists, and no others.

use super::TAILRACE;
use serde_json::json;
use tailrace_tests::forwarder::Folder;
use tailrace_tests::wait::until_or;
use tailrace_tests::{Backend, Config, Forwarder, Runtime, on_each_runtime};

on_each_runtime!(writers_are_started_for_what_writes);

fn writers_are_started_for_what_writes(runtime: Runtime) {
    let backend = Backend::start();
    let folder = Folder::create();
    let file = json!({ "path": folder.path("out.jsonl") });
    let plain = Config::to_grpc(backend.address());
    let file = plain.clone().exporter("file", file);
    let both = file.clone().exporter("debug", json!({}));
    for (config, writers) in [(plain, 0), (file, 1), (both, 2)] {
        let shards = ["--shards", "1"];
        let forwarder = Forwarder::start_with(TAILRACE, runtime, &config, &shards);
        // The kernel keeps 15 bytes of a name.
        let mut expected = vec![
            "tailrace",
            "tailrace-0",
            "tailrace-contro",
            "tailrace-signal",
        ];
        if runtime == Runtime::Uring {
            // The executor's own, for calls that block.
            expected.insert(1, "tailrace-0");
        }
        expected.resize(expected.len() + writers, "tailrace-writer");
        // A thread gives itself its name, some time after it was started.
        let named = until_or(|| (forwarder.threads() == expected).then_some(()));
        assert!(
            named.is_some(),
            "{:?} for {expected:?}",
            forwarder.threads()
        );
        forwarder.stop();
    }
}
