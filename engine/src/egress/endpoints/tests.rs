//! Endpoints at ports 1, 2 and so on; an attempt is known by its number.

use super::*;
use crate::exchange::{ClientCommand, CloseReason, Framing};
use crate::flow::balancing::{BalancingRule, Policy};
use crate::units::{ConnectionId, LaneId};
use http::{HeaderMap, Method, Uri};
use tailrace_codec::Rope;

const TIMEOUT: Duration = Duration::from_secs(5);

struct Rig {
    endpoints: Endpoints,
    table: ConnectionTable,
    now: Instant,
    /// Connections asked for and not answered for: endpoint and id.
    connecting: Vec<(u16, ConnectionId)>,
    sent: Vec<(u32, String)>,
    /// Attempts on their way: the endpoint and the connection each went out on.
    open: HashMap<u32, (u16, ConnectionId)>,
    unsent: Vec<u32>,
}

fn endpoint(port: u16) -> Endpoint {
    let uri = format!("http://h{port}/").parse::<Uri>().expect("a URI");
    Endpoint {
        addresses: vec![Address::Tcp(([127, 0, 0, 1], port).into())],
        head: Rc::new(AttemptHead {
            method: Method::POST,
            uri,
            headers: HeaderMap::new(),
            framing: Framing::Plain,
        }),
    }
}

impl Rig {
    fn new(levels: &[usize]) -> Self {
        let settings = DestinationSettings {
            endpoint: EndpointId::first(LaneId(0)),
            connections_max: 1,
            streams_max: 100,
            spread: false,
            age_max: Duration::MAX,
            spare_idle_max: Duration::MAX,
        };
        let rule = BalancingRule {
            policy: Policy::RoundRobin,
            endpoints: levels
                .iter()
                .map(|level| (format!("{level}"), *level))
                .collect(),
            outlier: None,
            failback_after: TIMEOUT,
        };
        let ports = (1..).take(levels.len());
        Self {
            endpoints: Endpoints::new(&settings, ports.map(endpoint).collect(), Some(rule), 1),
            table: ConnectionTable::new(),
            now: Instant(1),
            connecting: Vec::new(),
            sent: Vec::new(),
            open: HashMap::new(),
            unsent: Vec::new(),
        }
    }

    fn send(&mut self, id: u32) {
        let attempt = Attempt {
            id: AttemptId(id),
            head: endpoint(9).head,
            extra: None,
            body: Rope::new(),
            deadline: self.now + TIMEOUT,
        };
        self.endpoints.send(attempt, 0, &mut self.table, self.now);
        self.outputs();
    }

    /// Ends every connect: those to `dead` endpoints fail.
    fn settle(&mut self, dead: &[u16]) {
        while let Some((index, id)) = self.connecting.pop() {
            let endpoint = EndpointId {
                lane: LaneId(0),
                index,
            };
            let now = self.now;
            self.endpoints
                .act(endpoint, &mut self.table, now, |it, table| {
                    if dead.contains(&index) {
                        let reason = CloseReason::Unreachable { os_error: None };
                        it.handle_closed(id, &reason, table, now);
                    } else {
                        it.handle_connected(id, 100, table, now);
                    }
                });
            self.outputs();
        }
    }

    fn answer(&mut self, id: u32) {
        let (index, connection) = self.open.remove(&id).expect("it is on its way");
        let endpoint = EndpointId {
            lane: LaneId(0),
            index,
        };
        let now = self.now;
        self.endpoints
            .act(endpoint, &mut self.table, now, |it, table| {
                it.handle_answered(connection, table, now);
            });
        self.endpoints
            .handle_ended(AttemptId(id), Ended::Answered, now);
        self.outputs();
    }

    fn outputs(&mut self) {
        while let Some((index, output)) = self.endpoints.poll_output() {
            match output {
                DestinationOutput::Connect { connection, .. } => {
                    self.connecting.push((index, connection));
                }
                DestinationOutput::Command {
                    connection,
                    command: ClientCommand::Send(attempt),
                } => {
                    self.open.insert(attempt.id.0, (index, connection));
                    self.sent.push((attempt.id.0, attempt.head.uri.to_string()));
                }
                DestinationOutput::Unsent { attempt } => self.unsent.push(attempt.id.0),
                DestinationOutput::Resolve | DestinationOutput::Command { .. } => {}
            }
        }
    }
}

#[test]
fn an_attempt_that_finds_nobody_goes_to_another_with_its_head() {
    let mut rig = Rig::new(&[0, 0, 0]);
    for id in 0..6 {
        rig.send(id);
    }
    rig.settle(&[1]);
    assert_eq!(rig.unsent, [0; 0]);
    assert_eq!(rig.sent.len(), 6);
    assert!(
        rig.sent.iter().all(|(_, uri)| !uri.contains("h2")),
        "{:?}",
        rig.sent
    );
    let in_flight = rig.endpoints.counters();
    assert_eq!(in_flight.iter().map(|it| it.in_flight).sum::<u64>(), 6);
    assert_eq!(in_flight[1].ejected, 1);
    for id in 0..6 {
        rig.answer(id);
    }
    assert!(rig.endpoints.counters().iter().all(|it| it.in_flight == 0));
}

#[test]
fn where_nobody_answers_the_lane_hears_of_it_once() {
    let mut rig = Rig::new(&[0, 0, 1]);
    rig.send(7);
    rig.settle(&[0, 1, 2]);
    assert_eq!((rig.unsent.as_slice(), rig.sent.len()), ([7].as_slice(), 0));
}

#[test]
fn another_level_is_tried_before_the_lane_hears() {
    let mut rig = Rig::new(&[0, 0, 1]);
    rig.send(7);
    rig.settle(&[0, 1]);
    assert_eq!(rig.sent, [(7, "http://h3/".to_owned())]);
    let changes: Vec<_> = std::iter::from_fn(|| rig.endpoints.poll_change()).collect();
    assert!(changes.contains(&Change::Level { from: 0, to: 1 }));
}

#[test]
fn what_waits_when_connections_are_closed_goes_nowhere_else() {
    let mut rig = Rig::new(&[0, 0]);
    rig.send(1);
    rig.endpoints.drain(rig.now);
    rig.outputs();
    assert_eq!(rig.unsent, [1]);
    assert!(rig.sent.is_empty());
}

#[test]
fn a_dead_endpoint_costs_one_connect_for_each_pause() {
    let mut rig = Rig::new(&[0, 0]);
    let mut connects = 0;
    for id in 0..1000 {
        rig.send(id);
        connects += rig
            .connecting
            .iter()
            .filter(|(index, _)| *index == 1)
            .count();
        rig.settle(&[1]);
        rig.answer(id);
        rig.now = rig.now + Duration::from_millis(10);
        rig.endpoints.handle_timeout(&mut rig.table, rig.now);
        rig.outputs();
    }
    // After 0.2, 0.4, 0.8, 1.6, 3.2 and 6.4 s.
    assert!((5..8).contains(&connects), "{connects} in ten seconds");
    assert_eq!(rig.sent.len(), 1000);
}
