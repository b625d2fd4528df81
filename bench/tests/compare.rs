//! The comparison as a user runs it, with the one device that every machine has.

use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Output};

/// A folder of one test, removed with it.
struct Folder(PathBuf);

impl Folder {
    fn create(name: &str) -> Self {
        let name = format!("tailrace-compare-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).expect("a new folder among the temporary files");
        Self(path)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.join(name), text).expect("a file in a folder of our own");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left behind is among the temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Short runs: what is checked is that they are made, verified and told, not their figures.
fn compare(folder: &Folder, more: &[&str]) -> Output {
    let devices = folder.0.display().to_string();
    let fixed = [
        "--devices",
        &devices,
        "--reference",
        "relay",
        "--rounds",
        "1",
        "--seconds",
        "0.1",
        "--json",
    ];
    Command::new(env!("CARGO_BIN_EXE_compare"))
        .args([&fixed, more].concat())
        .output()
        .expect("the binary starts")
}

const RELAY: &str = "name: relay\nprogram: compare\narguments: relay {listen} {backend}\n";

#[test]
fn runs_are_made_and_recorded_and_who_is_absent_is_named() {
    let folder = Folder::create("runs");
    folder.write("relay.yaml", RELAY);
    folder.write("other.yaml", "name: other\nprogram: no-such-program\n");
    let record = folder.0.join("record").display().to_string();
    let args = ["--record", &record, "--case", "grpc,none,10,unbatched"];
    let output = compare(
        &folder,
        &[&args[..], &["--case", "http/protobuf,gzip,5,batched,2"]].concat(),
    );
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let why = report["devices"][0]["absent"].as_str().expect("a reason");
    assert!(why.contains("no-such-program"), "{why}");
    for case in report["cases"].as_array().expect("cases") {
        let row = &case["rows"][0];
        assert_eq!(row["failed"], Value::Null, "{row}");
        assert!(row["load_ns_per_request"].as_f64() > Some(0.0), "{row}");
        assert!(row["peak_bytes"].as_u64() > Some(0), "{row}");
        assert!(case["noise"]["median"].is_number(), "{case}");
    }
    let read =
        |name: &str| std::fs::read_to_string(folder.0.join("record").join(name)).expect("a record");
    for absent in ["other", "one resource attribute inserted"] {
        let line = format!("- {absent}: **absent**");
        assert!(read("comparison.md").contains(&line), "{line}");
    }
    assert!(read("comparison.svg").starts_with("<svg"));
    let dated = std::fs::read_dir(folder.0.join("record")).expect("a folder");
    let dated = dated.map(|entry| entry.expect("an entry").file_name());
    let mut dated = dated.filter_map(|name| name.into_string().ok());
    let dated = dated
        .find(|name| name.ends_with(".json"))
        .expect("a record");
    let digits = dated.trim_matches(|c: char| !c.is_ascii_digit());
    assert_eq!(digits.len(), "2026-11-23".len(), "{dated} has its day");
    assert_eq!(read(&dated).as_bytes(), output.stdout);
}

#[test]
fn overload_is_offered_in_multiples_and_each_refusal_counted() {
    let folder = Folder::create("overload");
    folder.write("relay.yaml", RELAY);
    let output = compare(&folder, &["--overload"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["cases"], Value::Array(Vec::new()));
    let row = &report["overload"]["rows"][0];
    assert_eq!(row["is_limited"], false, "{row}");
    let offered = row["offered"].as_array().expect("one for each multiple");
    let count = |offered: &Value, key: &str| offered[key].as_u64().expect("a count");
    let factors: Vec<_> = offered.iter().map(|load| count(load, "factor")).collect();
    assert_eq!(factors, [1, 4, 10]);
    // The relay passes each refusal on.
    assert!(count(&offered[2], "refused_requests") > 0, "{row}");
    for load in offered {
        assert!(
            count(load, "requests") > 0 && count(load, "peak_bytes") > 0,
            "{row}"
        );
        assert_eq!(count(load, "unanswered_requests"), 0, "{row}");
    }
}

#[test]
fn a_device_that_fails_is_told_and_the_others_go_on() {
    let folder = Folder::create("fails");
    folder.write("relay.yaml", RELAY);
    folder.write("broken.yaml", "name: broken\nprogram: /bin/false\n");
    let output = compare(&folder, &["--case", "grpc,none,10,unbatched"]);
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let rows = report["cases"][0]["rows"].as_array().expect("rows");
    let row = |name: &str| {
        rows.iter()
            .find(|row| row["device"] == name)
            .expect("a row")
    };
    assert_eq!(row("relay")["failed"], Value::Null);
    let why = row("broken")["failed"].as_str().expect("a reason");
    assert!(why.contains("ended"), "{why}");
}

#[test]
fn what_cannot_be_is_one_clear_line() {
    let folder = Folder::create("wrong");
    folder.write("relay.yaml", RELAY);
    for (args, expected) in [
        (["--case", "grpc,none"], "is no case"),
        (["--only", "relay,nobody"], "no device is named nobody"),
        (["--reference", "nobody"], "nobody does not take part"),
        (["--frobnicate", "1"], "is no option"),
    ] {
        let output = compare(&folder, &args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(
            said.contains(expected) && said.lines().count() == 1,
            "{said}"
        );
    }
}
