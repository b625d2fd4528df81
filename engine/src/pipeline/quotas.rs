//! What a request may have: the quotas of its tenants, and their shares of the queues.
//!
//! A request of one tenant is refused as a whole, with a delay. Out of one of several, which a
//! gateway sends, only the items are rejected whose tenant has nothing left: the others are not to
//! suffer for it. The sender is told how many, and whose.

use super::Pipeline;
use super::reading::{self, Message};
use crate::batch::Size;
use crate::classify::{Classified, Exceeded, Tenants};
use crate::ingress::Refusal;
use crate::memory::store::Metadata;
use crate::telemetry::Quota;
use crate::time::Instant;
use crate::units::{ItemCount, ListenerId, RequestId, TenantId};
use std::fmt::Write;
use tailrace_codec::Signal;

/// Items of a request that were not taken, though the rest was.
#[derive(Debug)]
pub(super) struct Rejected {
    pub items: ItemCount,
    /// Of whom, and why.
    pub message: String,
}

impl Pipeline {
    /// Whether a request with these headers may be read at all.
    pub(super) fn check_quotas(
        &mut self,
        metadata: Option<&Metadata>,
        now: Instant,
    ) -> Result<(), Refusal> {
        let tenants = self.classifier.tenants_mut();
        if tenants.is_idle() {
            return Ok(());
        }
        let tenant = tenants.of_metadata(metadata, now);
        let checked = tenants.check(tenant, now);
        checked.map_err(|exceeded| {
            tenants.count_refused(tenant, exceeded.quota, 0);
            refusal(exceeded)
        })
    }

    /// Leaves of a message what its tenants may send, and refuses it where nothing is left.
    pub(super) fn hold_to_quotas(
        &mut self,
        id: RequestId,
        message: &mut Message,
        now: Instant,
    ) -> Result<(), Refusal> {
        if self.classifier.tenants().is_idle() {
            return Ok(());
        }
        let listener = self.requests[id].listener;
        let over = self.over_quota(listener, message, now);
        if over.is_empty() {
            return Ok(());
        }
        let is_over = |tenant: TenantId| over.iter().any(|(known, _)| *known == tenant);
        let Classified::Apart(pieces) = &mut message.classes else {
            return Err(self.refuse_all(over));
        };
        if pieces.iter().all(|(class, _)| is_over(class.tenant)) {
            return Err(self.refuse_all(over));
        }
        let mut rejected = Rejected {
            items: 0,
            message: String::new(),
        };
        for (tenant, exceeded) in &over {
            let theirs = pieces.iter().filter(|(class, _)| class.tenant == *tenant);
            let items = theirs.map(|(_, piece)| piece.items).sum();
            let tenants = self.classifier.tenants_mut();
            tenants.count_refused(*tenant, exceeded.quota, items);
            rejected.items += items;
            let comma = if rejected.message.is_empty() {
                ""
            } else {
                ", "
            };
            // What a string is written to never fails.
            let _ = write!(rejected.message, "{comma}{}", refusal(exceeded.clone()));
        }
        pieces.retain(|(class, _)| !is_over(class.tenant));
        message.items -= rejected.items;
        self.requests[id].rejected = Some(Box::new(rejected));
        Ok(())
    }

    /// A message goes into the lanes, or waits for room in them: its tenants have sent it.
    pub(super) fn spend_quotas(&mut self, message: &Message, now: Instant) {
        self.for_tenants(message, |tenants, tenant, size| {
            tenants.take(tenant, size.requests, size.items, size.bytes, now);
        });
    }

    /// A message that waited is turned away.
    pub(super) fn give_back_quotas(&mut self, message: &Message) {
        self.for_tenants(message, |tenants, tenant, size| {
            tenants.give_back(tenant, size.requests, size.items, size.bytes);
        });
    }

    /// A message is in the lanes.
    pub(super) fn count_accepted(&mut self, message: &Message) {
        self.for_tenants(message, |tenants, tenant, size| {
            tenants.count_accepted(tenant, size.items);
        });
    }

