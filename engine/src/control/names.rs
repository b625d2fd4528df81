//! Addresses of the exporters' endpoints: asked for again and again, never on a shard's thread.

use super::EndpointNames;
use crate::assembly::Name;
use crate::exchange::Address;
use crate::runtime::{Consumer, Producer, ring};
use crate::time::Instant;
use crate::units::EndpointId;
use std::net::ToSocketAddrs;
use std::sync::mpsc::{Sender, channel};
use std::task::{Context, Poll};
use std::time::Duration;

/// However often shards ask, a name is resolved at most this often.
const ASK_MIN: Duration = Duration::from_secs(1);

/// One name, shared by every endpoint that has it.
#[derive(Debug)]
struct Endpoint {
    name: Name,
    ids: Vec<EndpointId>,
    schedule: Schedule,
}

/// When a name is resolved: when a shard asks, every `dns_refresh` from then on, and never twice
/// within [`ASK_MIN`] nor while an answer is awaited.
#[derive(Debug)]
struct Schedule {
    refresh: Duration,
    asked: Option<Instant>,
    /// When it is to be resolved next.
    due: Instant,
    pending: bool,
}

impl Schedule {
    const fn new(refresh: Duration) -> Self {
        Self {
            refresh,
            asked: None,
            due: Instant::NEVER,
            pending: false,
        }
    }

    /// A shard has no address that answers.
    fn want(&mut self, now: Instant) {
        self.due = self.due.min(now);
    }

    /// Whether to ask now. Then the answer is awaited.
    fn poll_ask(&mut self, now: Instant) -> bool {
        if self.next_timeout().is_none_or(|due| due > now) {
            return false;
        }
        self.asked = Some(now);
        self.due = now + self.refresh;
        self.pending = true;
        true
    }

    fn handle_answer(&mut self, is_known: bool, now: Instant) {
        self.pending = false;
        if !is_known {
            // Nobody has the name now: ask again soon, whether or not a shard does.
            self.due = now;
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        if self.pending || self.due == Instant::NEVER {
            return None;
        }
        let soonest = self.asked.map_or(Instant(0), |asked| asked + ASK_MIN);
        Some(self.due.max(soonest))
    }
}

/// The names of all exporters, and the thread that resolves them.
#[derive(Debug)]
pub(super) struct Names {
    endpoints: Vec<Endpoint>,
    questions: Sender<(usize, Name)>,
    answers: Consumer<(usize, Vec<Address>)>,
}

impl Names {
    /// Nothing is resolved before a shard asks.
    pub fn new(names: &EndpointNames) -> std::io::Result<Self> {
        let mut endpoints: Vec<Endpoint> = Vec::new();
        for (id, name) in names {
            match endpoints.iter_mut().find(|endpoint| endpoint.name == *name) {
                Some(endpoint) => endpoint.ids.push(*id),
                None => endpoints.push(Endpoint {
                    name: name.clone(),
                    ids: vec![*id],
                    schedule: Schedule::new(name.refresh),
                }),
            }
        }
        let (questions, asked) = channel::<(usize, Name)>();
        let (producer, answers): (Producer<_>, _) = ring(endpoints.len().max(1));
        if !endpoints.is_empty() {
            // getaddrinfo blocks: it has a thread of its own, which ends with the sender.
            std::thread::Builder::new()
                .name("tailrace-names".into())
                .spawn(move || {
                    for (index, name) in asked {
                        if producer.send((index, resolve(&name))).is_err() {
                            return;
                        }
                    }
                })?;
        }
        Ok(Self {
            endpoints,
            questions,
            answers,
        })
    }

    /// A shard has no address that answers.
    pub fn want(&mut self, id: EndpointId, now: Instant) {
        let endpoint = self
            .endpoints
            .iter_mut()
            .find(|endpoint| endpoint.ids.contains(&id));
        if let Some(endpoint) = endpoint {
            endpoint.schedule.want(now);
        }
        self.handle_timeout(now);
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        for (index, endpoint) in self.endpoints.iter_mut().enumerate() {
            if endpoint.schedule.poll_ask(now) {
                // The thread that answers lives as long as this sender.
                let _ = self.questions.send((index, endpoint.name.clone()));
            }
        }
    }

