//! Runs a peer in another language and reads what it says it sent.

use super::sorted;
use crate::wait;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

/// An OpenTelemetry SDK with a script that emits known telemetry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sdk {
    Python,
    Node,
}

impl Sdk {
    /// Emits to `address` and returns what was sent, in the common form; `None`, having said so,
    /// where the SDK is not installed.
    ///
    /// `protocol` is `grpc`, `http/protobuf` or, for Node.js, `http/json`. Panics if the script
    /// reports a failed export.
    pub fn emit(self, protocol: &str, address: SocketAddr, gzip: bool) -> Option<Vec<Value>> {
        let mut command = self.command()?;
        let compression = if gzip { "gzip" } else { "none" };
        let endpoint = format!("http://{address}");
        // A proxy or an SDK setting in the environment would change what is sent, or where.
        let foreign =
            |name: &str| name.to_lowercase().ends_with("_proxy") || name.starts_with("OTEL_");
        for (name, _) in std::env::vars().filter(|(name, _)| foreign(name)) {
            command.env_remove(name);
        }
        let output = command
            .args([protocol, &endpoint, compression])
            .output()
            .expect("the interpreter was found");
        assert!(
            output.status.success(),
            "{self:?} over {protocol} failed:\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let sent = serde_json::from_slice(&output.stdout).expect("the script prints JSON");
        Some(sorted(sent))
    }

    /// The interpreter with the script; `None`, having said so, where something is missing.
    fn command(self) -> Option<Command> {
        let folder = folder();
        let (interpreter, installed, script) = match self {
            Self::Python => (
                folder.join(".venv/bin/python"),
                folder.join(".venv/bin/python"),
                folder.join("python/emit.py"),
            ),
            Self::Node => (
                PathBuf::from("node"),
                folder.join("node/node_modules/@opentelemetry"),
                folder.join("node/emit.js"),
            ),
        };
        let runs = Command::new(&interpreter).arg("--version").output().is_ok();
        if !runs || !installed.exists() {
            wait::skip(&format!(
                "the OpenTelemetry SDK for {self:?} ({}); `bash .ci/run peers` installs it",
                installed.display()
            ));
            return None;
        }
        let mut command = Command::new(interpreter);
        command.arg(script);
        Some(command)
    }
}

/// Posts `file` of `tests/interop/curl` as OTLP/JSON to `url` with curl and returns the status
/// and the body of the answer; `None`, having said so, where there is no curl.
pub fn curl(file: &str, url: &str, gzip: bool) -> Option<(u16, String)> {
    let path = folder().join("curl").join(file);
    let mut body = std::fs::read(&path).expect("the example is in the repository");
    let mut command = Command::new("curl");
    command.args([
        "--silent",
        "--show-error",
        "--noproxy",
        "*",
        "--max-time",
        "30",
    ]);
    command.args(["-X", "POST", "-H", "Content-Type: application/json"]);
    if gzip {
        body = crate::sender::gzip(&body);
        command.args(["-H", "Content-Encoding: gzip"]);
    }
    command.args(["--data-binary", "@-", "--write-out", "\n%{http_code}", url]);
    command.stdin(std::process::Stdio::piped());
    command.stdout(std::process::Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        wait::skip("curl");
        return None;
    };
    let mut stdin = child.stdin.take().expect("piped");
    std::io::Write::write_all(&mut stdin, &body).expect("curl reads its input");
    drop(stdin);
    let output = child.wait_with_output().expect("curl ends");
    assert!(
        output.status.success(),
        "curl failed with {}",
        output.status
    );
    let text = String::from_utf8(output.stdout).expect("an answer in UTF-8");
    let (body, status) = text
        .rsplit_once('\n')
        .expect("the status is on a line of its own");
    Some((status.parse().expect("a status"), body.to_owned()))
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("interop")
}
