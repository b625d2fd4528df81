//! The shard's side: what recorders committed becomes requests of the pipeline.
//!
//! To the shard this is a connection like any other, without a socket: it asks for admission and
//! credit, and is answered when its lanes have ended. What is refused for want of room is kept and
//! offered again, and meanwhile its recorder fills up, and drops.

mod admission;
mod exports;
mod flushes;
mod instruments;
mod pace;

use super::clock::Clock;
use super::doorway::{Command, Doorway, Flushing};
use super::export::{ExportError, ExportReport};
use super::metrics::{Bell, Collector};
use super::recorder::Source;
use super::settings::InstrumentSettings;
use crate::control::Running;
use crate::exchange::{Arrival, Inbound, Reply, ServerCommand};
use crate::net::{Clock as _, Mailbox};
use crate::runtime::{Consumer, Timer, now};
use crate::shard::Shard;
use crate::time::Instant;
use crate::units::{ConnectionId, ListenerId, RequestId};
use admission::{code, head};
use bytes::Bytes;
pub(super) use exports::{Claim, Exporting};
use exports::{Exports, Waiting};
use flushes::{Collection, Flush};
use http::request::Parts;
use instruments::Instruments;
use pace::Pace;
use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use tailrace_codec::grpc::Code;
use tailrace_codec::otlp::encode::Envelope;
use tailrace_codec::{Rope, Signal};

/// Items of one request, in bytes: below what a receiver takes.
const REQUEST_BYTES_MAX: usize = 2 << 20;

/// The configuration of an engine that is embedded has one listener.
const LISTENER: ListenerId = ListenerId(0);

/// A recorder, and what stands before its items.
#[derive(Debug)]
pub(super) struct Recording {
    pub(super) signal: Signal,
    pub(super) envelope: Arc<Envelope>,
    pub(super) source: Source,
    /// Bytes that its recorder may hold.
    pub(super) room: usize,
}

#[derive(Debug)]
struct Intake {
    shard: Shard,
    connection: ConnectionId,
    recordings: Vec<Open>,
    pace: Pace,
    /// Requests that wait for delivery, and their items.
    unanswered: HashMap<RequestId, u64>,
    exports: Exports,
    instruments: Instruments,
    flushes: Vec<Flush>,
    /// Given up or refused for good, since a flush last said so.
    failed_items: u64,
    /// Of recorders that are gone: what they had no room for.
    dropped_items: u64,
    is_draining: bool,
}

#[derive(Debug)]
struct Open {
    recording: Recording,
    head: Parts,
    /// A request that was refused for want of room, and its items.
    kept: Option<(Rope, u64)>,
}

/// Serves the recorders of a process until the shard ends.
pub(super) async fn run(
    shard: Shard,
    doorway: Arc<Doorway>,
    bell: Consumer<()>,
    clock: Arc<Clock>,
    (collector, settings): (Collector, InstrumentSettings),
) {
    #[cfg(feature = "tracing-layer")]
    super::layer::leave_out_this_thread();
    let ringing = Arc::clone(&doorway);
    let ring: Bell = Arc::new(move || ringing.ring());
    let doorway = doorway.attend();
    let mailbox = Mailbox::new();
    let Some(terms) = shard.opened(Arrival::at(LISTENER), mailbox.clone()) else {
        return;
    };
    let mut intake = Intake {
        connection: terms.connection,
        shard,
        recordings: Vec::new(),
        pace: Pace::default(),
        unanswered: HashMap::new(),
        exports: Exports::default(),
        instruments: Instruments::new(collector, &settings, ring, now()),
        flushes: Vec::new(),
        failed_items: 0,
        dropped_items: 0,
        is_draining: false,
    };
    let mut timer = Timer::new();
    let mut next = now() + intake.pace.next(false);
    let mut closing = None;
    poll_fn(|cx| {
        while let Poll::Ready(Some(())) = bell.poll_recv(cx) {}
        closing = intake.obey(doorway.take()).or(closing.take());
        intake.hear(&mailbox, cx);
        if now() >= next || !intake.flushes.is_empty() || closing.is_some() {
            intake.take_all();
            intake.offer_exports(now());
            intake.export_metrics(now(), clock.now().unix, closing.is_some());
            clock.calibrate(std::time::Instant::now());
            let is_waited_for = closing.is_some() || intake.is_waited_for(now());
            next = now() + intake.pace.next(is_waited_for);
        }
        intake.advance_flushes();
        // What is taken is inside: control may stop the shards.
        if !intake.instruments.is_observing(now()) {
            drop(closing.take());
        }
        if intake.is_draining && intake.has_all_answers() {
            return Poll::Ready(());
        }
        match timer.poll_until(cx, next) {
            Poll::Ready(()) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Pending => Poll::Pending,
        }
    })
    .await;
}

