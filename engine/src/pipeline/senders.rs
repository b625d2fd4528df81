//! Who holds how much of the shard's memory, and what is a fair share of it.
//!
//! ```text
//!   0 ............. half of high ............. high ........ capacity
//!     everybody is     who holds more than       nobody is
//!     taken            its share is refused      taken
//! ```
//!
//! A share is the memory below the high mark divided by the connections that hold some. So one sender
//! that fills the memory leaves room for those that come after it, and one that is alone has all.

use crate::units::{ConnectionId, SenderId};
use slab::Slab;

/// The open connections of senders.
#[derive(Debug, Default)]
pub(super) struct Senders {
    connections: Slab<Sender>,
    /// Of them, those that hold something beside their windows.
    holding: u64,
    epoch: u32,
}

#[derive(Debug)]
struct Sender {
    /// Credit behind its windows.
    window: u64,
    /// Credit of its requests that are read, and of its payloads.
    held: u64,
    epoch: u32,
}

/// Whatever others hold, so much is nobody's excess: one request of a usual size.
const SHARE_MIN: u64 = 1 << 20;

impl Senders {
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// Credit behind all windows.
    pub fn windows(&self) -> u64 {
        self.connections
            .iter()
            .map(|(_, sender)| sender.window)
            .sum()
    }

    pub fn open(&mut self, window: u64) -> Option<ConnectionId> {
        self.epoch = self.epoch.wrapping_add(1);
        let index = self.connections.insert(Sender {
            window,
            held: 0,
            epoch: self.epoch,
        });
        Some(ConnectionId(u32::try_from(index).ok()?))
    }

    /// Credit behind its windows. What it sent stays where it is.
    pub fn close(&mut self, connection: ConnectionId) -> Option<u64> {
        let sender = self.connections.try_remove(connection.index())?;
        self.holding -= u64::from(sender.held > 0);
        Some(sender.window)
    }

    /// A name that stays this connection's when its number becomes another's.
    pub fn id(&self, connection: ConnectionId) -> SenderId {
        let sender = self.connections.get(connection.index());
        SenderId {
            connection,
            epoch: sender.map_or(0, |sender| sender.epoch),
        }
    }

    /// So much more is held for a sender that is still there.
    pub fn hold(&mut self, id: SenderId, bytes: u64) {
        let Some(sender) = self.get_mut(id) else {
            return;
        };
        let begins = sender.held == 0 && bytes > 0;
        sender.held += bytes;
        self.holding += u64::from(begins);
    }

    pub fn let_go(&mut self, id: SenderId, bytes: u64) {
        let Some(sender) = self.get_mut(id) else {
            return;
        };
        let held = sender.held;
        sender.held = held.saturating_sub(bytes);
        let ends = held > 0 && sender.held == 0;
        self.holding -= u64::from(ends);
    }

    /// How much more a sender holds, with `bytes` to come, than its share of `memory`.
    pub fn over_share(&self, id: SenderId, bytes: u64, memory: u64) -> Option<u64> {
        let sender = self.connections.get(id.connection.index())?;
        let others = self.holding - u64::from(sender.held > 0);
        let share = (memory / (others + 1)).max(SHARE_MIN);
        let held = sender.held.saturating_add(bytes);
        (others > 0 && held > share).then(|| held - share)
    }

    fn get_mut(&mut self, id: SenderId) -> Option<&mut Sender> {
        let sender = self.connections.get_mut(id.connection.index());
        sender.filter(|sender| sender.epoch == id.epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn who_is_alone_has_all_and_who_is_not_has_a_share() {
        let mut senders = Senders::default();
        let [hog, other] = [(), ()].map(|()| senders.open(1).expect("room"));
        let [hog, other] = [hog, other].map(|connection| senders.id(connection));
        senders.hold(hog, 90 * MIB);
        assert_eq!(senders.over_share(hog, MIB, 100 * MIB), None);
        assert_eq!(senders.over_share(other, 40 * MIB, 100 * MIB), None);
        senders.hold(other, 40 * MIB);
        assert_eq!(senders.over_share(hog, 0, 100 * MIB), Some(40 * MIB));
        senders.let_go(other, 40 * MIB);
        assert_eq!(senders.over_share(hog, 0, 100 * MIB), None);
    }

    #[test]
    fn what_a_closed_connection_sent_is_nobody_elses() {
        let mut senders = Senders::default();
        let first = senders.open(7).expect("room");
        let gone = senders.id(first);
        senders.hold(gone, 50 * MIB);
        assert_eq!(senders.close(first), Some(7));
        let next = senders.open(7).expect("room");
        assert_eq!(first, next, "its number is used again");
        let next = senders.id(next);
        senders.let_go(gone, 50 * MIB);
        senders.hold(next, 10);
        senders.let_go(next, 10);
        assert_eq!((senders.holding, senders.windows()), (0, 7));
    }
}
