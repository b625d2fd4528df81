//! Appending to a file or to standard output without blocking the shard.
//!
//! A thread of its own does the writing on both executors: appends are rare (the `file` and `debug`
//! exporters), a pipe as standard output can block for as long as its reader likes, and neither
//! executor can write to one without a thread.

use super::ring::{Consumer, Producer, ring};
use bytes::Bytes;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::task::{Context, Poll};

/// Where to append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Stdout,
    /// Created if absent, emptied first if asked.
    File {
        path: PathBuf,
        truncate: bool,
    },
}

/// Appends batches of bytes in order, and says when each is written.
#[derive(Debug)]
pub struct Appender {
    jobs: SyncSender<Vec<Bytes>>,
    done: Consumer<io::Result<()>>,
    /// Batches handed over whose answer was not collected: at most `UNANSWERED_MAX`.
    unanswered: usize,
}

/// Batches that may be under way. A lane has few in flight; more is refused.
const UNANSWERED_MAX: usize = 64;

impl Appender {
    /// Opens the target and starts its writer.
    pub fn open(target: &Target) -> io::Result<Self> {
        let writer = match target {
            Target::Stdout => Writer::Stdout,
            Target::File { path, truncate } => {
                let mut options = OpenOptions::new();
                // `append` writes at the end also when somebody rotates the file by truncating it.
                let file = options.append(true).create(true).open(path)?;
                if *truncate {
                    file.set_len(0)?;
                }
                Writer::File(file)
            }
        };
        let (jobs, waiting) = mpsc::sync_channel(UNANSWERED_MAX);
        let (finished, done) = ring(UNANSWERED_MAX);
        std::thread::Builder::new()
            .name("append".to_owned())
            .spawn(move || write_all(writer, &waiting, finished))?;
        Ok(Self {
            jobs,
            done,
            unanswered: 0,
        })
    }

    /// Hands over one batch; its answer comes from [`Appender::poll_written`], in order. Gives the
    /// batch back when too many wait already, or the writer is gone.
    pub fn append(&mut self, batch: Vec<Bytes>) -> Result<(), Vec<Bytes>> {
        if self.unanswered == UNANSWERED_MAX {
            return Err(batch);
        }
        self.jobs.try_send(batch).map_err(|error| match error {
            TrySendError::Full(batch) | TrySendError::Disconnected(batch) => batch,
        })?;
        self.unanswered += 1;
        Ok(())
    }

    /// Whether an answer is still to come from [`Appender::poll_written`].
    pub fn has_unanswered(&self) -> bool {
        self.unanswered > 0
    }

    /// How the oldest unanswered batch ended: written to the kernel, or not wholly. Nothing is
    /// synced to disk.
    pub fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.done.poll_recv(cx).map(|answer| {
            self.unanswered = self.unanswered.saturating_sub(1);
            answer.unwrap_or_else(|| Err(io::ErrorKind::BrokenPipe.into()))
        })
    }
}

enum Writer {
    Stdout,
    File(File),
}

fn write_all(
    mut writer: Writer,
    waiting: &mpsc::Receiver<Vec<Bytes>>,
    finished: Producer<io::Result<()>>,
) {
    while let Ok(batch) = waiting.recv() {
        let written = match &mut writer {
            Writer::Stdout => write(&mut io::stdout().lock(), &batch),
            Writer::File(file) => write(file, &batch),
        };
        // The ring has room for the answers of all batches under way: it cannot be full.
        let _ = finished.send(written);
    }
}

fn write(target: &mut impl Write, batch: &[Bytes]) -> io::Result<()> {
    for bytes in batch {
        target.write_all(bytes)?;
    }
    target.flush()
}
