//! What becomes of each connection and each request, by the script and by chance. Told the time,
//! it touches nothing.

use super::script::{Connections, End, Fault, Latency, Phase, Script};
use crate::random::{Random, scaled};
use http::StatusCode;
use std::collections::BTreeMap;
use std::time::Duration;
use tailrace_codec::grpc::Code;
use tailrace_engine::time::Instant;

/// How much of a capacity that was not used is kept.
const BURST: Duration = Duration::from_millis(100);

/// A script as it is played. Its first phase begins with the first connection.
#[derive(Debug)]
pub struct Behaviour {
    script: Script,
    random: Random,
    /// The phase that is played; past the last one a backend behaves.
    phase: usize,
    /// Since when; `None` before the first connection.
    since: Option<Instant>,
    /// Requests of this phase.
    requests: u64,
    /// What the capacity allows at this time (items); below 0 after more was taken.
    room: f64,
    filled: Instant,
    /// How often each fault has fired, by its name.
    fired: BTreeMap<&'static str, u64>,
}

/// What a new connection is like.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Manners {
    pub refused: bool,
    pub closed_windows: bool,
    pub frozen_after: Option<u64>,
    pub goaway_after: Option<u64>,
    pub bytes_per_second: Option<u64>,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fate {
    /// Before the answer.
    pub delay: Duration,
    /// `None`: it is taken, and told so.
    pub fault: Option<Fault>,
}

/// Of a load with the same seed. Their numbers must not be the same ones: where the n-th pause
/// between requests is as long as the n-th latency, a queue between the two hardly ever forms.
const APART: u64 = 0x7369_6e6b_0000_0000;

impl Behaviour {
    pub fn new(script: Script) -> Self {
        Self {
            random: Random::new(script.seed ^ APART),
            script,
            phase: 0,
            since: None,
            requests: 0,
            room: 0.0,
            filled: Instant::default(),
            fired: BTreeMap::new(),
        }
    }

    /// How often each fault has fired, by its name.
    pub const fn fired(&self) -> &BTreeMap<&'static str, u64> {
        &self.fired
    }

    /// Something that a connection was given has had its effect.
    pub fn count(&mut self, name: &'static str) {
        *self.fired.entry(name).or_default() += 1;
    }

    /// The name of the phase that is played at this time.
    pub fn phase(&mut self, now: Instant) -> &str {
        self.advance(now);
        self.script
            .phases
            .get(self.phase)
            .map_or("", |phase| &phase.name)
    }

    pub fn connection(&mut self, now: Instant) -> Manners {
        self.since.get_or_insert(now);
        self.advance(now);
        let Some(phase) = self.script.phases.get(self.phase) else {
            return Manners::default();
        };
        let Connections {
            refused,
            closed_windows,
            frozen_after,
            goaway_after,
            bytes_per_second,
        } = phase.connections;
        let manners = Manners {
            refused: self.random.happens(refused),
            closed_windows: self.random.happens(closed_windows),
            frozen_after,
            goaway_after,
            bytes_per_second,
        };
        if manners.refused {
            self.count("refused_connection");
        } else if manners.closed_windows {
            self.count("closed_windows");
        } else if manners.bytes_per_second.is_some() {
            self.count("slow_connection");
        }
        manners
    }

    /// Called once for each request, when it is complete.
    pub fn request(&mut self, now: Instant) -> Fate {
        self.since.get_or_insert(now);
        self.advance(now);
        self.requests += 1;
        let Some(phase) = self.script.phases.get(self.phase) else {
            return Fate {
                delay: Duration::ZERO,
                fault: None,
            };
        };
        let delay = draw(phase.latency, &mut self.random);
        let fault = pick(phase, &mut self.random);
        if let Some(fault) = &fault {
            self.count(fault.name());
        }
        Fate { delay, fault }
    }

    /// What becomes of a request of so many items that nothing else befalls: with a capacity, it is
    /// taken if what was taken before it was within that, and else refused until it is.
    pub fn take(&mut self, items: u64, now: Instant) -> Option<Fault> {
        let phase = self.script.phases.get(self.phase)?;
        let per_second = phase.capacity? as f64;
        let passed = (now - self.filled).as_secs_f64();
        self.room = (self.room + passed * per_second).min(per_second * BURST.as_secs_f64());
        self.filled = now;
        if self.room >= 0.0 {
            self.room -= items as f64;
            return None;
        }
        let wait = Duration::try_from_secs_f64(-self.room / per_second);
        self.count("over_capacity");
        Some(Fault::Refuse {
            grpc: Code::Unavailable,
            http: StatusCode::SERVICE_UNAVAILABLE,
            retry_after: wait.ok(),
        })
    }

    /// Goes on to the phase of this time. A phase that ends by time ends at that time, however late
    /// that is seen.
    fn advance(&mut self, now: Instant) {
        while let (Some(phase), Some(since)) = (self.script.phases.get(self.phase), self.since) {
            let over = match phase.end {
                End::After(duration) => Some(since + duration).filter(|end| *end <= now),
                End::Requests(most) => (self.requests >= most).then_some(now),
                End::Never => None,
            };
            let Some(end) = over else {
                return;
            };
            (self.since, self.requests) = (Some(end), 0);
            self.phase += 1;
        }
    }
}

