//! One request with the items of two.

use super::Signal;
use crate::Rope;

/// Adds the items of `other` to `request`, or gives `other` back where the signal forbids it.
///
/// A traces, metrics or logs request is nothing but a repeated field, so one request after the
/// other is the request with the items of both, unknown fields included. Profiles requests never
/// merge: see [`Signal::merges_by_concatenation`].
/// Cost: that of [`Rope::append`]; no byte is read or copied.
/// Source: <https://protobuf.dev/programming-guides/encoding/#last-one-wins>
pub fn merge(signal: Signal, request: &mut Rope, other: Rope) -> Result<(), Rope> {
    if !signal.merges_by_concatenation() && !request.is_empty() && !other.is_empty() {
        return Err(other);
    }
    request.append(other);
    Ok(())
}
