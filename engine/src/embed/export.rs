//! Export of what must not be lost, by a thread that waits for the backend's verdict.

use super::doorway::Command;
use super::intake::{Claim, Exporting};
use super::life::Ended;
use super::recorder::item_head;
use super::service::{Embedded, deadline};
use bytes::Bytes;
use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};
use tailrace_codec::otlp::encode::Scope;
use tailrace_codec::{Rope, Signal};

/// What a request came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExportReport {
    /// Items the backend rejected for good while it took the others. Of a batch that others
    /// recorded into as well nobody says whose: as many as these could have been.
    pub rejected_items: u64,
    /// What the backend said of them, if it did.
    pub message: String,
}

/// Why a request was not delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExportError {
    /// The deadline passed first. With `is_queued` the request may be on its way and is still tried;
    /// without it there was no room for it until then, and it is not sent.
    TimedOut { is_queued: bool },
    /// The backend refused it for good, and said this.
    Refused { message: String },
    /// Given up: the backend could not be reached or had no room for as long as a batch is tried.
    Unavailable { message: String },
    /// It is larger than the engine takes, or no OTLP.
    Invalid { message: String },
    /// Telemetry, or this signal, is disabled.
    Disabled,
    /// The engine has ended.
    Ended(Ended),
}

impl fmt::Display for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut { is_queued: true } => {
                f.write_str("the deadline passed before the backend answered; it is still tried")
            }
            Self::TimedOut { is_queued: false } => f.write_str(
                "the deadline passed before the engine had room; the backend is slower than what \
                 is recorded",
            ),
            Self::Refused { message }
            | Self::Unavailable { message }
            | Self::Invalid { message } => f.write_str(message),
            Self::Disabled => f.write_str("telemetry of this signal is disabled"),
            Self::Ended(ended) => write!(f, "{ended}"),
        }
    }
}

impl std::error::Error for ExportError {}

impl Embedded {
    /// Exports finished items, by their content, and waits for what the backend says of them, at
    /// most for `timeout`. For what is seldom and must not be lost, such as audit records.
    ///
    /// They pass by the recorders and by what waits for a batch; what waits goes with them. A batch
    /// that fails is tried again as any other is. Cost: copies, a wake-up of the shard and back,
    /// and the backend's time.
    pub fn export_sync(
        &self,
        signal: Signal,
        scope: &Scope<'_>,
        items: &[&[u8]],
        timeout: Duration,
    ) -> Result<ExportReport, ExportError> {
        let mut content = Vec::new();
        for item in items {
            let (head, len) = item_head(item.len());
            content.extend_from_slice(&head[..len]);
            content.extend_from_slice(item);
        }
        let mut message = Rope::from(self.envelope(scope).head(content.len()));
        message.push(content.into());
        self.export_rope(signal, message, timeout)
    }

    /// Exports a whole `Export*ServiceRequest` of OTLP, as [`export_sync`](Self::export_sync) does.
    pub fn export_request(
        &self,
        signal: Signal,
        request: Bytes,
        timeout: Duration,
    ) -> Result<ExportReport, ExportError> {
        self.export_rope(signal, Rope::from(request), timeout)
    }

    fn export_rope(
        &self,
        signal: Signal,
        message: Rope,
        timeout: Duration,
    ) -> Result<ExportReport, ExportError> {
        let doorway = match self.doorway() {
            Some(doorway) if self.records(signal) => doorway,
            _ => return Err(ExportError::Disabled),
        };
        let until = deadline(timeout);
        let claim = Arc::new(Claim::default());
        let (answer, verdict) = sync_channel(1);
        let sent = doorway.send(Command::Export(Box::new(Exporting {
            signal,
            message,
            timeout,
            claim: Arc::clone(&claim),
            answer,
        })));
        sent.map_err(|_| ExportError::Ended(self.ended(until)))?;
        // With the deadline passed the shard drops the sender of what it never put in.
        match verdict.recv_timeout(timeout) {
            Ok(outcome) => outcome,
            Err(_) if Instant::now() >= until => {
                let is_queued = !claim.give_up();
                Err(ExportError::TimedOut { is_queued })
            }
            Err(_) => Err(ExportError::Ended(self.ended(until))),
        }
    }
}
