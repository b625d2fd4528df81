//! Requests of threads that wait for their verdict.

use super::super::export::{ExportError, ExportReport};
use crate::exchange::Reply;
use crate::time::Instant;
use crate::units::RequestId;
use http::request::Parts;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::Duration;
use tailrace_codec::grpc::{Code, PREFIX_BYTES};
use tailrace_codec::otlp::response::PartialSuccess;
use tailrace_codec::{Rope, Signal};

pub(in super::super) type Answer = SyncSender<Result<ExportReport, ExportError>>;

/// A whole request that a thread waits for.
#[derive(Debug)]
pub(in super::super) struct Exporting {
    pub signal: Signal,
    pub message: Rope,
    pub timeout: Duration,
    pub claim: Arc<Claim>,
    pub answer: Answer,
}

/// Settles between the two threads whether a request goes in: who gives up before the shard has
/// begun knows that it is not sent.
#[derive(Debug, Default)]
pub(in super::super) struct Claim(AtomicU8);

const WAITING: u8 = 0;
const BEGUN: u8 = 1;
const GIVEN_UP: u8 = 2;

impl Claim {
    /// The shard puts it in. `false`: nobody waits any more.
    pub fn begin(&self) -> bool {
        self.change(BEGUN)
    }

    /// There was no room.
    pub fn undo(&self) {
        self.0.store(WAITING, Ordering::Relaxed);
    }

    /// `false`: it may be in.
    pub fn give_up(&self) -> bool {
        self.change(GIVEN_UP)
    }

    fn change(&self, to: u8) -> bool {
        // Relaxed: nothing but the decision is passed on.
        let changed = self
            .0
            .compare_exchange(WAITING, to, Ordering::Relaxed, Ordering::Relaxed);
        changed.is_ok()
    }
}

/// One of them, and until when.
#[derive(Debug)]
pub(super) struct Waiting {
    pub head: Parts,
    pub until: Instant,
    pub export: Box<Exporting>,
}

#[derive(Debug, Default)]
pub(super) struct Exports {
    /// There was no room for them yet.
    pub waiting: Vec<Waiting>,
    pub asked: HashMap<RequestId, Answer>,
}

impl Exports {
    /// Lets go of those that nobody waits for any more.
    pub fn expire(&mut self, now: Instant) {
        self.waiting.retain(|waiting| waiting.until > now);
    }
}

/// Who asked may have given up waiting.
pub(super) fn tell(answer: &Answer, outcome: Result<ExportReport, ExportError>) {
    let _ = answer.try_send(outcome);
}

/// What the pipeline says at once: the request never came in.
pub(super) fn refused(reply: &Reply) -> ExportError {
    match reply {
        Reply::Grpc(reply) if reply.code == Code::Unavailable => ExportError::Unavailable {
            message: reply.message.clone(),
        },
        reply => ExportError::Invalid {
            message: message(reply),
        },
    }
}

/// What the destinations said.
pub(super) fn verdict(reply: &Reply) -> Result<ExportReport, ExportError> {
    let Reply::Grpc(answer) = reply else {
        return Err(refused(reply));
    };
    let message = answer.message.clone();
    match answer.code {
        Code::Ok => {
            let response = answer.body.slice(PREFIX_BYTES.min(answer.body.len())..);
            // Written by ourselves: there is nothing in it that could not be read.
            let partial = PartialSuccess::from_protobuf(&response).unwrap_or_default();
            Ok(ExportReport {
                rejected_items: partial.rejected,
                message: partial.message,
            })
        }
        Code::Unavailable => Err(ExportError::Unavailable { message }),
        _ => Err(ExportError::Refused { message }),
    }
}

fn message(reply: &Reply) -> String {
    match reply {
        Reply::Grpc(reply) => reply.message.clone(),
        Reply::Http(_) | Reply::Reset(_) => "not answered as gRPC".to_owned(),
    }
}
