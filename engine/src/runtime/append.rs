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
                // A device or a pipe has no length.
                if *truncate && file.metadata()?.is_file() {
                    file.set_len(0)?;
                }
                Writer::File(file)
            }
        };
        let (jobs, waiting) = mpsc::sync_channel(UNANSWERED_MAX);
        let (finished, done) = ring(UNANSWERED_MAX);
        std::thread::Builder::new()
            .name("tailrace-writer".to_owned())
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
    let mut is_torn = false;
    while let Ok(batch) = waiting.recv() {
        let written = match &mut writer {
            Writer::Stdout => write(&mut io::stdout().lock(), &batch, &mut is_torn),
            Writer::File(file) => write(file, &batch, &mut is_torn),
        };
        // The ring has room for the answers of all batches under way: it cannot be full.
        let _ = finished.send(written);
    }
}

/// `is_torn`: the last batch was written in part. Its line is ended first, so that what comes after
/// a full disk can be read.
fn write(target: &mut impl Write, batch: &[Bytes], is_torn: &mut bool) -> io::Result<()> {
    let line_end = Bytes::from_static(b"\n");
    let line_end = is_torn.then_some(&line_end);
    for bytes in line_end.into_iter().chain(batch) {
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            match target.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            *is_torn = true;
        }
    }
    target.flush()?;
    *is_torn = false;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with room for so many bytes.
    struct Disk {
        room: usize,
        bytes: Vec<u8>,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.room);
            if taken == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.room -= taken;
            self.bytes.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_that_a_full_disk_tore_does_not_spoil_the_next() {
        let mut disk = Disk {
            room: 7,
            bytes: Vec::new(),
        };
        let mut is_torn = false;
        let line = |text: &'static str| [Bytes::from_static(text.as_bytes())];
        write(&mut disk, &line("one\n"), &mut is_torn).expect("room for it");
        for _ in 0..2 {
            let full = write(&mut disk, &line("three\n"), &mut is_torn);
            assert_eq!(full.map_err(|e| e.kind()), Err(io::ErrorKind::StorageFull));
        }
        disk.room = 100;
        write(&mut disk, &line("four\n"), &mut is_torn).expect("room for it");
        assert_eq!(disk.bytes, b"one\nthr\nfour\n");
        // Nothing of it written: nothing to end.
        disk.room = 0;
        assert!(write(&mut disk, &line("five\n"), &mut is_torn).is_err());
        disk.room = 100;
        write(&mut disk, &line("six\n"), &mut is_torn).expect("room for it");
        assert_eq!(disk.bytes, b"one\nthr\nfour\nsix\n");
    }
}
