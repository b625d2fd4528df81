//! Whose data a request is, and how much of it each may send.
//!
//! A tenant is known by a name that stands in a header or in the resource. Each shard numbers those it
//! meets for itself, and divides a tenant's quota with the others by how much each is asked for: see
//! [`Tenants::asked`] and [`Tenants::set_share`].

use crate::flow::bucket::{Limited, RateLimit, RateRule};
use crate::flow::fair::Class;
use crate::memory::store::Metadata;
use crate::telemetry::{Quota, TenantCounters};
use crate::time::Instant;
use crate::units::{Priority, TenantId};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// Where a tenant's name stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TenantSource {
    /// The header of this name, in lower case.
    Metadata(Box<str>),
    /// The attribute of the resource with this key.
    Resource(Box<str>),
}

/// What a tenant may do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QuotaRule {
    pub rate: RateRule,
    /// The share of each queue that it may fill, over 0 and at most 1.
    pub queue_share: f64,
    /// Of its turns. At least 1.
    pub weight: u16,
}

impl Default for QuotaRule {
    fn default() -> Self {
        Self {
            rate: RateRule::default(),
            queue_share: 1.0,
            weight: 1,
        }
    }
}

/// What a shard is told of tenants; rates are those of the process.
#[derive(Debug, Clone, Default)]
pub struct TenantSettings {
    /// `None`: nobody is told apart.
    pub source: Option<TenantSource>,
    /// All tenants together.
    pub all: RateRule,
    /// A tenant that is not named.
    pub default: QuotaRule,
    pub named: Arc<[(Box<str>, QuotaRule)]>,
    /// Tenants that are told apart at once; those beyond share the quota of one.
    pub tenants_max: usize,
    /// This shard's share of every quota until they have told each other what they are asked for.
    pub share: f64,
}

/// A quota that is spent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exceeded {
    /// `None`: that of all tenants together.
    pub tenant: Option<Arc<str>>,
    pub quota: Quota,
    pub retry_after: Duration,
}

/// The tenants of one shard. Cost: a hash lookup by name for each request, or each resource where
/// names stand there.
#[derive(Debug)]
pub struct Tenants {
    settings: TenantSettings,
    by_name: HashMap<Arc<str>, TenantId>,
    /// By [`TenantId`]; the first is of all together.
    entries: Vec<Entry>,
    /// Places of those that are gone.
    free: Vec<TenantId>,
    /// When it was last looked for them.
    swept: Instant,
}

#[derive(Debug)]
struct Entry {
    name: Arc<str>,
    rule: QuotaRule,
    limit: RateLimit,
    /// When it last sent something.
    seen: Instant,
    /// Seconds of its quota that were asked for since the others were last told.
    asked: f64,
    /// The seconds of a request, on average: for one that is refused before it is read.
    usual: f64,
    counters: TenantCounters,
}

/// The name of all together, which is nobody's: a header cannot hold it and a resource has no use
/// for it.
const ALL: &str = "(all)";

/// The name of those beyond `tenants_max`.
const OTHERS: &str = "(others)";

/// A longer name is not told apart.
const NAME_MAX: usize = 256;

/// A tenant that sent nothing for as long gives its place to a new one.
const IDLE: Duration = Duration::from_secs(600);

/// Between two searches for such a tenant.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

impl Tenants {
    pub fn new(settings: TenantSettings) -> Self {
        let all = QuotaRule {
            rate: settings.all,
            ..QuotaRule::default()
        };
        let entries = vec![
            Entry::new(ALL.into(), all, settings.share),
            Entry::new(OTHERS.into(), settings.default, settings.share),
        ];
        Self {
            settings,
            by_name: HashMap::new(),
            entries,
            free: Vec::new(),
            swept: Instant(0),
        }
    }

    pub const fn source(&self) -> Option<&TenantSource> {
        self.settings.source.as_ref()
    }

    /// Whether anything is told apart or limited.
    pub fn is_idle(&self) -> bool {
        self.settings.source.is_none() && self.settings.all == RateRule::default()
    }

