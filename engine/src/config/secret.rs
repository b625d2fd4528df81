//! Values that no log line, error, metric or dump may show.

use std::fmt;
use std::sync::Arc;

/// What stands for a secret wherever one would be shown; the Collector's own mark.
pub const MASK: &str = "[REDACTED]";

/// Text such as a token in a header. It has no `Display` and no `Serialize`; its `Debug` is the
/// mask. Whoever needs the text says [`Secret::reveal`], which is easy to search for.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The text, for the wire and nothing else.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_the_mask_alone() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), MASK);
        assert_eq!(
            format!("{:?}", vec![Secret::new("hunter2")]),
            format!("[{MASK}]")
        );
    }
}
