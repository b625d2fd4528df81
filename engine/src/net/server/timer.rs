//! interim: the runtime's timer takes this place
use crate::time::Instant;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

thread_local! {
    static START: tokio::time::Instant = tokio::time::Instant::now();
}
pub(super) fn now() -> Instant {
    Instant(START.with(|start| start.elapsed()).as_nanos() as u64)
}

#[derive(Debug)]
pub(super) struct Timer {
    at: Instant,
    sleep: Option<Pin<Box<tokio::time::Sleep>>>,
}
impl Timer {
    pub(super) fn new() -> Self {
        Self {
            at: Instant::NEVER,
            sleep: None,
        }
    }
    pub(super) fn set(&mut self, at: Instant) {
        self.at = at;
        if at == Instant::NEVER {
            self.sleep = None;
            return;
        }
        let left = at.since(now()).min(Duration::from_secs(86400 * 365));
        self.sleep = Some(Box::pin(tokio::time::sleep(left)));
    }
    pub(super) fn deadline(&self) -> Instant {
        self.at
    }
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.sleep {
            None => Poll::Pending,
            Some(sleep) => sleep.as_mut().poll(cx).map(|()| self.sleep = None),
        }
    }
}
