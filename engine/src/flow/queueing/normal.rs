//! The normal distribution, as far as staffing and percentiles need it.

/// The value that a share `quantile` of a standard normal variable does not exceed.
///
/// Quantiles nearer to 0 or 1 than 1e-15 are taken as that. Cost: 60 steps of a bisection.
pub fn normal_quantile(quantile: f64) -> f64 {
    let upper = quantile.max(1.0 - quantile).min(1.0 - 1e-15);
    let (mut low, mut high) = (0.0, 10.0);
    for _ in 0..60 {
        let x = f64::midpoint(low, high);
        match distribution(x) < upper {
            true => low = x,
            false => high = x,
        }
    }
    high.copysign(quantile - 0.5)
}

/// Phi(x) / phi(x) of the normal distribution, for x >= 0: all terms are positive, so that no
/// digit is lost to a difference.
///
/// Source: Marsaglia, "Evaluating the Normal Distribution", Journal of Statistical Software 11
/// (2004).
pub(super) fn distribution_over_density(x: f64) -> f64 {
    let half = 0.5 * std::f64::consts::TAU.sqrt() * (0.5 * x * x).exp();
    let (mut term, mut sum, mut odd) = (x, x, 1.0);
    while term > sum * f64::EPSILON {
        odd += 2.0;
        term *= x * x / odd;
        sum += term;
    }
    half + sum
}

/// Phi(x), for x >= 0.
fn distribution(x: f64) -> f64 {
    let density = (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
    density * distribution_over_density(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (quantile, wanted) in [
            (0.5, 0.0),
            (0.841_344_746, 1.0),
            (0.975, 1.959_964),
            (0.999, 3.090_232),
            (0.999_999, 4.753_424),
        ] {
            assert!(
                (normal_quantile(quantile) - wanted).abs() < 1e-6,
                "{quantile}"
            );
            assert!(
                (normal_quantile(1.0 - quantile) + wanted).abs() < 1e-6,
                "{quantile}"
            );
        }
        assert!(normal_quantile(1.0).is_finite() && normal_quantile(0.0).is_finite());
    }
}
