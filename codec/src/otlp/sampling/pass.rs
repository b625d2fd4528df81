//! The way through a request: items are sampled, and entries that lost all of theirs go too.

use super::super::fields::{ENTRY_SCOPES, REQUEST_RESOURCES, SCOPE_ENTRY_ITEMS};
use super::super::splice::Splices;
use super::rule::Reason;
use super::{Dropped, Rule};
use crate::Rope;
use crate::field::{Field, Fields, Malformed};

/// A request being sampled.
#[derive(Debug)]
pub struct Pass<'r> {
    rule: &'r Rule,
    item: Item,
    pub kept: u64,
    pub dropped: Dropped,
}

/// Decides about an item, and says in it what was decided where it is kept.
pub type Item = fn(&Rule, &mut Splices, &Field<'_>) -> Result<Outcome, Malformed>;

/// What became of an item.
#[derive(Debug, Clone, Copy)]
pub enum Outcome {
    /// It is this much longer now.
    Kept {
        growth: isize,
    },
    Dropped(Reason),
}

/// Whether a field is still there, and how much longer the message around it became.
#[derive(Debug, Clone, Copy)]
struct Fate {
    is_left: bool,
    growth: isize,
}

impl<'r> Pass<'r> {
    pub fn new(rule: &'r Rule, item: Item) -> Self {
        Self {
            rule,
            item,
            kept: 0,
            dropped: Dropped::default(),
        }
    }

    /// What replaces parts of a request when it is sampled.
    pub fn splices(&mut self, request: &Rope) -> Result<Splices, Malformed> {
        let mut splices = Splices::default();
        let mut fields = Fields::from(request);
        while let Some(entry) = fields.next_of(|number| number == REQUEST_RESOURCES) {
            entry_of(&mut splices, &entry?, ENTRY_SCOPES, |splices, scope| {
                entry_of(splices, scope, SCOPE_ENTRY_ITEMS, |splices, item| {
                    self.item(splices, item)
                })
            })?;
        }
        Ok(splices)
    }

    fn item(&mut self, splices: &mut Splices, item: &Field<'_>) -> Result<Fate, Malformed> {
        let reason = match (self.item)(self.rule, splices, item)? {
            Outcome::Kept { growth } => {
                self.kept += 1;
                return Ok(Fate {
                    is_left: true,
                    growth,
                });
            }
            Outcome::Dropped(reason) => reason,
        };
        *self.dropped.of(reason) += 1;
        Ok(Fate::removed(splices, item))
    }
}

/// Does `child` to the children of an entry, and takes the entry out where none is left. One that
/// had none before stays.
fn entry_of(
    splices: &mut Splices,
    entry: &Field<'_>,
    children: u32,
    mut child: impl FnMut(&mut Splices, &Field<'_>) -> Result<Fate, Malformed>,
) -> Result<Fate, Malformed> {
    let before = splices.mark();
    let (mut all, mut left) = (0, 0);
    let is_child = |number| number == children;
    let growth = splices.message(entry, |splices, content| {
        splices.each(content, is_child, |splices, field| {
            let fate = child(splices, field)?;
            all += 1;
            left += usize::from(fate.is_left);
            Ok(fate.growth)
        })
    })?;
    if left == 0 && all > 0 {
        splices.roll_back(before);
        return Ok(Fate::removed(splices, entry));
    }
    Ok(Fate {
        is_left: true,
        growth,
    })
}

impl Fate {
    fn removed(splices: &mut Splices, field: &Field<'_>) -> Self {
        Self {
            is_left: false,
            growth: splices.remove(field),
        }
    }
}
