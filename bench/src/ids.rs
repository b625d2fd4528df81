//! Which items were acknowledged and which arrived: two sets of numbers, and what differs.

/// A set of item numbers that are handed out in order, one bit each.
///
/// Cost: 12.5 MB for a hundred million items.
#[derive(Debug, Clone, Default)]
pub struct IdSet {
    words: Vec<u64>,
    len: u64,
}

impl IdSet {
    /// A number from here on is nobody's: a set that holds the one before it takes a gibibyte.
    pub const END: u64 = 1 << 33;

    /// Adds a number; `false` if it was there.
    pub fn insert(&mut self, id: u64) -> bool {
        let (word, bit) = ((id / 64) as usize, 1 << (id % 64));
        if word >= self.words.len() {
            self.words.resize((word + 1).next_power_of_two(), 0);
        }
        let new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        self.len += u64::from(new);
        new
    }

    /// Adds all numbers of `other`.
    pub fn extend(&mut self, other: &Self) {
        if self.words.len() < other.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        for (ours, theirs) in self.words.iter_mut().zip(&other.words) {
            self.len += u64::from((theirs & !*ours).count_ones());
            *ours |= theirs;
        }
    }

    /// Adds consecutive numbers.
    pub fn insert_range(&mut self, ids: std::ops::Range<u64>) {
        for id in ids {
            self.insert(id);
        }
    }

    pub fn contains(&self, id: u64) -> bool {
        let word = self.words.get((id / 64) as usize).copied().unwrap_or(0);
        word & (1 << (id % 64)) != 0
    }

    /// How many numbers are in it.
    pub const fn len(&self) -> u64 {
        self.len
    }

    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many numbers of this set are missing from `other`.
    pub fn missing_from(&self, other: &Self) -> u64 {
        let theirs = other.words.iter().copied().chain(std::iter::repeat(0));
        self.words
            .iter()
            .zip(theirs)
            .map(|(ours, theirs)| (ours & !theirs).count_ones())
            .fold(0, |sum, ones| sum + u64::from(ones))
    }
}

/// What a run has proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Acknowledged to the sender.
    pub accepted_items: u64,
    /// Acknowledged items that arrived.
    pub delivered_items: u64,
    /// Arrivals beyond the first of an item.
    pub duplicate_items: u64,
    /// Arrivals whose check value is wrong.
    pub corrupt_items: u64,
}

impl Verdict {
    pub fn new(acknowledged: &IdSet, received: &IdSet, duplicate: u64, corrupt: u64) -> Self {
        let accepted_items = acknowledged.len();
        Self {
            accepted_items,
            delivered_items: accepted_items - acknowledged.missing_from(received),
            duplicate_items: duplicate,
            corrupt_items: corrupt,
        }
    }

    /// Whether everything accepted arrived, once and whole; a run of nothing proves nothing.
    pub const fn holds(&self) -> bool {
        self.accepted_items > 0
            && self.accepted_items == self.delivered_items
            && self.duplicate_items == 0
            && self.corrupt_items == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(ids: &[u64]) -> IdSet {
        let mut set = IdSet::default();
        for id in ids {
            set.insert(*id);
        }
        set
    }

    #[test]
    fn a_union_counts_each_number_once() {
        let mut union = set(&[1, 2]);
        union.extend(&set(&[2, 300]));
        assert_eq!(union.len(), 3);
        assert_eq!(set(&[1, 2, 300]).missing_from(&union), 0);
    }

    #[test]
    fn a_lost_item_shows() {
        let verdict = Verdict::new(&set(&[1, 2, 700]), &set(&[1, 2, 3]), 0, 0);
        assert_eq!((verdict.accepted_items, verdict.delivered_items), (3, 2));
        assert!(!verdict.holds());
    }

    #[test]
    fn what_was_never_acknowledged_may_arrive() {
        assert!(Verdict::new(&set(&[1, 2]), &set(&[1, 2, 900]), 0, 0).holds());
    }

    #[test]
    fn duplicates_corruption_and_emptiness_do_not_hold() {
        let one = set(&[5]);
        assert!(!Verdict::new(&one, &one, 1, 0).holds());
        assert!(!Verdict::new(&one, &one, 0, 1).holds());
        assert!(!Verdict::new(&IdSet::default(), &one, 0, 0).holds());
        assert!(!set(&[5]).insert(5));
    }
}
