//! The files and the console that a shard's exporters write, and which attempts wait for them.

use crate::config::FileConfig;
use crate::runtime::{Appender, Target};
use crate::units::{AttemptId, LaneId};
use bytes::Bytes;
use std::collections::VecDeque;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::task::{Context, Poll};

/// One writer for each file, and one for the console where an exporter prints.
#[derive(Debug)]
pub(super) struct Writers {
    files: Vec<(PathBuf, Writer)>,
    /// By lane: its place in `files`. Lanes that write the same file share it.
    file_of: Vec<Option<usize>>,
    console: Option<Writer>,
}

/// An appender answers in order, so the attempts it owes an answer are a queue. What it has no room
/// for waits as well: the lanes' slots bound how much that is.
#[derive(Debug)]
struct Writer {
    appender: Appender,
    waiting: VecDeque<AttemptId>,
    backlog: VecDeque<Bytes>,
    is_failing: bool,
}

impl Writers {
    /// `files` by lane. Makes directories and files where the configuration says so. `prints`:
    /// whether a lane of this shard writes to the console.
    ///
    /// Cost: a thread for each file and one for the console; none where nothing is written.
    pub fn open(files: Vec<Option<FileConfig>>, prints: bool) -> io::Result<Self> {
        let console = prints.then(|| Writer::open(&Target::Stdout)).transpose()?;
        let mut writers = Self {
            files: Vec::new(),
            file_of: Vec::new(),
            console,
        };
        for file in files {
            let place = file.map(|file| writers.place(file)).transpose()?;
            writers.file_of.push(place);
        }
        Ok(writers)
    }

    fn place(&mut self, file: FileConfig) -> io::Result<usize> {
        let open = self.files.iter().position(|(path, _)| *path == file.path);
        if let Some(place) = open {
            return Ok(place);
        }
        let path = file.path.clone();
        let writer = open_file(file).map_err(|error| {
            let what = format!("the file {} cannot be written: {error}", path.display());
            io::Error::new(error.kind(), what)
        })?;
        self.files.push((path, writer));
        Ok(self.files.len() - 1)
    }

    /// Hands bytes to the lane's file; `false` where this shard has none.
    pub fn append(&mut self, lane: LaneId, attempt: AttemptId, bytes: Bytes) -> bool {
        let Some(place) = self.file_of[lane.index()] else {
            return false;
        };
        self.files[place].1.append(attempt, bytes);
        true
    }

    /// Hands text to the console; `false` where this shard does not print.
    pub fn print(&mut self, attempt: AttemptId, text: String) -> bool {
        let Some(console) = &mut self.console else {
            return false;
        };
        console.append(attempt, text.into());
        true
    }

    /// The next attempt that has been written, or not.
    pub fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<(AttemptId, bool)> {
        let files = self.files.iter_mut().map(|(_, writer)| writer);
        for writer in files.chain(&mut self.console) {
            if writer.waiting.is_empty() {
                continue;
            }
            if let Poll::Ready(result) = writer.appender.poll_written(cx) {
                writer.note(&result);
                writer.refill();
                if let Some(attempt) = writer.waiting.pop_front() {
                    if writer.waiting.is_empty() {
                        // What is left was answered by the end of the writer's thread.
                        writer.backlog.clear();
                    }
                    return Poll::Ready((attempt, result.is_ok()));
                }
            }
        }
        Poll::Pending
    }
}

fn open_file(file: FileConfig) -> io::Result<Writer> {
    if let Some(directory) = file.path.parent().filter(|_| file.create_directory) {
        DirBuilder::new()
            .recursive(true)
            .mode(file.directory_permissions)
            .create(directory)?;
    }
    Writer::open(&Target::File {
        path: file.path,
        truncate: !file.append,
    })
}

impl Writer {
    fn open(target: &Target) -> io::Result<Self> {
        Ok(Self {
            appender: Appender::open(target)?,
            waiting: VecDeque::new(),
            backlog: VecDeque::new(),
            is_failing: false,
        })
    }

    fn append(&mut self, attempt: AttemptId, bytes: Bytes) {
        self.waiting.push_back(attempt);
        self.backlog.push_back(bytes);
        self.refill();
    }

    /// Says when writing begins to fail, and when it works again; not each time.
    fn note(&mut self, result: &io::Result<()>) {
        match result {
            Err(error) if !self.is_failing => {
                tracing::warn!(%error, "an exporter could not write");
            }
            Ok(()) if self.is_failing => tracing::info!("an exporter can write again"),
            Ok(()) | Err(_) => {}
        }
        self.is_failing = result.is_err();
    }

    /// Gives the appender what it takes.
    fn refill(&mut self) {
        while let Some(bytes) = self.backlog.pop_front() {
            if let Err(mut full) = self.appender.append(vec![bytes]) {
                self.backlog.extend(full.pop());
                // One back in front: the order is that of `waiting`.
                self.backlog.rotate_right(1);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_written_here_is_not_opened() {
        let mut writers = Writers::open(vec![None], false).expect("nothing to open");
        assert!(writers.console.is_none() && writers.files.is_empty());
        assert!(!writers.append(LaneId(0), AttemptId(1), Bytes::new()));
        assert!(!writers.print(AttemptId(2), String::new()));
    }
}
