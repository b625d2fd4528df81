//! Every test on every executor this machine has.

use super::*;
use crate::exchange::Address;
use crate::net::Clock;
use crate::time::Instant;
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

mod sockets;

/// Runs `test` on each executor, on a thread of its own.
fn on_each<F: Future<Output = ()>>(test: impl Fn() -> F + Send + Sync) {
    for kind in kinds() {
        std::thread::scope(|scope| {
            scope
                .spawn(|| run(kind, None, &test).unwrap_or_else(|error| panic!("{kind}: {error}")))
                .join()
                .unwrap();
        });
    }
}

fn kinds() -> Vec<RuntimeKind> {
    match probe() {
        Ok(()) => vec![RuntimeKind::Uring, RuntimeKind::Epoll],
        Err(blocked) => {
            eprintln!("on epoll only: {blocked}");
            vec![RuntimeKind::Epoll]
        }
    }
}

#[test]
fn a_task_is_not_polled_inside_spawn() {
    on_each(async || {
        let ran = Rc::new(Cell::new(false));
        let flag = Rc::clone(&ran);
        let task = spawn(async move { flag.set(true) });
        assert!(!ran.get() && !task.is_finished());
        yield_now().await;
        assert!(ran.get() && task.is_finished());
    });
}

#[test]
fn a_cancelled_task_is_dropped_at_once() {
    on_each(async || {
        let held = Rc::new(());
        let inside = Rc::clone(&held);
        let task = spawn(async move {
            sleep(Duration::from_secs(3600)).await;
            drop(inside);
        });
        yield_now().await;
        assert_eq!(Rc::strong_count(&held), 2);
        task.cancel();
        assert_eq!(Rc::strong_count(&held), 1);
        assert!(task.is_finished());
    });
}

#[test]
fn a_task_may_cancel_itself() {
    on_each(async || {
        let myself: Rc<RefCell<Option<Task>>> = Rc::default();
        let handle = Rc::clone(&myself);
        let task = spawn(async move {
            yield_now().await;
            handle.borrow().as_ref().unwrap().cancel();
            std::future::pending::<()>().await;
        });
        *myself.borrow_mut() = Some(task);
        while !myself.borrow().as_ref().unwrap().is_finished() {
            yield_now().await;
        }
    });
}

#[test]
fn tasks_are_dropped_when_the_run_ends() {
    for kind in kinds() {
        let held = std::sync::Arc::new(());
        let inside = std::sync::Arc::clone(&held);
        run(kind, None, || async move {
            spawn(async move {
                std::future::pending::<()>().await;
                drop(inside);
            });
            yield_now().await;
        })
        .unwrap();
        assert_eq!(std::sync::Arc::strong_count(&held), 1, "{kind}");
    }
}

#[test]
fn a_panicking_task_ends_the_run_with_its_message() {
    for kind in kinds() {
        let ended = run(kind, None, || async {
            spawn(async { panic!("what happened") });
            std::future::pending::<()>().await;
        });
        let Err(RunError::Panicked { message }) = ended else {
            panic!("{kind}: {ended:?}");
        };
        assert_eq!(message, "what happened");
        // And the thread can run another.
        assert_eq!(run(kind, None, || async { 7 }).unwrap(), 7);
    }
}

#[test]
fn a_run_inside_a_run_and_a_missing_processor_are_errors() {
    for kind in kinds() {
        let inner = run(kind, None, || async { run(kind, None, || async {}) }).unwrap();
        assert!(matches!(inner, Err(RunError::Nested)));
        let far = run(kind, Some(100_000), || async {});
        assert!(matches!(far, Err(RunError::Pin { cpu: 100_000, .. })));
    }
}

