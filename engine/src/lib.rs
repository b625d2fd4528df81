//! The export engine.
