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
mod tenants;
mod text;

pub use rule::{Match, PriorityRule};
pub use tenants::{Exceeded, QuotaRule, TenantSettings, TenantSource, Tenants};
pub use text::Expected;

use crate::flow::fair::Class;
use crate::memory::store::Metadata;
use crate::time::Instant;
use crate::units::{Priority, TenantId};
use rule::Depth;
use std::borrow::Cow;
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
    pub tenants: TenantSettings,
}

/// Sorts requests.
#[derive(Debug)]
pub struct Classifier {
    rules: Arc<[PriorityRule]>,
    default: Priority,
    tenants: Tenants,
    /// By signal: how far into its requests has to be looked.
    depths: [Depth; Signal::ALL.len()],
}

/// What became of a request.
#[derive(Debug)]
pub enum Classified {
    Alike(Class),
    /// At least two, which together are the request.
    Apart(Vec<(Class, Piece)>),
}

impl Classified {
    /// The highest priority of its items.
    pub fn best(&self) -> Priority {
        match self {
            Self::Alike(class) => class.priority,
            Self::Apart(pieces) => {
                let priorities = pieces.iter().map(|(class, _)| class.priority);
                priorities.min().unwrap_or_default()
            }
        }
    }
}

impl Classifier {
    pub fn new(settings: ClassifierSettings) -> Self {
        let ClassifierSettings {
            rules,
            default,
            tenants,
        } = settings;
        let by_resource = matches!(tenants.source, Some(TenantSource::Resource(_)));
        let depth = |signal: Signal| {
            let applies = rules.iter().filter(|rule| rule.matches.may_match(signal));
            let depth = applies.map(|rule| rule.matches.depth()).max();
            match by_resource {
                true => Depth::Items,
                false => depth.unwrap_or(Depth::Request),
            }
        };
        Self {
            depths: Signal::ALL.map(depth),
            rules,
            default,
            tenants: Tenants::new(tenants),
        }
    }

    pub const fn tenants(&self) -> &Tenants {
        &self.tenants
    }

    pub const fn tenants_mut(&mut self) -> &mut Tenants {
        &mut self.tenants
    }

    /// What a request's items are. One that cannot be read to its items is of one class.
    ///
    /// Cost: a lookup of the tenant; where a rule or the tenant's name looks into the request a pass
    /// over the tags above the items and over the fields that are looked at, and where classes
    /// differ two more.
    pub fn classify(
        &mut self,
        signal: Signal,
        request: &Rope,
        metadata: Option<&Metadata>,
        now: Instant,
    ) -> Classified {
        let tenant = self.tenants.of_metadata(metadata, now);
        if self.depths[signal as usize] == Depth::Request {
            let priority = self.priority_of(signal, tenant);
            return Classified::Alike(self.tenants.class(priority, tenant));
        }
        let Self {
            rules,
            default,
            tenants,
            ..
        } = self;
        let mut around = Around::default();
        let sorted = otlp::sort(signal, request, |item| {
            around.enter(item, rules, tenants, (tenant, now));
            (
                around.priority(item, rules).unwrap_or(*default),
                around.tenant,
            )
        });
        match sorted {
            Ok(Sorted::Apart(pieces)) => {
                let class = |((priority, tenant), piece)| (tenants.class(priority, tenant), piece);
                Classified::Apart(pieces.into_iter().map(class).collect())
            }
            Ok(Sorted::Alike(Some((priority, tenant)))) => {
                Classified::Alike(tenants.class(priority, tenant))
            }
            Ok(Sorted::Alike(None)) | Err(_) => Classified::Alike(tenants.class(*default, tenant)),
        }
    }

    /// Where signal and tenant alone decide.
    fn priority_of(&self, signal: Signal, tenant: TenantId) -> Priority {
        let tenant = self.tenants.name_of(tenant);
        let matches = |rule: &&PriorityRule| rule.matches.holds_for(signal, tenant);
        let rule = self.rules.iter().find(matches);
        rule.map_or(self.default, |rule| rule.priority)
    }
}

/// The tenant that an item's resource names, where names stand there.
fn whose(item: &ItemView<'_>, tenants: &mut Tenants, now: Instant) -> Option<TenantId> {
    let Some(TenantSource::Resource(key)) = tenants.source() else {
        return None;
    };
    let value = item.resource_attribute(key).ok().flatten();
    let name = value.map_or(Cow::Borrowed(""), text::of);
    Some(tenants.identify(&name, now))
}

/// What holds of the resource and scope around the last item, so that neighbours do not ask again.
/// Invariant: at most 64 rules.
#[derive(Debug, Default)]
struct Around {
    /// Where both begin. `None`: there was no item.
    at: Option<(usize, usize)>,
    /// A bit for each rule that holds for both and for the signal.
    holds: u64,
    tenant: TenantId,
}

impl Around {
    fn enter(
        &mut self,
        item: &ItemView<'_>,
        rules: &[PriorityRule],
        tenants: &mut Tenants,
        (tenant, now): (TenantId, Instant),
    ) {
        let at = (item.resource_at(), item.scope_at());
        if self.at == Some(at) {
            return;
        }
        if self.at.is_none_or(|(resource, _)| resource != at.0) {
            self.tenant = whose(item, tenants, now).unwrap_or(tenant);
        }
        self.at = Some(at);
        let holds = |holds: u64, (index, rule): (usize, &PriorityRule)| {
            let tenant = tenants.name_of(self.tenant);
            holds | u64::from(rule.matches.holds_around(item, tenant)) << index
        };
        self.holds = rules.iter().enumerate().fold(0, holds);
    }

    /// What the first rule that holds says.
    fn priority(&self, item: &ItemView<'_>, rules: &[PriorityRule]) -> Option<Priority> {
        let holds = |(index, rule): &(usize, &PriorityRule)| {
            self.holds & 1 << index != 0 && rule.matches.holds_for_item(item)
        };
        let mut rules = rules.iter().enumerate();
        rules.find(holds).map(|(_, rule)| rule.priority)
    }
}

#[cfg(test)]
mod tests;