    /// Whose request has these headers, where names stand there; else nobody's in particular.
    pub fn of_metadata(&mut self, metadata: Option<&Metadata>, now: Instant) -> TenantId {
        let Some(TenantSource::Metadata(key)) = &self.settings.source else {
            return TenantId::default();
        };
        let header = metadata
            .into_iter()
            .flat_map(|metadata| metadata.iter())
            .find(|(name, _)| name == key);
        let name = header.and_then(|(_, values)| values.first()).cloned();
        self.identify(name.as_deref().unwrap_or_default(), now)
    }

    /// The tenant of this name; nobody's data has the empty name.
    pub fn identify(&mut self, name: &str, now: Instant) -> TenantId {
        let known = self.by_name.get(name).copied();
        let id = known.or_else(|| self.enter(name, now));
        let id = id.unwrap_or(TenantId(1));
        self.entries[id.index()].seen = now;
        id
    }

    pub fn class(&self, priority: Priority, tenant: TenantId) -> Class {
        Class {
            priority,
            tenant,
            weight: self.entries[tenant.index()].rule.weight,
        }
    }

    /// Whether a request of nobody knows what size may come.
    pub fn check(&mut self, tenant: TenantId, now: Instant) -> Result<(), Exceeded> {
        let mut checked = self.check_one(TenantId::default(), now);
        if tenant != TenantId::default() {
            checked = self.check_one(tenant, now).and(checked);
        }
        // What is refused is asked for, too: of the tenant's quota, and of that of all together.
        checked.inspect_err(|_| {
            self.entries[0].ask();
            if tenant != TenantId::default() {
                self.entries[tenant.index()].ask();
            }
        })
    }

    /// A request of so many items and bytes has come, or a part of one, and is to be taken.
    pub fn take(&mut self, tenant: TenantId, requests: u64, items: u64, bytes: u64, now: Instant) {
        self.entries[0].take(requests, items, bytes, now);
        if tenant != TenantId::default() {
            self.entries[tenant.index()].take(requests, items, bytes, now);
        }
    }

    /// It is not taken after all. That it was asked for stays.
    pub fn give_back(&mut self, tenant: TenantId, requests: u64, items: u64, bytes: u64) {
        self.entries[0].limit.give_back(requests, items, bytes);
        if tenant != TenantId::default() {
            let own = &mut self.entries[tenant.index()];
            own.limit.give_back(requests, items, bytes);
        }
    }

    /// So many items of it have been taken.
    pub fn count_accepted(&mut self, tenant: TenantId, items: u64) {
        self.entries[0].counters.accepted_items += items;
        if tenant != TenantId::default() {
            self.entries[tenant.index()].counters.accepted_items += items;
        }
    }

    /// One was refused because of a quota, or of parts of it so many items.
    pub fn count_refused(&mut self, tenant: TenantId, quota: Quota, items: u64) {
        let counters = &mut self.entries[tenant.index()].counters;
        counters.refused_requests[quota as usize] += u64::from(items == 0);
        counters.rejected_items[quota as usize] += items;
    }

    pub fn queue_share(&self, tenant: TenantId) -> f64 {
        self.entries[tenant.index()].rule.queue_share
    }

    /// Nobody's in particular has the name of all together.
    pub fn name_of(&self, tenant: TenantId) -> &str {
        &self.entries[tenant.index()].name
    }

    pub fn name(&self, tenant: TenantId) -> Option<Arc<str>> {
        let name = || Arc::clone(&self.entries[tenant.index()].name);
        (tenant != TenantId::default()).then(name)
    }

    /// What was asked of each since the last call, in seconds of its quota; only of those of whom
    /// something was. `None` is the quota of all together.
    pub fn asked(&mut self) -> Vec<(Option<Arc<str>>, f64)> {
        let asked = |(index, entry): (usize, &mut Entry)| {
            let asked = std::mem::take(&mut entry.asked);
            let name = (index > 0).then(|| Arc::clone(&entry.name));
            (asked > 0.0).then_some((name, asked))
        };
        let entries = self.entries.iter_mut().enumerate();
        entries.filter_map(asked).collect()
    }

