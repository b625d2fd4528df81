use super::*;
use crate::flow::bucket::{Rate, RateRule};
use proptest::prelude::*;

#[derive(Debug, Clone, PartialEq)]
struct Item {
    id: u32,
    class: Class,
    bytes: u64,
    arrived: Instant,
}

impl Waits for Item {
    fn items(&self) -> ItemCount {
        1
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn arrived(&self) -> Instant {
        self.arrived
    }

    fn class(&self) -> Class {
        self.class
    }
}

const fn at(seconds: u64) -> Instant {
    Instant(seconds * 1_000_000_000)
}

const fn item(id: u32, priority: Priority, tenant: u32, second: u64) -> Item {
    Item {
        id,
        class: Class {
            priority,
            tenant: TenantId(tenant),
            weight: 1,
        },
        bytes: 10 << 10,
        arrived: at(second),
    }
}

fn rule(weights: [u32; 3]) -> FairRule {
    FairRule {
        weights,
        ..FairRule::default()
    }
}

fn ids(queue: &mut FairQueue<Item>, now: Instant) -> Vec<u32> {
    std::iter::from_fn(|| queue.pop(None, now))
        .map(|item| item.id)
        .collect()
}

#[test]
fn of_one_class_and_tenant_the_oldest_goes_first() {
    let mut queue = FairQueue::new(FairRule::default());
    for id in 0..100 {
        queue.push(item(id, Priority::Medium, 0, 1));
    }
    let first = queue.pop(None, at(1)).expect("a hundred wait");
    queue.push_first(first);
    assert_eq!(ids(&mut queue, at(1)), (0..100).collect::<Vec<_>>());
    assert!(queue.is_empty());
}

#[test]
fn classes_share_by_weight_and_nobody_starves() {
    let mut queue = FairQueue::new(rule([16, 4, 1]));
    for id in 0..3000 {
        let priority = Priority::ALL[id as usize % 3];
        queue.push(item(id, priority, 0, 1));
    }
    let mut sent = [0; 3];
    for _ in 0..1000 {
        let item = queue.pop(None, at(1)).expect("three thousand wait");
        sent[item.class.priority as usize] += 1;
    }
    // 16, 4 and 1 of 21, to within a turn of the heaviest.
    for (sent, share) in sent.into_iter().zip([762, 190, 48]) {
        assert!(i32::abs(sent - share) <= 110, "{sent} of {share}");
    }
}

#[test]
fn a_tenant_with_a_hundred_times_as_much_gets_no_more() {
    let mut queue = FairQueue::new(FairRule::default());
    for id in 0..10_000 {
        queue.push(item(id, Priority::Medium, 1, 1));
    }
    for id in 0..100 {
        queue.push(item(id, Priority::Medium, 2, 1));
    }
    let mut sent = [0; 3];
    for _ in 0..200 {
        let item = queue.pop(None, at(1)).expect("ten thousand wait");
        sent[item.class.tenant.index()] += 1;
    }
    assert!((90..=100).contains(&sent[2]), "{sent:?}");
}

#[test]
fn what_has_waited_too_long_gets_every_fourth_turn() {
    let mut queue = FairQueue::new(FairRule {
        age_max: Duration::from_secs(10),
        ..rule([1000, 1000, 1])
    });
    for id in 0..100 {
        queue.push(item(id, Priority::High, 0, 5));
    }
    for id in 100..200 {
        queue.push(item(id, Priority::Low, 0, 1));
    }
    let mut lows_of_twelve = |now| {
        let popped = (0..12).filter_map(|_| queue.pop(None, now));
        popped
            .filter(|item| item.class.priority == Priority::Low)
            .count()
    };
    assert_eq!(lows_of_twelve(at(10)), 0);
    assert_eq!(lows_of_twelve(at(11)), 3);
}

#[test]
fn a_class_that_is_deferred_goes_when_the_others_have_nothing() {
    let mut queue = FairQueue::new(rule([1, 1, 1]));
    for id in 0..10 {
        queue.push(item(id, Priority::Low, 0, 1));
        queue.push(item(100 + id, Priority::Medium, 0, 1));
    }
    let low = Some(Priority::Low);
    let popped = std::iter::from_fn(|| queue.pop(low, at(5)));
    let ids: Vec<u32> = popped.map(|item| item.id).collect();
    assert_eq!(ids, (100..110).chain(0..10).collect::<Vec<_>>());
}

#[test]
fn the_lowest_class_is_given_up_first_and_never_for_a_lower_one() {
    let mut queue = FairQueue::new(FairRule::default());
    queue.push(item(0, Priority::High, 0, 1));
    queue.push(item(1, Priority::Low, 1, 1));
    queue.push(item(2, Priority::Low, 2, 1));
    queue.push(item(3, Priority::Low, 2, 1));
    let mut dropped = || queue.drop_lowest(Priority::Medium).map(|item| item.id);
    // First of who holds most.
    assert_eq!(
        [dropped(), dropped(), dropped()],
        [Some(2), Some(3), Some(1)]
    );
    assert_eq!(dropped(), None);
    assert_eq!(
        queue.drop_lowest(Priority::High).map(|item| item.id),
        Some(0)
    );
}

fn backlog(order: Order, rate: f64) -> FairRule {
    let rate = Rate {
        per_second: rate,
        burst: Duration::from_secs(1),
    };
    FairRule {
        backlog: BacklogRule {
            order,
            after: Duration::from_secs(60),
            rate: RateRule {
                items: (rate.per_second > 0.0).then_some(rate),
                ..RateRule::default()
            },
        },
        ..FairRule::default()
    }
}

/// Three of a minute ago and more, three of now.
fn after_an_outage(order: Order, rate: f64) -> FairQueue<Item> {
    let mut queue = FairQueue::new(backlog(order, rate));
    for id in 0..3 {
        queue.push(item(id, Priority::Medium, 0, 1));
    }
    for id in 3..6 {
        queue.push(item(id, Priority::Medium, 0, 100));
    }
    queue
}

#[test]
fn a_backlog_goes_in_its_order() {
    let sent = |order| ids(&mut after_an_outage(order, 0.0), at(100));
    assert_eq!(sent(Order::OldestFirst), [0, 1, 2, 3, 4, 5]);
    assert_eq!(sent(Order::NewestFirst), [5, 4, 3, 2, 1, 0]);
    assert_eq!(sent(Order::Interleave), [5, 0, 4, 1, 3, 2]);
}

#[test]
fn without_a_backlog_the_oldest_goes_first_always() {
    for order in [Order::OldestFirst, Order::NewestFirst, Order::Interleave] {
        let mut queue = after_an_outage(order, 1.0);
        assert_eq!(ids(&mut queue, at(50)), [0, 1, 2, 3, 4, 5]);
    }
}

#[test]
fn a_backlog_has_its_rate_and_what_is_fresh_has_none() {
    let mut queue = after_an_outage(Order::NewestFirst, 1.0);
    assert_eq!(ids(&mut queue, at(100)), [5, 4, 3, 2]);
    let ready = queue.poll_ready().expect("something is kept");
    assert!(ready > at(100) && ready < at(102), "{ready:?}");
    assert_eq!(ids(&mut queue, ready), [1]);
    let mut queue = after_an_outage(Order::OldestFirst, 1.0);
    assert_eq!(
        ids(&mut queue, at(100)),
        [0],
        "what is fresh keeps its place"
    );
}

proptest! {
    /// What goes in comes out once, in order within a class and tenant.
    #[test]
    fn everything_comes_out_once(
        pushes in proptest::collection::vec((0usize..3, 0u32..4, 1u64..200_000), 0..200),
        pops in proptest::collection::vec(0u8..4, 0..200),
    ) {
        let mut queue = FairQueue::new(FairRule { age_max: Duration::from_secs(30), ..rule([8, 4, 1]) });
        let mut out = Vec::new();
        let mut pops = pops.into_iter();
        let total = pushes.len();
        for (id, (class, tenant, bytes)) in (0u32..).zip(pushes) {
            let new = Item { bytes, ..item(id, Priority::ALL[class], tenant, u64::from(id)) };
            queue.push(new);
            match pops.next() {
                Some(0) => out.extend(queue.pop(None, at(u64::from(id)))),
                Some(1) => {
                    if let Some(item) = queue.pop(None, at(u64::from(id))) {
                        queue.push_first(item);
                    }
                }
                _ => {}
            }
            prop_assert_eq!(queue.len(), id as usize + 1 - out.len());
        }
        out.extend(std::iter::from_fn(|| queue.pop(None, at(1000))));
        prop_assert_eq!(out.len(), total);
        for (index, item) in out.iter().enumerate() {
            let before = out[..index].iter().filter(|other| other.class == item.class);
            prop_assert!(before.map(|other| other.id).all(|id| id < item.id));
        }
    }
}
