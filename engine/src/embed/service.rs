//! The engine as a service holds it: start, recorders, flush, end.

use super::budget::{Budget, RecorderMemory};
use super::clock::Clock;
use super::doorway::{Command, Doorway, FlushError, FlushReport, Flushing};
use super::intake::{self, Recording};
use super::life::{Ended, Life};
use super::metrics::{Meter, Registry};
use super::placement;
use super::propagation::Propagators;
use super::recorder::{Recorder, RecorderLimits, Shared};
use super::settings::{Settings, SettingsError, TemporalityPreference};
use super::span::Tracer;
use crate::control::{self, Options, Outcome, Running, StartError};
use crate::runtime::ring;
use crate::shard::Guest;
use crate::units::ByteCount;
use std::fmt;
use std::io;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tailrace_codec::Signal;
use tailrace_codec::otlp::encode::{Envelope, Resource, Scope, Value};

/// A running engine inside this process. Shared by reference between threads.
///
/// Dropped, it hands what is recorded to its threads and returns at once; they deliver for as long
/// as the process lives, at most half a minute. Only [`shutdown`](Self::shutdown) waits.
#[derive(Debug)]
pub struct Embedded {
    /// `None`: disabled, and nothing was started.
    doorway: Option<Arc<Doorway>>,
    /// `None` once it is shut down. Locked by who wants to know why it ended alone: one end of its
    /// ring is for one thread, and only who has taken it uses it.
    running: Mutex<Option<Box<Running>>>,
    /// Why it ended by itself, once somebody asked.
    cause: OnceLock<Arc<str>>,
    shared: Shared,
    settings: Settings,
    clock: Arc<Clock>,
    registry: Arc<Registry>,
}

/// Why the engine did not start. The service can go on without it.
#[derive(Debug)]
pub enum EmbedError {
    Settings(SettingsError),
    Start(StartError),
    /// Its threads cannot be bound to these.
    Processors {
        processors: Vec<usize>,
        error: io::Error,
    },
    /// Its threads cannot be scheduled as the settings say.
    Scheduling(io::Error),
}

impl fmt::Display for EmbedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(error) => write!(f, "{error}"),
            Self::Start(error) => write!(f, "{error}"),
            Self::Processors { processors, error } => write!(
                f,
                "processors {processors:?}: {error}; name those that this process may run on, or none"
            ),
            Self::Scheduling(error) => write!(
                f,
                "idle scheduling: {error}; let the process call sched_setscheduler, or leave \
                 `Settings::scheduling` as it is"
            ),
        }
    }
}

impl std::error::Error for EmbedError {}

/// The signals that recorders are made for.
const SIGNALS: [Signal; 3] = [Signal::Traces, Signal::Metrics, Signal::Logs];

/// How long is waited for why an engine has ended.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How often an engine that ends is looked at.
const ENDING_PERIOD: Duration = Duration::from_millis(1);

impl Embedded {
    /// Starts control and one shard, bound to no processor but those of the settings. Where telemetry
    /// is disabled nothing is started: recorders keep nothing, and a flush succeeds at once.
    pub fn start(settings: &Settings) -> Result<Self, EmbedError> {
        let clock = Arc::new(Clock::new());
        let life = Life::begin().map_err(|error| EmbedError::Start(StartError::Thread(error)))?;
        let recorders_bytes = ByteCount::mib(settings.recorders_mib).0;
        let shared = Shared {
            life: Arc::new(life),
            budget: Arc::new(Budget::new(
                usize::try_from(recorders_bytes).unwrap_or(usize::MAX),
            )),
        };
        let registry = Registry::new(&shared.life, &shared.budget, &clock, settings);
        let registry = Arc::new(registry);
        if !SIGNALS.iter().any(|signal| settings.takes(*signal)) {
            return Ok(Self {
                doorway: None,
                running: Mutex::default(),
                cause: OnceLock::new(),
                shared,
                settings: settings.clone(),
                clock,
                registry,
            });
        }
        let config = settings.config().map_err(EmbedError::Settings)?;
        let options = Options {
            runtime: settings.runtime,
            shards: Some(1),
            pinned: false,
            admin: false,
        };
        let (bell, heard) = ring(1);
        let doorway = Arc::new(Doorway::new(bell, Arc::clone(&shared.life)));
        let inside = Arc::clone(&doorway);
        let compared = Arc::clone(&clock);
        let metrics = (registry.collector(), settings.instruments.clone());
        let guest = Guest::new(move |shard| intake::run(shard, inside, heard, compared, metrics));
        let start = || control::start(&config, &options, Some(guest));
        let running = placement::on(settings, start)?.map_err(EmbedError::Start)?;
        clock.settle();
        Ok(Self {
            doorway: Some(doorway),
            running: Mutex::new(Some(Box::new(running))),
            cause: OnceLock::new(),
            shared,
            settings: settings.clone(),
            clock,
            registry,
        })
    }

