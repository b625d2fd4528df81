//! The measuring instrument.
