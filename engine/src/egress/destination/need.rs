//! How many connections there are to be, and to which addresses.

use super::{Connection, ConnectionTable, Destination, DestinationOutput, State, Terms};
use crate::time::Instant;
use crate::units::ConnectionId;
use std::time::Duration;

impl Destination {
    /// Whether more waits than the connections that are being opened will probably take.
    pub(super) fn wants_connection(&mut self) -> bool {
        if self.pending.is_empty() {
            return false;
        }
        if self.addresses.is_empty() {
            if !self.resolving {
                self.resolving = true;
                self.outputs.push_back(DestinationOutput::Resolve);
            }
            return false;
        }
        let hoped = self.connecting() * self.settings.streams_max as usize;
        self.pending.len() > hoped && self.live() < self.settings.connections_max
    }

    /// Where the next connection goes: to the address with the fewest, or to the one in use.
    pub(super) fn next_place(&self, now: Instant) -> Option<usize> {
        let mut open = self.places().filter(|&p| self.addresses.is_open(p, now));
        if self.settings.spread {
            return open.min_by_key(|&place| self.addresses.live(place));
        }
        let in_use = |&place: &usize| self.addresses.live(place) > 0;
        open.clone().find(in_use).or_else(|| open.next())
    }

    /// Opens a connection to each address that has none. An address that is tried while the
    /// connections are used up may have one more, until it is known whether it answers.
    pub(super) fn reach_all(&mut self, table: &mut ConnectionTable, now: Instant) {
        let most = self.settings.connections_max;
        if self.live() == 0 || self.addresses.len() < 2 {
            return;
        }
        for place in self.places().collect::<Vec<_>>() {
            if self.addresses.live(place) > 0 || !self.addresses.is_open(place, now) {
                continue;
            }
            let crowded = || self.places().any(|place| self.addresses.live(place) > 1);
            let room =
                self.live() < most || (self.live() == most && self.connecting() == 0 && crowded());
            if !room {
                return;
            }
            self.open(place, table, now);
        }
    }

    /// Closes the least busy connection of the address with the most, where there is one too many.
    pub(super) fn make_room(&mut self) {
        if self.live() <= self.settings.connections_max {
            return;
        }
        let up = self.connections.iter().filter(|c| c.state == State::Up);
        let crowd = |c: &Connection| c.place.map_or(0, |place| self.addresses.live(place));
        let surplus = up.max_by_key(|c| (crowd(c), u32::MAX - c.open));
        if let Some(id) = surplus.map(|c| c.id) {
            self.retire(id);
        }
    }

    pub(super) fn open(&mut self, place: usize, table: &mut ConnectionTable, now: Instant) {
        let entry = u32::try_from(table.insert(self.settings.endpoint));
        let id = ConnectionId(entry.expect("fewer than 2^32 connections: each needs a descriptor"));
        self.connections.push(Connection {
            id,
            state: State::Connecting,
            place: Some(place),
            streams_max: 0,
            open: 0,
            since: now,
            idle_since: now,
        });
        self.addresses.handle_opened(place);
        // Connections that were opened together shall not all be opened anew together.
        let tenths = 0.2f64.mul_add(self.random.unit(), 0.9);
        let age_max = self.settings.age_max.as_secs_f64() * tenths;
        self.outputs.push_back(DestinationOutput::Connect {
            connection: id,
            address: self.addresses.get(place).clone(),
            terms: Terms {
                age_max: Duration::try_from_secs_f64(age_max).unwrap_or(Duration::MAX),
                calmed: self.calmed,
            },
        });
    }

    /// Idle connections that another could stand in for: one of the same address where attempts are
    /// spread.
    pub(super) fn spares(&self) -> impl Iterator<Item = &Connection> {
        let is_idle = |c: &&Connection| c.state == State::Up && c.open == 0;
        self.connections
            .iter()
            .filter(is_idle)
            .filter(|spare| self.connections.iter().any(|c| self.stands_in(c, spare)))
    }

    fn stands_in(&self, connection: &Connection, spare: &Connection) -> bool {
        let is_usable = connection.state == State::Up && connection.streams_max > 0;
        let is_alike = !self.settings.spread || connection.place == spare.place;
        is_usable && is_alike && connection.id != spare.id
    }

    pub(super) fn outlived(&self, now: Instant) -> Option<ConnectionId> {
        let idle_max = self.settings.spare_idle_max;
        let mut spares = self.spares();
        let spare = spares.find(|c| c.idle_since + idle_max <= now)?;
        Some(spare.id)
    }

    /// The places in the order in which this shard prefers them.
    fn places(&self) -> impl Iterator<Item = usize> + Clone + use<> {
        let len = self.addresses.len();
        let first = if self.settings.spread {
            self.first_place % len.max(1)
        } else {
            0
        };
        (0..len).map(move |place| (first + place) % len)
    }
}
