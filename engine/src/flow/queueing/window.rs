//! How much must be under way to keep a long path busy.

/// The bytes that fill a path of `bytes_per_second` and `rtt_seconds`: a window below it leaves the
/// path idle, one above it stands in a queue.
///
/// Source: RFC 1072, section 1 (Jacobson and Braden, 1988).
pub fn bandwidth_delay_product(bytes_per_second: f64, rtt_seconds: f64) -> f64 {
    bytes_per_second * rtt_seconds
}

/// The fastest that a window of `window_bytes` carries over `rtt_seconds`, in bytes a second.
///
/// Source: RFC 7323, section 1.1.
pub fn throughput_of_window(window_bytes: f64, rtt_seconds: f64) -> f64 {
    window_bytes / rtt_seconds
}

/// Requests under way at `requests_per_second`, each answered after `rtt_seconds`.
///
/// Source: Little, "A Proof for the Queuing Formula L = lambda W", Operations Research 9 (1961).
pub fn in_flight(requests_per_second: f64, rtt_seconds: f64) -> f64 {
    requests_per_second * rtt_seconds
}

/// The fastest that one TCP connection goes over a path that loses a share of its packets, in
/// bytes a second; infinite without loss. What makes several connections faster than one.
///
/// `segment_bytes` is the maximum segment size. Source: Mathis, Semke, Mahdavi, Ott, "The
/// Macroscopic Behavior of the TCP Congestion Avoidance Algorithm", Computer Communication Review
/// 27 (1997), with C = sqrt(3/2).
pub fn throughput_of_lossy_path(segment_bytes: f64, rtt_seconds: f64, packet_loss: f64) -> f64 {
    segment_bytes / rtt_seconds * (1.5 / packet_loss).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_and_quotients_are_of_the_units_they_say() {
        // A satellite's 1.5 Mbit/s over 0.53 s: some 100 kB.
        let product = bandwidth_delay_product(1.5e6 / 8.0, 0.53);
        assert!((product - 99_375.0).abs() < 1.0);
        // Without window scaling, 64 KiB over 100 ms: some 5.2 Mbit/s.
        let bits = throughput_of_window(65_536.0, 0.1) * 8.0;
        assert!((bits - 5.24e6).abs() < 1e4);
        assert!((in_flight(250.0, 0.08) - 20.0).abs() < 1e-12);
        // 1460 B, 100 ms, 0.1 %: 14600 B/s times sqrt(1500).
        let bits = throughput_of_lossy_path(1460.0, 0.1, 1e-3) * 8.0;
        assert!((bits - 4.52e6).abs() < 1e4, "{bits}");
        assert_eq!(throughput_of_lossy_path(1460.0, 0.1, 0.0), f64::INFINITY);
    }
}
