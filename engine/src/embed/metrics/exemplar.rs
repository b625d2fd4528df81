//! Single measurements that are kept beside what adds them up, so that a number leads to a trace.

use super::number::NumberKind;
use crate::embed::propagation::SpanContext;
use crate::flow::Random;
use tailrace_codec::otlp::encode::Exemplar;

/// Which measurements may become exemplars: `OTEL_METRICS_EXEMPLAR_FILTER`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExemplarFilter {
    /// Those that are measured in a span that is sampled.
    #[default]
    TraceBased,
    /// All of them. Cost: a try of a lock and a look at the clock with each measurement.
    AlwaysOn,
    AlwaysOff,
}

impl ExemplarFilter {
    pub(super) fn takes(self, context: Option<&SpanContext>) -> bool {
        match self {
            Self::TraceBased => context.is_some_and(SpanContext::is_sampled),
            Self::AlwaysOn => true,
            Self::AlwaysOff => false,
        }
    }
}

/// A measurement of the interval, each of which is kept with the same probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Kept {
    /// Which place of the reservoir it is for.
    pub place: u16,
    /// Measurements that were offered for the place, this one included.
    seen: u32,
    pub exemplar: Exemplar,
}

impl Kept {
    /// For another place.
    pub const fn at(self, place: u16) -> Self {
        Self { place, ..self }
    }
}

/// One exemplar for each place, out of all that are offered for it.
///
/// Memory: 64 bytes for each place that has one, allocated with the first ones.
#[derive(Debug)]
pub(super) struct Reservoir {
    kept: Vec<Kept>,
    random: Random,
}

impl Default for Reservoir {
    fn default() -> Self {
        Self {
            kept: Vec::new(),
            random: Random::new(0),
        }
    }
}

impl Reservoir {
    pub fn offer(&mut self, place: u16, exemplar: Exemplar) {
        self.merge(Kept {
            place,
            seen: 1,
            exemplar,
        });
    }

    /// Takes what another one kept for a place.
    pub fn merge(&mut self, offered: Kept) {
        let place = offered.place;
        match self.kept.iter_mut().find(|kept| kept.place == place) {
            None => self.kept.push(offered),
            Some(kept) => {
                let seen = kept.seen.saturating_add(offered.seen);
                let share = f64::from(offered.seen) / f64::from(seen);
                if self.random.unit() < share {
                    kept.exemplar = offered.exemplar;
                }
                kept.seen = seen;
            }
        }
    }

    /// What was kept; the memory stays.
    pub fn drain(&mut self) -> impl Iterator<Item = Kept> {
        self.kept.drain(..)
    }

    pub fn clear(&mut self) {
        self.kept.clear();
    }

    pub fn exemplars(&self) -> impl Iterator<Item = &Exemplar> {
        self.kept.iter().map(|kept| &kept.exemplar)
    }
}

/// A measurement as an exemplar.
pub(super) fn exemplar(
    kind: NumberKind,
    bits: u64,
    at: u64,
    context: Option<&SpanContext>,
) -> Exemplar {
    let ids = context.filter(|context| context.is_valid());
    Exemplar {
        value: kind.number(bits),
        at,
        trace_id: ids.map_or([0; 16], |context| context.trace_id().0),
        span_id: ids.map_or([0; 8], |context| context.span_id().0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tailrace_codec::otlp::encode::Number;

    fn of(value: i64) -> Exemplar {
        exemplar(NumberKind::Signed, value as u64, 0, None)
    }

    /// 4,000 reservoirs, ten offers each, some of them by way of another reservoir: each is kept
    /// about 400 times. The standard deviation is 19.
    #[test]
    fn each_offer_is_kept_as_often_as_any_other() {
        let mut counts = [0_i32; 10];
        for seed in 0..4_000 {
            let [mut first, mut second] = [seed, !seed].map(|seed| Reservoir {
                kept: Vec::new(),
                random: Random::new(seed),
            });
            (0..7).for_each(|value| first.offer(3, of(value)));
            (7..10).for_each(|value| second.offer(3, of(value)));
            second.drain().for_each(|kept| first.merge(kept));
            let Number::Int(kept) = first.exemplars().next().expect("one is kept").value else {
                panic!("integers were offered");
            };
            counts[kept as usize] += 1;
        }
        assert!(
            counts.iter().all(|count| (count - 400).abs() < 100),
            "{counts:?}"
        );
    }

    #[test]
    fn every_place_has_its_own() {
        let mut reservoir = Reservoir::default();
        reservoir.offer(1, of(10));
        reservoir.offer(2, of(20));
        let values: Vec<_> = reservoir.exemplars().map(|kept| kept.value).collect();
        assert_eq!(values, [Number::Int(10), Number::Int(20)]);
        assert_eq!(reservoir.drain().count(), 2);
        assert_eq!(reservoir.exemplars().count(), 0);
    }
}
