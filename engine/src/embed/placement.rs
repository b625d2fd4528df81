//! Where the engine's threads run: a thread may run where the one may that starts it.

use crate::runtime::bind_to_processors;
use std::io;
use std::thread;

/// Calls `start` on a thread that is bound to these processors, and all that it starts with it; on this
/// one, as it is, where none are named.
///
/// Errors: there is no thread to be had, or none of the processors.
pub(super) fn on<R: Send>(processors: &[usize], start: impl FnOnce() -> R + Send) -> io::Result<R> {
    if processors.is_empty() {
        return Ok(start());
    }
    thread::scope(|scope| {
        let starter = thread::Builder::new().name("tailrace-start".to_owned());
        let starter = starter.spawn_scoped(scope, || {
            bind_to_processors(processors)?;
            Ok(start())
        })?;
        let started = starter.join();
        started.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
