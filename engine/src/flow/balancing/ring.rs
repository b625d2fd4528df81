//! Which endpoint a key belongs to: a hash ring, so that a change of the endpoints moves few keys.
//!
//! Source: Karger et al., "Consistent Hashing and Random Trees" (1997),
//! <https://dl.acm.org/doi/10.1145/258533.258660>.

use std::collections::HashMap;

/// Points of one endpoint: shares differ by about one part in the square root of it.
const POINTS: u32 = 256;

/// The points of all endpoints, in order. Memory: 24 B for each point, 6 KiB for each endpoint.
#[derive(Debug, Clone)]
pub struct Ring {
    points: Vec<Point>,
}

#[derive(Debug, Clone, Copy)]
struct Point {
    at: u64,
    endpoint: u16,
    /// Where the first point stands with the same endpoint, and the same one after it.
    bucket: u64,
}

impl Ring {
    /// Endpoints are known by name: where they stand in the list makes no difference.
    pub fn new<'a>(names: impl IntoIterator<Item = (u16, &'a str)>) -> Self {
        let mut points = Vec::new();
        for (endpoint, name) in names {
            let name = hash(name.as_bytes());
            points.extend((0..POINTS).map(|point| (mix(name ^ mix(u64::from(point))), endpoint)));
        }
        points.sort_unstable();
        let mut firsts = HashMap::new();
        let endpoint = |index: usize| points[index % points.len()].1;
        let point = |index: usize| {
            let (at, owner) = points[index];
            let mut after = (index..index + points.len()).map(endpoint);
            let next = after.find(|other| *other != owner).unwrap_or(owner);
            Point {
                at,
                endpoint: owner,
                bucket: *firsts.entry((owner, next)).or_insert(at),
            }
        };
        Self {
            points: (0..points.len()).map(point).collect(),
        }
    }

    /// The key that stands for all keys with the same endpoint and the same one after it: what is of
    /// one bucket can share a batch, and moves together when its endpoint is out. There are as many
    /// as pairs of endpoints.
    pub fn bucket(&self, key: u64) -> u64 {
        let at = self.points.partition_point(|point| point.at < key);
        let point = self.points.get(at).or(self.points.first());
        point.map_or(0, |point| point.bucket)
    }

    /// The endpoints after a key, the nearest first; each comes as often as it has points. Cost:
    /// O(log n) to the first.
    pub fn after(&self, key: u64) -> impl Iterator<Item = u16> + '_ {
        let first = self.points.partition_point(|point| point.at < key);
        let (before, after) = self.points.split_at(first);
        after.iter().chain(before).map(|point| point.endpoint)
    }

    /// The endpoint a key belongs to. `None`: there is none at all.
    pub fn owner(&self, key: u64) -> Option<u16> {
        self.after(key).next()
    }
}

/// The hash of a key or a name: the same in every process, shard and version.
///
/// FNV-1a, finished by a mixer so that short keys differ in all bits. Not for hostile keys: who
/// chooses all of them can have them all at one endpoint, which the bound on its load then holds.
/// Source: <http://www.isthe.com/chongo/tech/comp/fnv/>.
pub fn hash(bytes: &[u8]) -> u64 {
    let fold = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    mix(bytes.iter().fold(0xcbf2_9ce4_8422_2325, fold))
}

const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: u64 = 20_000;

    fn names(count: usize) -> Vec<String> {
        (0..count)
            .map(|index| format!("10.0.0.{index}:4317"))
            .collect()
    }

    fn ring(names: &[String]) -> Ring {
        Ring::new((0..).zip(names.iter().map(String::as_str)))
    }

    fn owners<'a>(ring: &'a Ring, names: &'a [String]) -> impl Iterator<Item = &'a str> {
        let owner = |key: u64| ring.owner(hash(&key.to_le_bytes()));
        (0..KEYS).map(move |key| names[usize::from(owner(key).expect("not empty"))].as_str())
    }

    #[test]
    fn what_one_of_five_held_moves_and_nothing_else_does() {
        let five = names(5);
        let four: Vec<String> = five
            .iter()
            .filter(|name| **name != five[2])
            .cloned()
            .collect();
        let (before, after) = (ring(&five), ring(&four));
        let mut moved = 0;
        for (before, after) in owners(&before, &five).zip(owners(&after, &four)) {
            if before == five[2] {
                moved += 1;
            } else {
                assert_eq!(before, after);
            }
        }
        let share = f64::from(moved) / KEYS as f64;
        assert!((share - 0.2).abs() < 0.04, "{share}");
    }

    #[test]
    fn a_bucket_has_the_endpoints_of_its_keys() {
        let names = names(5);
        let ring = ring(&names);
        let first_two = |key: u64| {
            let owner = ring.owner(key).expect("not empty");
            let next = ring.after(key).find(|endpoint| *endpoint != owner);
            (owner, next)
        };
        let mut buckets = std::collections::HashSet::new();
        for key in (0..KEYS).map(|key| hash(&key.to_le_bytes())) {
            let bucket = ring.bucket(key);
            assert_eq!(first_two(bucket), first_two(key));
            buckets.insert(bucket);
        }
        assert!(buckets.len() <= 20, "{} of five endpoints", buckets.len());
        // Past the last point the ring begins anew.
        assert_eq!(first_two(ring.bucket(u64::MAX)), first_two(u64::MAX));
    }

    #[test]
    fn the_order_of_the_list_makes_no_difference() {
        let (forth, mut back) = (names(7), names(7));
        back.reverse();
        let (one, other) = (ring(&forth), ring(&back));
        assert!(owners(&one, &forth).eq(owners(&other, &back)));
    }

    #[test]
    fn shares_are_alike() {
        let names = names(10);
        let ring = ring(&names);
        let mut held = HashMap::new();
        for owner in owners(&ring, &names) {
            *held.entry(owner).or_insert(0u64) += 1;
        }
        for (name, keys) in held {
            assert!((1400..2700).contains(&keys), "{name}: {keys} of {KEYS}");
        }
    }

    #[test]
    fn a_hash_is_the_same_for_ever() {
        // What another process or version would have to find.
        assert_eq!(hash(b"checkout"), hash(b"checkout"));
        assert_ne!(hash(b"checkout"), hash(b"checkouu"));
        assert_eq!(Ring { points: Vec::new() }.owner(1), None);
    }
}
