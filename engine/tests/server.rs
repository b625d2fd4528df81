//! The server half of `net`, against real clients and raw bytes.

#[path = "server/attacks.rs"]
mod attacks;
#[path = "server/frames.rs"]
mod frames;
#[path = "server/grpc.rs"]
mod grpc;
#[path = "server/http1.rs"]
mod http1;
#[path = "server/http2.rs"]
mod http2;
#[path = "server/hyper.rs"]
mod hyper_client;
#[path = "server/rig.rs"]
mod rig;
#[path = "server/sockets.rs"]
mod sockets;
#[path = "server/time.rs"]
mod time;
#[path = "server/wild.rs"]
mod wild;