fn draw(latency: Latency, random: &mut Random) -> Duration {
    match latency {
        Latency::None => Duration::ZERO,
        Latency::Fixed(delay) => delay,
        Latency::Exponential(mean) => scaled(mean, random.exponential()),
        Latency::LogNormal { median, sigma } => scaled(median, (sigma * random.normal()).exp()),
    }
}

fn pick(phase: &Phase, random: &mut Random) -> Option<Fault> {
    if phase.faults.is_empty() {
        return None;
    }
    let mut left = random.unit();
    let hit = phase.faults.iter().find(|(share, _)| {
        left -= share;
        left < 0.0
    });
    hit.map(|(_, fault)| *fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn behaviour(text: &str) -> Behaviour {
        Behaviour::new(Script::read(text, "script.yaml").expect("a script"))
    }

    #[test]
    fn phases_follow_one_another_by_time_and_by_requests() {
        let mut behaviour = behaviour(
            "phases:
               - {name: a, for: 2s}
               - {name: b, requests: 3, faults: [{silence: true}]}
               - {name: c, faults: [{garbage: 5}]}",
        );
        let start = Instant(7 * SECOND);
        assert_eq!(behaviour.connection(start), Manners::default());
        assert_eq!(behaviour.request(start).fault, None);
        let later = start + Duration::from_secs(2);
        assert_eq!(behaviour.phase(later), "b");
        for _ in 0..3 {
            assert_eq!(behaviour.request(later).fault, Some(Fault::Silence));
        }
        assert_eq!(
            behaviour.request(later).fault,
            Some(Fault::Garbage { bytes: 5 })
        );
        let fired: Vec<_> = behaviour
            .fired()
            .iter()
            .map(|(name, n)| (*name, *n))
            .collect();
        assert_eq!(fired, [("garbage", 1), ("silence", 3)]);
    }

    #[test]
    fn after_the_last_phase_a_backend_behaves() {
        let mut behaviour =
            behaviour("phases: [{for: 1s, connections: {refused: 1}, latency: {fixed: 5ms}}]");
        assert!(behaviour.connection(Instant(0)).refused);
        assert_eq!(
            behaviour.request(Instant(0)).delay,
            Duration::from_millis(5)
        );
        let after = Instant(SECOND);
        assert_eq!(behaviour.connection(after), Manners::default());
        assert_eq!(behaviour.request(after).delay, Duration::ZERO);
    }

    #[test]
    fn shares_are_kept_and_a_seed_repeats_them() {
        let text = "phases:
              - faults:
                  - {share: 0.2, refuse: {grpc: internal}}
                  - {share: 0.1, reset_connection: true}";
        let faults = || {
            let mut behaviour = behaviour(text);
            let fates = (0..10_000).map(|_| behaviour.request(Instant(0)).fault);
            fates.collect::<Vec<_>>()
        };
        let drawn = faults();
        let share = |name| {
            let of = drawn.iter().flatten().filter(|fault| fault.name() == name);
            of.count() as f64 / drawn.len() as f64
        };
        assert!((share("refuse") - 0.2).abs() < 0.02);
        assert!((share("reset_connection") - 0.1).abs() < 0.02);
        assert_eq!(drawn, faults());
    }

    #[test]
    fn a_capacity_is_kept_over_time_and_what_is_over_it_told_when_to_come() {
        let mut behaviour = behaviour("phases: [{items_per_second: 1000}]");
        let mut taken = 0;
        for tick in 0..10_000 {
            // Ten times as much as it takes.
            match behaviour.take(100, Instant(tick * SECOND / 100)) {
                None => taken += 100,
                Some(Fault::Refuse { retry_after, .. }) => {
                    assert!(
                        retry_after <= Some(Duration::from_millis(100)),
                        "{retry_after:?}"
                    );
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(
            (99_000..=101_000).contains(&taken),
            "{taken} in a hundred seconds"
        );
        let refused = behaviour.fired()["over_capacity"];
        assert_eq!(refused, 10_000 - taken / 100);
    }

    #[test]
    fn latencies_have_their_median_and_mean() {
        let mut random = Random::new(3);
        let mut sorted = |latency| {
            let mut delays: Vec<_> = (0..9_999).map(|_| draw(latency, &mut random)).collect();
            delays.sort_unstable();
            delays
        };
        let median = Duration::from_millis(10);
        let delays = sorted(Latency::LogNormal { median, sigma: 1.0 });
        let (middle, high) = (delays[4_999], delays[8_412]);
        assert!(
            middle.abs_diff(median) < Duration::from_millis(1),
            "{middle:?}"
        );
        // One deviation above: e times the median.
        assert!(
            high.abs_diff(scaled(median, 1_f64.exp())) < Duration::from_millis(3),
            "{high:?}"
        );
        let delays = sorted(Latency::Exponential(median));
        let mean = delays.iter().sum::<Duration>() / 9_999;
        assert!(mean.abs_diff(median) < Duration::from_millis(1), "{mean:?}");
    }
}
