//! The requests that the stages are given: those of the load generator.

use crate::bench::Input;
use crate::product::Given;
use bytes::Bytes;
use tailrace_bench::workload::{Spec, Workload};
use tailrace_codec::{Rope, Signal};

/// As gRPC implementations send them by default.
const FRAME: usize = 16 << 10;

/// When every item has happened.
pub const NOW: u64 = 1_790_000_000_123_456_789;

pub const SPANS: usize = 512;

/// One export request, in one slice and as frames leave it.
pub struct Request {
    pub items: usize,
    pub bytes: Bytes,
    pub whole: Rope,
    pub sliced: Rope,
}

impl Request {
    /// So many items: spans of 362 bytes, data points and records as a fleet sends them.
    pub fn of(signal: Signal, items: usize) -> Self {
        let workload = Workload::new(&Spec::standard(signal, items));
        Self::from_bytes(items, workload.protobuf(0, NOW))
    }

    pub fn from_bytes(items: usize, bytes: Bytes) -> Self {
        Self {
            items,
            whole: Rope::from(bytes.clone()),
            sliced: bytes.chunks(FRAME).map(Bytes::copy_from_slice).collect(),
            bytes,
        }
    }

    pub fn input(&self, name: &str) -> Input {
        Input {
            name: name.to_owned(),
            bytes: self.bytes.len(),
            items: self.items,
            requests: 1,
        }
    }

    pub fn given(&self) -> Given {
        let mut given = Given::default();
        given.add_rope(&self.whole);
        given.add_rope(&self.sliced);
        given
    }
}