    /// A recorder of finished items for one thread; threads may come and go.
    ///
    /// Cost: a wake-up of the shard; memory comes with the first item. After the engine has ended it
    /// drops and counts.
    pub fn recorder(&self, signal: Signal, scope: &Scope<'_>) -> Recorder {
        self.recorder_in(signal, self.envelope(scope), self.recorder_limits())
    }

    /// What stands before the items of a scope.
    pub(super) fn envelope(&self, scope: &Scope<'_>) -> Envelope {
        let resource = self.settings.resource();
        let resource: Vec<_> = resource
            .iter()
            .map(|(key, value)| (&key[..], Value::String(value)))
            .collect();
        let resource = Resource {
            attributes: &resource,
            ..Resource::default()
        };
        Envelope::new(&resource, scope)
    }

    /// What starts spans on one thread, sampled and limited as the settings say.
    ///
    /// Cost: that of a recorder.
    pub fn tracer(&self, scope: &Scope<'_>) -> Tracer {
        Tracer::new(
            self.recorder(Signal::Traces, scope),
            Arc::clone(&self.clock),
            self.settings.sampler,
            self.settings.span_limits,
        )
    }

    /// How parents come in and go out with requests, as `OTEL_PROPAGATORS` or the settings say.
    pub const fn propagators(&self) -> Propagators {
        self.settings.propagators
    }

    /// What makes instruments, shared by all threads.
    ///
    /// Cost: a lock and a lookup.
    pub fn meter(&self, scope: &Scope<'_>) -> Meter {
        let is_on = self.doorway.is_some() && self.settings.takes(Signal::Metrics);
        self.registry.meter(self.envelope(scope), is_on)
    }

    /// A recorder whose items stand in this resource and scope.
    pub(super) fn recorder_in(
        &self,
        signal: Signal,
        envelope: Envelope,
        limits: RecorderLimits,
    ) -> Recorder {
        let doorway = match &self.doorway {
            Some(doorway) if self.settings.takes(signal) => doorway,
            _ => return Recorder::off(self.shared.clone()),
        };
        let (recorder, source) = Recorder::new(limits, self.shared.clone());
        let recording = Recording {
            signal,
            envelope: Arc::new(envelope),
            source,
            room: limits.chunk_bytes.saturating_mul(limits.chunks_max),
        };
        let _ = doorway.send(Command::Record(Box::new(recording)));
        recorder
    }

    /// Whether items of this signal go anywhere. `false` where telemetry is disabled, or this
    /// signal: then they need not be put together.
    pub const fn records(&self, signal: Signal) -> bool {
        self.settings.takes(signal)
    }

    /// What a recorder is told to hold.
    pub const fn recorder_limits(&self) -> RecorderLimits {
        self.settings.recorder
    }

    /// What recorders hold now, and may hold.
    pub fn recorder_memory(&self) -> RecorderMemory {
        self.shared.budget.usage()
    }

    /// How the sums and histograms of instruments are to be reported.
    pub const fn temporality(&self) -> TemporalityPreference {
        self.settings.temporality
    }

    /// Waits until everything recorded and measured before is delivered, at most for `timeout`.
    pub fn flush(&self, timeout: Duration) -> Result<FlushReport, FlushError> {
        self.flush_with(timeout, true)
    }

