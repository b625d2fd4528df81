//! The shard's side: what recorders committed becomes requests of the pipeline.
//!
//! To the shard this is a connection like any other, without a socket: it asks for admission and
//! credit, and is answered when its lanes have ended. What is refused for want of room is kept and
//! offered again, and meanwhile its recorder fills up, and drops.

mod exports;
mod instruments;

use super::clock::Clock;
use super::doorway::{Command, Doorway, FlushError, FlushReport, Flushing};
use super::export::{ExportError, ExportReport};
use super::metrics::{Bell, Collector};
use super::recorder::Source;
use super::settings::InstrumentSettings;
use crate::control::Running;
use crate::exchange::{
    Admission, Arrival, Body, Credit, Inbound, Reply, RequestHead, ServerCommand,
};
use crate::net::{Clock as _, Mailbox};
use crate::runtime::{Consumer, Timer, now};
use crate::shard::Shard;
use crate::time::Instant;
use crate::units::{ConnectionId, ListenerId, RequestId};
use bytes::Bytes;
pub(super) use exports::{Claim, Exporting};
use exports::{Exports, Waiting};
use http::request::Parts;
use instruments::{Instruments, Observed};
use std::collections::{HashMap, HashSet};
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::task::{Context, Poll};
use std::time::Duration;
use tailrace_codec::grpc::Code;
use tailrace_codec::otlp::encode::Envelope;
use tailrace_codec::{Rope, Signal};

/// How often recorders are looked at. A recorder with the default limits holds what a thread that
/// records 350,000 spans a second has by then.
const PERIOD: Duration = Duration::from_millis(10);

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
}

#[derive(Debug)]
struct Intake {
    shard: Shard,
    connection: ConnectionId,
    recordings: Vec<Open>,
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

#[derive(Debug)]
struct Flush {
    answer: SyncSender<Result<FlushReport, FlushError>>,
    metrics: Measured,
    /// `None` until everything recorded before it is admitted.
    waits_for: Option<HashSet<RequestId>>,
}

/// What a flush waits for of instruments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Measured {
    /// Callbacks that were asked before it do not count.
    Waits,
    /// The collection that has begun.
    Observed,
    Collected,
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
        unanswered: HashMap::new(),
        exports: Exports::default(),
        instruments: Instruments::new(collector, &settings, ring, now()),
        flushes: Vec::new(),
        failed_items: 0,
        dropped_items: 0,
        is_draining: false,
    };
    let mut timer = Timer::new();
    let mut next = now() + PERIOD;
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
            next = now() + PERIOD;
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
                    metrics: if with_metrics {
                        Measured::Waits
                    } else {
                        Measured::Collected
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

    /// Puts what instruments have measured into the pipeline, when it is time or somebody waits for
    /// it. What finds no room is offered again before anything further is collected.
    fn export_metrics(&mut self, now: Instant, unix: u64, is_closing: bool) {
        self.instruments.reclaim(now);
        let mut flushes = self.flushes.iter();
        let is_wanted = is_closing || flushes.any(|flush| flush.metrics != Measured::Collected);
        if !self.offer_metrics() || !(is_wanted || self.instruments.is_due(now)) {
            return;
        }
        let was_observing = self.instruments.is_asked();
        let observed = self.instruments.observe(now);
        if !was_observing {
            self.advance_metrics(Measured::Waits, Measured::Observed);
        }
        if observed == Observed::Done {
            self.instruments.collect(now, unix);
            self.advance_metrics(Measured::Observed, Measured::Collected);
            self.offer_metrics();
        }
    }

    fn advance_metrics(&mut self, from: Measured, to: Measured) {
        let flushes = self.flushes.iter_mut();
        flushes
            .filter(|flush| flush.metrics == from)
            .for_each(|flush| flush.metrics = to);
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

    /// `false`: there is no room for all of it now.
    fn take(&mut self, open: &mut Open) -> bool {
        if let Some((items, count)) = open.kept.take()
            && !self.offer(open, items, count)
        {
            return false;
        }
        let (mut items, mut count) = (Rope::new(), 0);
        while let Some(taken) = open.recording.source.take() {
            count += u64::from(taken.items);
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

    /// Whether what was refused is offered again.
    const fn comes_again(&self, refused: Code) -> bool {
        matches!(refused, Code::Unavailable | Code::ResourceExhausted) && !self.is_draining
    }

    fn admit(
        &mut self,
        head: &Parts,
        envelope: &Envelope,
        items: Rope,
        count: u64,
    ) -> Result<(), Code> {
        let mut message = Rope::from(envelope.head(items.len()));
        message.append(items);
        let put = self.put(head, message);
        if let Some(request) = put.map_err(|reply| code(&reply))? {
            self.unanswered.insert(request, count);
        }
        Ok(())
    }

    /// Puts a request into the pipeline. `None`: it was answered at once, and well.
    fn put(&self, head: &Parts, message: Rope) -> Result<Option<RequestId>, Box<Reply>> {
        let head = RequestHead {
            listener: LISTENER,
            connection: self.connection,
            parts: head,
        };
        let request = match self.shard.head(&head) {
            Admission::Receive { request, .. } => request,
            Admission::Answer(reply) => return Err(Box::new(reply)),
        };
        if let Credit::Refused(reply) = self.shard.reserve(request, message.len() as u64) {
            return Err(Box::new(reply));
        }
        let compressed = false;
        let body = Body {
            message,
            compressed,
        };
        match self.shard.complete(request, body) {
            None => Ok(Some(request)),
            Some(reply) if code(&reply) == Code::Ok => Ok(None),
            Some(reply) => Err(Box::new(reply)),
        }
    }

    /// A flush begins when everything is admitted, and ends when all of that is answered.
    fn advance_flushes(&mut self) {
        let admitted = self.instruments.is_admitted()
            && self.recordings.iter().all(|open| open.kept.is_none());
        let mut begun = false;
        for flush in &mut self.flushes {
            if flush.waits_for.is_none() && flush.metrics == Measured::Collected && admitted {
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

impl Drop for Intake {
    fn drop(&mut self) {
        for request in self.unanswered.keys().chain(self.exports.asked.keys()) {
            self.shard.abandon(*request);
        }
        self.shard.closed(self.connection);
    }
}

fn code(reply: &Reply) -> Code {
    match reply {
        Reply::Grpc(reply) => reply.code,
        // The requests are gRPC's: nothing else answers them.
        Reply::Http(_) | Reply::Reset(_) => Code::Internal,
    }
}

fn head(signal: Signal) -> Parts {
    let request = http::Request::post(signal.grpc_path())
        .header(http::header::CONTENT_TYPE, "application/grpc")
        .body(());
    let (parts, ()) = request
        .expect("a path and a header of our own")
        .into_parts();
    parts
}
