//! Chunks and the engine without a backend.

mod chunk;
mod disabled;
mod promises;
