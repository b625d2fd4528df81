//! Finding the bytes that edits replace, in the order in which they stand.

use super::super::Signal;
use super::super::fields::{
    DATA_POINTS, DICTIONARY_STRINGS, ENTRY_RESOURCE, ENTRY_SCOPES, KEY_VALUE_KEY,
    KEY_VALUE_KEY_INDEX, KEY_VALUE_VALUE, LOG_ATTRIBUTES, METRIC_DATA, REQUEST_DICTIONARY,
    REQUEST_RESOURCES, RESOURCE_ATTRIBUTES, SCOPE_ATTRIBUTES, SCOPE_ENTRY_ITEMS, SCOPE_ENTRY_SCOPE,
    SPAN_ATTRIBUTES, point_attributes,
};
use super::super::splice::{Growth, Splices, write_field, write_header};
use super::Edits;
use super::rules::{Found, Rule, Rules};
use crate::Rope;
use crate::field::{Field, Fields, Layout, Malformed, MalformedKind, WireType};
use crate::rope::Cursor;
use crate::varint::{self, Decoded};
use smallvec::SmallVec;

/// Where the edits of a request are looked for.
#[derive(Debug)]
pub struct Plan<'e> {
    edits: &'e Edits,
    /// For profiles, the places of edited keys in the dictionary's strings, in order.
    key_indices: Vec<(u32, KeyRule)>,
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

impl<'e> Plan<'e> {
    /// What the edits replace in a request.
    pub fn splices(edits: &'e Edits, request: &Rope) -> Result<Splices, Malformed> {
        let mut plan = Self {
            edits,
            key_indices: Vec::new(),
        };
        if edits.signal == Signal::Profiles {
            plan.find_key_indices(request)?;
        }
        let mut splices = Splices::default();
        for field in Fields::from(request) {
            let field = field?;
            if field.number == REQUEST_RESOURCES {
                splices.message(&field, |splices, entry| plan.entry(splices, entry))?;
            }
        }
        Ok(splices)
    }

    /// A resource entry.
    fn entry(&self, splices: &mut Splices, entry: Cursor<'_>) -> Growth {
        let edits = self.edits;
        let resource = Holder {
            number: RESOURCE_ATTRIBUTES,
            rules: &edits.resource,
            of_scope: false,
        };
        let is_entered = !edits.scope.is_empty() || !edits.item.is_empty();
        self.subject_and(
            splices,
            entry,
            ENTRY_RESOURCE,
            resource,
            |splices, field| {
                if field.number != ENTRY_SCOPES || !is_entered {
                    return Ok(0);
                }
                splices.message(field, |splices, scope| self.scope_entry(splices, scope))
            },
        )
    }

    fn scope_entry(&self, splices: &mut Splices, entry: Cursor<'_>) -> Growth {
        let edits = self.edits;
        let scope = Holder {
            number: SCOPE_ATTRIBUTES,
            rules: &edits.scope,
            of_scope: true,
        };
        self.subject_and(
            splices,
            entry,
            SCOPE_ENTRY_SCOPE,
            scope,
            |splices, field| {
                if field.number != SCOPE_ENTRY_ITEMS || edits.item.is_empty() {
                    return Ok(0);
                }
                splices.message(field, |splices, content| match edits.signal {
                    Signal::Traces => self.item(splices, content, SPAN_ATTRIBUTES),
                    Signal::Logs => self.item(splices, content, LOG_ATTRIBUTES),
                    Signal::Metrics => self.metric(splices, content),
                    Signal::Profiles => Ok(0),
                })
            },
        )
    }

    fn metric(&self, splices: &mut Splices, metric: Cursor<'_>) -> Growth {
        let is_data = |number| METRIC_DATA.contains(&number);
        splices.each(metric, is_data, |splices, data| {
            let attributes = point_attributes(data.number);
            splices.message(data, |splices, content| {
                let is_point = |number| number == DATA_POINTS;
                splices.each(content, is_point, |splices, point| {
                    splices.message(point, |splices, content| {
                        self.item(splices, content, attributes)
                    })
                })
            })
        })
    }

