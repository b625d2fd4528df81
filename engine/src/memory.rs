//! Who may hold how many bytes: credit before they are buffered, the store once they are.

pub mod credit;
pub mod store;

pub use credit::Credit;
pub use store::{PayloadId, Store};
