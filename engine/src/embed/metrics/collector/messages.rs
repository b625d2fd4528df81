//! Points written into metrics, metrics into requests, none of which gets too large.

use super::Recorded;
use bytes::Bytes;
use std::sync::Arc;
use tailrace_codec::otlp::encode::{Envelope, OpenMetric};
use tailrace_codec::otlp::fields::SCOPE_ENTRY_ITEMS;
use tailrace_codec::writer::{Open, Writer};

/// The metrics of one request.
#[derive(Debug, Clone)]
pub(in crate::embed) struct Message {
    /// What stands before them.
    pub envelope: Arc<Envelope>,
    pub metrics: Bytes,
    pub points: u64,
}

/// A metric that is larger is continued in another of its name.
const METRIC_BYTES_MAX: usize = 256 << 10;

/// A request that is larger gets no further metric.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// Metrics that are being written: first all of one scope, then all of the next.
#[derive(Debug, Default)]
pub(super) struct Messages {
    done: Vec<Message>,
    out: Writer,
    points: u64,
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    instrument: Arc<Recorded>,
    begins: usize,
    item: Open,
    metric: OpenMetric,
}

impl Messages {
    /// Writes one more point, of the same instrument as the one before or of the next one.
    pub fn point(&mut self, instrument: &Arc<Recorded>, write: impl FnOnce(&mut Writer)) {
        let goes_on = self.current.as_ref().is_some_and(|current| {
            Arc::ptr_eq(&current.instrument, instrument)
                && self.out.len() - current.begins < METRIC_BYTES_MAX
        });
        if !goes_on {
            self.begin(instrument);
        }
        write(&mut self.out);
        self.points += 1;
    }

    pub fn finish(mut self) -> Vec<Message> {
        self.end_message();
        self.done
    }

    fn begin(&mut self, instrument: &Arc<Recorded>) {
        let is_other_scope = self.current.as_ref().is_some_and(|current| {
            !Arc::ptr_eq(&current.instrument.envelope, &instrument.envelope)
        });
        if is_other_scope || self.out.len() >= MESSAGE_BYTES_MAX {
            self.end_message();
        } else {
            self.end_metric();
        }
        // A metric of some series has more bytes than a length of one byte can tell, and less than
        // one of three.
        const EXPECTED: usize = 1 << 8;
        let begins = self.out.len();
        let item = self.out.open(SCOPE_ENTRY_ITEMS, EXPECTED);
        self.current = Some(Current {
            instrument: Arc::clone(instrument),
            begins,
            item,
            metric: instrument.metric.begin(&mut self.out, EXPECTED),
        });
    }

    fn end_metric(&mut self) -> Option<Arc<Recorded>> {
        let Current {
            instrument,
            item,
            metric,
            ..
        } = self.current.take()?;
        instrument.metric.end(&mut self.out, metric);
        self.out.close(item);
        Some(instrument)
    }

    fn end_message(&mut self) {
        if let Some(instrument) = self.end_metric() {
            self.done.push(Message {
                envelope: Arc::clone(&instrument.envelope),
                metrics: std::mem::take(&mut self.out).finish(),
                points: std::mem::take(&mut self.points),
            });
        }
    }
}