    fn item(&self, splices: &mut Splices, item: Cursor<'_>, number: u32) -> Growth {
        let holder = Holder {
            number,
            rules: &self.edits.item,
            of_scope: false,
        };
        let mut met = Met::from_elem(false, holder.rules.as_slice().len());
        let growth = self.attributes(splices, item, holder, &mut met)?;
        Ok(growth + add_missing(splices, item.end(), holder, &met))
    }

    /// Edits the resource or scope of an entry, and does `others` to the other fields.
    ///
    /// It may be missing, and is then made if there is something to put into it. It may also stand
    /// there in several parts, which protobuf merges: attributes are added to the last.
    fn subject_and(
        &self,
        splices: &mut Splices,
        entry: Cursor<'_>,
        number: u32,
        holder: Holder<'e>,
        mut others: impl FnMut(&mut Splices, &Field<'_>) -> Growth,
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
            growth += add_subject(splices, entry.offset(), number, holder);
        }
        for field in Fields::new(entry) {
            let field = field?;
            growth += if field.number != number || rules.is_empty() {
                others(splices, &field)?
            } else {
                splices.message(&field, |splices, subject| {
                    let growth = self.attributes(splices, subject, holder, &mut met)?;
                    Ok(if last == Some(field.whole.offset()) {
                        growth + add_missing(splices, subject.end(), holder, &met)
                    } else {
                        growth
                    })
                })?
            };
        }
        Ok(growth)
    }

    /// Changes the attributes whose keys are there.
    fn attributes(
        &self,
        splices: &mut Splices,
        message: Cursor<'_>,
        holder: Holder<'e>,
        met: &mut Met,
    ) -> Growth {
        let is_attribute = |number| number == holder.number;
        splices.each(message, is_attribute, |splices, field| {
            let Some(i) = self.rule_of(field.content()?, holder)? else {
                return Ok(0);
            };
            let is_first = !std::mem::replace(&mut met[i], true);
            let rule: &Rule = &holder.rules.as_slice()[i];
            match &rule.found {
                Found::Set(value) | Found::Replace(value) if is_first => {
                    splices.message(field, |splices, content| set(splices, content, value))
                }
                Found::Keep | Found::Set(_) => Ok(0),
                Found::Replace(_) | Found::Delete => Ok(splices.remove(field)),
            }
        })
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

/// Adds a resource or scope with the attributes of all rules that add one.
fn add_subject(splices: &mut Splices, at: usize, number: u32, holder: Holder<'_>) -> isize {
    let added = holder.rules.as_slice().iter();
    let added = added.filter_map(|rule| rule.missing.as_deref());
    let content: usize = added.clone().map(|content| field_len(content.len())).sum();
    splices.replace(at..at, |out| {
        write_header(number, content, out);
        for content in added {
            write_field(holder.number, content, out);
        }
    })
}

/// Adds, at the end of a message, the attributes whose keys are not there.
fn add_missing(splices: &mut Splices, at: usize, holder: Holder<'_>, met: &Met) -> isize {
    splices.replace(at..at, |out| {
        for (rule, met) in holder.rules.as_slice().iter().zip(met) {
            if let (Some(content), false) = (&rule.missing, met) {
                write_field(holder.number, content, out);
            }
        }
    })
}

/// Puts a value field in the place of all that a KeyValue has.
fn set(splices: &mut Splices, key_value: Cursor<'_>, value: &[u8]) -> Growth {
    let is_value = |number| number == KEY_VALUE_VALUE;
    let growth = splices.each(key_value, is_value, |splices, old| Ok(splices.remove(old)))?;
    let end = key_value.end();
    Ok(growth + splices.replace(end..end, |out| out.extend_from_slice(value)))
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