    pub fn next_timeout(&self) -> Option<Instant> {
        let schedules = self.endpoints.iter().map(|endpoint| &endpoint.schedule);
        schedules.filter_map(Schedule::next_timeout).min()
    }

    /// What has been resolved since, for each endpoint.
    pub fn poll_resolved(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
    ) -> Vec<(EndpointId, Vec<Address>)> {
        let mut resolved = Vec::new();
        while let Poll::Ready(Some((index, addresses))) = self.answers.poll_recv(cx) {
            let endpoint = &mut self.endpoints[index];
            endpoint.schedule.handle_answer(!addresses.is_empty(), now);
            if addresses.is_empty() {
                tracing::warn!(host = endpoint.name.host, "name not resolved");
            }
            resolved.extend(endpoint.ids.iter().map(|id| (*id, addresses.clone())));
        }
        resolved
    }
}

fn resolve(name: &Name) -> Vec<Address> {
    let Ok(found) = (name.host.as_str(), name.port).to_socket_addrs() else {
        return Vec::new();
    };
    let mut addresses: Vec<_> = found.collect();
    // A resolver that rotates its answers is no reason to reconnect.
    addresses.sort_unstable();
    addresses.dedup();
    addresses.into_iter().map(Address::Tcp).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFRESH: Duration = Duration::from_secs(30);

    fn at(millis: u64) -> Instant {
        Instant(1) + Duration::from_millis(millis)
    }

    #[test]
    fn a_name_is_asked_for_when_a_shard_wants_it_and_then_every_refresh() {
        let mut schedule = Schedule::new(REFRESH);
        assert_eq!(schedule.next_timeout(), None);
        assert!(
            !schedule.poll_ask(at(0)),
            "before anybody sends nobody asks"
        );
        schedule.want(at(0));
        assert!(schedule.poll_ask(at(0)));
        schedule.handle_answer(true, at(5));
        assert_eq!(schedule.next_timeout(), Some(at(30_000)));
        assert!(!schedule.poll_ask(at(29_999)));
        assert!(schedule.poll_ask(at(30_000)));
    }

    #[test]
    fn however_often_shards_ask_it_is_once_a_second() {
        let mut schedule = Schedule::new(REFRESH);
        let mut asked = 0;
        for millis in (0..10_000).step_by(10) {
            schedule.want(at(millis));
            if schedule.poll_ask(at(millis)) {
                asked += 1;
                schedule.handle_answer(asked % 2 == 0, at(millis));
            }
        }
        assert_eq!(asked, 10);
    }

    #[test]
    fn one_question_at_a_time() {
        let mut schedule = Schedule::new(REFRESH);
        schedule.want(at(0));
        assert!(schedule.poll_ask(at(0)));
        schedule.want(at(5_000));
        assert_eq!(
            schedule.next_timeout(),
            None,
            "a slow resolver is not asked again"
        );
        assert!(!schedule.poll_ask(at(60_000)));
        schedule.handle_answer(true, at(60_000));
        assert!(schedule.poll_ask(at(60_000)), "somebody asked meanwhile");
    }

    #[test]
    fn an_unknown_name_is_asked_for_again_though_no_shard_does() {
        let mut schedule = Schedule::new(REFRESH);
        schedule.want(at(0));
        assert!(schedule.poll_ask(at(0)));
        schedule.handle_answer(false, at(100));
        assert_eq!(schedule.next_timeout(), Some(at(1_000)));
    }

    #[test]
    fn no_refresh_is_too_short() {
        let mut schedule = Schedule::new(Duration::ZERO);
        schedule.want(at(0));
        assert!(schedule.poll_ask(at(0)));
        schedule.handle_answer(true, at(0));
        assert_eq!(schedule.next_timeout(), Some(at(1_000)));
    }

    #[test]
    fn addresses_are_sorted_and_distinct() {
        let name = Name {
            host: "127.0.0.1".into(),
            port: 4317,
            refresh: REFRESH,
        };
        assert_eq!(
            resolve(&name),
            [Address::Tcp(([127, 0, 0, 1], 4317).into())]
        );
    }
}
