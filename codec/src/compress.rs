//! Compression of message bodies, with contexts that are used again.
//!
//! What a peer compressed is never trusted: a decoder takes a cap on what comes out, asks for
//! credit before each buffer it fills, and reads its input slice by slice.
//!
//! | [`Encoding`] | format | HTTP | gRPC |
//! | --- | --- | --- | --- |
//! | `Identity` | none | `identity`, empty | `identity`, empty |
//! | `Gzip` | RFC 1952, any number of members | `gzip` | `gzip` |
//! | `Zstd` | RFC 8878, any number of frames, window up to 8 MiB | `zstd` | `zstd` |
//! | `Snappy` | one block; framed input is noticed and read as well | `snappy` | |
//! | `SnappyFramed` | snappy's framing format | `x-snappy-framed` | `snappy` |
//! | `Lz4` | one LZ4 frame | `lz4` | |
//! | `Deflate` | RFC 1950 (zlib) | `deflate` | `deflate` |
//! | `Zlib` | RFC 1950 (zlib) | `zlib` | |
//!
//! HTTP and gRPC mean different formats by `snappy`, as the Collector's `confighttp` and
//! `go-grpc-compression` do. Sources:
//! <https://github.com/open-telemetry/opentelemetry-collector/blob/main/config/confighttp/compression.go>,
//! <https://github.com/mostynb/go-grpc-compression/blob/main/internal/snappy/snappy.go>

mod chunks;
mod compressor;
mod decompressor;
mod flate;
mod lz4;
mod snappy;

pub use compressor::{CompressError, Compressor};
pub use decompressor::{Decompressor, InflateError, MEMBERS_MAX, WINDOW_LOG_MAX};
pub use flate::WHOLE_MAX;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Encoding {
    Identity,
    Gzip,
    Zstd,
    Snappy,
    SnappyFramed,
    Deflate,
    /// The bytes of `Deflate` under the name that the Collector also uses.
    Zlib,
    Lz4,
}

impl Encoding {
    pub const ALL: [Self; 8] = [
        Self::Identity,
        Self::Gzip,
        Self::Zstd,
        Self::Snappy,
        Self::SnappyFramed,
        Self::Deflate,
        Self::Zlib,
        Self::Lz4,
    ];

    /// Reads a `content-encoding` of one coding; names are case-insensitive (RFC 9110, 8.4.1).
    pub fn from_content_encoding(value: &[u8]) -> Option<Self> {
        if value.is_empty() {
            return Some(Self::Identity);
        }
        Self::ALL.into_iter().find(|encoding| {
            encoding
                .content_encoding()
                .as_bytes()
                .eq_ignore_ascii_case(value)
        })
    }

    /// The token of `content-encoding`; for `Identity` the header is better left out.
    pub const fn content_encoding(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Snappy => "snappy",
            Self::SnappyFramed => "x-snappy-framed",
            Self::Deflate => "deflate",
            Self::Zlib => "zlib",
            Self::Lz4 => "lz4",
        }
    }

    /// Reads a `grpc-encoding`; its names are case-sensitive.
    pub fn from_grpc_encoding(value: &[u8]) -> Option<Self> {
        if value.is_empty() {
            return Some(Self::Identity);
        }
        Self::ALL.into_iter().find(|encoding| {
            encoding
                .grpc_encoding()
                .is_some_and(|name| name.as_bytes() == value)
        })
    }

    /// The token of `grpc-encoding`; `None` where gRPC has no name for the format.
    pub const fn grpc_encoding(self) -> Option<&'static str> {
        match self {
            Self::Identity => Some("identity"),
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
            Self::SnappyFramed => Some("snappy"),
            Self::Deflate => Some("deflate"),
            Self::Snappy | Self::Zlib | Self::Lz4 => None,
        }
    }
}

/// How hard to compress: the Collector's `compression_params.level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Level(Option<u8>);

impl Level {
    /// 4 for gzip and deflate (a body over 4 MiB: 6), 3 for zstd.
    pub const DEFAULT: Self = Self(None);

    /// The level `number` of an encoding; `None` where the encoding has no such level.
    ///
    /// -1 is the default everywhere. gzip, deflate and zlib: 0 to 9. zstd: 0 (default) to 22, of
    /// which 20 and more act as 19, because their windows are over the 8 MiB that a receiver must
    /// accept (RFC 9659). Others: 0, which means nothing.
    pub fn new(encoding: Encoding, number: i32) -> Option<Self> {
        let max = match encoding {
            Encoding::Gzip | Encoding::Deflate | Encoding::Zlib => 9,
            Encoding::Zstd => 22,
            Encoding::Identity | Encoding::Snappy | Encoding::SnappyFramed | Encoding::Lz4 => 0,
        };
        match u8::try_from(number) {
            Ok(number) if number <= max => Some(Self(Some(number))),
            Err(_) if number == -1 => Some(Self::DEFAULT),
            _ => None,
        }
    }

    /// The level for when bytes are dearer than time: 7 for gzip and deflate, 6 for zstd, or this one
    /// where it is higher. About a tenth fewer bytes for two to three times the time.
    #[must_use]
    pub fn harder(self, encoding: Encoding) -> Self {
        let least = match encoding {
            Encoding::Gzip | Encoding::Deflate | Encoding::Zlib => 7,
            Encoding::Zstd => 6,
            Encoding::Identity | Encoding::Snappy | Encoding::SnappyFramed | Encoding::Lz4 => {
                return self;
            }
        };
        Self(Some(self.0.map_or(least, |level| level.max(least))))
    }

    fn zstd(self) -> i32 {
        // The library takes 0 for its default.
        self.0.map_or(0, |level| i32::from(level.min(19)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_encoding() {
        for encoding in Encoding::ALL {
            let name = encoding.content_encoding();
            assert_eq!(
                Encoding::from_content_encoding(name.as_bytes()),
                Some(encoding)
            );
            if let Some(name) = encoding.grpc_encoding() {
                assert_eq!(
                    Encoding::from_grpc_encoding(name.as_bytes()),
                    Some(encoding)
                );
            }
        }
        assert_eq!(
            Encoding::from_content_encoding(b"GZip"),
            Some(Encoding::Gzip)
        );
        assert_eq!(Encoding::from_grpc_encoding(b"GZip"), None);
        assert_eq!(
            Encoding::from_content_encoding(b""),
            Some(Encoding::Identity)
        );
        assert_eq!(Encoding::from_content_encoding(b"br"), None);
        assert_eq!(Encoding::from_content_encoding(b"gzip, gzip"), None);
    }

    #[test]
    fn levels_are_those_the_encoding_has() {
        assert_eq!(Level::new(Encoding::Gzip, -1), Some(Level::DEFAULT));
        assert_eq!(Level::new(Encoding::Gzip, 9).unwrap().zlib().level(), 9);
        assert_eq!(Level::new(Encoding::Gzip, 10), None);
        assert_eq!(Level::new(Encoding::Gzip, -2), None);
        assert_eq!(Level::new(Encoding::Zstd, 22).unwrap().zstd(), 19);
        assert_eq!(Level::new(Encoding::Zstd, 23), None);
        assert_eq!(Level::new(Encoding::Snappy, 1), None);
    }
}
