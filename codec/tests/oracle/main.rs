//! The codec against other implementations: prost with `opentelemetry-proto` decides what a
//! request means; the codec must agree on generated requests, cut into random slices.

mod edit;
mod encode;
mod generate;
mod json;
mod merge;
mod partition;
mod sampling;
mod scan;
mod slices;
mod split;
mod view;
mod wire;
