//! The whole life of requests against a scripted destination, on a clock that stands still.

mod classes;
mod delivery;
mod flow;
mod home;
mod receiving;
mod simulation;
mod storm;
mod tenants;
mod world;