#[test]
fn timers_fire_in_order_and_not_early() {
    on_each(async || {
        let start = now();
        let fired = Rc::new(RefCell::new(Vec::new()));
        for after in [30, 10, 20, 0] {
            let fired = Rc::clone(&fired);
            spawn(async move {
                let deadline = start + Duration::from_millis(after);
                Timer::until(deadline).await;
                assert!(now() >= deadline);
                fired.borrow_mut().push(after);
            });
        }
        while fired.borrow().len() < 4 {
            sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(*fired.borrow(), [0, 10, 20, 30]);
    });
}

#[test]
fn a_timer_can_be_moved_both_ways_while_it_is_awaited() {
    on_each(async || {
        let mut timer = Timer::new();
        assert!(poll_once(&mut timer).await.is_pending());
        timer.reset(now() + Duration::from_millis(5));
        (&mut timer).await;
        assert!(poll_once(&mut timer).await.is_ready());
        timer.reset(now() + Duration::from_secs(3600));
        assert!(poll_once(&mut timer).await.is_pending());
        let timer = Rc::new(RefCell::new(timer));
        let other = Rc::clone(&timer);
        spawn(async move {
            sleep(Duration::from_millis(2)).await;
            other.borrow_mut().reset(now());
        });
        poll_fn(|cx| Pin::new(&mut *timer.borrow_mut()).poll(cx)).await;
    });
}

#[test]
fn a_clock_tells_when_a_moment_has_come() {
    on_each(async || {
        let mut clock = Timer::new();
        let near = now() + Duration::from_millis(3);
        poll_fn(|cx| {
            assert!(clock.poll_until(cx, Instant::NEVER).is_pending());
            clock.poll_until(cx, near)
        })
        .await;
        assert!(now() >= near);
        poll_fn(|cx| clock.poll_until(cx, near)).await;
        let past = Instant(now().0 - 1);
        poll_fn(|cx| clock.poll_until(cx, past)).await;
    });
}

#[test]
fn a_timeout_drops_its_future() {
    on_each(async || {
        let held = Rc::new(());
        let inside = Rc::clone(&held);
        let slow = async move {
            std::future::pending::<()>().await;
            drop(inside);
        };
        assert_eq!(timeout(Duration::from_millis(1), slow).await, Err(Elapsed));
        assert_eq!(Rc::strong_count(&held), 1);
        assert_eq!(timeout(Duration::from_secs(3600), async { 5 }).await, Ok(5));
    });
}

#[test]
fn a_ring_wakes_a_sleeping_thread_every_time() {
    on_each(async || {
        let (there, arriving) = ring(4);
        let (back, answers) = ring(4);
        let echo = std::thread::spawn(move || {
            run(RuntimeKind::Epoll, None, || async move {
                while let Some(n) = arriving.next().await {
                    back.send(n).unwrap();
                }
            })
            .unwrap();
        });
        for n in 0..2_000_u32 {
            there.send(n).unwrap();
            assert_eq!(answers.next().await, Some(n));
        }
        drop(there);
        assert_eq!(answers.next().await, None);
        echo.join().unwrap();
    });
}

#[test]
fn a_full_ring_gives_the_value_back_and_a_flood_arrives_whole() {
    on_each(async || {
        let (producer, consumer) = ring(8);
        let flood = std::thread::spawn(move || {
            let mut refused = 0;
            for n in 0..50_000_u32 {
                let mut value = n;
                while let Err(Full(back)) = producer.send(value) {
                    value = back;
                    refused += 1;
                    std::thread::yield_now();
                }
            }
            refused
        });
        let mut expected = 0;
        while let Some(value) = consumer.next().await {
            assert_eq!(value, expected);
            expected += 1;
        }
        assert_eq!(expected, 50_000);
        flood.join().unwrap();
    });
}

#[test]
fn a_bell_is_a_waker_for_any_thread() {
    on_each(async || {
        let (producer, consumer) = ring(1);
        let bell = std::task::Waker::from(Bell::here());
        let other = std::thread::spawn(move || {
            producer.send(1).unwrap();
            bell.wake();
        });
        assert_eq!(consumer.next().await, Some(1));
        other.join().unwrap();
    });
}

#[test]
fn an_appender_writes_in_order_and_answers_each() {
    on_each(async || {
        let path = temporary("append");
        let target = Target::File {
            path: path.clone(),
            truncate: true,
        };
        let mut appender = Appender::open(&target).unwrap();
        for n in 0..100 {
            let batch = vec![format!("{n} ").into(), "line\n".into()];
            if let Err(batch) = appender.append(batch) {
                poll_fn(|cx| appender.poll_written(cx)).await.unwrap();
                appender.append(batch).unwrap();
            }
        }
        while appender.has_unanswered() {
            poll_fn(|cx| appender.poll_written(cx)).await.unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap();
        let expected: String = (0..100).map(|n| format!("{n} line\n")).collect();
        assert_eq!(written, expected);
        std::fs::remove_file(path).unwrap();
    });
}

#[test]
fn an_appender_reports_a_disk_that_is_full() {
    on_each(async || {
        let full = Target::File {
            path: "/dev/full".into(),
            truncate: false,
        };
        let mut appender = Appender::open(&full).unwrap();
        appender.append(vec!["x".into()]).unwrap();
        let error = poll_fn(|cx| appender.poll_written(cx)).await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
    });
}

async fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx))).await
}

/// A path that no other test uses, not longer than a socket's name may be.
fn temporary(name: &str) -> std::path::PathBuf {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("tailrace-{name}-{}-{n}", std::process::id()))
}
