//! A bounded queue with Poisson arrivals and exponential services: M/M/c/K, and M/M/1/K by c = 1.

use super::erlang::erlang_b;

/// A station of `servers` equal servers in which at most `capacity` may be, those served included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FiniteQueue {
    /// lambda, of all arrivals, the blocked ones included.
    pub arrival_rate: f64,
    /// mu of one server.
    pub service_rate: f64,
    /// c, at least 1.
    pub servers: u32,
    /// K; taken as c where it is less.
    pub capacity: u64,
}

/// What a queue does in the long run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Steady {
    /// Of the arrivals, the share that finds no room.
    pub blocking: f64,
    /// The share of time in which all servers are busy.
    pub all_busy: f64,
    /// The share of the servers that is busy.
    pub utilisation: f64,
    /// L_q.
    pub waiting: f64,
    /// L.
    pub in_system: f64,
    /// W_q of those that are let in, in seconds.
    pub queueing_seconds: f64,
    /// W of those that are let in, in seconds.
    pub system_seconds: f64,
}

impl FiniteQueue {
    /// Cost: one division a server, whatever the capacity.
    ///
    /// The states in which servers are idle weigh as in Erlang's loss system, and those in which
    /// something waits are geometric in rho, so that both parts have closed forms:
    ///
    /// ```text
    ///   weight of n <= c:   sums to 1, of which state c holds B(c, a)
    ///   weight of c + j:    B(c, a) rho^j,   0 <= j <= K - c
    /// ```
    ///
    /// With rho > 1 all weights are divided by `rho^(K-c)`: none exceeds 1, however long the queue.
    /// Source: Kleinrock, sections 3.6 to 3.8; Bolch, Greiner, de Meer, Trivedi, "Queueing Networks
    /// and Markov Chains" (2006), section 6.7.
    pub fn steady(&self) -> Steady {
        let servers = f64::from(self.servers.max(1));
        let offered = self.arrival_rate / self.service_rate;
        let rho = offered / servers;
        let room = self.capacity.saturating_sub(u64::from(self.servers)) as f64;
        let full = erlang_b(self.servers.max(1), offered);
        let tail = Tail::new(rho, room);
        let total = (1.0 - full) * tail.head_scale + full * tail.sum;
        let blocking = full * tail.last / total;
        let all_busy = full * tail.sum / total;
        let waiting = all_busy * tail.mean;
        let carried = offered * (1.0 - blocking);
        let let_in = self.arrival_rate * (1.0 - blocking);
        let queueing_seconds = match let_in > 0.0 {
            true => waiting / let_in,
            false => 0.0,
        };
        Steady {
            blocking,
            all_busy,
            utilisation: carried / servers,
            waiting,
            in_system: waiting + carried,
            queueing_seconds,
            system_seconds: queueing_seconds + 1.0 / self.service_rate,
        }
    }
}

/// The states c, c + 1, ... K: a geometric distribution cut off, in the scale in which its
/// largest weight is 1.
struct Tail {
    /// What the weights before state c are multiplied with.
    head_scale: f64,
    sum: f64,
    last: f64,
    /// How many wait, on average over these states.
    mean: f64,
}

impl Tail {
    fn new(rho: f64, room: f64) -> Self {
        let states = room + 1.0;
        // The decay from one state to the next, seen from the heavier end.
        let decay = rho.ln().abs();
        let last = (-decay * room).exp();
        let sum = match decay * states < 1e-12 {
            true => states,
            false => (-decay * states).exp_m1() / (-decay).exp_m1(),
        };
        let mean = cut_geometric_mean(decay, states);
        match rho > 1.0 {
            true => Self {
                head_scale: last,
                sum,
                last: 1.0,
                mean: room - mean,
            },
            false => Self {
                head_scale: 1.0,
                sum,
                last,
                mean,
            },
        }
    }
}