impl Intake {
    /// The engine, if it is to end.
    fn obey(&mut self, commands: Vec<Command>) -> Option<Box<Running>> {
        let mut closing = None;
        let mut has_exports = false;
        for command in commands {
            match command {
                Command::Record(recording) => self.recordings.push(Open {
                    head: head(recording.signal),
                    recording: *recording,
                    kept: None,
                }),
                Command::Export(export) => {
                    self.exports.waiting.push(Waiting {
                        head: head(export.signal),
                        until: now() + export.timeout,
                        export,
                    });
                    has_exports = true;
                }
                Command::Flush(Flushing {
                    with_metrics,
                    answer,
                }) => self.flushes.push(Flush {
                    answer,
                    collection: if with_metrics {
                        Collection::Awaited
                    } else {
                        Collection::Done
                    },
                    waits_for: None,
                }),
                Command::Close(running) => closing = Some(running),
                #[cfg(test)]
                Command::Panic => panic!("as the test wants it"),
            }
        }
        if has_exports {
            self.offer_exports(now());
        }
        closing
    }

    /// Whether somebody waits for what happens at the next look.
    fn is_waited_for(&self, now: Instant) -> bool {
        !self.flushes.is_empty()
            || !self.exports.waiting.is_empty()
            || self.instruments.is_observing(now)
            || self.recordings.iter().any(|open| open.kept.is_some())
    }

    fn has_all_answers(&self) -> bool {
        self.unanswered.is_empty() && self.exports.asked.is_empty()
    }

    /// Puts in the requests that threads wait for, and has them sent at once. Those without room
    /// are offered again until their deadline.
    fn offer_exports(&mut self, now: Instant) {
        self.exports.expire(now);
        let mut has_come_in = false;
        for waiting in std::mem::take(&mut self.exports.waiting) {
            let export = &waiting.export;
            if !export.claim.begin() {
                continue;
            }
            match self.put(&waiting.head, export.message.clone()) {
                Ok(None) => exports::tell(&export.answer, Ok(ExportReport::default())),
                Ok(Some(request)) => {
                    self.exports.asked.insert(request, waiting.export.answer);
                    has_come_in = true;
                }
                Err(reply) => match exports::refused(&reply) {
                    ExportError::Unavailable { .. } if !self.is_draining => {
                        export.claim.undo();
                        self.exports.waiting.push(waiting);
                    }
                    error => exports::tell(&export.answer, Err(error)),
                },
            }
        }
        if has_come_in {
            self.shard.flush();
        }
    }

    fn hear(&mut self, mailbox: &Mailbox<ServerCommand>, cx: &mut Context<'_>) {
        while let Poll::Ready(command) = mailbox.poll_recv(cx) {
            match command {
                ServerCommand::Reply(request, reply) => self.settle(request, &reply),
                ServerCommand::Drain => self.is_draining = true,
            }
        }
    }

    fn settle(&mut self, request: RequestId, reply: &Reply) {
        if let Some(answer) = self.exports.asked.remove(&request) {
            return exports::tell(&answer, exports::verdict(reply));
        }
        let items = self.unanswered.remove(&request).unwrap_or_default();
        if code(reply) != Code::Ok {
            self.failed_items += items;
        }
        for flush in &mut self.flushes {
            if let Some(waits_for) = &mut flush.waits_for {
                waits_for.remove(&request);
            }
        }
    }

    /// Takes what all recorders have committed. Recorders that are gone leave with their last item.
    fn take_all(&mut self) {
        let mut recordings = std::mem::take(&mut self.recordings);
        recordings.retain_mut(|open| {
            // Asked first: what comes before the end is then taken below.
            let is_last = open.recording.source.is_closed();
            let is_empty = self.take(open);
            let is_done = is_last && is_empty;
            if is_done {
                self.dropped_items += open.recording.source.dropped();
            }
            !is_done
        });
        self.recordings = recordings;
    }

    /// `false`: there is no room for all of it now.
    fn take(&mut self, open: &mut Open) -> bool {
        if let Some((items, count)) = open.kept.take()
            && !self.offer(open, items, count)
        {
            return false;
        }
        let (mut items, mut count) = (Rope::new(), 0);
        let mut found = 0;
        while let Some(taken) = open.recording.source.take() {
            count += u64::from(taken.items);
            found += taken.as_ref().len();
            self.pace.found(found, open.recording.room);
            items.push(Bytes::from_owner(taken));
            if items.len() >= REQUEST_BYTES_MAX {
                let full = std::mem::replace(&mut items, Rope::new());
                if !self.offer(open, full, std::mem::take(&mut count)) {
                    return false;
                }
            }
        }
        count == 0 || self.offer(open, items, count)
    }

    /// Puts items into the pipeline, or keeps them where there is no room. `false`: kept.
    fn offer(&mut self, open: &mut Open, items: Rope, count: u64) -> bool {
        let envelope = &open.recording.envelope;
        match self.admit(&open.head, envelope, items.clone(), count) {
            Ok(()) => true,
            Err(refused) if self.comes_again(refused) => {
                open.kept = Some((items, count));
                false
            }
            Err(_) => {
                self.failed_items += count;
                true
            }
        }
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        for request in self.unanswered.keys().chain(self.exports.asked.keys()) {
            self.shard.abandon(*request);
        }
        self.shard.closed(self.connection);
    }
}
