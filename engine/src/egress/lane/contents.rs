//! What a lane holds from admission to settlement, in all and by tenant.

use crate::batch::{Part, Size};
use crate::units::TenantId;
use std::collections::HashMap;

/// Cost: an addition; where tenants are told apart a hash lookup besides.
#[derive(Debug, Default)]
pub(super) struct Contents {
    all: Size,
    /// Of those that hold something; the one without a name apart.
    tenants: HashMap<TenantId, Size>,
}

impl Contents {
    pub const fn all(&self) -> Size {
        self.all
    }

    pub fn of(&self, tenant: TenantId) -> Size {
        self.tenants.get(&tenant).copied().unwrap_or(Size::ZERO)
    }

    pub fn add(&mut self, part: &Part) {
        self.all += part.size;
        if part.class.tenant != TenantId::default() {
            *self.tenants.entry(part.class.tenant).or_insert(Size::ZERO) += part.size;
        }
    }

    pub fn remove(&mut self, part: &Part) {
        self.all -= part.size;
        if part.class.tenant == TenantId::default() {
            return;
        }
        if let Some(size) = self.tenants.get_mut(&part.class.tenant) {
            *size -= part.size;
            if *size == Size::ZERO {
                self.tenants.remove(&part.class.tenant);
            }
        }
    }
}
