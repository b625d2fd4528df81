//! Erlang's two formulas, and how many servers a target takes.

use super::normal::distribution_over_density;

/// No answer of this module is more servers than this: loops end, whatever is asked.
const SERVERS_MAX: u32 = 10_000_000;

/// The probability that an arrival finds all of `servers` busy and is lost (M/G/c/c).
///
/// `offered` is in erlangs. Cost: one division a server; the recursion never leaves [0, 1], where
/// the sum of powers over factorials overflows at about 170 servers.
/// Source: Kleinrock, section 3.6; the recursion is that of Jagerman, "Some Properties of the
/// Erlang Loss Function", Bell System Technical Journal 53 (1974).
pub fn erlang_b(servers: u32, offered: f64) -> f64 {
    (1..=servers).fold(1.0, |blocking, servers| next_b(blocking, servers, offered))
}

/// The probability that an arrival finds all servers busy and waits (M/M/c); 1 from rho = 1 on.
///
/// Cost: that of [`erlang_b`]. Source: Kleinrock, section 3.5.
pub fn erlang_c(servers: u32, offered: f64) -> f64 {
    c_of_b(erlang_b(servers, offered), servers, offered)
}

/// The fewest servers that lose at most `blocking_max` of the arrivals.
pub fn servers_for_blocking(offered: f64, blocking_max: f64) -> u32 {
    servers_until(offered, |blocking, _| blocking <= blocking_max)
}

/// The fewest servers among which at most `waiting_max` of the arrivals wait at all.
pub fn servers_for_waiting(offered: f64, waiting_max: f64) -> u32 {
    servers_until(offered, |blocking, servers| {
        offered < f64::from(servers) && c_of_b(blocking, servers, offered) <= waiting_max
    })
}

/// The same by the square-root rule, `a + beta sqrt(a)`: what a large system needs beyond its
/// load grows with the root of the load alone.
///
/// Cost: the bisection of [`safety`], whatever the load.
/// Source: Halfin and Whitt, "Heavy-Traffic Limits for Queues with Many Exponential Servers",
/// Operations Research 29 (1981); Whitt, "Understanding the Efficiency of Multi-Server Service
/// Systems", Management Science 38 (1992).
pub fn square_root_staffing(offered: f64, waiting_max: f64) -> u32 {
    let servers = offered + safety(waiting_max) * offered.sqrt();
    (servers.ceil() as u32).clamp(1, SERVERS_MAX)
}

/// Beta of the square-root rule: the factor at which a share `waiting` of the arrivals waits.
///
/// Solves `waiting = 1 / (1 + beta Phi(beta) / phi(beta))`, which falls from 1 at beta = 0.
pub fn safety(waiting: f64) -> f64 {
    let (mut low, mut high) = (0.0, 30.0);
    for _ in 0..60 {
        let beta = f64::midpoint(low, high);
        match halfin_whitt(beta) > waiting {
            true => low = beta,
            false => high = beta,
        }
    }
    high
}

fn halfin_whitt(beta: f64) -> f64 {
    1.0 / (1.0 + beta * distribution_over_density(beta))
}

fn servers_until(offered: f64, enough: impl Fn(f64, u32) -> bool) -> u32 {
    let mut blocking = 1.0;
    for servers in 1..SERVERS_MAX {
        blocking = next_b(blocking, servers, offered);
        if enough(blocking, servers) {
            return servers;
        }
    }
    SERVERS_MAX
}

fn next_b(blocking: f64, servers: u32, offered: f64) -> f64 {
    let lost = offered * blocking;
    lost / (f64::from(servers) + lost)
}

fn c_of_b(blocking: f64, servers: u32, offered: f64) -> f64 {
    let utilisation = offered / f64::from(servers.max(1));
    match utilisation < 1.0 {
        true => blocking / (1.0 - utilisation * (1.0 - blocking)),
        false => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn near(found: f64, wanted: f64, tolerance: f64) -> bool {
        (found - wanted).abs() <= tolerance * wanted.abs()
    }

    #[test]
    fn blocking_is_that_of_the_published_tables() {
        // One server: a / (1 + a). Two: a^2/2 / (1 + a + a^2/2).
        assert!(near(erlang_b(1, 1.0), 0.5, 1e-12));
        assert!(near(erlang_b(2, 1.0), 0.2, 1e-12));
        // Traffic tables: 4.461 E at 1 % take 10 trunks, 84.064 E take 100.
        assert!(near(erlang_b(10, 4.461), 0.01, 1e-3));
        assert!(near(erlang_b(100, 84.064), 0.01, 1e-3));
        assert_eq!(servers_for_blocking(4.46, 0.01), 10);
    }

    #[test]
    fn waiting_is_that_of_the_text_books() {
        // M/M/1 waits with probability rho; M/M/2 with 2 rho^2 / (1 + rho).
        assert!(near(erlang_c(1, 0.7), 0.7, 1e-12));
        assert!(near(erlang_c(2, 1.5), 2.0 * 0.5625 / 1.75, 1e-12));
        // From Erlang C's tables: 20 erlangs on 30 servers, about 0.025.
        assert!(near(erlang_c(30, 20.0), 0.0248, 0.02));
        assert_eq!(erlang_c(3, 3.0), 1.0);
        assert_eq!(erlang_c(3, 9.0), 1.0);
    }

    #[test]
    fn a_million_servers_neither_overflow_nor_vanish() {
        let blocking = erlang_b(1_000_000, 1_000_000.0);
        // At load = servers, B tends to sqrt(2 / (pi c)).
        let limit = (2.0 / (std::f64::consts::PI * 1e6)).sqrt();
        assert!(near(blocking, limit, 0.01), "{blocking} {limit}");
    }

    #[test]
    fn the_safety_factor_is_the_published_one() {
        // Halfin and Whitt: half of the arrivals wait at beta = 0.506, a tenth at 1.420.
        assert!(near(safety(0.5), 0.506, 2e-3), "{}", safety(0.5));
        assert!(near(safety(0.1), 1.420, 2e-3), "{}", safety(0.1));
        assert!(safety(1.0) < 1e-9);
    }

    proptest! {
        #[test]
        fn more_servers_block_and_delay_less(offered in 0.01f64..200.0, servers in 1u32..250) {
            let (few, more) = (erlang_b(servers, offered), erlang_b(servers + 1, offered));
            prop_assert!((0.0..=1.0).contains(&few) && (more < few || few < 1e-300));
            prop_assert!(erlang_c(servers + 1, offered) <= erlang_c(servers, offered));
            prop_assert!(erlang_c(servers, offered) >= few);
        }

        #[test]
        fn the_fewest_servers_are_enough_and_one_less_is_not(
            offered in 0.01f64..300.0, target in 1e-9f64..0.9
        ) {
            let servers = servers_for_blocking(offered, target);
            prop_assert!(erlang_b(servers, offered) <= target);
            prop_assert!(servers == 1 || erlang_b(servers - 1, offered) > target);
            let servers = servers_for_waiting(offered, target);
            prop_assert!(erlang_c(servers, offered) <= target);
            prop_assert!(servers == 1 || erlang_c(servers - 1, offered) > target);
        }

        #[test]
        fn the_square_root_rule_is_near_the_exact_answer(
            offered in 20.0f64..2000.0, target in 0.01f64..0.8
        ) {
            let rule = f64::from(square_root_staffing(offered, target));
            let exact = f64::from(servers_for_waiting(offered, target));
            prop_assert!((rule - exact).abs() <= 2.0 + 0.01 * exact, "{rule} {exact}");
        }
    }
}
