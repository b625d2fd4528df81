//! Quantities and names that could be confused, each a type of its own.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u32);

        impl $name {
            /// The place in a dense table that this id names.
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }
    };
}

id!(
    /// One pinned thread of the engine, counted from 0.
    ShardId
);
id!(
    /// One configured receiver's socket; the control thread numbers them in the order of the file.
    ListenerId
);
id!(
    /// One connection within its shard, incoming or outgoing; reused once the connection is gone.
    ConnectionId
);
id!(
    /// One request within its shard that awaits its answer.
    RequestId
);
id!(
    /// One try at sending a batch, within its shard.
    AttemptId
);
id!(
    /// One exporter instance: (exporter id, signal), the same number in every shard.
    LaneId
);

id!(
    /// Whose data it is, the same number in every shard; 0 where nobody is told apart.
    #[derive(Default)]
    TenantId
);

/// What is given up while more comes than goes, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum DegradationStep {
    #[default]
    Normal,
    /// Fewer bytes for the same items.
    CompressHarder,
    /// Low priority goes when nothing else waits, or for its age.
    DeferLow,
    /// Of low priority a share is taken.
    SampleLow,
    /// Of medium priority too.
    SampleMedium,
    /// Only what is of high priority is taken.
    Reject,
}

impl DegradationStep {
    pub const ALL: [Self; 6] = [
        Self::Normal,
        Self::CompressHarder,
        Self::DeferLow,
        Self::SampleLow,
        Self::SampleMedium,
        Self::Reject,
    ];

    /// As in metrics and the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::CompressHarder => "compress_harder",
            Self::DeferLow => "defer_low",
            Self::SampleLow => "sample_low",
            Self::SampleMedium => "sample_medium",
            Self::Reject => "reject",
        }
    }
}

/// The connection that something came on: no other once its number is used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SenderId {
    pub connection: ConnectionId,
    /// The connections opened before it in its shard.
    pub epoch: u32,
}

/// How important data is, the most important first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Priority {
    High,
    #[default]
    Medium,
    Low,
}

impl Priority {
    pub const ALL: [Self; 3] = [Self::High, Self::Medium, Self::Low];

    pub const fn name(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }
}

/// One of the endpoints of an exporter instance over a network, the same in every shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointId {
    pub lane: LaneId,
    /// In the order of the file.
    pub index: u16,
}

impl EndpointId {
    /// The first endpoint, and for most exporters the only one.
    pub const fn first(lane: LaneId) -> Self {
        Self { lane, index: 0 }
    }
}

/// A number of items: spans, metric points, log records or profile samples.
pub type ItemCount = u64;

/// A number of bytes, printed the way people size memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct ByteCount(pub u64);

impl ByteCount {
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }

    pub const fn kib(n: u64) -> Self {
        Self(n << 10)
    }
}

impl fmt::Display for ByteCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        for (size, name) in UNITS {
            if self.0 >= size {
                return if self.0.is_multiple_of(size) {
                    write!(f, "{} {name}", self.0 / size)
                } else {
                    write!(f, "{:.1} {name}", self.0 as f64 / size as f64)
                };
            }
        }
        write!(f, "{} B", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_counts_read_as_people_write_them() {
        assert_eq!(ByteCount(17).to_string(), "17 B");
        assert_eq!(ByteCount::mib(64).to_string(), "64 MiB");
        assert_eq!(ByteCount(1536).to_string(), "1.5 KiB");
    }
}
