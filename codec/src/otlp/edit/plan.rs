//! Finding the bytes that edits replace, in the order in which they stand.

use super::super::Signal;
use super::super::fields::{
    DATA_POINTS, DICTIONARY_STRINGS, ENTRY_RESOURCE, ENTRY_SCOPES, KEY_VALUE_KEY,
    KEY_VALUE_KEY_INDEX, KEY_VALUE_VALUE, LOG_ATTRIBUTES, METRIC_DATA, REQUEST_DICTIONARY,
    REQUEST_RESOURCES, RESOURCE_ATTRIBUTES, SCOPE_ATTRIBUTES, SCOPE_ENTRY_ITEMS, SCOPE_ENTRY_SCOPE,
    SPAN_ATTRIBUTES, point_attributes,
};
use super::Edits;
use super::rules::{Found, Rule, Rules};
use crate::Rope;
use crate::field::{Field, Fields, Layout, Malformed, MalformedKind, Tag, WireType};
use crate::rope::Cursor;
use crate::varint::{self, Decoded};
use smallvec::SmallVec;
use std::ops::Range;

/// What becomes of a request: everything but the patches stays.
#[derive(Debug)]
pub struct Plan<'e> {
    edits: &'e Edits,
    /// For profiles, the places of edited keys in the dictionary's strings, in order.
    key_indices: Vec<(u32, KeyRule)>,
    /// In the order of the request, none overlapping.
    pub patches: Vec<Patch>,
    pub new_bytes: Vec<u8>,
}

/// Bytes of the request, and the new bytes in their place.
#[derive(Debug)]
pub struct Patch {
    pub replaced: Range<usize>,
    /// Of [`Plan::new_bytes`].
    pub new: Range<usize>,
}

/// A rule by its place: which rules, and which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct KeyRule {
    of_scope: bool,
    index: u32,
}

/// A message that has attributes.
#[derive(Debug, Clone, Copy)]
struct Holder<'e> {
    /// The field that holds its attributes.
    number: u32,
    rules: &'e Rules,
    of_scope: bool,
}

/// Which rules have met their key already.
type Met = SmallVec<[bool; 16]>;

/// How much longer a message became, in bytes.
type Growth = Result<isize, Malformed>;

impl<'e> Plan<'e> {
    pub fn new(edits: &'e Edits, request: &Rope) -> Result<Self, Malformed> {
        let mut plan = Self {
            edits,
            key_indices: Vec::new(),
            patches: Vec::new(),
            new_bytes: Vec::new(),
        };
        if edits.signal == Signal::Profiles {
            plan.find_key_indices(request)?;
        }
        for field in Fields::from(request) {
            let field = field?;
            if field.number == REQUEST_RESOURCES {
                plan.message(&field, |plan, entry| plan.entry(entry))?;
            }
        }
        Ok(plan)
    }

    /// A resource entry.
    fn entry(&mut self, entry: Cursor<'_>) -> Growth {
        let edits = self.edits;
        let resource = Holder {
            number: RESOURCE_ATTRIBUTES,
            rules: &edits.resource,
            of_scope: false,
        };
        let is_entered = !edits.scope.is_empty() || !edits.item.is_empty();
        self.subject_and(entry, ENTRY_RESOURCE, resource, |plan, field| {
            if field.number != ENTRY_SCOPES || !is_entered {
                return Ok(0);
            }
            plan.message(field, |plan, scope| plan.scope_entry(scope))
        })
    }

    fn scope_entry(&mut self, entry: Cursor<'_>) -> Growth {
        let edits = self.edits;
        let scope = Holder {
            number: SCOPE_ATTRIBUTES,
            rules: &edits.scope,
            of_scope: true,
        };
        self.subject_and(entry, SCOPE_ENTRY_SCOPE, scope, |plan, field| {
            if field.number != SCOPE_ENTRY_ITEMS || edits.item.is_empty() {
                return Ok(0);
            }
            plan.message(field, |plan, content| match edits.signal {
                Signal::Traces => plan.item(content, SPAN_ATTRIBUTES),
                Signal::Logs => plan.item(content, LOG_ATTRIBUTES),
                Signal::Metrics => plan.metric(content),
                Signal::Profiles => Ok(0),
            })
        })
    }

    fn metric(&mut self, metric: Cursor<'_>) -> Growth {
        self.each(
            metric,
            |number| METRIC_DATA.contains(&number),
            |plan, data| {
                let attributes = point_attributes(data.number);
                plan.message(data, |plan, content| {
                    plan.each(
                        content,
                        |number| number == DATA_POINTS,
                        |plan, point| {
                            plan.message(point, |plan, content| plan.item(content, attributes))
                        },
                    )
                })
            },
        )
    }

