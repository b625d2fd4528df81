//! Two things measured in turns: how many times as much one is, and how sure that is.

use crate::random::Random;
use serde::Serialize;

/// The median of paired ratios.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Ratio {
    pub median: f64,
    /// The middle 95 % of the medians of resampled rounds. With few rounds it is no wider than
    /// they are apart.
    pub low: f64,
    pub high: f64,
}

/// Resamples; more change the interval by less than the third digit.
const RESAMPLES: usize = 2_000;

impl Ratio {
    /// `None` without a round. Deterministic: the same rounds give the same interval.
    pub fn of(measured: &[f64], reference: &[f64]) -> Option<Self> {
        let pairs = measured.iter().zip(reference);
        let ratios: Vec<f64> = pairs
            .map(|(measured, reference)| measured / reference)
            .collect();
        if ratios.is_empty() {
            return None;
        }
        let mut random = Random::new(1);
        let mut resample = || {
            let drawn = (0..ratios.len()).map(|_| {
                let at = (random.unit() * ratios.len() as f64) as usize;
                ratios[at]
            });
            median(&mut drawn.collect::<Vec<_>>())
        };
        let mut medians: Vec<f64> = (0..RESAMPLES).map(|_| resample()).collect();
        medians.sort_by(f64::total_cmp);
        Some(Self {
            median: median(&mut ratios.clone()),
            low: medians[RESAMPLES / 40],
            high: medians[RESAMPLES - 1 - RESAMPLES / 40],
        })
    }
}

/// The middle value, or between the two in the middle; not a number of nothing.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => values[len / 2],
        len => f64::midpoint(values[len / 2 - 1], values[len / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&mut []).is_nan());
    }

    #[test]
    fn a_ratio_is_of_pairs_and_its_interval_holds_the_truth() {
        let mut random = Random::new(5);
        // The machine's speed changes from round to round, the ratio does not.
        let speed: Vec<f64> = (0..20).map(|_| 1.0 + random.unit()).collect();
        let noisy = |factor: f64, random: &mut Random| -> Vec<f64> {
            let noise = |speed: &f64| factor * speed * (0.02 * random.normal()).exp();
            speed.iter().map(noise).collect()
        };
        let (a, b) = (noisy(3.0, &mut random), noisy(1.0, &mut random));
        let ratio = Ratio::of(&a, &b).expect("rounds");
        assert!(ratio.low < 3.0 && 3.0 < ratio.high, "{ratio:?}");
        assert!(ratio.high - ratio.low < 0.2, "{ratio:?}");
        assert_eq!(Ratio::of(&a, &b), Some(ratio));
        assert_eq!(Ratio::of(&[], &[]), None);
    }
}
