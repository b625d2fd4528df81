//! What a request's items are: how important, and whose.
//!
//! ```text
//!   request --- rules on what it is as a whole -----------------> one class
//!           \-- rules on its resources, scopes and items --sort--> one class | a piece for each
//! ```
//!
//! Rules look at the wire data of the fields they name and decode nothing else. Where no rule
//! looks into requests, a request is not walked at all.

mod rule;
mod text;

pub use rule::{Match, PriorityRule};
pub use text::Expected;

use crate::flow::fair::Class;
use crate::units::Priority;
use rule::Depth;
use std::sync::Arc;
use tailrace_codec::otlp::{self, ItemView, Piece, Sorted};
use tailrace_codec::{Rope, Signal};

/// How a shard's requests are classified.
#[derive(Debug, Clone, Default)]
pub struct ClassifierSettings {
    /// The first that matches decides.
    pub rules: Arc<[PriorityRule]>,
    /// Where none does.
    pub default: Priority,
}

/// Sorts requests.
#[derive(Debug)]
pub struct Classifier {
    settings: ClassifierSettings,
    /// By signal: how far into its requests the rules look.
    depths: [Depth; Signal::ALL.len()],
}

/// What became of a request.
#[derive(Debug)]
pub enum Classified {
    Alike(Class),
    /// At least two, which together are the request.
    Apart(Vec<(Class, Piece)>),
}

impl Classifier {
    pub fn new(settings: ClassifierSettings) -> Self {
        let depth = |signal: Signal| {
            let rules = settings.rules.iter();
            let applies = rules.filter(|rule| rule.matches.may_match(signal));
            applies.map(|rule| rule.matches.depth()).max()
        };
        Self {
            depths: Signal::ALL.map(|signal| depth(signal).unwrap_or(Depth::Request)),
            settings,
        }
    }

    /// What a request's items are. One that cannot be read to its items is of one class.
    ///
    /// Cost: nothing where no rule looks into the request; else a pass over the tags above the
    /// items and over the fields that are looked at, and where classes differ two more.
    pub fn classify(&self, signal: Signal, request: &Rope) -> Classified {
        if self.depths[signal as usize] == Depth::Request {
            return Classified::Alike(self.class(self.priority_of(signal)));
        }
        let mut around = Around::default();
        let sorted = otlp::sort(signal, request, |item| self.priority(item, &mut around));
        match sorted {
            Ok(Sorted::Apart(pieces)) => {
                let class = |(priority, piece)| (self.class(priority), piece);
                Classified::Apart(pieces.into_iter().map(class).collect())
            }
            Ok(Sorted::Alike(priority)) => {
                Classified::Alike(self.class(priority.unwrap_or(self.settings.default)))
            }
            Err(_) => Classified::Alike(self.class(self.settings.default)),
        }
    }

    const fn class(&self, priority: Priority) -> Class {
        Class {
            priority,
            ..Class::NONE
        }
    }

    /// Where the signal alone decides.
    fn priority_of(&self, signal: Signal) -> Priority {
        let matches = |rule: &&PriorityRule| rule.matches.may_match(signal);
        let rule = self.settings.rules.iter().find(matches);
        rule.map_or(self.settings.default, |rule| rule.priority)
    }

    fn priority(&self, item: &ItemView<'_>, around: &mut Around) -> Priority {
        around.enter(item, &self.settings.rules);
        let matches = |(index, rule): (usize, &PriorityRule)| {
            let holds = around.holds & 1 << index != 0 && rule.matches.holds_for_item(item);
            holds.then_some(rule.priority)
        };
        let rules = self.settings.rules.iter().enumerate();
        rules
            .filter_map(matches)
            .next()
            .unwrap_or(self.settings.default)
    }
}

/// What rules say of the resource and scope around the last item, so that neighbours do not ask
/// again. Invariant: at most 64 rules.
#[derive(Debug, Default)]
struct Around {
    /// Where both begin. `None`: there was no item.
    at: Option<(usize, usize)>,
    /// A bit for each rule that holds for both and for the signal.
    holds: u64,
}

impl Around {
    fn enter(&mut self, item: &ItemView<'_>, rules: &[PriorityRule]) {
        let at = Some((item.resource_at(), item.scope_at()));
        if self.at == at {
            return;
        }
        self.at = at;
        let holds = |holds: u64, (index, rule): (usize, &PriorityRule)| {
            holds | u64::from(rule.matches.holds_around(item)) << index
        };
        self.holds = rules.iter().enumerate().fold(0, holds);
    }
}

#[cfg(test)]
mod tests;
