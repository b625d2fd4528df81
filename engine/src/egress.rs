//! Requests out: lanes that decide what is sent when, and the connections it is sent on.
//!
//! [`lane`] forms batches and settles them, [`outlet`] turns a batch into what goes on the wire
//! and finds it a way out, [`destination`] keeps the connections, [`balance`] gives work to an
//! idle shard.

pub mod balance;
pub mod debug;
pub mod destination;
pub mod lane;
pub mod outlet;
