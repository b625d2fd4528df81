//! Where the engine's threads run, and when: a thread does as the one does that starts it.

use super::service::EmbedError;
use super::settings::{Scheduling, Settings};
use crate::control::StartError;
use crate::runtime::{bind_to_processors, give_way};
use std::thread;

/// Calls `start` on a thread that is bound to the processors of these settings and scheduled as they
/// say, and all that it starts with it; on this one, as it is, where they say nothing.
///
/// Errors: there is no thread to be had, none of the processors, or no such scheduling.
pub(super) fn on<R: Send>(
    settings: &Settings,
    start: impl FnOnce() -> R + Send,
) -> Result<R, EmbedError> {
    let Settings {
        processors,
        scheduling,
        ..
    } = settings;
    if processors.is_empty() && *scheduling == Scheduling::Inherited {
        return Ok(start());
    }
    let prepare = || {
        if !processors.is_empty() {
            bind_to_processors(processors).map_err(|error| EmbedError::Processors {
                processors: processors.clone(),
                error,
            })?;
        }
        match scheduling {
            Scheduling::Inherited => Ok(()),
            Scheduling::Idle => give_way().map_err(EmbedError::Scheduling),
        }
    };
    thread::scope(|scope| {
        let starter = thread::Builder::new().name("tailrace-start".to_owned());
        let starter = starter.spawn_scoped(scope, || prepare().map(|()| start()));
        let starter = starter.map_err(|error| EmbedError::Start(StartError::Thread(error)))?;
        let started = starter.join();
        started.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
