use super::*;
use crate::flow::Random;
use std::collections::BTreeSet;

const RULE: ConcurrencyRule = ConcurrencyRule {
    initial: 1,
    max: 200,
    decrease_ratio: 0.9,
    ewma_alpha: 0.4,
    rtt_deviation_scale: 2.5,
};

/// A destination with so many servers, whose service takes 50 ms and scatters, by a tenth if nothing
/// else is said; who finds none free waits, and who would be the `room`th to wait is refused.
struct Backend {
    servers: usize,
    room: usize,
    free: Vec<u64>,
    random: Random,
    scatter: fn(&mut Random) -> f64,
}

const SERVICE: f64 = 0.05;

impl Backend {
    fn new(servers: usize, room: usize) -> Self {
        Self {
            servers,
            room,
            free: vec![0; servers],
            random: Random::new(3),
            scatter: |random| 0.9 + 0.2 * random.unit(),
        }
    }

    /// When a request that comes now is answered; `None`: it is refused.
    fn serve(&mut self, in_flight: usize, now: u64) -> Option<u64> {
        if in_flight > self.servers + self.room {
            return None;
        }
        let scatter = (self.scatter)(&mut self.random);
        let service = (SERVICE * 1e9 * scatter) as u64;
        let server = self.free.iter_mut().min().expect("a server");
        *server = (*server).max(now) + service;
        Some(*server)
    }
}

/// A sender that always has more to send, for so many seconds; the limit at each answer of the
/// last half of the time, and how much was answered in it.
fn play(
    limit: &mut Concurrency,
    backend: &mut Backend,
    from: f64,
    seconds: f64,
) -> (Vec<usize>, f64) {
    let (start, end) = ((from * 1e9) as u64, ((from + seconds) * 1e9) as u64);
    let half = start + (end - start) / 2;
    let mut now = start;
    // By the time of its end: when it was sent, and whether it is answered.
    let mut flying: BTreeSet<(u64, u64, u32, bool)> = BTreeSet::new();
    let (mut number, mut answers, mut limits) = (0, 0, Vec::new());
    while now < end {
        while limit.has_room(flying.len()) {
            number += 1;
            limit.start(flying.len() + 1);
            let answer = backend.serve(flying.len() + 1, now);
            let at = answer.unwrap_or(now + 1_000_000);
            flying.insert((at, now, number, answer.is_some()));
        }
        let (at, sent, _, answered) = flying.pop_first().expect("one is always on its way");
        now = at;
        let time = Instant(now);
        if answered {
            limit.handle_answer(time.since(Instant(sent)), time);
        } else {
            limit.handle_push_back(time);
        }
        if now > half {
            limits.push(limit.limit());
            answers += u32::from(answered);
        }
    }
    (limits, f64::from(answers) / (seconds / 2.0))
}

fn median(limits: &mut [usize]) -> usize {
    limits.sort_unstable();
    limits[limits.len() / 2]
}

#[test]
fn it_keeps_all_servers_busy_and_the_line_short() {
    for servers in [1, 4, 20, 60] {
        let mut limit = Concurrency::new(RULE);
        let mut backend = Backend::new(servers, usize::MAX / 2);
        let (mut limits, throughput) = play(&mut limit, &mut backend, 0.0, 120.0);
        let full = servers as f64 / SERVICE;
        let median = median(&mut limits);
        assert!(
            throughput > 0.85 * full,
            "{servers} servers: {throughput} of {full} a second at {median}"
        );
        assert!(
            median <= 2 * servers + 2,
            "{servers} servers: {median} at once"
        );
    }
}

#[test]
fn times_left_to_chance_do_not_scare_it() {
    let mut limit = Concurrency::new(RULE);
    let mut backend = Backend {
        scatter: |random| -(1.0 - random.unit()).ln(),
        ..Backend::new(20, usize::MAX / 2)
    };
    let (mut limits, throughput) = play(&mut limit, &mut backend, 0.0, 120.0);
    let median = median(&mut limits);
    assert!(
        throughput > 0.8 * 20.0 / SERVICE,
        "{throughput} at {median}"
    );
    assert!(median <= 60, "{median} at once");
}

#[test]
fn who_refuses_is_given_less_and_not_much_less_than_it_takes() {
    let mut limit = Concurrency::new(RULE);
    // Refused from the first that would wait: times tell nothing.
    let mut backend = Backend::new(20, 0);
    let (mut limits, throughput) = play(&mut limit, &mut backend, 0.0, 120.0);
    let median = median(&mut limits);
    assert!(
        (12..=21).contains(&median),
        "{median} at once, {throughput} a second"
    );
    assert!(throughput > 0.75 * 20.0 / SERVICE, "{throughput}");
}

#[test]
fn after_a_brown_out_it_is_where_it_was() {
    let mut limit = Concurrency::new(RULE);
    let mut backend = Backend::new(40, usize::MAX / 2);
    let (_, before) = play(&mut limit, &mut backend, 0.0, 60.0);
    // A tenth of the servers is left for a minute.
    backend.free.truncate(4);
    let (mut limits, _) = play(&mut limit, &mut backend, 60.0, 60.0);
    assert!(median(&mut limits) < 20, "{limits:?}");
    backend.free = vec![(120.0 * 1e9) as u64; 40];
    let (_, after) = play(&mut limit, &mut backend, 120.0, 60.0);
    assert!(after > 0.85 * before, "{after} of {before}");
}

#[test]
fn it_stays_within_its_bounds() {
    let rule = ConcurrencyRule { max: 3, ..RULE };
    let mut limit = Concurrency::new(rule);
    let mut backend = Backend::new(100, usize::MAX / 2);
    let (limits, _) = play(&mut limit, &mut backend, 0.0, 10.0);
    assert_eq!(limits.iter().max(), Some(&3));
    for second in 20..80 {
        limit.handle_push_back(Instant(second * 1_000_000_000));
        assert!(limit.limit() >= 1);
    }
    assert_eq!(limit.limit(), 1);
    assert!(limit.has_room(0), "one is always let through");
}

#[test]
fn who_has_little_to_send_does_not_raise_it() {
    let mut limit = Concurrency::new(ConcurrencyRule { initial: 5, ..RULE });
    for n in 0..1000 {
        limit.start(1);
        limit.handle_answer(Duration::from_millis(50), Instant(n * 60_000_000));
    }
    assert_eq!(limit.limit(), 5);
}
