use super::*;

fn phase(seconds: u64, shape: Shape) -> Phase {
    Phase {
        name: String::new(),
        duration: Duration::from_secs(seconds),
        shape,
    }
}

/// Every arrival, in seconds.
fn times(phases: Vec<Phase>, seed: u64) -> Vec<f64> {
    let mut arrivals = Arrivals::new(phases, seed);
    let mut times = Vec::new();
    while let Due::At(at) = arrivals.due() {
        times.push(at.as_secs_f64());
        arrivals.take();
    }
    assert_eq!(arrivals.due(), Due::Over);
    times
}

#[test]
fn a_steady_rate_is_evenly_spaced() {
    let steady = Shape::steady(4.0, Spacing::Constant);
    let expected = [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75];
    assert_eq!(times(vec![phase(2, steady)], 1), expected);
}

#[test]
fn a_ramp_has_the_area_under_it() {
    let ramp = |from, to| Shape::Ramp {
        from,
        to,
        spacing: Spacing::Constant,
    };
    let up = times(vec![phase(10, ramp(0.0, 100.0))], 1);
    assert_eq!(up.len(), 500);
    // Half of the time, a quarter of the arrivals.
    assert_eq!(up.iter().filter(|at| **at < 5.0).count(), 125);
    let down = times(vec![phase(10, ramp(100.0, 0.0))], 1);
    assert!(down.len().abs_diff(500) <= 1, "{}", down.len());
    assert!(down.iter().filter(|at| **at < 5.0).count().abs_diff(375) <= 1);
    assert!(down.windows(2).all(|pair| pair[0] < pair[1]));
    assert!(times(vec![phase(10, ramp(0.0, 0.0))], 1).is_empty());
}

#[test]
fn poisson_steps_have_the_mean_and_deviation_of_an_exponential() {
    let steady = Shape::steady(1000.0, Spacing::Poisson);
    let at = times(vec![phase(100, steady)], 42);
    assert!(at.len().abs_diff(100_000) < 1500, "{}", at.len());
    let steps: Vec<_> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let mean = steps.iter().sum::<f64>() / steps.len() as f64;
    let variance = steps.iter().map(|step| (step - mean).powi(2)).sum::<f64>() / steps.len() as f64;
    assert!((mean - 1e-3).abs() < 2e-5, "{mean}");
    assert!((variance.sqrt() / mean - 1.0).abs() < 0.02);
    assert_eq!(at, times(vec![phase(100, steady)], 42), "a seed repeats");
    assert_ne!(at, times(vec![phase(100, steady)], 43));
}

#[test]
fn bursts_come_together() {
    let burst = Shape::Burst {
        requests: 3,
        every: Duration::from_secs(1),
    };
    assert_eq!(
        times(vec![phase(2, burst)], 1),
        [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]
    );
}

#[test]
fn phases_follow_one_another() {
    let two = Shape::steady(2.0, Spacing::Constant);
    let phases = vec![phase(1, two), phase(5, Shape::Pause), phase(1, two)];
    assert_eq!(times(phases, 1), [0.0, 0.5, 6.0, 6.5]);
}

#[test]
fn a_closed_loop_ends_with_its_time() {
    let steady = Shape::steady(1.0, Spacing::Constant);
    let mut arrivals = Arrivals::new(vec![phase(2, Shape::Max), phase(3, steady)], 1);
    let (from, until) = (Duration::ZERO, Duration::from_secs(2));
    assert_eq!(arrivals.end(), Duration::from_secs(5));
    arrivals.take();
    arrivals.handle_time(Duration::from_millis(1999));
    assert_eq!(arrivals.due(), Due::Free { from, until });
    arrivals.handle_time(until);
    assert_eq!(arrivals.due(), Due::At(until));
}

#[test]
fn what_was_due_and_never_sent_is_counted() {
    let steady = Shape::steady(10.0, Spacing::Constant);
    let mut arrivals = Arrivals::new(vec![phase(2, steady), phase(1, Shape::Max)], 1);
    for _ in 0..5 {
        arrivals.take();
    }
    assert_eq!(arrivals.abandon_before(Duration::from_secs(3)), 15);
    assert_eq!(arrivals.due(), Due::Over);
}
