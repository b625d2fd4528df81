//! What the backend answers.

use crate::item::{Export, Item};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::watch;
use tonic::Code;

/// The answer to one call. A code of the other protocol than the call's is translated as the
/// OpenTelemetry Collector does it, so that one script serves both.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    Accept,
    /// Success that says some items were refused.
    Partial {
        rejected: i64,
        message: String,
    },
    Grpc {
        code: Code,
        message: String,
        /// Sent as `google.rpc.RetryInfo`.
        retry_after: Option<Duration>,
    },
    Http {
        status: u16,
        /// The `Retry-After` header as it stands on the wire.
        retry_after: Option<String>,
    },
    /// None at all; the caller's deadline has to end it.
    Silence,
}

/// What decides on an answer: first the size, then poison, then what was queued, then the rest.
#[derive(Debug)]
pub struct Script {
    /// For the next calls, one each.
    pub next: VecDeque<Answer>,
    /// For calls that nothing else decides.
    pub otherwise: Answer,
    /// A message larger than this, uncompressed, is refused as grpc-go does, or with 413.
    pub message_bytes_max: Option<usize>,
    /// A request that contains one of these items is refused for good.
    pub poison: BTreeSet<u64>,
    /// A connection that has brought so many requests is told to go: GOAWAY, or
    /// `connection: close`. What is open on it is answered.
    pub requests_per_connection: Option<usize>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            next: VecDeque::new(),
            otherwise: Answer::Accept,
            message_bytes_max: None,
            poison: BTreeSet::new(),
            requests_per_connection: None,
        }
    }
}

impl Answer {
    pub fn grpc(code: Code) -> Self {
        Self::Grpc {
            code,
            message: format!("scripted {code:?}"),
            retry_after: None,
        }
    }

    pub fn http(status: u16) -> Self {
        Self::Http {
            status,
            retry_after: None,
        }
    }

    /// Whether the backend keeps the items of the call.
    pub fn accepts(&self) -> bool {
        matches!(self, Self::Accept | Self::Partial { .. })
    }
}

impl Script {
    fn judge(&mut self, export: &Export, bytes: usize) -> Answer {
        if let Some(limit) = self.message_bytes_max
            && bytes > limit
        {
            return Answer::Grpc {
                code: Code::ResourceExhausted,
                message: format!("grpc: received message larger than max ({bytes} vs. {limit})"),
                retry_after: None,
            };
        }
        let poisoned = |item: &Item| item.id().is_some_and(|id| self.poison.contains(&id));
        if !self.poison.is_empty() && export.items().iter().any(poisoned) {
            return Answer::grpc(Code::InvalidArgument);
        }
        self.next.pop_front().unwrap_or(self.otherwise.clone())
    }
}

/// A script that is asked by the server and changed by the test, and the gate for held answers.
#[derive(Debug)]
pub(super) struct Judge {
    script: Mutex<Script>,
    held: watch::Sender<bool>,
}

impl Default for Judge {
    fn default() -> Self {
        Self {
            script: Mutex::default(),
            held: watch::Sender::new(false),
        }
    }
}

impl Judge {
    pub(super) fn change(&self, change: impl FnOnce(&mut Script)) {
        change(
            &mut self
                .script
                .lock()
                .expect("no test panics while it changes the script"),
        );
    }

    pub(super) fn hold(&self, held: bool) {
        self.held.send_replace(held);
    }

    /// Whether a connection has brought enough with this request, its n-th.
    pub(super) fn is_enough(&self, requests: usize) -> bool {
        let script = self.script.lock();
        let script = script.expect("no test panics while it changes the script");
        script.requests_per_connection == Some(requests)
    }

    pub(super) fn judge(&self, export: &Export, bytes: usize) -> Answer {
        self.script
            .lock()
            .expect("no test panics while it changes the script")
            .judge(export, bytes)
    }

    /// Returns when answers may leave.
    pub(super) async fn gate(&self) {
        let mut held = self.held.subscribe();
        // The sender lives as long as `self`.
        let _ = held.wait_for(|held| !held).await;
    }
}
