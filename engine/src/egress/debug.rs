//! What the `debug` exporter prints: the Collector's `verbosity`.

use super::outlet::{self, Parcel};
use crate::config::Verbosity;
use tailrace_codec::Signal;

/// One batch as text, ending in a line break.
pub fn render(verbosity: Verbosity, parcel: &Parcel) -> String {
    let (title, items) = match parcel.signal {
        Signal::Traces => ("Traces", "spans"),
        Signal::Metrics => ("Metrics", "data points"),
        Signal::Logs => ("Logs", "log records"),
        Signal::Profiles => ("Profiles", "samples"),
    };
    let bytes = parcel.body.len();
    let counts = format!(
        "{title}\t{{\"{items}\": {}, \"bytes\": {bytes}}}\n",
        parcel.items
    );
    let body = match verbosity {
        Verbosity::Basic => return counts,
        Verbosity::Normal | Verbosity::Detailed => outlet::as_json(parcel, Vec::new()),
    };
    let Ok(text) = body else {
        return counts;
    };
    let text = String::from_utf8_lossy(&text);
    match serde_json::from_str::<serde_json::Value>(&text) {
        Ok(value) if verbosity == Verbosity::Detailed => format!("{counts}{value:#}\n"),
        _ => format!("{counts}{text}\n"),
    }
}
