//! What a stage makes, and how much of it stands outside of what it was given.

use bytes::Bytes;
use std::ops::Range;
use tailrace_codec::Rope;
use tailrace_codec::otlp::Piece;

/// Something a stage returns.
pub trait Product {
    /// Shows every run of bytes of it.
    fn each(&self, see: &mut dyn FnMut(&[u8]));
}

/// So many bytes were written into a buffer that is used again.
pub struct Written(pub usize);

/// Where the bytes stand that a stage was given.
#[derive(Debug, Default)]
pub struct Given(Vec<Range<usize>>);

impl Given {
    pub fn add(&mut self, bytes: &[u8]) {
        let start = bytes.as_ptr() as usize;
        self.0.push(start..start + bytes.len());
    }

    pub fn add_rope(&mut self, rope: &Rope) {
        rope.slices().iter().for_each(|slice| self.add(slice));
    }

    /// The bytes of `product` that were written anew: copied, converted, or headers. Those that lie
    /// in what was given were referred to.
    pub fn copied(&self, product: &impl Product) -> u64 {
        let mut copied = 0;
        product.each(&mut |bytes| {
            let start = bytes.as_ptr() as usize;
            let inside = |given: &Range<usize>| given.start <= start && start < given.end;
            if !self.0.iter().any(inside) {
                copied += bytes.len() as u64;
            }
        });
        copied
    }
}

impl Product for Rope {
    fn each(&self, see: &mut dyn FnMut(&[u8])) {
        self.slices().iter().for_each(|slice| see(slice));
    }
}

impl Product for Piece {
    fn each(&self, see: &mut dyn FnMut(&[u8])) {
        self.body.each(see);
    }
}

impl Product for Bytes {
    fn each(&self, see: &mut dyn FnMut(&[u8])) {
        see(self);
    }
}

impl Product for u8 {
    fn each(&self, see: &mut dyn FnMut(&[u8])) {
        see(std::slice::from_ref(self));
    }
}

/// Nothing but a figure.
impl Product for u64 {
    fn each(&self, _: &mut dyn FnMut(&[u8])) {}
}

impl Product for Written {
    fn each(&self, see: &mut dyn FnMut(&[u8])) {
        see(&vec![0; self.0]);
    }
}

impl<T: Product> Product for Vec<T> {
    fn each(&self, see: &mut dyn FnMut(&[u8])) {
        self.iter().for_each(|part| part.each(see));
    }
}