    /// Tells of each part of a message, where tenants are told apart.
    fn for_tenants(&mut self, message: &Message, tell: impl Fn(&mut Tenants, TenantId, Size)) {
        let tenants = self.classifier.tenants_mut();
        if tenants.is_idle() {
            return;
        }
        for (class, _, size) in reading::parts(&message.classes, message.size()) {
            tell(tenants, class.tenant, size);
        }
    }

    /// Gives the places of tenants that have been quiet to new ones, where there are too many.
    pub(super) fn sweep_tenants(&mut self, now: Instant) {
        // Whose requests wait for room is not asked.
        if self.blocked.is_empty() {
            let lanes = &self.lanes;
            let is_held = |tenant| lanes.iter().any(|lane| lane.holds_of(tenant));
            self.classifier.tenants_mut().sweep(is_held, now);
        }
    }

    /// What each tenant was asked for since the last call, in seconds of its quota.
    pub fn asked_of_tenants(&mut self) -> Vec<(Option<std::sync::Arc<str>>, f64)> {
        self.classifier.tenants_mut().asked()
    }

    /// This shard's share of a tenant's quota; `None` is the one of all together.
    pub fn handle_share(&mut self, tenant: Option<&str>, share: f64, now: Instant) {
        self.classifier.tenants_mut().set_share(tenant, share, now);
    }

    /// The tenants of a message that have nothing left, and of what.
    fn over_quota(
        &mut self,
        listener: ListenerId,
        message: &Message,
        now: Instant,
    ) -> Vec<(TenantId, Exceeded)> {
        let mut seen: Vec<(TenantId, Size)> = Vec::new();
        for (class, _, size) in reading::parts(&message.classes, message.size()) {
            match seen.iter_mut().find(|(known, _)| *known == class.tenant) {
                Some((_, sum)) => *sum += size,
                None => seen.push((class.tenant, size)),
            }
        }
        let mut over = Vec::new();
        for (tenant, size) in seen {
            let checked = self.classifier.tenants_mut().check(tenant, now);
            let checked = checked
                .and_then(|()| self.check_share(listener, message.signal, tenant, size, now));
            if let Err(exceeded) = checked {
                over.push((tenant, exceeded));
            }
        }
        over
    }

    /// Whether every queue on the route has room for this tenant.
    fn check_share(
        &self,
        listener: ListenerId,
        signal: Signal,
        tenant: TenantId,
        size: Size,
        now: Instant,
    ) -> Result<(), Exceeded> {
        let tenants = self.classifier.tenants();
        let share = tenants.queue_share(tenant);
        let route = self.settings.listeners[listener.index()].route(signal);
        let mut lanes = route.iter().map(|lane| &self.lanes[lane.index()]);
        let full = lanes.find(|lane| lane.share_with(tenant, size) > share);
        match full.filter(|_| share < 1.0) {
            None => Ok(()),
            Some(lane) => Err(Exceeded {
                tenant: tenants.name(tenant),
                quota: Quota::QueueShare,
                retry_after: self.delay(lane.held().bytes / 2, now),
            }),
        }
    }

    /// The refusal of a whole request: come again when all of it can be taken.
    fn refuse_all(&mut self, over: Vec<(TenantId, Exceeded)>) -> Refusal {
        let tenants = self.classifier.tenants_mut();
        for (tenant, exceeded) in &over {
            tenants.count_refused(*tenant, exceeded.quota, 0);
        }
        let mut over = over.into_iter().map(|(_, exceeded)| exceeded);
        let last = over.by_ref().max_by_key(|exceeded| exceeded.retry_after);
        refusal(last.expect("somebody is over the quota"))
    }
}

fn refusal(exceeded: Exceeded) -> Refusal {
    Refusal::Quota {
        tenant: exceeded.tenant,
        quota: exceeded.quota,
        retry_after: exceeded.retry_after,
    }
}
