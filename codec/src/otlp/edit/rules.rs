//! What the edits of one key come to.

use super::super::fields::{KEY_VALUE_KEY, KEY_VALUE_VALUE};
use super::{Action, Value};
use crate::writer::Writer;

/// For each key that is edited, what to do where it is found and where it is not.
#[derive(Debug, Default)]
pub struct Rules {
    rules: Vec<Rule>,
}

#[derive(Debug)]
pub struct Rule {
    pub key: String,
    pub found: Found,
    /// The whole content of the KeyValue to add where the key is not there.
    pub missing: Option<Vec<u8>>,
}

/// What happens to the attributes that have the key. The bytes are a KeyValue's value field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    Keep,
    /// The first gets the value, others stay.
    Set(Vec<u8>),
    /// The first gets the value, others go: a delete, then an insert.
    Replace(Vec<u8>),
    Delete,
}

impl Rules {
    /// Folds actions that take effect one after the other into one rule a key.
    pub fn new<'a>(actions: impl Iterator<Item = (&'a str, &'a Action)>) -> Self {
        let mut rules: Vec<Rule> = Vec::new();
        for (key, action) in actions {
            let known = rules.iter().position(|rule| rule.key == key);
            let at = known.unwrap_or_else(|| {
                rules.push(Rule {
                    key: key.to_owned(),
                    found: Found::Keep,
                    missing: None,
                });
                rules.len() - 1
            });
            rules[at].fold(action);
        }
        rules.retain(|rule| rule.found != Found::Keep || rule.missing.is_some());
        Self { rules }
    }

    pub const fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    pub fn as_slice(&self) -> &[Rule] {
        &self.rules
    }
}

impl Rule {
    fn fold(&mut self, action: &Action) {
        let was = std::mem::replace(&mut self.found, Found::Keep);
        self.found = match (action, was) {
            (Action::Delete, _) => Found::Delete,
            (Action::Insert(value), Found::Delete) => Found::Replace(value_field(value)),
            (Action::Insert(_), was) => was,
            (Action::Update(_), Found::Delete) => Found::Delete,
            (Action::Update(value) | Action::Upsert(value), Found::Keep | Found::Set(_)) => {
                Found::Set(value_field(value))
            }
            (Action::Update(value) | Action::Upsert(value), _) => {
                Found::Replace(value_field(value))
            }
        };
        match (action, &self.missing) {
            (Action::Delete, _) => self.missing = None,
            (Action::Insert(value), None)
            | (Action::Update(value), Some(_))
            | (Action::Upsert(value), _) => self.missing = Some(key_value(&self.key, value)),
            (Action::Insert(_), Some(_)) | (Action::Update(_), None) => {}
        }
    }
}

fn key_value(key: &str, value: &Value) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.bytes(KEY_VALUE_KEY, key.as_bytes());
    writer.raw(&value_field(value));
    writer.into_buffer()
}

fn value_field(value: &Value) -> Vec<u8> {
    let mut writer = Writer::default();
    write_value(KEY_VALUE_VALUE, value, &mut writer);
    writer.into_buffer()
}

/// Writes an AnyValue in the field `number`. Calls itself as deep as the value, which comes from
/// a configuration and not from a peer.
fn write_value(number: u32, value: &Value, writer: &mut Writer) {
    let any = writer.open(number, 0);
    match value {
        Value::String(text) => writer.bytes(1, text.as_bytes()),
        Value::Bool(value) => writer.varint(2, u64::from(*value)),
        Value::Int(value) => writer.varint(3, *value as u64),
        Value::Double(value) => writer.fixed64(4, value.to_bits()),
        Value::Bytes(bytes) => writer.bytes(7, bytes),
        Value::Array(values) => {
            let array = writer.open(5, 0);
            for value in values {
                write_value(1, value, writer);
            }
            writer.close(array);
        }
        Value::Map(entries) => {
            let map = writer.open(6, 0);
            for (key, value) in entries {
                let entry = writer.open(1, 0);
                writer.bytes(KEY_VALUE_KEY, key.as_bytes());
                write_value(KEY_VALUE_VALUE, value, writer);
                writer.close(entry);
            }
            writer.close(map);
        }
    }
    writer.close(any);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fold(actions: &[Action]) -> Option<(Found, Option<Vec<u8>>)> {
        let rules = Rules::new(actions.iter().map(|action| ("key", action)));
        let rule = rules.rules.into_iter().next();
        rule.map(|rule| (rule.found, rule.missing))
    }

    #[test]
    fn actions_on_one_key_come_to_one_rule() {
        use Action::*;
        let (one, two) = (Value::Int(1), Value::Int(2));
        let field = || value_field(&Value::Int(2));
        let added = |value: &Value| Some(key_value("key", value));

        let cases = [
            (
                vec![Delete, Insert(two.clone())],
                Found::Replace(field()),
                added(&two),
            ),
            (vec![Insert(one.clone()), Delete], Found::Delete, None),
            (vec![Delete, Update(two.clone())], Found::Delete, None),
            (
                vec![Insert(one.clone()), Update(two.clone())],
                Found::Set(field()),
                added(&two),
            ),
            (
                vec![Insert(one.clone()), Insert(two.clone())],
                Found::Keep,
                added(&one),
            ),
            (
                vec![Update(one), Upsert(two.clone())],
                Found::Set(field()),
                added(&two),
            ),
            (
                vec![Delete, Upsert(two.clone())],
                Found::Replace(field()),
                added(&two),
            ),
        ];
        for (actions, found, missing) in cases {
            assert_eq!(fold(&actions), Some((found, missing)), "{actions:?}");
        }
        assert_eq!(fold(&[]), None);
    }
}
