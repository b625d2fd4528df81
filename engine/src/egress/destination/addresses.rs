//! The addresses a destination's name stands for, and which of them are worth a try.

use crate::exchange::Address;
use crate::time::Instant;
use std::time::Duration;

/// The first wait after a failure to connect; doubled up to [`HOLD_OFF_MAX`] while it fails.
pub(super) const HOLD_OFF_MIN: Duration = Duration::from_millis(200);
pub(super) const HOLD_OFF_MAX: Duration = Duration::from_secs(10);

/// One address, and what is known of it.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub address: Address,
    /// No connect before this.
    until: Instant,
    /// How long the last wait was; zero where it answers.
    wait: Duration,
    /// When the last failure was noted: connects that were under way then are part of it.
    failed_at: Instant,
    /// The turn of its last attempt, for sharing attempts out.
    last_turn: u64,
    /// Connections to it that take attempts, or will.
    live: u32,
    /// Attempts open on all of its connections.
    load: u32,
}

/// The addresses in the order of the resolver. A place keeps its history while its address stays.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    places: Vec<Place>,
    turns: u64,
}

impl Addresses {
    pub fn new(addresses: Vec<Address>) -> Self {
        let mut known = Self::default();
        known.replace(addresses);
        known
    }

    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub fn get(&self, place: usize) -> &Address {
        &self.places[place].address
    }

    /// Takes new addresses. Says for each old place where it is now, if anywhere.
    pub fn replace(&mut self, addresses: Vec<Address>) -> Vec<Option<usize>> {
        let mut distinct: Vec<Address> = Vec::with_capacity(addresses.len());
        for address in addresses {
            if !distinct.contains(&address) {
                distinct.push(address);
            }
        }
        let old = std::mem::take(&mut self.places);
        let kept = |place: &Place| distinct.iter().position(|new| *new == place.address);
        let moved: Vec<_> = old.iter().map(kept).collect();
        let known = |address: &Address| old.iter().find(|place| place.address == *address);
        let place = |address: &Address| known(address).cloned().unwrap_or_else(|| fresh(address));
        self.places = distinct.iter().map(place).collect();
        moved
    }

    /// Whether a connect may be tried now.
    pub fn is_open(&self, place: usize, now: Instant) -> bool {
        self.places[place].until <= now
    }

    /// When the first address may be tried that may not now.
    pub fn next_open(&self, now: Instant) -> Option<Instant> {
        let later = self.places.iter().map(|place| place.until);
        later.filter(|until| *until > now).min()
    }

    pub fn handle_connected(&mut self, place: usize) {
        self.places[place].until = Instant(0);
    }

    /// A connect that began at `since` came to nothing, or hardly to anything.
    pub fn handle_failed(&mut self, place: usize, since: Instant, now: Instant) {
        let place = &mut self.places[place];
        // Of several connects at once the first failure speaks for all.
        if place.wait.is_zero() || since >= place.failed_at {
            place.wait = (place.wait * 2).clamp(HOLD_OFF_MIN, HOLD_OFF_MAX);
            place.failed_at = now;
        }
        place.until = now + place.wait;
    }

    /// A connection lived long enough to say that the address is well.
    pub fn handle_lasted(&mut self, place: usize) {
        self.places[place].wait = Duration::ZERO;
    }

    /// The peer is there and asks for quiet: come back, but not at once.
    pub fn hold_off(&mut self, place: usize, now: Instant) {
        self.places[place].until = now + HOLD_OFF_MIN;
    }

    pub fn live(&self, place: usize) -> u32 {
        self.places[place].live
    }

    pub fn handle_opened(&mut self, place: usize) {
        self.places[place].live += 1;
    }

    /// A connection takes no more attempts.
    pub fn handle_left(&mut self, place: usize) {
        self.places[place].live -= 1;
    }

    pub fn handle_sent(&mut self, place: usize) {
        self.turns += 1;
        let place = &mut self.places[place];
        place.last_turn = self.turns;
        place.load += 1;
    }

    pub fn handle_ended(&mut self, place: usize, attempts: u32) {
        self.places[place].load -= attempts;
    }

    /// How much this place has had of the work: the smallest is next.
    pub fn share(&self, place: usize) -> (u32, u64) {
        let place = &self.places[place];
        (place.load, place.last_turn)
    }
}

fn fresh(address: &Address) -> Place {
    Place {
        address: address.clone(),
        until: Instant(0),
        wait: Duration::ZERO,
        failed_at: Instant(0),
        last_turn: 0,
        live: 0,
        load: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(ports: &[u16]) -> Vec<Address> {
        let address = |port: &u16| Address::Tcp(([127, 0, 0, 1], *port).into());
        ports.iter().map(address).collect()
    }

    #[test]
    fn history_follows_an_address_to_its_new_place() {
        let mut known = Addresses::new(addresses(&[1, 2, 2, 3]));
        assert_eq!(known.len(), 3, "each address once");
        known.handle_failed(1, Instant(5), Instant(5));
        assert_eq!(known.replace(addresses(&[2, 4])), [None, Some(0), None]);
        assert!(!known.is_open(0, Instant(5)));
        assert!(known.is_open(1, Instant(5)));
    }

    #[test]
    fn waits_double_to_the_cap_and_end_with_a_life() {
        let mut known = Addresses::new(addresses(&[1]));
        let mut now = Instant(0);
        let mut waits = Vec::new();
        for _ in 0..8 {
            known.handle_failed(0, now, now);
            let next = known.next_open(now).expect("it failed just now");
            waits.push((next - now).as_millis());
            now = next;
        }
        assert_eq!(waits, [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        known.handle_lasted(0);
        known.handle_failed(0, now, now);
        assert_eq!(known.next_open(now), Some(now + HOLD_OFF_MIN));
    }

    #[test]
    fn connects_that_fail_together_fail_once() {
        let mut known = Addresses::new(addresses(&[1]));
        let later = Instant(0) + Duration::from_millis(1);
        for _ in 0..5 {
            known.handle_failed(0, Instant(0), later);
        }
        assert_eq!(known.next_open(later), Some(later + HOLD_OFF_MIN));
    }
}
