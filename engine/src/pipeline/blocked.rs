//! Complete requests that wait for room in a queue that blocks, oldest first on each route.

use crate::time::Instant;
use crate::units::{ListenerId, RequestId};
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
    order: BTreeSet<(Route, u64, RequestId)>,
    deadlines: BTreeSet<(Instant, RequestId)>,
    next: u64,
}

#[derive(Debug)]
struct Entry<M> {
    message: M,
    route: Route,
    turn: u64,
    deadline: Instant,
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

    /// Puts a request behind those that wait on its route.
    pub fn insert(&mut self, id: RequestId, route: Route, deadline: Instant, message: M) {
        let turn = self.next;
        self.next += 1;
        self.order.insert((route, turn, id));
        if deadline != Instant::NEVER {
            self.deadlines.insert((deadline, id));
        }
        let entry = Entry {
            message,
            route,
            turn,
            deadline,
        };
        self.waiting.insert(id, entry);
    }

    /// Takes a request out, wherever it stands.
    pub fn remove(&mut self, id: RequestId) -> Option<M> {
        let entry = self.waiting.remove(&id)?;
        self.order.remove(&(entry.route, entry.turn, id));
        self.deadlines.remove(&(entry.deadline, id));
        Some(entry.message)
    }

    /// Takes out any request, until `None`.
    pub fn pop(&mut self) -> Option<RequestId> {
        let (_, _, id) = *self.order.first()?;
        self.remove(id)?;
        Some(id)
    }

    /// The request that has waited longest on a route.
    pub fn first(&self, route: Route) -> Option<(RequestId, &M)> {
        let (found, _, id) = *self.order.range((route, 0, RequestId(0))..).next()?;
        if found != route {
            return None;
        }
        let entry = self.waiting.get(&id)?;
        Some((id, &entry.message))
    }

    /// The routes on which requests wait.
    pub fn routes(&self) -> Vec<Route> {
        let mut routes = Vec::new();
        let mut next = self.order.first();
        while let Some(&(route, ..)) = next {
            routes.push(route);
            let behind = (route, u64::MAX, RequestId(u32::MAX));
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
        Insert(usize, Option<u64>),
        Remove(u32),
        TakeFirst(usize),
        Expire(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0..3usize, prop::option::of(0..100u64)).prop_map(|(r, d)| Step::Insert(r, d)),
            1 => (0..60u32).prop_map(Step::Remove),
            2 => (0..3usize).prop_map(Step::TakeFirst),
            1 => (0..100u64).prop_map(Step::Expire),
        ]
    }

    proptest! {
        /// Against queues that are searched from end to end.
        #[test]
        fn is_a_queue_for_each_route(steps in prop::collection::vec(step(), 0..60)) {
            let mut blocked = Blocked::default();
            let mut model: [VecDeque<(RequestId, Instant)>; 3] = Default::default();
            let mut ids = 0;
            for step in steps {
                match step {
                    Step::Insert(route, deadline) => {
                        let (id, deadline) = (RequestId(ids), deadline.map_or(Instant::NEVER, Instant));
                        ids += 1;
                        blocked.insert(id, ROUTES[route], deadline, id);
                        model[route].push_back((id, deadline));
                    }
                    Step::Remove(id) => {
                        let id = RequestId(id);
                        let known = model.iter().flatten().any(|(known, _)| *known == id);
                        prop_assert_eq!(blocked.remove(id), known.then_some(id));
                        model.iter_mut().for_each(|queue| queue.retain(|(known, _)| *known != id));
                    }
                    Step::TakeFirst(route) => {
                        let first = blocked.first(ROUTES[route]).map(|(id, _)| id);
                        prop_assert_eq!(first, model[route].pop_front().map(|(id, _)| id));
                        if let Some(id) = first {
                            blocked.remove(id);
                        }
                    }
                    Step::Expire(now) => {
                        let mut expired = BTreeSet::new();
                        while let Some((id, _)) = blocked.pop_expired(Instant(now)) {
                            expired.insert(id);
                        }
                        for queue in &mut model {
                            queue.retain(|(id, at)| *at > Instant(now) || !expired.remove(id));
                            prop_assert!(queue.iter().all(|(_, at)| *at > Instant(now)));
                        }
                        prop_assert!(expired.is_empty());
                    }
                }
                let waiting = ROUTES.iter().zip(&model).filter(|(_, queue)| !queue.is_empty());
                let waiting: Vec<Route> = waiting.map(|(route, _)| *route).collect();
                prop_assert_eq!(blocked.routes(), waiting);
                let soonest = model.iter().flatten().map(|(_, at)| *at).min();
                let soonest = soonest.filter(|at| *at != Instant::NEVER);
                prop_assert_eq!(blocked.next_deadline(), soonest);
                prop_assert_eq!(blocked.is_empty(), model.iter().all(VecDeque::is_empty));
            }
        }
    }
}
