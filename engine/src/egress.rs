//! Requests out: lanes that decide what is sent when, and the connections it is sent on.
//!
//! [`lane`] forms batches and settles them, [`outlet`] turns a batch into what goes on the wire
//! and finds it a way out, [`endpoints`] chooses among several of
//! them, [`destination`] keeps the connections of one, [`balance`] gives work to an
//! idle shard.

pub mod balance;
pub mod debug;
pub mod destination;
pub mod endpoints;
pub mod lane;
pub mod outlet;