/// The mean of `j` in 0, 1, ... `states - 1`, weighted `exp(-decay j)`.
///
/// The closed form is a difference of two poles at decay = 0; near it, the poles are taken away by
/// hand and the rest is a short series (Bernoulli numbers over factorials).
fn cut_geometric_mean(decay: f64, states: f64) -> f64 {
    let all = decay * states;
    if all > 0.5 {
        return 1.0 / decay.exp_m1() - states / all.exp_m1();
    }
    let rest = |x: f64| {
        let square = x * x;
        x * (1.0 / 12.0 - square * (1.0 / 720.0 - square * (1.0 / 30_240.0 - square / 1_209_600.0)))
    };
    (states - 1.0) / 2.0 + rest(decay) - states * rest(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn queue(arrival_rate: f64, service_rate: f64, servers: u32, capacity: u64) -> FiniteQueue {
        FiniteQueue {
            arrival_rate,
            service_rate,
            servers,
            capacity,
        }
    }

    /// The birth-death chain solved state by state, in logarithms.
    fn chain(of: FiniteQueue) -> Vec<f64> {
        let mut logs = vec![0.0_f64];
        for state in 1..=of.capacity {
            let busy = state.min(u64::from(of.servers)) as f64;
            let step = (of.arrival_rate / (busy * of.service_rate)).ln();
            logs.push(logs.last().expect("the empty state") + step);
        }
        let max = logs.iter().copied().fold(f64::MIN, f64::max);
        let weights: Vec<f64> = logs.iter().map(|log| (log - max).exp()).collect();
        let total: f64 = weights.iter().sum();
        weights.iter().map(|weight| weight / total).collect()
    }

    #[test]
    fn one_server_is_the_text_book_s() {
        // M/M/1/K with rho = 1/2, K = 3: p_n = (8, 4, 2, 1) / 15.
        let steady = queue(1.0, 2.0, 1, 3).steady();
        assert!((steady.blocking - 1.0 / 15.0).abs() < 1e-15);
        assert!((steady.in_system - (4.0 + 4.0 + 3.0) / 15.0).abs() < 1e-15);
        // rho = 1: all states alike.
        let steady = queue(5.0, 5.0, 1, 9).steady();
        assert!((steady.blocking - 0.1).abs() < 1e-15);
        assert!((steady.in_system - 4.5).abs() < 1e-12);
    }

    #[test]
    fn without_room_to_wait_it_is_erlang_s_loss_system() {
        let steady = queue(8.0, 1.0, 10, 10).steady();
        assert!((steady.blocking - erlang_b(10, 8.0)).abs() < 1e-15);
        assert_eq!(steady.waiting, 0.0);
    }

    #[test]
    fn a_long_queue_is_an_unbounded_one() {
        // M/M/1: L = rho / (1 - rho), W = 1 / (mu - lambda).
        let steady = queue(90.0, 100.0, 1, 1_000_000_000).steady();
        assert!((steady.in_system - 9.0).abs() < 1e-9);
        assert!((steady.system_seconds - 0.1).abs() < 1e-10);
        assert_eq!(steady.blocking, 0.0);
    }

    #[test]
    fn an_overloaded_queue_is_full_and_refuses_the_excess() {
        let steady = queue(1000.0, 1.0, 100, 1_000_000_000).steady();
        assert!((steady.blocking - 0.9).abs() < 1e-9);
        assert!((steady.utilisation - 1.0).abs() < 1e-9);
        assert!((steady.in_system - 1e9).abs() < 1.0);
    }

    #[test]
    fn nothing_arrives_and_nothing_happens() {
        let steady = queue(0.0, 4.0, 2, 10).steady();
        assert_eq!((steady.blocking, steady.in_system), (0.0, 0.0));
        assert_eq!(steady.system_seconds, 0.25);
    }

    proptest! {
        #[test]
        fn is_the_solved_chain(
            rho in 0.02f64..3.0, service_rate in 0.01f64..1000.0, servers in 1u32..60,
            room in 0u64..400,
        ) {
            let arrival_rate = rho * service_rate * f64::from(servers);
            let queue = queue(arrival_rate, service_rate, servers, u64::from(servers) + room);
            let (steady, chain) = (queue.steady(), chain(queue));
            let mean: f64 = chain.iter().enumerate().map(|(n, p)| n as f64 * p).sum();
            let busy: f64 = chain[servers as usize..].iter().sum();
            let blocking = chain[chain.len() - 1];
            prop_assert!((steady.in_system - mean).abs() <= 1e-8 * mean);
            prop_assert!((steady.all_busy - busy).abs() <= 1e-8 * busy + 1e-300);
            prop_assert!((steady.blocking - blocking).abs() <= 1e-8 * blocking + 1e-300);
            let let_in = arrival_rate * (1.0 - blocking);
            prop_assert!((steady.system_seconds * let_in - mean).abs() <= 1e-8 * mean);
        }

        #[test]
        fn near_full_load_no_digit_is_lost(excess in -1e-4f64..1e-4, room in 0u64..2000) {
            let queue = queue(1.0 + excess, 1.0, 1, 1 + room);
            let (steady, chain) = (queue.steady(), chain(queue));
            let mean: f64 = chain.iter().enumerate().map(|(n, p)| n as f64 * p).sum();
            prop_assert!((steady.in_system - mean).abs() <= 1e-8 * mean);
        }

        #[test]
        fn more_room_blocks_less_and_makes_wait_longer(
            rho in 0.05f64..2.0, servers in 1u32..40, room in 0u64..200
        ) {
            let at = |capacity| queue(rho * f64::from(servers), 1.0, servers, capacity).steady();
            let (small, large) = (at(u64::from(servers) + room), at(u64::from(servers) + room + 1));
            prop_assert!(large.blocking <= small.blocking * (1.0 + 1e-12));
            prop_assert!(large.queueing_seconds >= small.queueing_seconds * (1.0 - 1e-9));
        }
    }
}
