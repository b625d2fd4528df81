//! Connecting, before any protocol is spoken.

mod sockets;

use super::rig::{Rig, body, http_head, run, settle};
use super::settings::{Protocol, Settings};
use crate::exchange::{ClientCommand, CloseReason, Failure};
use std::io;
use std::time::Duration;
use tokio::io::DuplexStream;

fn start(connect: impl Future<Output = io::Result<DuplexStream>> + 'static) -> Rig {
    Rig::connect(Settings::new(Protocol::Http1), connect)
}

#[test]
fn a_refused_connection_names_the_error() {
    run(async {
        let mut rig = start(async { Err(io::Error::from_raw_os_error(111)) });
        let attempt = rig.send(&http_head(), body(10));
        settle().await;
        assert_eq!(rig.record.failure(attempt), Some(Failure::Unprocessed));
        let reason = CloseReason::Unreachable {
            os_error: Some(111),
        };
        assert_eq!(rig.record.close_reason(), Some(reason));
    });
}

#[test]
fn a_connection_that_never_comes_times_out_after_attempts_that_have_less_time() {
    run(async {
        let mut rig = start(std::future::pending());
        let hasty = rig.send_until(&http_head(), body(10), Duration::from_secs(1));
        let patient = rig.send(&http_head(), body(10));
        let cancelled = rig.send(&http_head(), body(10));
        rig.cancel(cancelled);
        rig.pass(Duration::from_secs(1)).await;
        assert_eq!(rig.record.failure(hasty), Some(Failure::TimedOut));
        rig.pass(Duration::from_secs(4)).await;
        assert_eq!(rig.record.failure(patient), Some(Failure::Unprocessed));
        assert_eq!(
            rig.record.close_reason(),
            Some(CloseReason::ConnectTimedOut)
        );
    });
    run(async {
        let rig = start(async { Err(io::ErrorKind::TimedOut.into()) });
        settle().await;
        assert_eq!(
            rig.record.close_reason(),
            Some(CloseReason::ConnectTimedOut)
        );
    });
}

#[test]
fn drain_while_connecting_ends_at_once() {
    run(async {
        let mut rig = start(std::future::pending());
        let attempt = rig.send(&http_head(), body(10));
        rig.mailbox.send(ClientCommand::Drain);
        settle().await;
        assert_eq!(rig.record.failure(attempt), Some(Failure::Unprocessed));
        assert_eq!(rig.record.close_reason(), Some(CloseReason::Drained));
    });
}
