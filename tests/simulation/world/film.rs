//! What a world looked like over time, and pictures of it.
//!
//! `just pictures` draws those that the documents show, from the very runs that are tested.

use super::World;
use std::path::Path;
use std::time::Duration;
use tailrace_bench::chart::{self, Colour, Line};

/// The folder that pictures are written to; without it none are drawn.
const PICTURES: &str = "SIMULATE_PICTURES";

/// A world at one moment: sums since the beginning, and what is inside.
#[derive(Debug, Clone, Copy, Default)]
pub struct Frame {
    /// Requests that senders sent, and that they were refused.
    pub sent: u64,
    pub refused: u64,
    /// Items that the filmed lane ended for want of room.
    pub dropped: u64,
    /// Items inside of the filmed lane.
    pub inside: u64,
    /// Items of all attempts on the lane's backend.
    pub offered: u64,
    /// Of those, the ones it took.
    pub taken: u64,
    /// Requests that the backend is given at once, where that is adapted; else 0.
    pub concurrency: u64,
    /// Bytes buffered for all lanes.
    pub bytes: u64,
    /// Items admitted and delivered of high priority, and of low.
    pub high: [u64; 2],
    pub low: [u64; 2],
}

/// Frames of one lane, one after each stretch of time.
pub struct Film {
    lane: usize,
    every: Duration,
    frames: Vec<Frame>,
}

impl Film {
    pub const fn new(lane: usize, every: Duration) -> Self {
        Self {
            lane,
            every,
            frames: Vec::new(),
        }
    }

    /// Lets this much time pass before the camera.
    pub fn pass(&mut self, world: &mut World, time: Duration) {
        let mut left = time;
        while !left.is_zero() {
            let stretch = left.min(self.every);
            world.pass(stretch);
            self.frames.push(world.frame(self.lane));
            left -= stretch;
        }
    }

    /// A sum's growth, by the second.
    pub fn rate(&self, name: &'static str, colour: Colour, sum: fn(&Frame) -> u64) -> Line {
        let seconds = self.every.as_secs_f64();
        let before = std::iter::once(0).chain(self.frames.iter().map(sum));
        let growth = before.zip(self.frames.iter().map(sum));
        Line {
            name,
            colour,
            values: growth.map(|(a, b)| (b - a) as f64 / seconds).collect(),
        }
    }

    /// What is inside, in thousands or MiB: divided by `unit`.
    pub fn level(
        &self,
        name: &'static str,
        colour: Colour,
        unit: f64,
        level: fn(&Frame) -> u64,
    ) -> Line {
        let levels = self.frames.iter().map(level);
        Line {
            name,
            colour,
            values: levels.map(|level| level as f64 / unit).collect(),
        }
    }

    /// The same at all times.
    pub fn mark(&self, name: &'static str, value: f64) -> Line {
        Line {
            name,
            colour: Colour::Grey,
            values: vec![value; self.frames.len()],
        }
    }

    /// Writes a picture, if somebody asked for pictures.
    pub fn save(&self, name: &str, panels: &[Vec<Line>]) {
        let Some(folder) = std::env::var_os(PICTURES) else {
            return;
        };
        let minutes = self.every.as_secs_f64() * self.frames.len() as f64 / 60.0;
        let svg = chart::svg(panels, &format!("{minutes} minutes"));
        let path = Path::new(&folder).join(name);
        std::fs::write(&path, svg).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}
