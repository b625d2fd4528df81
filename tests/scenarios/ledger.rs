//! `tailrace ledger check` says what became of each item, and its exit code says it to a script.

use crate::TAILRACE;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tailrace_bench::ledger::{Side, Totals, Writer};

/// A directory of its own for two ledgers, gone with the value.
struct Files(PathBuf);

impl Files {
    fn new(name: &str) -> Self {
        let name = format!("tailrace-ledger-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a directory");
        Self(path)
    }

    fn sent(&self) -> PathBuf {
        self.0.join("sent.ledger")
    }

    fn received(&self) -> PathBuf {
        self.0.join("received.ledger")
    }

    fn check(&self, flags: &[&str]) -> Output {
        let mut command = Command::new(TAILRACE);
        command.args(["ledger", "check"]).args(flags);
        command.arg(self.sent()).arg(self.received());
        command.output().expect("it runs")
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn write(path: &Path, side: Side, run: u64, ids: impl Iterator<Item = u64>) {
    let mut writer = Writer::create(path, side).expect("a file");
    writer.run(run).expect("it is written");
    for id in ids {
        writer.record(id, id ^ 5, false).expect("it is written");
    }
    writer.finish(Totals::default()).expect("it is written");
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_whole_run_passes_and_says_what_it_did_not_prove() {
    let files = Files::new("whole");
    write(&files.sent(), Side::Sent, 1, 0..5000);
    write(&files.received(), Side::Received, 1, (0..5000).rev());
    let output = files.check(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("proves little: no fault fired"), "{text}");

    let output = files.check(&["--faults-min", "1"]);
    assert_eq!(output.status.code(), Some(3));
    let output = files.check(&["--items-min", "5001"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("proves nothing"));
}

#[test]
fn a_lost_item_fails_with_its_number() {
    let files = Files::new("lost");
    write(&files.sent(), Side::Sent, 1, 0..5000);
    write(
        &files.received(),
        Side::Received,
        1,
        (0..5000).filter(|id| *id != 4321),
    );
    let output = files.check(&["--json"]);
    assert_eq!(output.status.code(), Some(1));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(json["lost_items"], 1);
    assert_eq!(json["lost_examples"][0], 4321);
    assert_eq!(json["holds"], false);
}

#[test]
fn ledgers_that_cannot_be_compared_get_one_line() {
    let files = Files::new("errors");
    write(&files.sent(), Side::Sent, 1, 0..5000);
    write(&files.received(), Side::Received, 2, 0..5000);
    let mismatched = files.check(&[]);
    std::fs::write(files.received(), b"no ledger at all, but long enough").expect("it is written");
    let nonsense = files.check(&[]);
    std::fs::remove_file(files.received()).expect("it is there");
    let absent = files.check(&[]);
    for (output, expected) in [
        (mismatched, "the ledgers are of different runs"),
        (nonsense, "received.ledger: this is not a ledger"),
        (absent, "received.ledger: No such file"),
    ] {
        assert_eq!(output.status.code(), Some(65));
        let text = stderr(&output);
        assert!(text.contains(expected), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}
