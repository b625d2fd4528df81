//! The ring between shards, beside the standard library's bounded channel. An item is a value of
//! eight words, as large as what shards send each other.

use crate::bench::{Bench, Input};
use crate::product::Given;
use std::sync::mpsc::sync_channel;
use std::thread;
use tailrace_engine::runtime::{Full, ring};

type Value = [u64; 8];

const SLOTS: usize = 1024;

/// Values in one call between two threads: enough that starting the second one does not show.
const VALUES: usize = 200_000;

pub fn stages(bench: &mut Bench) {
    let input = |name: &str, values: usize| Input {
        name: name.to_owned(),
        bytes: values * size_of::<Value>(),
        items: values,
        requests: 1,
    };
    let (producer, consumer) = ring::<Value>(SLOTS);
    let (sender, receiver) = sync_channel::<Value>(SLOTS);
    bench
        .stages(input("1024_values_on_one_thread", SLOTS), Given::default())
        .stage("ring_fill_and_drain", || {
            let sent = (0..SLOTS as u64).filter(|n| producer.send([*n; 8]).is_ok());
            let sent = sent.count() as u64;
            sent + std::iter::from_fn(|| consumer.pop()).count() as u64
        })
        .other("std_fill_and_drain", || {
            let sent = (0..SLOTS as u64).filter(|n| sender.try_send([*n; 8]).is_ok());
            let sent = sent.count() as u64;
            sent + receiver.try_iter().count() as u64
        });
    bench
        .stages(
            input("200000_values_between_threads", VALUES),
            Given::default(),
        )
        .stage("ring_send_and_pop", across_ring)
        .other("std_send_and_receive", across_channel);
}

fn across_ring() -> u64 {
    let (producer, consumer) = ring::<Value>(SLOTS);
    let sending = thread::spawn(move || {
        for n in 0..VALUES as u64 {
            let mut value = [n; 8];
            while let Err(Full(back)) = producer.send(value) {
                value = back;
                thread::yield_now();
            }
        }
    });
    let mut sum = 0;
    for _ in 0..VALUES {
        let value = loop {
            match consumer.pop() {
                Some(value) => break value,
                None => thread::yield_now(),
            }
        };
        sum += value[0];
    }
    sending.join().expect("it does not panic");
    sum
}

fn across_channel() -> u64 {
    let (sender, receiver) = sync_channel::<Value>(SLOTS);
    let sending = thread::spawn(move || {
        for n in 0..VALUES as u64 {
            sender.send([n; 8]).expect("the receiver is there");
        }
    });
    let sum = receiver.iter().map(|value| value[0]).sum();
    sending.join().expect("it does not panic");
    sum
}
