//! What queueing theory says of a queue: how often it is full, how long it is, how long one waits.
//!
//! Words are Kleinrock's: `lambda` arrivals a second, `mu` services a second of one server, `rho`
//! utilisation, `L` the number in the system, `W` the time in it (seconds), `q` for the part that
//! waits. A squared coefficient of variation (variance over squared mean) is 0 for a clock, 1 for
//! exponential times and above 1 for bursts.
//!
//! Sources: L. Kleinrock, Queueing Systems I (1975); G. Bolch et al., Queueing Networks and Markov
//! Chains (2006); W. Whitt, Approximations for the GI/G/m queue (1993); S. Halfin and W. Whitt,
//! Heavy-traffic limits for queues with many exponential servers (1981).
//!
//! Nothing here is exact about a real forwarder: arrivals and services are not independent, and
//! rates drift. Simulation says how far off it is.

#[cfg(test)]
mod tests;

/// A queue with Poisson arrivals, exponential services and `capacity` places, those in service
/// included: M/M/c/K. What comes when it is full is turned away.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Finite {
    pub lambda: f64,
    pub mu: f64,
    pub servers: u32,
    /// At least `servers`.
    pub capacity: u64,
}

/// The long-run means of a queue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Means {
    /// The share of arrivals that are turned away.
    pub blocking: f64,
    /// Of one server.
    pub utilisation: f64,
    /// In the system: `L`.
    pub number: f64,
    /// Of what is let in, in seconds: `W`.
    pub time: f64,
    /// Of these, waiting: `Wq`.
    pub waiting: f64,
}

impl Finite {
    /// The means, by the balance equations.
    ///
    /// Cost: O(servers), whatever the capacity: behind the servers the probabilities are a
    /// geometric series, which is summed in closed form.
    pub fn means(&self) -> Means {
        let servers = f64::from(self.servers.max(1));
        let places = self.capacity.max(u64::from(self.servers.max(1))) as f64 - servers;
        let offered = self.lambda / self.mu;
        // Relative to the state with all servers busy and nobody waiting, so that nothing overflows
        // however many servers there are: p(n-1) / p(n) = n / offered.
        let mut share = 1.0;
        let (mut below, mut busy_below) = (0.0, 0.0);
        for n in (1..=self.servers.max(1)).rev() {
            share *= f64::from(n) / offered;
            below += share;
            busy_below += share * f64::from(n - 1);
        }
        let rho = offered / servers;
        let tail = Tail::of(rho, places);
        let total = below + tail.sum;
        let full = tail.last / total;
        let in_line = tail.weighted / total;
        let busy = (busy_below + servers * tail.sum) / total;
        let let_in = self.lambda * (1.0 - full);
        Means {
            blocking: full,
            utilisation: busy / servers,
            number: busy + in_line,
            time: (busy + in_line) / let_in,
            waiting: in_line / let_in,
        }
    }