    /// As [`flush`](Self::flush), but for what instruments have measured, which goes when it is time.
    #[cfg(feature = "opentelemetry")]
    pub(super) fn flush_recorders(&self, timeout: Duration) -> Result<FlushReport, FlushError> {
        self.flush_with(timeout, false)
    }

    fn flush_with(&self, timeout: Duration, with_metrics: bool) -> Result<FlushReport, FlushError> {
        let Some(doorway) = &self.doorway else {
            return Ok(FlushReport { dropped_items: 0 });
        };
        let until = deadline(timeout);
        let (sender, answer) = sync_channel(1);
        let sent = doorway.send(Command::Flush(Flushing {
            with_metrics,
            answer: sender,
        }));
        sent.map_err(|_| FlushError::Ended(self.ended(until)))?;
        match answer.recv_timeout(timeout) {
            Ok(outcome) => outcome,
            Err(RecvTimeoutError::Timeout) => Err(FlushError::TimedOut),
            Err(RecvTimeoutError::Disconnected) => Err(FlushError::Ended(self.ended(until))),
        }
    }

    pub(super) const fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) const fn doorway(&self) -> Option<&Arc<Doorway>> {
        self.doorway.as_ref()
    }

    /// Why the engine has ended. Control says it as soon as it has heard, which is waited for at
    /// most until the deadline, and [`LAST_WORDS`].
    pub(super) fn ended(&self, until: Instant) -> Ended {
        if self.shared.life.is_forked() {
            return Ended::Forked;
        }
        let until = until.min(deadline(LAST_WORDS));
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        while running
            .as_ref()
            .is_some_and(|running| !running.thread.is_finished())
        {
            if Instant::now() >= until {
                let cause = "its shard has ended, and why is not known yet".into();
                return Ended::Died { cause };
            }
            std::thread::sleep(ENDING_PERIOD);
        }
        let cause = self.cause.get_or_init(|| match running.take() {
            Some(running) => match running.thread.join() {
                Ok(Outcome::ShardDied { cause, .. }) => cause.into(),
                Ok(Outcome::Stopped { .. }) => "its shard stopped".into(),
                Err(_) => "its control thread panicked".into(),
            },
            None => "it was shut down".into(),
        });
        let cause = Arc::clone(cause);
        Ended::Died { cause }
    }

    /// Flushes and ends the engine's threads, all within `timeout`. What is not delivered by then
    /// is dropped and counted.
    pub fn shutdown(self, timeout: Duration) -> Result<FlushReport, FlushError> {
        self.end(timeout)
    }

    /// As [`shutdown`](Self::shutdown), of an engine that others have too. From then on recorders drop
    /// and count, and who waits is told that it has [`Ended`].
    pub fn end(&self, timeout: Duration) -> Result<FlushReport, FlushError> {
        let until = deadline(timeout);
        let flushed = self.flush(timeout);
        if self.shared.life.is_forked() {
            return flushed;
        }
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(taken) = running.take() else {
            return flushed;
        };
        drop(running);
        let rest = until.saturating_duration_since(Instant::now());
        let _ = taken
            .commands
            .send(control::Command::Stop { timeout: rest });
        while !taken.thread.is_finished() {
            if Instant::now() >= until {
                // They end by themselves: what they wait for has limits of its own.
                return flushed.and(Err(FlushError::TimedOut));
            }
            std::thread::sleep(ENDING_PERIOD);
        }
        flushed
    }

    fn take_running(&mut self) -> Option<Box<Running>> {
        let running = self.running.get_mut();
        running.unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        let running = self.take_running();
        if self.shared.life.is_forked() {
            return running.map_or((), forget);
        }
        if let (Some(running), Some(doorway)) = (running, &self.doorway) {
            // An engine whose shard has ended is let go of here.
            drop(doorway.send(Command::Close(running)));
        }
    }
}

/// A deadline that is beyond the clock is a century away.
pub(super) fn deadline(timeout: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    Instant::now() + timeout.min(CENTURY)
}

/// In a forked process: the threads are not here, and their bells ring in the other one.
fn forget(running: Box<Running>) {
    std::mem::forget(running);
}
