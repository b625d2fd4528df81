//! The way of requests through a shard's pipeline, from their headers to the answer of every
//! destination, without sockets: admission, store, lanes, batches, outlets, verdicts.

mod world;

use crate::bench::{Bench, Input};
use crate::input::Request;
use tailrace_codec::Signal;
use world::{Setup, World};

/// One export request for each that came in, each accepted before it is delivered.
const EACH: &str = "sending_queue: {queue_size: 100000}";

/// Batches of 8192 spans.
const BATCHED: &str = "sending_queue: {queue_size: 100000, batch: {min_size: 8192, max_size: 8192, flush_timeout: 1s}}";

pub fn stages(bench: &mut Bench) {
    for (spans, requests, name) in [
        (512, 16, "16_requests_of_512_spans"),
        (10, 820, "820_requests_of_10_spans"),
        (1, 1024, "1024_requests_of_1_span"),
    ] {
        let request = Request::of(Signal::Traces, spans);
        let mut stages = Stages {
            bench,
            request: &request,
            requests,
            name,
        };
        stages.stage("lane_pass_through", &Setup::of(EACH));
        stages.stage("lane_batch_8192", &Setup::of(BATCHED));
        if spans == 512 {
            stages.stage("lane_fan_out_to_4", &Setup::of(EACH).lanes(4));
            stages.stage("lane_gzip_to_identity", &Setup::of(EACH).gzip_in());
            stages.stage("lane_identity_to_gzip", &Setup::of(EACH).gzip_out());
        }
    }
}

struct Stages<'a> {
    bench: &'a mut Bench,
    request: &'a Request,
    requests: usize,
    name: &'a str,
}

impl Stages<'_> {
    fn stage(&mut self, name: &str, setup: &Setup) {
        let one = self.request.input(self.name);
        let input = Input {
            bytes: one.bytes * self.requests,
            items: one.items * self.requests,
            requests: self.requests,
            ..one
        };
        let message = setup.message(&self.request.sliced);
        let mut world = World::new(setup);
        let mut given = self.request.given();
        given.add_rope(&message);
        self.bench.stages(input, given).stage_of(
            name,
            || {
                let messages = vec![message.clone(); self.requests];
                (messages, Vec::with_capacity(self.requests * setup.lanes))
            },
            |(messages, sent)| world.carry(messages, sent),
        );
        world.check(self.request.items);
    }
}
