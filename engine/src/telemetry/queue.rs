//! A lane as a queue: what came, stayed and left of late. In the words of queueing theory.

/// Rates and sums of one lane, or of several added up: each field is a sum over shards, averages
/// being multiplied by the rate of what they are averages of.
///
/// Units: items, batches, bytes, seconds; rates by the second.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct QueueFlow {
    /// Consumers.
    pub servers: f64,
    /// Items that may still come in.
    pub room: f64,
    pub requests_per_second: f64,
    /// lambda.
    pub items_per_second: f64,
    pub bytes_per_second: f64,
    /// Squared coefficient of variation of the times between requests, times their rate.
    pub arrival_scv_rate: f64,
    pub items_out_per_second: f64,
    /// L.
    pub items_inside: f64,
    /// W and W_q, times the rate of items that left.
    pub inside_rate: f64,
    pub waiting_rate: f64,
    pub batches_per_second: f64,
    pub batch_items_rate: f64,
    /// The time a batch holds its consumer, and its square, times the rate of batches.
    pub service_rate: f64,
    pub service_square_rate: f64,
    /// Consumers at work.
    pub busy: f64,
}

impl QueueFlow {
    /// rho. Without consumers there is no such thing: 0.
    pub fn utilisation(&self) -> f64 {
        ratio(self.busy, self.servers)
    }

    /// c_a^2. Of several shards, the average by their requests.
    pub fn arrival_scv(&self) -> f64 {
        ratio(self.arrival_scv_rate, self.requests_per_second)
    }

    /// 1 / mu of one consumer, in seconds.
    pub fn service_seconds(&self) -> f64 {
        ratio(self.service_rate, self.batches_per_second)
    }

    /// c_s^2.
    pub fn service_scv(&self) -> f64 {
        let mean = self.service_seconds();
        let square = ratio(self.service_square_rate, self.batches_per_second);
        (ratio(square, mean * mean) - 1.0).max(0.0)
    }

    /// Items of a batch, on average.
    pub fn batch_items(&self) -> f64 {
        ratio(self.batch_items_rate, self.batches_per_second)
    }

    /// W.
    pub fn seconds_inside(&self) -> f64 {
        ratio(self.inside_rate, self.items_out_per_second)
    }

    /// W_q.
    pub fn seconds_waiting(&self) -> f64 {
        ratio(self.waiting_rate, self.items_out_per_second)
    }

    /// How far L and lambda W lie apart, of the larger: 0 where Little's law holds, as it does
    /// where no more comes than goes.
    pub fn little_deviation(&self) -> f64 {
        let product = self.items_per_second * self.seconds_inside();
        let apart = (self.items_inside - product).abs();
        ratio(apart, self.items_inside.max(product))
    }

    /// Seconds until there is no room, if it goes on like this; infinite where it does not grow.
    pub fn seconds_to_full(&self) -> f64 {
        let growth = self.items_per_second - self.items_out_per_second;
        if growth > 0.0 {
            self.room / growth
        } else {
            f64::INFINITY
        }
    }

    /// Seconds until nothing is inside, all consumers at work and senders as of late; infinite
    /// where that is not enough, or nothing was answered of late.
    pub fn seconds_to_drain(&self) -> f64 {
        if self.items_inside == 0.0 {
            return 0.0;
        }
        let capacity = ratio(self.servers * self.batch_items(), self.service_seconds());
        let spare = capacity - self.items_per_second;
        if spare > 0.0 {
            self.items_inside / spare
        } else {
            f64::INFINITY
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.servers += other.servers;
        self.room += other.room;
        self.requests_per_second += other.requests_per_second;
        self.items_per_second += other.items_per_second;
        self.bytes_per_second += other.bytes_per_second;
        self.arrival_scv_rate += other.arrival_scv_rate;
        self.items_out_per_second += other.items_out_per_second;
        self.items_inside += other.items_inside;
        self.inside_rate += other.inside_rate;
        self.waiting_rate += other.waiting_rate;
        self.batches_per_second += other.batches_per_second;
        self.batch_items_rate += other.batch_items_rate;
        self.service_rate += other.service_rate;
        self.service_square_rate += other.service_square_rate;
        self.busy += other.busy;
    }
}

fn ratio(of: f64, to: f64) -> f64 {
    if to > 0.0 { of / to } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 100 items come and go each second, ten a batch, each inside for a second, of which half
    /// is the consumer's.
    fn steady() -> QueueFlow {
        QueueFlow {
            servers: 10.0,
            room: 900.0,
            requests_per_second: 20.0,
            items_per_second: 100.0,
            bytes_per_second: 36_000.0,
            arrival_scv_rate: 20.0,
            items_out_per_second: 100.0,
            items_inside: 100.0,
            inside_rate: 100.0,
            waiting_rate: 50.0,
            batches_per_second: 10.0,
            batch_items_rate: 100.0,
            service_rate: 5.0,
            service_square_rate: 5.0,
            busy: 5.0,
        }
    }

    #[test]
    fn averages_are_ratios_of_what_adds_up() {
        let mut flow = steady();
        flow.add(&steady());
        assert_eq!(flow.items_per_second, 200.0);
        for flow in [flow, steady()] {
            assert_eq!(flow.utilisation(), 0.5);
            assert_eq!((flow.batch_items(), flow.arrival_scv()), (10.0, 1.0));
            assert_eq!((flow.seconds_inside(), flow.seconds_waiting()), (1.0, 0.5));
            assert_eq!((flow.service_seconds(), flow.service_scv()), (0.5, 1.0));
            assert_eq!(flow.little_deviation(), 0.0);
            assert_eq!(flow.seconds_to_full(), f64::INFINITY);
            // Ten consumers carry 200 a second, and 100 come.
            assert_eq!(flow.seconds_to_drain(), 1.0);
        }
    }

    #[test]
    fn what_grows_is_full_some_day_and_drains_never() {
        let flow = QueueFlow {
            items_per_second: 250.0,
            ..steady()
        };
        assert_eq!(flow.seconds_to_full(), 6.0);
        assert_eq!(flow.seconds_to_drain(), f64::INFINITY);
        assert_eq!(flow.little_deviation(), 0.6);
    }

    #[test]
    fn of_nothing_everything_is_zero_and_nothing_is_ever_full() {
        let flow = QueueFlow::default();
        for zero in [
            flow.utilisation(),
            flow.arrival_scv(),
            flow.service_seconds(),
            flow.service_scv(),
            flow.seconds_inside(),
            flow.little_deviation(),
            flow.seconds_to_drain(),
        ] {
            assert_eq!(zero, 0.0);
        }
        assert_eq!(flow.seconds_to_full(), f64::INFINITY);
    }
}