    /// This shard's share of a quota from now on.
    pub fn set_share(&mut self, tenant: Option<&str>, share: f64, now: Instant) {
        let id = match tenant {
            None => Some(TenantId::default()),
            Some(OTHERS) => Some(TenantId(1)),
            Some(name) => self.by_name.get(name).copied(),
        };
        if let Some(id) = id {
            self.entries[id.index()].limit.set_share(share, now);
        }
    }

    /// By name, of those that sent something; all together stand under a name of their own.
    pub fn counters(&self) -> BTreeMap<Arc<str>, TenantCounters> {
        if self.is_idle() {
            return BTreeMap::new();
        }
        let told = self
            .entries
            .iter()
            .filter(|entry| !entry.counters.is_empty());
        told.map(|entry| (Arc::clone(&entry.name), entry.counters))
            .collect()
    }

    /// Takes their places from tenants that have been quiet, where all are taken. The caller says of
    /// each whether a queue holds something of it: its number must not become another's.
    pub fn sweep(&mut self, is_held: impl Fn(TenantId) -> bool, now: Instant) {
        if self.by_name.len() < self.settings.tenants_max || now.since(self.swept) < SWEEP_EVERY {
            return;
        }
        self.swept = now;
        let Self {
            by_name,
            entries,
            free,
            ..
        } = self;
        by_name.retain(|_, id| {
            let is_gone = now.since(entries[id.index()].seen) >= IDLE && !is_held(*id);
            if is_gone {
                free.push(*id);
            }
            !is_gone
        });
    }

    fn check_one(&mut self, tenant: TenantId, now: Instant) -> Result<(), Exceeded> {
        let entry = &mut self.entries[tenant.index()];
        let Some((limited, ready)) = entry.limit.closed(now) else {
            return Ok(());
        };
        let quota = match limited {
            Limited::Requests => Quota::Requests,
            Limited::Items => Quota::Items,
            Limited::Bytes => Quota::Bytes,
        };
        Err(Exceeded {
            tenant: (tenant != TenantId::default()).then(|| Arc::clone(&entry.name)),
            quota,
            retry_after: ready - now,
        })
    }

    fn enter(&mut self, name: &str, now: Instant) -> Option<TenantId> {
        if name.len() > NAME_MAX || self.by_name.len() >= self.settings.tenants_max {
            return None;
        }
        let mut named = self.settings.named.iter();
        let rule = named.find(|(known, _)| **known == *name);
        let rule = rule.map_or(self.settings.default, |(_, rule)| *rule);
        let name: Arc<str> = name.into();
        let entry = Entry {
            seen: now,
            ..Entry::new(Arc::clone(&name), rule, self.settings.share)
        };
        let id = match self.free.pop() {
            Some(id) => {
                self.entries[id.index()] = entry;
                id
            }
            None => {
                let id = TenantId(u32::try_from(self.entries.len()).ok()?);
                self.entries.push(entry);
                id
            }
        };
        self.by_name.insert(name, id);
        Some(id)
    }
}

impl Entry {
    /// A request of the usual size was refused.
    const fn ask(&mut self) {
        self.asked += self.usual;
    }

    fn new(name: Arc<str>, rule: QuotaRule, share: f64) -> Self {
        let mut limit = RateLimit::new(rule.rate);
        limit.set_share(share, Instant(0));
        Self {
            name,
            rule,
            limit,
            seen: Instant(0),
            asked: 0.0,
            usual: 0.0,
            counters: TenantCounters::default(),
        }
    }

    fn take(&mut self, requests: u64, items: u64, bytes: u64, now: Instant) {
        self.limit.take_of(requests, items, bytes, now);
        let seconds = self.rule.rate.seconds(requests, items, bytes);
        self.asked += seconds;
        self.usual += (seconds - self.usual) / 16.0;
    }
}
