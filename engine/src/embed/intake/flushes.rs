//! Who waits until all is delivered, and what instruments have measured, for which they wait, too.

use super::super::doorway::{FlushError, FlushReport};
use super::Intake;
use super::instruments::Callbacks;
use crate::time::Instant;
use crate::units::RequestId;
use std::collections::HashSet;
use std::sync::mpsc::SyncSender;
use tailrace_codec::Rope;

#[derive(Debug)]
pub(super) struct Flush {
    pub(super) answer: SyncSender<Result<FlushReport, FlushError>>,
    pub(super) collection: Collection,
    /// `None` until everything recorded before it is admitted.
    pub(super) waits_for: Option<HashSet<RequestId>>,
}

/// How far the collection of instruments is that a flush waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Collection {
    /// It has not begun: callbacks that were asked before the flush do not count.
    Awaited,
    /// Callbacks were asked.
    Begun,
    /// Or nobody waits for one.
    Done,
}

impl Intake {
    /// Puts what instruments have measured into the pipeline, when it is time or somebody waits for
    /// it. What finds no room is offered again before anything further is collected.
    pub(super) fn export_metrics(&mut self, now: Instant, unix: u64, is_closing: bool) {
        self.instruments.reclaim(now);
        let mut flushes = self.flushes.iter();
        let is_wanted = is_closing || flushes.any(|flush| flush.collection != Collection::Done);
        if !self.offer_metrics() || !(is_wanted || self.instruments.is_due(now)) {
            return;
        }
        let was_observing = self.instruments.is_asked();
        let callbacks = self.instruments.observe(now);
        if !was_observing {
            self.advance_collections(Collection::Awaited, Collection::Begun);
        }
        if callbacks == Callbacks::Done {
            self.instruments.collect(now, unix);
            self.advance_collections(Collection::Begun, Collection::Done);
            self.offer_metrics();
        }
    }

    fn advance_collections(&mut self, from: Collection, to: Collection) {
        let flushes = self.flushes.iter_mut();
        flushes
            .filter(|flush| flush.collection == from)
            .for_each(|flush| flush.collection = to);
    }

    /// `false`: there is no room for all of them now.
    fn offer_metrics(&mut self) -> bool {
        while let Some(message) = self.instruments.next() {
            let (head, metrics) = (self.instruments.head(), Rope::from(message.metrics.clone()));
            match self.admit(&head, &message.envelope, metrics, message.points) {
                Ok(()) => {}
                Err(refused) if self.comes_again(refused) => {
                    self.instruments.put_back(message);
                    return false;
                }
                Err(_) => self.failed_items += message.points,
            }
        }
        true
    }

    /// A flush begins when everything is admitted, and ends when all of that is answered.
    pub(super) fn advance_flushes(&mut self) {
        let admitted = self.instruments.is_admitted()
            && self.recordings.iter().all(|open| open.kept.is_none());
        let mut begun = false;
        for flush in &mut self.flushes {
            if flush.waits_for.is_none() && flush.collection == Collection::Done && admitted {
                flush.waits_for = Some(self.unanswered.keys().copied().collect());
                begun = true;
            }
        }
        if begun {
            self.shard.flush();
        }
        let recordings = self.recordings.iter();
        let dropped = recordings.map(|open| open.recording.source.dropped());
        let dropped = dropped.sum::<u64>() + self.instruments.dropped();
        let dropped_items = self.dropped_items + dropped;
        let failed = &mut self.failed_items;
        let mut outcome = || match std::mem::take(failed) {
            0 => Ok(FlushReport { dropped_items }),
            failed_items => Err(FlushError::Undelivered { failed_items }),
        };
        self.flushes.retain(|flush| {
            let done = flush.waits_for.as_ref().is_some_and(HashSet::is_empty);
            if done {
                // Who asked may have given up waiting.
                let _ = flush.answer.try_send(outcome());
            }
            !done
        });
    }
}
