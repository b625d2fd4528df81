//! What arrived.

use super::Answer;
use crate::item::{Export, Item, Signal};
use hyper::HeaderMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// One export call.
#[derive(Debug, Clone)]
pub struct Call {
    pub at: Instant,
    /// `grpc`, `http/protobuf` or `http/json`.
    pub protocol: &'static str,
    pub headers: HeaderMap,
    /// Uncompressed size of the message.
    pub bytes: usize,
    pub export: Export,
    pub answer: Answer,
}

impl Call {
    /// A header's text, empty where the header is absent.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.and_then(|value| value.to_str().ok()).unwrap_or("")
    }
}

#[derive(Debug, Default)]
pub(super) struct Ledger {
    calls: Mutex<Vec<Arc<Call>>>,
}

impl Ledger {
    pub(super) fn enter(&self, call: Call) {
        self.calls
            .lock()
            .expect("no panic while held")
            .push(Arc::new(call));
    }

    pub(super) fn calls(&self) -> Vec<Arc<Call>> {
        self.calls.lock().expect("no panic while held").clone()
    }

    pub(super) fn len(&self) -> usize {
        self.calls.lock().expect("no panic while held").len()
    }

    pub(super) fn accepted_items(&self) -> usize {
        let calls = self.calls();
        let accepted = calls.iter().filter(|call| call.answer.accepts());
        accepted.map(|call| call.export.items().len()).sum()
    }
}

/// The accepted items by signal and id.
#[derive(Debug, Default)]
pub struct Received {
    items: BTreeMap<(Signal, u64), Vec<Item>>,
    /// Items without an id that a generator gave.
    strangers: usize,
}

impl Received {
    pub(super) fn of(calls: &[Arc<Call>]) -> Self {
        let mut received = Self::default();
        for call in calls.iter().filter(|call| call.answer.accepts()) {
            for item in call.export.items() {
                match item.id() {
                    Some(id) => {
                        let key = (call.export.signal(), id);
                        received.items.entry(key).or_default().push(item);
                    }
                    None => received.strangers += 1,
                }
            }
        }
        received
    }

    /// The ids of one signal.
    pub fn ids(&self, signal: Signal) -> BTreeSet<u64> {
        let of_signal = self.items.keys().filter(|(of, _)| *of == signal);
        of_signal.map(|(_, id)| *id).collect()
    }

    /// How many items came more than once.
    pub fn duplicates(&self) -> usize {
        self.items.values().filter(|items| items.len() > 1).count()
    }

    /// Checks that every item of `sent` came, once, as it was sent, and that nothing else came.
    ///
    /// Panics with the first difference and the number of lost, repeated and foreign items.
    pub fn assert_exactly(&self, sent: &[Export]) {
        let expected = self.assert_contains(sent);
        let foreign: Vec<_> = self
            .items
            .keys()
            .filter(|key| !expected.contains(key))
            .collect();
        assert!(
            foreign.is_empty() && self.strangers == 0,
            "{} items came that nobody sent, and {} without an id; the first: {:?}",
            foreign.len(),
            self.strangers,
            foreign.first()
        );
        assert_eq!(self.duplicates(), 0, "items came more than once");
    }

    /// Checks that every item of `sent` came at least once, and each time as it was sent.
    ///
    /// Returns the keys of what was sent.
    pub fn assert_contains(&self, sent: &[Export]) -> BTreeSet<(Signal, u64)> {
        let mut lost = Vec::new();
        let mut expected = BTreeSet::new();
        for export in sent {
            for item in export.items() {
                let key = (
                    export.signal(),
                    item.id().expect("generated items have ids"),
                );
                expected.insert(key);
                match self.items.get(&key) {
                    None => lost.push(key),
                    Some(copies) => {
                        for copy in copies {
                            assert_eq!(*copy, item, "an item came changed");
                        }
                    }
                }
            }
        }
        assert!(
            lost.is_empty(),
            "{} of {} items are lost; the first: {:?}",
            lost.len(),
            expected.len(),
            lost.first()
        );
        expected
    }
}
