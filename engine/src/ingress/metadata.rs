//! Request headers that go with a payload: `include_metadata`.

use crate::memory::store::Metadata;
use ::http::{HeaderName, request};
use std::collections::HashSet;
use std::rc::Rc;

/// The headers to keep, in the order of the configuration.
///
/// Only what a `metadata_keys` downstream names: keeping all headers would make every request its
/// own batch and would carry credentials through the engine.
#[derive(Debug, Clone, Default)]
pub struct MetadataKeys(Box<[HeaderName]>);

impl FromIterator<HeaderName> for MetadataKeys {
    fn from_iter<I: IntoIterator<Item = HeaderName>>(keys: I) -> Self {
        let mut unique: Vec<HeaderName> = Vec::new();
        for key in keys {
            if !unique.contains(&key) {
                unique.push(key);
            }
        }
        Self(unique.into())
    }
}

impl MetadataKeys {
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The request's values for the keys; a key without a value stands with none. `None` where
    /// nothing is kept.
    ///
    /// Bytes above 0x7f are read as Latin-1, as HTTP once did, so that equal bytes stay equal and
    /// different ones different.
    pub(super) fn collect(&self, parts: &request::Parts) -> Option<Metadata> {
        if self.is_empty() {
            return None;
        }
        Some(
            self.0
                .iter()
                .map(|key| (Box::from(key.as_str()), values(key, parts)))
                .collect(),
        )
    }
}

fn values(key: &HeaderName, parts: &request::Parts) -> Box<[Box<str>]> {
    let latin1 = |bytes: &[u8]| bytes.iter().copied().map(char::from).collect::<String>();
    let mut values: Vec<Box<str>> = parts
        .headers
        .get_all(key)
        .iter()
        .map(|value| latin1(value.as_bytes()).into())
        .collect();
    // HTTP/2 carries the host as `:authority`, and the Collector knows it as `Host`.
    if values.is_empty() && *key == ::http::header::HOST {
        values.extend(
            parts
                .uri
                .authority()
                .map(|authority| Box::from(authority.as_str())),
        );
    }
    values.into()
}

/// One copy of each distinct metadata in use: a tenant with ten thousand queued requests costs
/// the memory of one.
///
/// Invariant: at most twice as many entries as were in use at the last sweep, or [`SWEEP_MIN`].
#[derive(Debug)]
pub struct SharedMetadata {
    distinct: HashSet<Metadata>,
    sweep_at: usize,
}

/// Below this many entries it is not worth looking for unused ones.
const SWEEP_MIN: usize = 64;

impl SharedMetadata {
    /// The copy that is equal to `metadata`, or `metadata` itself as the first.
    pub fn share(&mut self, metadata: Metadata) -> Metadata {
        if let Some(shared) = self.distinct.get(&metadata) {
            return Rc::clone(shared);
        }
        if self.distinct.len() >= self.sweep_at {
            self.distinct
                .retain(|metadata| Rc::strong_count(metadata) > 1);
            self.sweep_at = (self.distinct.len() * 2).max(SWEEP_MIN);
        }
        self.distinct.insert(Rc::clone(&metadata));
        metadata
    }
}

impl Default for SharedMetadata {
    fn default() -> Self {
        Self {
            distinct: HashSet::new(),
            sweep_at: SWEEP_MIN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::http::Request;

    fn tenant(name: usize) -> Metadata {
        [("x-tenant".into(), [name.to_string().into()].into())].into()
    }

    #[test]
    fn equal_metadata_is_one() {
        let mut shared = SharedMetadata::default();
        let first = shared.share(tenant(1));
        assert!(Rc::ptr_eq(&first, &shared.share(tenant(1))));
        assert!(!Rc::ptr_eq(&first, &shared.share(tenant(2))));
    }

    #[test]
    fn what_is_no_longer_used_is_forgotten() {
        let mut shared = SharedMetadata::default();
        let kept: Vec<Metadata> = (0..10).map(|name| shared.share(tenant(name))).collect();
        for name in 10..10_000 {
            shared.share(tenant(name));
            assert!(shared.distinct.len() <= SWEEP_MIN);
        }
        for (name, metadata) in kept.iter().enumerate() {
            assert!(Rc::ptr_eq(metadata, &shared.share(tenant(name))));
        }
    }

    fn collect(keys: &[&'static str], request: Request<()>) -> Option<Metadata> {
        let keys: MetadataKeys = keys.iter().copied().map(HeaderName::from_static).collect();
        keys.collect(&request.into_parts().0)
    }

    #[test]
    fn keeps_what_is_asked_for_and_nothing_else() {
        let request = Request::post("http://host.example/v1/traces")
            .header("x-tenant", "a")
            .header("X-Tenant", "b")
            .header("authorization", "secret")
            .body(())
            .unwrap();
        let metadata = collect(&["x-tenant", "x-none", "host", "x-tenant"], request).unwrap();
        let found: Vec<(&str, Vec<&str>)> = metadata
            .iter()
            .map(|(key, values)| (&**key, values.iter().map(|value| &**value).collect()))
            .collect();
        let expected = [
            ("x-tenant", vec!["a", "b"]),
            ("x-none", vec![]),
            ("host", vec!["host.example"]),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn no_keys_no_metadata() {
        let request = Request::post("/").header("x-tenant", "a").body(()).unwrap();
        assert!(collect(&[], request).is_none());
    }

    #[test]
    fn different_bytes_stay_different() {
        let of = |bytes: &[u8]| {
            let request = Request::post("/")
                .header("x-tenant", bytes)
                .body(())
                .unwrap();
            collect(&["x-tenant"], request)
        };
        assert_ne!(of(b"\xff"), of(b"\xfe"));
        assert_eq!(of(b"\xff"), of(b"\xff"));
    }
}
