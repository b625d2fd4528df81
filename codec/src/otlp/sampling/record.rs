//! A log record: its threshold stands in an attribute, and so does a randomness that is not its
//! trace id's.

use super::super::fields::{
    ANY_VALUE, ANY_VALUE_STRING, KEY_VALUE_KEY, KEY_VALUE_VALUE, LOG_ATTRIBUTES, LOG_TRACE_ID,
};
use super::super::splice::{Splices, write_field, write_field_of};
use super::pass::Outcome;
use super::rule::Decision;
use super::{Randomness, Rule, Threshold};
use crate::field::{Field, Fields, Malformed, WireType};
use crate::rope::Cursor;
use rapidhash::v3::{RapidSecrets, rapidhash_v3_seeded};
use std::ops::Range;

/// The attributes, as the Collector names them.
const THRESHOLD: &str = "sampling.threshold";
const RANDOMNESS: &str = "sampling.randomness";

/// What a log record says about its sampling.
#[derive(Debug)]
struct Record<'a> {
    content: Cursor<'a>,
    randomness_of_id: Option<Randomness>,
    threshold: Attribute<Threshold>,
    randomness: Attribute<Randomness>,
}

/// The first attribute with a key.
#[derive(Debug)]
struct Attribute<T> {
    key: &'static str,
    /// `None` where it is not there, or is not such a number.
    value: Option<T>,
    /// Of its field; `None` where it is not there.
    place: Option<Range<usize>>,
}

pub fn sample(rule: &Rule, splices: &mut Splices, field: &Field<'_>) -> Result<Outcome, Malformed> {
    let record = Record::read(field.content()?)?;
    let threshold = record.threshold.value;
    let given = record.randomness.value.or(record.randomness_of_id);
    let randomness = given.unwrap_or_else(|| record.hash(rule.seed, threshold));
    let kept = match rule.decide(threshold, Some(randomness)) {
        Decision::Drop(reason) => return Ok(Outcome::Dropped(reason)),
        Decision::Keep(kept) => kept,
    };
    let growth = splices.message(field, |splices, content| {
        let end = content.end();
        let threshold = |splices: &mut Splices| {
            if kept == threshold {
                return 0;
            }
            record.threshold.set(
                splices,
                end,
                kept.map(|kept| move |out: &mut Vec<u8>| kept.write(out)),
            )
        };
        let randomness = |splices: &mut Splices| {
            if given.is_some() {
                return 0;
            }
            record.randomness.set(
                splices,
                end,
                Some(|out: &mut Vec<u8>| randomness.write(out)),
            )
        };
        // In the order in which they stand.
        let randomness_first = record.randomness.stands_before(&record.threshold);
        let mut growth = 0;
        if randomness_first {
            growth += randomness(splices);
        }
        growth += threshold(splices);
        if !randomness_first {
            growth += randomness(splices);
        }
        Ok(growth)
    })?;
    Ok(Outcome::Kept { growth })
}

impl<'a> Record<'a> {
    fn read(content: Cursor<'a>) -> Result<Self, Malformed> {
        let mut record = Self {
            content,
            randomness_of_id: None,
            threshold: Attribute::missing(THRESHOLD),
            randomness: Attribute::missing(RANDOMNESS),
        };
        let mut fields = Fields::new(content);
        let is_read = |number| matches!(number, LOG_TRACE_ID | LOG_ATTRIBUTES);
        while let Some(field) = fields.next_of(is_read) {
            let field = field?;
            if field.number == LOG_TRACE_ID {
                record.randomness_of_id = Randomness::from_trace_id(&field.content()?.bytes());
                continue;
            }
            let (key, value) = key_and_value(field.content()?)?;
            record
                .threshold
                .meet(&field, key, value, Threshold::parse)?;
            record
                .randomness
                .meet(&field, key, value, Randomness::parse)?;
        }
        Ok(record)
    }

    /// The randomness of a record without any. If it has a threshold, that has kept it by another
    /// randomness, which nobody wrote down.
    fn hash(&self, seed: u64, threshold: Option<Threshold>) -> Randomness {
        // COPY: only of a record that lies in two slices.
        let hash = rapidhash_v3_seeded(&self.content.bytes(), &RapidSecrets::seed_cpp(seed));
        Randomness::from_hash(hash).kept_by(threshold.unwrap_or(Threshold::ALWAYS))
    }
}

impl<T> Attribute<T> {
    const fn missing(key: &'static str) -> Self {
        Self {
            key,
            value: None,
            place: None,
        }
    }

    /// Takes the value of an attribute if it is the first with this key.
    fn meet(
        &mut self,
        field: &Field<'_>,
        key: Cursor<'_>,
        value: Cursor<'_>,
        parse: fn(&[u8]) -> Option<T>,
    ) -> Result<(), Malformed> {
        if self.place.is_none() && key.is(self.key.as_bytes()) {
            self.place = Some(field.whole.offset()..field.whole.end());
            self.value = text_of(value)?.and_then(|text| parse(&text.bytes()));
        }
        Ok(())
    }

    /// Whether its place comes first; one that is not there yet is added at the end.
    fn stands_before<U>(&self, other: &Attribute<U>) -> bool {
        let start = |place: &Option<Range<usize>>| place.as_ref().map_or(usize::MAX, |p| p.start);
        start(&self.place) < start(&other.place)
    }

    /// Replaces or adds the attribute, or removes it where there is nothing to write.
    fn set(
        &self,
        splices: &mut Splices,
        end: usize,
        write: Option<impl FnOnce(&mut Vec<u8>)>,
    ) -> isize {
        let place = self.place.clone().unwrap_or(end..end);
        splices.replace(place, |out| {
            let Some(write) = write else { return };
            write_field_of(LOG_ATTRIBUTES, out, |out| {
                write_field(KEY_VALUE_KEY, self.key.as_bytes(), out);
                write_field_of(KEY_VALUE_VALUE, out, |out| {
                    write_field_of(ANY_VALUE_STRING, out, write);
                });
            });
        })
    }
}

/// The content of an attribute; of several keys or values the last counts.
fn key_and_value(attribute: Cursor<'_>) -> Result<(Cursor<'_>, Cursor<'_>), Malformed> {
    let (mut key, mut value) = (attribute.at_end(), attribute.at_end());
    for field in Fields::new(attribute) {
        let field = field?;
        match (field.number, field.wire_type) {
            (KEY_VALUE_KEY, WireType::Len) => key = field.payload(),
            (KEY_VALUE_VALUE, WireType::Len) => value = field.payload(),
            _ => {}
        }
    }
    Ok((key, value))
}

/// The text of an AnyValue that is one: of several kinds of values the last counts.
fn text_of(value: Cursor<'_>) -> Result<Option<Cursor<'_>>, Malformed> {
    let mut last = None;
    for field in Fields::new(value) {
        let field = field?;
        if ANY_VALUE.field(field.number).is_some() {
            last = Some(field);
        }
    }
    let text = last.filter(|field| field.number == ANY_VALUE_STRING);
    text.map(|field| field.content()).transpose()
}
