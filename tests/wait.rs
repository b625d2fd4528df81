//! Waiting for a condition instead of for a time, with an end to every wait.

use std::io::Write;
use std::time::{Duration, Instant};

/// Ends a wait that would otherwise hang the suite. Generous: it only decides how long a failing
/// test takes, on a machine that is busy with something else.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How often a condition that another process fulfils is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Returns what `condition` yields as soon as it does; panics, naming `what`, after [`PATIENCE`].
pub fn until<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    until_or(condition).unwrap_or_else(|| panic!("waited {PATIENCE:?} in vain for {what}"))
}

/// Returns what `condition` yields as soon as it does; `None` after [`PATIENCE`].
pub fn until_or<T>(mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        let value = condition();
        if value.is_some() || start.elapsed() >= PATIENCE {
            return value;
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Returns as soon as `condition` holds; panics, naming `what`, after [`PATIENCE`].
pub fn until_true(what: &str, mut condition: impl FnMut() -> bool) {
    until(what, || condition().then_some(()));
}

/// The variable that makes an absent peer an error: a run that is meant to have everything sets it.
pub const REQUIRE_PEERS: &str = "TAILRACE_REQUIRE_PEERS";

/// Says on the terminal that a test was left out and what is missing; where the environment
/// variable [`REQUIRE_PEERS`] is set, fails instead.
pub fn skip(missing: &str) {
    assert!(
        std::env::var_os(REQUIRE_PEERS).is_none(),
        "{REQUIRE_PEERS} is set, and missing is: {missing}"
    );
    skip_for_machine(missing);
}

/// Says on the terminal that a test was left out because of what this machine has not, and nobody
/// can install.
///
/// Writes to the stream itself: the test harness swallows what is printed by a passing test.
pub fn skip_for_machine(missing: &str) {
    let name = std::thread::current().name().unwrap_or("test").to_owned();
    let _ = writeln!(std::io::stderr(), "skipped {name}: missing {missing}");
}