    /// The places that keep blocking at or below `loss`; `None` where no number does, because the
    /// servers cannot carry the load.
    pub fn capacity_for(lambda: f64, mu: f64, servers: u32, loss: f64) -> Option<u64> {
        let of = |capacity| {
            Self {
                lambda,
                mu,
                servers,
                capacity,
            }
            .means()
            .blocking
        };
        const MOST: u64 = 1 << 40;
        if of(MOST) > loss {
            return None;
        }
        // Blocking falls with the capacity: halve the range.
        let (mut low, mut high) = (u64::from(servers.max(1)), MOST);
        while low < high {
            let middle = low + (high - low) / 2;
            if of(middle) <= loss {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Some(low)
    }
}

/// The sums over `rho^j` for `j` from 0 to `places`: what waits behind busy servers.
struct Tail {
    sum: f64,
    /// Of `j * rho^j`.
    weighted: f64,
    /// `rho^places`.
    last: f64,
}

impl Tail {
    fn of(rho: f64, places: f64) -> Self {
        if (rho - 1.0).abs() * places.max(1.0) < 1e-6 {
            // Alike, to all digits that matter.
            let sum = places + 1.0;
            return Self {
                sum,
                weighted: places * sum / 2.0,
                last: 1.0,
            };
        }
        if rho < 1.0 {
            let last = rho.powf(places);
            let sum = (1.0 - last * rho) / (1.0 - rho);
            let weighted =
                rho * (1.0 - (places + 1.0) * last + places * last * rho) / (1.0 - rho).powi(2);
            return Self {
                sum,
                weighted,
                last,
            };
        }
        // Above 1 the terms grow without bound: counted from the last one down, they shrink.
        let back = Self::of(1.0 / rho, places);
        let scale = rho.powf(places.min(f64::MAX));
        if scale.is_finite() {
            return Self {
                sum: back.sum * scale,
                weighted: (places * back.sum - back.weighted) * scale,
                last: scale,
            };
        }
        // The states below do not matter any more; a scale that keeps the ratios.
        const HUGE: f64 = 1e290;
        Self {
            sum: back.sum * HUGE,
            weighted: (places * back.sum - back.weighted) * HUGE,
            last: HUGE,
        }
    }
}

/// The share of arrivals that find all `servers` busy and go away (Erlang's B formula). `offered`:
/// lambda / mu.
///
/// Cost: O(servers), by the recursion of Kleinrock I, section 3.6.
pub fn erlang_b(servers: u32, offered: f64) -> f64 {
    (1..=servers).fold(1.0, |blocked, n| {
        offered * blocked / (f64::from(n) + offered * blocked)
    })
}

/// The share of arrivals that wait for one of `servers` (Erlang's C formula); 1 at or above what
/// they can carry.
pub fn erlang_c(servers: u32, offered: f64) -> f64 {
    let rho = offered / f64::from(servers);
    if rho >= 1.0 {
        return 1.0;
    }
    let blocked = erlang_b(servers, offered);
    blocked / (1.0 - rho * (1.0 - blocked))
}

/// The mean time that an arrival waits for a single server (M/G/1, Pollaczek and Khinchine), in the
/// unit of `service`; infinite where `rho` is 1 or more. `service_scv`: of the service times.
pub fn pollaczek_khinchine(rho: f64, service: f64, service_scv: f64) -> f64 {
    if rho >= 1.0 {
        return f64::INFINITY;
    }
    rho / (1.0 - rho) * f64::midpoint(1.0, service_scv) * service
}

/// The same where arrivals are no Poisson process either (G/G/1, Kingman): an approximation that is
/// good in heavy traffic, and an upper bound there.
pub fn kingman(rho: f64, service: f64, arrival_scv: f64, service_scv: f64) -> f64 {
    if rho >= 1.0 {
        return f64::INFINITY;
    }
    rho / (1.0 - rho) * f64::midpoint(arrival_scv, service_scv) * service
}

/// The same for several servers (G/G/c, Allen and Cunneen): exact for M/M/c.
pub fn allen_cunneen(
    servers: u32,
    offered: f64,
    service: f64,
    arrival_scv: f64,
    service_scv: f64,
) -> f64 {
    let servers_f = f64::from(servers);
    let rho = offered / servers_f;
    if rho >= 1.0 {
        return f64::INFINITY;
    }
    let waits = erlang_c(servers, offered);
    waits / (servers_f * (1.0 - rho)) * f64::midpoint(arrival_scv, service_scv) * service
}

/// The time that a share `quantile` of all arrivals waits at most, in the unit of `mean_waiting`.
/// `waits`: the share that waits at all. Their times are taken as exponential, as they are in M/M/c.
pub fn waiting_quantile(quantile: f64, waits: f64, mean_waiting: f64) -> f64 {
    if !mean_waiting.is_finite() {
        return f64::INFINITY;
    }
    let beyond = 1.0 - quantile;
    if waits <= beyond || waits == 0.0 {
        return 0.0;
    }
    mean_waiting / waits * (waits / beyond).ln()
}

/// How many servers keep the share of arrivals that wait at or below `waits` (0 to 1): the offered
/// load and a multiple of its square root (square-root staffing), found by Erlang's C itself.
///
/// Cost: O(result), twice.
pub fn servers_for(offered: f64, waits: f64) -> u32 {
    // By the rule: beta such that Halfin and Whitt's delay is what is asked for is below 4 for one
    // in ten thousand. Then as few as will do.
    let most = (offered + 4.0 * offered.sqrt() + 4.0).ceil().min(1e6) as u32;
    let least = (offered.floor() as u32).saturating_add(1).min(most);
    (least..=most)
        .find(|&servers| erlang_c(servers, offered) <= waits)
        .unwrap_or(most)
}

/// Halfin and Whitt's approximation of the share that waits with `beta` square roots of the offered
/// load to spare.
pub fn halfin_whitt(beta: f64) -> f64 {
    let density = (-beta * beta / 2.0).exp() / std::f64::consts::TAU.sqrt();
    1.0 / (1.0 + beta * normal_below(beta) / density)
}

/// The share of a normal distribution below `x`, to 7 digits. Source: Abramowitz and Stegun, 26.2.17.
fn normal_below(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * x.abs());
    let density = (-x * x / 2.0).exp() / std::f64::consts::TAU.sqrt();
    let coefficients = [
        0.319_381_530,
        -0.356_563_782,
        1.781_477_937,
        -1.821_255_978,
        1.330_274_429,
    ];
    let polynomial = coefficients
        .iter()
        .rev()
        .fold(0.0, |sum, coefficient| (sum + coefficient) * t);
    let above = density * polynomial;
    if x < 0.0 { above } else { 1.0 - above }
}

/// The smallest batch with which a server that takes `per_batch` seconds for each batch and
/// `per_item` for each item in it carries `lambda` items a second at utilisation `rho` (bulk
/// service, Bailey 1954: the server is stable if a full batch takes less time than it takes to come).
/// `None`: the items alone are more than that.
pub fn batch_for(lambda: f64, per_batch: f64, per_item: f64, rho: f64) -> Option<f64> {
    let left = rho - lambda * per_item;
    (left > 0.0).then(|| (lambda * per_batch / left).max(1.0))
}

/// What must be on its way so that a path is never idle: bytes a second times the round trip.
pub fn bandwidth_delay(bytes_per_second: f64, round_trip: f64) -> f64 {
    bytes_per_second * round_trip
}
