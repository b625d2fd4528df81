//! The server half of `net`, against real clients and raw bytes.

#[path = "server/grpc.rs"]
mod grpc;
#[path = "server/rig.rs"]
mod rig;
