//! What the tests of this workspace share: peers that are not our code, and ways to ask them.
//!
//! ```text
//!   Sender, Load, SDK scripts, curl --> Forwarder (the binary, a process) --> Backend
//!         what was acknowledged                                        what arrived
//!                        \_________________ compared __________________/
//! ```
//!
//! [`Backend`] and [`Sender`] are made of tonic and hyper with `opentelemetry-proto`'s types, so
//! that nothing of this project's codec or network stands on both ends of a comparison. Each runs
//! a runtime on a thread of its own; the tests are plain synchronous functions.

pub mod attack;
pub mod backend;
pub mod forwarder;
pub mod generate;
pub mod interop;
pub mod item;
pub mod sandbox;
pub mod sender;
pub mod wait;

pub use attack::Attack;
pub use backend::{Backend, Script};
pub use forwarder::{Config, Forwarder, Runtime};
pub use item::{Export, Item, Record, Signal};
pub use sender::{Load, OneConnection, Outcome, Protocol, Sender, Status};