    fn item(&mut self, item: Cursor<'_>, number: u32) -> Growth {
        let holder = Holder {
            number,
            rules: &self.edits.item,
            of_scope: false,
        };
        let mut met = Met::from_elem(false, holder.rules.as_slice().len());
        Ok(self.attributes(item, holder, &mut met)? + self.missing(item.end(), holder, &met))
    }

    /// Edits the resource or scope of an entry, and does `others` to the other fields.
    ///
    /// It may be missing, and is then made if there is something to put into it. It may also stand
    /// there in several parts, which protobuf merges: attributes are added to the last.
    fn subject_and(
        &mut self,
        entry: Cursor<'_>,
        number: u32,
        holder: Holder<'e>,
        mut others: impl FnMut(&mut Self, &Field<'_>) -> Growth,
    ) -> Growth {
        let rules = holder.rules.as_slice();
        let mut met = Met::from_elem(false, rules.len());
        let last = if rules.is_empty() {
            None
        } else {
            last_field(entry, number)?
        };
        let mut growth = 0;
        if last.is_none() && rules.iter().any(|rule| rule.missing.is_some()) {
            growth += self.new_subject(entry.offset(), number, holder);
        }
        for field in Fields::new(entry) {
            let field = field?;
            growth += if field.number != number || rules.is_empty() {
                others(self, &field)?
            } else {
                self.message(&field, |plan, subject| {
                    let growth = plan.attributes(subject, holder, &mut met)?;
                    Ok(if last == Some(field.whole.offset()) {
                        growth + plan.missing(subject.end(), holder, &met)
                    } else {
                        growth
                    })
                })?
            };
        }
        Ok(growth)
    }

    /// Adds a resource or scope with the attributes of all rules that add one.
    fn new_subject(&mut self, at: usize, number: u32, holder: Holder<'_>) -> isize {
        let added = holder.rules.as_slice().iter();
        let added = added.filter_map(|rule| rule.missing.as_deref());
        let content: usize = added.clone().map(|content| field_len(content.len())).sum();
        let new = self.new_bytes.len();
        self.header(number, content);
        for content in added {
            self.header(holder.number, content.len());
            self.new_bytes.extend_from_slice(content);
        }
        self.patch(at..at, new)
    }

    /// Changes the attributes whose keys are there.
    fn attributes(&mut self, message: Cursor<'_>, holder: Holder<'e>, met: &mut Met) -> Growth {
        self.each(
            message,
            |number| number == holder.number,
            |plan, field| {
                let Some(i) = plan.rule_of(field.content()?, holder)? else {
                    return Ok(0);
                };
                let is_first = !std::mem::replace(&mut met[i], true);
                let rule: &Rule = &holder.rules.as_slice()[i];
                match &rule.found {
                    Found::Set(value) | Found::Replace(value) if is_first => {
                        plan.message(field, |plan, content| plan.set(content, value))
                    }
                    Found::Keep | Found::Set(_) => Ok(0),
                    Found::Replace(_) | Found::Delete => {
                        let new = plan.new_bytes.len();
                        Ok(plan.patch(field.whole.offset()..field.whole.end(), new))
                    }
                }
            },
        )
    }

    /// Adds, at the end of a message, the attributes whose keys are not there.
    fn missing(&mut self, at: usize, holder: Holder<'_>, met: &Met) -> isize {
        let new = self.new_bytes.len();
        for (rule, met) in holder.rules.as_slice().iter().zip(met) {
            if let (Some(content), false) = (&rule.missing, met) {
                self.header(holder.number, content.len());
                self.new_bytes.extend_from_slice(content);
            }
        }
        self.patch(at..at, new)
    }

    /// Puts a value field in the place of all that a KeyValue has.
    fn set(&mut self, key_value: Cursor<'_>, value: &[u8]) -> Growth {
        let mut growth = self.each(
            key_value,
            |number| number == KEY_VALUE_VALUE,
            |plan, old| {
                let new = plan.new_bytes.len();
                Ok(plan.patch(old.whole.offset()..old.whole.end(), new))
            },
        )?;
        let new = self.new_bytes.len();
        self.new_bytes.extend_from_slice(value);
        growth += self.patch(key_value.end()..key_value.end(), new);
        Ok(growth)
    }

    /// Does `inside` to the content of a field, and patches its length if that changed.
    fn message(
        &mut self,
        field: &Field<'_>,
        inside: impl FnOnce(&mut Self, Cursor<'_>) -> Growth,
    ) -> Growth {
        let content = field.content()?;
        let slot = self.patches.len();
        // The length stands before what is in it, so its patch comes first.
        self.patches.push(Patch {
            replaced: content.offset()..content.offset(),
            new: 0..0,
        });
        let growth = inside(self, content)?;
        if self.patches.len() == slot + 1 {
            self.patches.pop();
        }
        if growth == 0 {
            return Ok(0);
        }
        let mut length = field.whole;
        crate::field::read_tag(&mut length)?;
        let replaced = length.offset()..content.offset();
        let start = self.new_bytes.len();
        let new_len = content.remaining().saturating_add_signed(growth);
        varint::write(new_len as u64, &mut self.new_bytes);
        let new = start..self.new_bytes.len();
        let growth = growth + new.len() as isize - replaced.len() as isize;
        self.patches[slot] = Patch { replaced, new };
        Ok(growth)
    }

    /// Does `visit` to each field of a message whose number is wanted.
    fn each(
        &mut self,
        message: Cursor<'_>,
        is_wanted: impl Fn(u32) -> bool,
        mut visit: impl FnMut(&mut Self, &Field<'_>) -> Growth,
    ) -> Growth {
        let mut growth = 0;
        let mut fields = Fields::new(message);
        while let Some(field) = fields.next_of(&is_wanted) {
            growth += visit(self, &field?)?;
        }
        Ok(growth)
    }

    /// Replaces a range by what was added to the new bytes since they were `new` long.
    fn patch(&mut self, replaced: Range<usize>, new: usize) -> isize {
        let new = new..self.new_bytes.len();
        let growth = new.len() as isize - replaced.len() as isize;
        if new.is_empty() && replaced.is_empty() {
            return 0;
        }
        // Neighbours that go one after the other are one patch; the place of a length is not one.
        if let Some(last) = self.patches.last_mut()
            && !last.replaced.is_empty()
            && last.replaced.end == replaced.start
            && last.new.end == new.start
        {
            last.replaced.end = replaced.end;
            last.new.end = new.end;
        } else {
            self.patches.push(Patch { replaced, new });
        }
        growth
    }

    fn header(&mut self, number: u32, len: usize) {
        let wire_type = WireType::Len;
        varint::write(Tag { number, wire_type }.key(), &mut self.new_bytes);
        varint::write(len as u64, &mut self.new_bytes);
    }

    /// The rule for a KeyValue's key.
    fn rule_of(
        &self,
        key_value: Cursor<'_>,
        holder: Holder<'_>,
    ) -> Result<Option<usize>, Malformed> {
        // COPY: only of an attribute that lies in two slices.
        let bytes = key_value.bytes();
        let (mut key, mut index) = (&[][..], 0);
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let Some(field) = Layout::of(rest) else {
                return Err(fault(key_value));
            };
            let (whole, after) = rest.split_at(field.whole);
            let content = &whole[field.header..];
            match (field.number(), field.wire_type()) {
                // Of several keys the last one counts.
                (KEY_VALUE_KEY, WireType::Len) => key = content,
                (KEY_VALUE_KEY_INDEX, WireType::Varint) => {
                    index = match varint::decode(content) {
                        Decoded::Value(index, _) => index,
                        Decoded::Truncated | Decoded::TooLong => return Err(fault(key_value)),
                    };
                }
                _ => {}
            }
            rest = after;
        }
        let rules = holder.rules.as_slice();
        if index == 0 || self.edits.signal != Signal::Profiles {
            return Ok(rules.iter().position(|rule| rule.key.as_bytes() == key));
        }
        let found = self
            .key_indices
            .iter()
            .filter(|(at, _)| u64::from(*at) == index);
        let mut found = found.filter(|(_, rule)| rule.of_scope == holder.of_scope);
        Ok(found.next().map(|(_, rule)| rule.index as usize))
    }

    /// Finds the edited keys among the dictionary's strings.
    fn find_key_indices(&mut self, request: &Rope) -> Result<(), Malformed> {
        let edits = self.edits;
        let mut at = 0;
        for dictionary in Fields::from(request) {
            let dictionary = dictionary?;
            if dictionary.number != REQUEST_DICTIONARY {
                continue;
            }
            for string in dictionary.message()? {
                let string = string?;
                if string.number != DICTIONARY_STRINGS {
                    continue;
                }
                for (rules, of_scope) in [(&edits.resource, false), (&edits.scope, true)] {
                    for (index, rule) in (0..).zip(rules.as_slice()) {
                        if string.content()?.is(rule.key.as_bytes()) {
                            self.key_indices.push((at, KeyRule { of_scope, index }));
                        }
                    }
                }
                at += 1;
            }
        }
        Ok(())
    }
}

/// What is wrong with a message that is known to have a fault.
fn fault(message: Cursor<'_>) -> Malformed {
    let found = Fields::new(message).find_map(Result::err);
    found.unwrap_or(Malformed {
        offset: message.offset(),
        kind: MalformedKind::Truncated,
    })
}

/// The offset of the last field with a number.
fn last_field(message: Cursor<'_>, number: u32) -> Result<Option<usize>, Malformed> {
    let mut last = None;
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next_of(|found| found == number) {
        last = Some(field?.whole.offset());
    }
    Ok(last)
}

/// The length of a field with a number below 16 and this much content.
const fn field_len(content: usize) -> usize {
    1 + varint::len(content as u64) + content
}
