//! A request made of some units of another, in their order, with the messages around them.

use super::runs::{Assembly, Mark, Runs, Source};
use super::walk::{Container, Unit};
use crate::Rope;
use crate::varint;
use smallvec::SmallVec;
use std::ops::Range;

/// A part of a request that is a request itself.
#[derive(Debug, Clone)]
pub struct Piece {
    pub body: Rope,
    pub items: u64,
}

/// A [`Piece`] in the making.
///
/// Of the messages around a unit only its own fields are repeated, and its length is written in as
/// many bytes as the original's: it is never longer, and protobuf allows leading zeros. So what a
/// unit adds is known before it is added, and a length is filled in without moving anything. A
/// message that comes out with all its children is put back as it was: one run with its
/// neighbours.
#[derive(Debug, Default)]
pub struct PieceBuilder {
    assembly: Assembly,
    open: SmallVec<[Open; 5]>,
    /// Bytes that closing the open messages will add.
    tails_len: usize,
    units: u64,
    items: u64,
}

/// A message that is open: units may still be added to it.
#[derive(Debug)]
struct Open {
    whole: Range<usize>,
    children: usize,
    /// Of them, those that are in the piece with all that is in them.
    complete: usize,
    tail: Runs,
    /// Before it was opened.
    before: Mark,
    length: OpenLength,
}

/// The length of a message that is not complete: written when it is known.
#[derive(Debug)]
pub struct OpenLength {
    at: usize,
    /// In bytes, as in the original; 0 for the request, which has no length.
    width: usize,
    content_from: usize,
}

impl OpenLength {
    /// Writes a container's tag, and room for its length.
    pub fn new(assembly: &mut Assembly, source: &Source<'_>, container: &Container<'_>) -> Self {
        assembly.copy(source, container.whole.start..container.length_at);
        let width = container.payload.offset() - container.length_at;
        let at = assembly.write(source, &[0; varint::LEN_MAX][..width]);
        Self {
            at,
            width,
            content_from: assembly.len(),
        }
    }

    /// Writes the length of what was added since.
    pub fn close(self, assembly: &mut Assembly) {
        if self.width > 0 {
            let content = (assembly.len() - self.content_from) as u64;
            let length = varint::encode_padded(content, self.width);
            assembly.overwrite(self.at, &length[..self.width]);
        }
    }
}

impl PieceBuilder {
    pub const fn is_empty(&self) -> bool {
        self.units == 0
    }

    pub const fn items(&self) -> u64 {
        self.items
    }

    /// How large the piece would be with this unit, in bytes.
    pub fn len_with(
        &mut self,
        source: &Source<'_>,
        path: &[Container<'_>],
        unit: &Unit<'_>,
    ) -> u64 {
        self.align(source, path);
        let opened: usize = path[self.open.len()..].iter().map(own_len).sum();
        (self.assembly.len() + self.tails_len + opened + unit.whole.len()) as u64
    }

    /// Adds a unit that lies after all others, and the messages of `path` as far as it is the
    /// first in them.
    pub fn add(&mut self, source: &Source<'_>, path: &[Container<'_>], unit: &Unit<'_>) {
        self.align(source, path);
        for container in &path[self.open.len()..] {
            self.enter(source, container);
        }
        self.assembly.keep(source, unit.whole.clone());
        self.units += 1;
        self.items += unit.items;
        if let Some(innermost) = self.open.last_mut() {
            innermost.complete += 1;
        }
    }

    pub fn finish(mut self, source: &Source<'_>) -> Piece {
        while self.leave(source) {}
        Piece {
            body: self.assembly.finish(source),
            items: self.items,
        }
    }

    /// Closes the messages that are not around the next unit.
    fn align(&mut self, source: &Source<'_>, path: &[Container<'_>]) {
        let shared = self
            .open
            .iter()
            .zip(path)
            .take_while(|(open, container)| open.whole == container.whole)
            .count();
        while self.open.len() > shared {
            self.leave(source);
        }
    }

    fn enter(&mut self, source: &Source<'_>, container: &Container<'_>) {
        let before = self.assembly.mark();
        let length = OpenLength::new(&mut self.assembly, source, container);
        self.assembly.keep(source, container.head.clone());
        self.tails_len += container.tail.len();
        self.open.push(Open {
            whole: container.whole.clone(),
            children: container.children,
            complete: 0,
            tail: container.tail.clone(),
            before,
            length,
        });
    }

    /// Closes the innermost message; `false` where none is open.
    fn leave(&mut self, source: &Source<'_>) -> bool {
        let Some(open) = self.open.pop() else {
            return false;
        };
        self.tails_len -= open.tail.len();
        if open.complete == open.children {
            self.assembly.roll_back(open.before);
            self.assembly.keep(source, open.whole);
            if let Some(outer) = self.open.last_mut() {
                outer.complete += 1;
            }
            return true;
        }
        self.assembly.keep_runs(source, &open.tail);
        open.length.close(&mut self.assembly);
        true
    }
}

/// What a message adds besides its children: tag, length, its own fields.
const fn own_len(container: &Container<'_>) -> usize {
    container.head.end - container.whole.start + container.tail.len()
}
