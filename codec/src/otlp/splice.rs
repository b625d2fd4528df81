//! Replacing parts of a request where they stand, the lengths around them patched.

use super::runs::{Assembly, Source};
use crate::Rope;
use crate::field::{Field, Fields, Malformed, Tag, WireType, read_tag};
use crate::rope::Cursor;
use crate::varint;
use std::ops::Range;

/// How much longer a message became, in bytes.
pub type Growth = Result<isize, Malformed>;

/// What becomes of a request: everything but the patches stays.
///
/// Parts are replaced in the order in which they stand. Each method that replaces some returns the
/// growth, which is added up for the lengths of the messages around them.
#[derive(Debug, Default)]
pub struct Splices {
    /// In the order of the request, none overlapping.
    patches: Vec<Patch>,
    new_bytes: Vec<u8>,
}

/// Bytes of the request, and the new bytes in their place.
#[derive(Debug)]
struct Patch {
    replaced: Range<usize>,
    /// Of [`Splices::new_bytes`].
    new: Range<usize>,
}

/// What was to be replaced at some moment.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    patches: usize,
    new_bytes: usize,
}

impl Splices {
    pub const fn is_empty(&self) -> bool {
        self.patches.is_empty()
    }

    /// The request with its parts replaced. Cost: one pass over the patches.
    pub fn apply(&self, request: &Rope) -> Rope {
        let source = Source::new(request);
        let mut assembly = Assembly::default();
        let mut done = 0;
        for patch in &self.patches {
            assembly.keep(&source, done..patch.replaced.start);
            assembly.write(&source, &self.new_bytes[patch.new.clone()]);
            done = patch.replaced.end;
        }
        assembly.keep(&source, done..request.len());
        assembly.finish(&source)
    }

    /// Does `inside` to the content of a field, and patches its length if that changed.
    pub fn message(
        &mut self,
        field: &Field<'_>,
        inside: impl FnOnce(&mut Self, Cursor<'_>) -> Growth,
    ) -> Growth {
        let content = field.content()?;
        let slot = self.patches.len();
        // The length stands before what is in it, so its patch comes first.
        self.patches.push(Patch {
            replaced: content.offset()..content.offset(),
            new: 0..0,
        });
        let growth = inside(self, content)?;
        if self.patches.len() == slot + 1 {
            self.patches.pop();
        }
        if growth == 0 {
            return Ok(0);
        }
        let mut length = field.whole;
        read_tag(&mut length)?;
        let replaced = length.offset()..content.offset();
        let start = self.new_bytes.len();
        let new_len = content.remaining().saturating_add_signed(growth);
        varint::write(new_len as u64, &mut self.new_bytes);
        let new = start..self.new_bytes.len();
        let growth = growth + new.len() as isize - replaced.len() as isize;
        self.patches[slot] = Patch { replaced, new };
        Ok(growth)
    }

    /// Does `visit` to each field of a message whose number is wanted.
    pub fn each(
        &mut self,
        message: Cursor<'_>,
        is_wanted: impl Fn(u32) -> bool,
        mut visit: impl FnMut(&mut Self, &Field<'_>) -> Growth,
    ) -> Growth {
        let mut growth = 0;
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next_of(&is_wanted) {
            growth += visit(self, &field?)?;
        }
        Ok(growth)
    }

    /// Puts what `write` appends in the place of a range.
    pub fn replace(&mut self, replaced: Range<usize>, write: impl FnOnce(&mut Vec<u8>)) -> isize {
        let start = self.new_bytes.len();
        write(&mut self.new_bytes);
        let new = start..self.new_bytes.len();
        let growth = new.len() as isize - replaced.len() as isize;
        if new.is_empty() && replaced.is_empty() {
            return 0;
        }
        // Neighbours that go one after the other are one patch; the place of a length is not one.
        if let Some(last) = self.patches.last_mut()
            && !last.replaced.is_empty()
            && last.replaced.end == replaced.start
            && last.new.end == new.start
        {
            last.replaced.end = replaced.end;
            last.new.end = new.end;
        } else {
            self.patches.push(Patch { replaced, new });
        }
        growth
    }

    /// Takes a field out.
    pub fn remove(&mut self, field: &Field<'_>) -> isize {
        self.replace(field.whole.offset()..field.whole.end(), |_| ())
    }

    /// Asked before [`Self::message`], whose patches [`Self::roll_back`] can then take back.
    pub const fn mark(&self) -> Mark {
        Mark {
            patches: self.patches.len(),
            new_bytes: self.new_bytes.len(),
        }
    }

    pub fn roll_back(&mut self, mark: Mark) {
        self.patches.truncate(mark.patches);
        self.new_bytes.truncate(mark.new_bytes);
    }
}

/// Appends a field of some content.
pub fn write_field(number: u32, content: &[u8], out: &mut Vec<u8>) {
    write_header(number, content.len(), out);
    out.extend_from_slice(content);
}

/// Appends a field whose content `write` appends; it is moved by the bytes of its tag and length.
pub fn write_field_of(number: u32, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    write(out);
    let end = out.len();
    write_header(number, end - start, out);
    let header = out.len() - end;
    out[start..].rotate_right(header);
}

/// Appends the tag and the length of a field of `len` bytes.
pub fn write_header(number: u32, len: usize, out: &mut Vec<u8>) {
    let wire_type = WireType::Len;
    varint::write(Tag { number, wire_type }.key(), out);
    varint::write(len as u64, out);
}
