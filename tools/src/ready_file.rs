//! The ready file: what is listened on, for whoever started the process.

use serde_json::json;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tailrace_engine::Listening;
use tailrace_engine::exchange::Address;

/// A ready file that can be written, and is not there yet.
///
/// It is written beside its place and then renamed: whoever waits for it never reads half of it.
#[derive(Debug)]
pub struct ReadyFile {
    path: PathBuf,
    partial: PathBuf,
    file: File,
}

impl ReadyFile {
    /// Opens what will be renamed to `path`, so that a path that cannot be is known before the
    /// engine starts.
    pub fn create(path: &Path) -> io::Result<Self> {
        if path.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let partial = path.with_extension("partial");
        Ok(Self {
            file: File::create(&partial)?,
            path: path.to_owned(),
            partial,
        })
    }

    pub fn write(mut self, listening: &[Listening]) -> io::Result<()> {
        let entries: Vec<_> = listening.iter().map(entry).collect();
        let text = json!({ "listening": entries }).to_string();
        self.file.write_all(text.as_bytes())?;
        fs::rename(&self.partial, &self.path)
    }
}

impl Drop for ReadyFile {
    /// Leaves nothing behind where the engine did not start; once it is renamed there is nothing.
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.partial);
    }
}

fn entry(listening: &Listening) -> serde_json::Value {
    json!({
        "component": listening.component,
        "protocol": listening.protocol,
        "address": address_text(&listening.address),
    })
}

/// `127.0.0.1:4317` or `unix:///path`.
pub fn address_text(address: &Address) -> String {
    match address {
        Address::Tcp(address) => address.to_string(),
        Address::Unix(path) => format!("unix://{}", path.display()),
    }
}
