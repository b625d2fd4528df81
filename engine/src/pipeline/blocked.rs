//! Complete requests that wait for room in a queue that blocks: on each route the most important first,
//! of one priority the oldest, and whoever has waited too long before all others.

use crate::time::Instant;
use crate::units::{ListenerId, Priority, RequestId};
use std::collections::{BTreeSet, HashMap};
use tailrace_codec::Signal;

/// Where a request goes to: the same lanes for all of one listener and signal.
pub(super) type Route = (ListenerId, Signal);

/// Requests by route and by deadline. Cost: the logarithm of how many wait, for each that comes,
/// goes or runs out of time; nothing for those that go on waiting.
///
/// Invariant: each request stands once in `order` and, if it has a deadline, once in `deadlines`.
#[derive(Debug)]
pub(super) struct Blocked<M> {
    waiting: HashMap<RequestId, Entry<M>>,
    order: BTreeSet<(Route, Priority, u64, RequestId)>,
    deadlines: BTreeSet<(Instant, RequestId)>,
    next: u64,
}

/// What a request waits by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub route: Route,
    pub priority: Priority,
    pub since: Instant,
    /// `NEVER`: for as long as it takes.
    pub deadline: Instant,
}

#[derive(Debug)]
struct Entry<M> {
    message: M,
    place: Place,
    turn: u64,
}

impl<M> Default for Blocked<M> {
    fn default() -> Self {
        Self {
            waiting: HashMap::new(),
            order: BTreeSet::new(),
            deadlines: BTreeSet::new(),
            next: 0,
        }
    }
}

impl<M> Blocked<M> {
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Puts a request behind those of its priority that wait on its route.
    pub fn insert(&mut self, id: RequestId, place: Place, message: M) {
        let turn = self.next;
        self.next += 1;
        self.order.insert((place.route, place.priority, turn, id));
        if place.deadline != Instant::NEVER {
            self.deadlines.insert((place.deadline, id));
        }
        let entry = Entry {
            message,
            place,
            turn,
        };
        self.waiting.insert(id, entry);
    }

    /// Takes a request out, wherever it stands.
    pub fn remove(&mut self, id: RequestId) -> Option<M> {
        let Entry {
            message,
            place,
            turn,
        } = self.waiting.remove(&id)?;
        self.order.remove(&(place.route, place.priority, turn, id));
        self.deadlines.remove(&(place.deadline, id));
        Some(message)
    }

    /// Takes out any request, until `None`.
    pub fn pop(&mut self) -> Option<(RequestId, M)> {
        let (_, _, _, id) = *self.order.first()?;
        let message = self.remove(id)?;
        Some((id, message))
    }

    /// The request that comes in next on a route. Those that have waited since `aged` go by their age,
    /// the others by priority.
    pub fn first(&self, route: Route, aged: Instant) -> Option<(RequestId, &M)> {
        let id = self.next_of(route, aged)?;
        let entry = self.waiting.get(&id)?;
        Some((id, &entry.message))
    }

    fn next_of(&self, route: Route, aged: Instant) -> Option<RequestId> {
        let oldest = Priority::ALL.iter().filter_map(|priority| {
            let from = (route, *priority, 0, RequestId(0));
            let (found, of, turn, id) = *self.order.range(from..).next()?;
            (found == route && of == *priority).then_some((turn, id))
        });
        let is_aged = |(_, id): &(u64, RequestId)| {
            let entry = self.waiting.get(id);
            entry.is_some_and(|entry| entry.place.since <= aged)
        };
        let aged = oldest.clone().filter(is_aged).min();
        aged.or_else(|| oldest.clone().next()).map(|(_, id)| id)
    }

    /// Whether others come in before a request of this priority: one as important, or one that has
    /// waited since `aged`.
    pub fn would_wait(&self, route: Route, priority: Priority, aged: Instant) -> bool {
        let next = self
            .next_of(route, aged)
            .and_then(|id| self.waiting.get(&id));
        next.is_some_and(|next| next.place.priority <= priority || next.place.since <= aged)
    }

    /// The routes on which requests wait.
    pub fn routes(&self) -> Vec<Route> {
        let mut routes = Vec::new();
        let mut next = self.order.first();
        while let Some(&(route, ..)) = next {
            routes.push(route);
            let last = Priority::ALL[Priority::ALL.len() - 1];
            let behind = (route, last, u64::MAX, RequestId(u32::MAX));
            next = self.order.range(behind..).next();
        }
        routes
    }

