//! Client connections: attempts out, answers in.

mod answer;
mod h2;
mod http1;
mod interim;
mod keepalive;
mod queue;
mod response;
#[cfg(test)]
mod rig;
mod settings;
mod upload;
mod wakes;
mod watch;

pub use self::settings::{Protocol, Settings};

use crate::units::ConnectionId;

/// What stays the same for one connection.
#[derive(Debug)]
struct Link<O> {
    id: ConnectionId,
    settings: Settings,
    outbound: O,
}
