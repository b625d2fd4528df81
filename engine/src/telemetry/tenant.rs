//! What one tenant sent, and what of it was not taken.

use crate::units::ItemCount;

/// What a tenant may have so much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Quota {
    Requests,
    Items,
    Bytes,
    /// Its share of a queue.
    QueueShare,
}

impl Quota {
    pub const ALL: [Self; 4] = [Self::Requests, Self::Items, Self::Bytes, Self::QueueShare];

    /// The key that sets it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests_per_second",
            Self::Items => "items_per_second",
            Self::Bytes => "bytes_per_second",
            Self::QueueShare => "queue_share",
        }
    }
}

/// One tenant's counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TenantCounters {
    pub accepted_items: ItemCount,
    /// Requests that were refused, by [`Quota`].
    pub refused_requests: [u64; Quota::ALL.len()],
    /// Items that were rejected out of requests of which the rest was accepted, by [`Quota`].
    pub rejected_items: [ItemCount; Quota::ALL.len()],
}

impl TenantCounters {
    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        let refused = self.refused_requests.iter().sum::<u64>();
        self.accepted_items + refused + self.rejected_items.iter().sum::<u64>() == 0
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.accepted_items += other.accepted_items;
        for (sum, refused) in self.refused_requests.iter_mut().zip(other.refused_requests) {
            *sum += refused;
        }
        for (sum, rejected) in self.rejected_items.iter_mut().zip(other.rejected_items) {
            *sum += rejected;
        }
    }
}
