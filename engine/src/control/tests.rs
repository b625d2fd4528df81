//! What control does about a shard that dies. A shard here is a thread that runs what a test says.

use super::start::{run_shard, start_control};
use super::*;
use crate::Engine;
use crate::assembly::Assembly;
use crate::runtime::{RuntimeKind, ring, spawn};
use std::io;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;

/// A shard that runs `main` in place of a shard's own, for as long as that lives.
fn shard<F: Future<Output = io::Result<()>>>(
    id: ShardId,
    main: impl FnOnce(Consumer<Order>, Producer<Report>) -> F + Send + 'static,
) -> (ShardLink, JoinHandle<()>) {
    let (orders, order_inbox) = ring(8);
    let (reports, report_inbox) = ring(8);
    let (last_words, died) = sync_channel(1);
    let thread = std::thread::spawn(move || {
        run_shard(RuntimeKind::Epoll, None, id, &last_words, || {
            main(order_inbox, reports)
        });
    });
    let link = ShardLink {
        orders,
        reports: report_inbox,
        died,
        drained: false,
        last: None,
    };
    (link, thread)
}

/// An engine without lanes and listeners, of these shards.
fn engine(shards: Vec<(ShardLink, JoinHandle<()>)>) -> Engine {
    let assembly = Assembly {
        pipelines: Vec::new(),
        listeners: Vec::new(),
        clients: Vec::new(),
        names: Vec::new(),
        files: Vec::new(),
        labels: Labels::default(),
    };
    let count = shards.len();
    let (links, shard_threads) = shards.into_iter().unzip();
    let names = Names::new(&Vec::new()).expect("no name to resolve");
    let (commands, inbox) = ring(8);
    let thread = start_control(assembly, links, names, inbox, Vec::new()).expect("a thread");
    Engine(Running {
        kind: RuntimeKind::Epoll,
        blocked: None,
        shards: count,
        listening: Vec::new(),
        commands,
        thread,
        shard_threads,
    })
}

/// Holds its ends of the rings and does nothing.
async fn idle(orders: Consumer<Order>, reports: Producer<Report>) -> io::Result<()> {
    let _held = (orders, reports);
    std::future::pending().await
}

fn cause_of_death(outcome: Outcome, expected: ShardId) -> String {
    match outcome {
        Outcome::ShardDied { shard, cause } if shard == expected => cause,
        outcome => panic!("{outcome:?}"),
    }
}

/// The library says so and returns: whether the process ends is its owner's to decide.
#[test]
fn a_shard_whose_task_panics_ends_the_engine_with_its_message() {
    let engine = engine(vec![
        shard(ShardId(0), idle),
        shard(ShardId(1), |orders, reports| async {
            spawn(async { panic!("an invariant did not hold") });
            idle(orders, reports).await
        }),
    ]);
    let cause = cause_of_death(engine.wait(), ShardId(1));
    assert_eq!(cause, "a task panicked: an invariant did not hold");
}

#[test]
fn a_shard_that_panics_itself_is_no_different() {
    let engine = engine(vec![
        shard(ShardId(0), |orders, reports| async {
            let _held = (orders, reports);
            panic!("an invariant did not hold")
        }),
        shard(ShardId(1), idle),
    ]);
    let cause = cause_of_death(engine.wait(), ShardId(0));
    assert_eq!(cause, "a task panicked: an invariant did not hold");
}

#[test]
fn an_error_of_the_system_is_the_cause_as_well() {
    let engine = engine(vec![shard(ShardId(0), |orders, reports| async {
        let _held = (orders, reports);
        Err(io::Error::other("no descriptor is left"))
    })]);
    let cause = cause_of_death(engine.wait(), ShardId(0));
    assert_eq!(cause, "no descriptor is left");
}

/// Also when it dies of being asked to stop: nothing that it held was delivered.
#[test]
fn a_shard_that_panics_while_it_stops_has_died() {
    let engine = engine(vec![shard(ShardId(0), |orders, reports| async move {
        let _held = reports;
        poll_fn(|cx| orders.poll_recv(cx)).await;
        panic!("an invariant did not hold")
    })]);
    let cause = cause_of_death(engine.stop(Duration::from_secs(60)), ShardId(0));
    assert_eq!(cause, "a task panicked: an invariant did not hold");
}
