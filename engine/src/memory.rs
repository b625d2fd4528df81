//! Who may hold how many bytes: credit before they are buffered, the store once they are, and the
//! buffer that conversions share.

pub mod credit;
pub mod pinned;
pub mod pool;
pub mod scratch;
pub mod store;

pub use credit::Credit;
pub use pinned::pinned_bytes;
pub use pool::Pool;
pub use scratch::Scratch;
pub use store::{PayloadId, Store};