    /// A request whose deadline is over, until `None`.
    pub fn pop_expired(&mut self, now: Instant) -> Option<(RequestId, M)> {
        let (_, id) = self
            .deadlines
            .first()
            .copied()
            .filter(|(at, _)| *at <= now)?;
        let message = self.remove(id)?;
        Some((id, message))
    }

    pub fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    const ROUTES: [Route; 3] = [
        (ListenerId(0), Signal::Traces),
        (ListenerId(0), Signal::Logs),
        (ListenerId(1), Signal::Traces),
    ];

    #[derive(Debug, Clone)]
    enum Step {
        Insert(usize, Priority, u64, Option<u64>),
        Remove(u32),
        TakeFirst(usize, u64),
        Expire(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0..3usize, prop::sample::select(&Priority::ALL[..]), 0..100u64, prop::option::of(0..100u64))
                .prop_map(|(route, priority, since, deadline)| {
                    Step::Insert(route, priority, since, deadline)
                }),
            1 => (0..60u32).prop_map(Step::Remove),
            2 => (0..3usize, 0..100u64).prop_map(|(route, aged)| Step::TakeFirst(route, aged)),
            1 => (0..100u64).prop_map(Step::Expire),
        ]
    }

    proptest! {
        /// Against queues that are searched from end to end.
        #[test]
        fn is_a_queue_for_each_route(steps in prop::collection::vec(step(), 0..60)) {
            let mut blocked = Blocked::default();
            let mut model: [VecDeque<(RequestId, Place)>; 3] = Default::default();
            let mut ids = 0;
            for step in steps {
                match step {
                    Step::Insert(route, priority, since, deadline) => {
                        let place = Place {
                            route: ROUTES[route],
                            priority,
                            since: Instant(since),
                            deadline: deadline.map_or(Instant::NEVER, Instant),
                        };
                        let id = RequestId(ids);
                        ids += 1;
                        blocked.insert(id, place, id);
                        model[route].push_back((id, place));
                    }
                    Step::Remove(id) => {
                        let id = RequestId(id);
                        let known = model.iter().flatten().any(|(known, _)| *known == id);
                        prop_assert_eq!(blocked.remove(id), known.then_some(id));
                        model.iter_mut().for_each(|queue| queue.retain(|(known, _)| *known != id));
                    }
                    Step::TakeFirst(route, aged) => {
                        let aged = Instant(aged);
                        let queue = &mut model[route];
                        let mut oldest: Vec<_> = Priority::ALL
                            .iter()
                            .filter_map(|of| queue.iter().find(|(_, place)| place.priority == *of))
                            .collect();
                        // Stable: of those that are aged the first to come, of the others the best.
                        oldest.sort_by_key(|(id, place)| match place.since <= aged {
                            true => (0, id.0),
                            false => (1, place.priority as u32),
                        });
                        let expected = oldest.first().map(|(id, _)| *id);
                        for priority in Priority::ALL {
                            let would_wait = oldest.first().is_some_and(|(_, place)| {
                                place.priority <= priority || place.since <= aged
                            });
                            let told = blocked.would_wait(ROUTES[route], priority, aged);
                            prop_assert_eq!(told, would_wait);
                        }
                        let first = blocked.first(ROUTES[route], aged).map(|(id, _)| id);
                        prop_assert_eq!(first, expected);
                        if let Some(id) = first {
                            blocked.remove(id);
                            queue.retain(|(known, _)| *known != id);
                        }
                    }
                    Step::Expire(now) => {
                        let mut expired = BTreeSet::new();
                        while let Some((id, _)) = blocked.pop_expired(Instant(now)) {
                            expired.insert(id);
                        }
                        for queue in &mut model {
                            queue.retain(|(id, place)| {
                                place.deadline > Instant(now) || !expired.remove(id)
                            });
                            prop_assert!(queue.iter().all(|(_, place)| place.deadline > Instant(now)));
                        }
                        prop_assert!(expired.is_empty());
                    }
                }
                let waiting = ROUTES.iter().zip(&model).filter(|(_, queue)| !queue.is_empty());
                let waiting: Vec<Route> = waiting.map(|(route, _)| *route).collect();
                prop_assert_eq!(blocked.routes(), waiting);
                let soonest = model.iter().flatten().map(|(_, place)| place.deadline).min();
                let soonest = soonest.filter(|at| *at != Instant::NEVER);
                prop_assert_eq!(blocked.next_deadline(), soonest);
                prop_assert_eq!(blocked.is_empty(), model.iter().all(VecDeque::is_empty));
            }
        }
    }
}
