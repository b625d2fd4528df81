//! Every encoding against another library's one-shot functions, and against bodies made to hurt.

use bytes::Bytes;
use flate2::Compression;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use flate2::write::{GzEncoder, ZlibEncoder};
use lz4_flex::frame::FrameInfo;
use proptest::prelude::*;
use std::io::{Read, Write};
use tailrace_codec::Rope;
use tailrace_codec::compress::{
    Compressor, Decompressor, Encoding, InflateError, Level, MEMBERS_MAX, WHOLE_MAX, WINDOW_LOG_MAX,
};

const COMPRESSING: [Encoding; 7] = [
    Encoding::Gzip,
    Encoding::Zstd,
    Encoding::Snappy,
    Encoding::SnappyFramed,
    Encoding::Deflate,
    Encoding::Zlib,
    Encoding::Lz4,
];

/// What the libraries themselves make of `plain`.
fn their_compressed(encoding: Encoding, plain: &[u8]) -> Vec<u8> {
    match encoding {
        Encoding::Identity => plain.to_vec(),
        Encoding::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(plain).unwrap();
            encoder.finish().unwrap()
        }
        Encoding::Deflate | Encoding::Zlib => {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(plain).unwrap();
            encoder.finish().unwrap()
        }
        Encoding::Zstd => zstd::bulk::compress(plain, 3).unwrap(),
        Encoding::Snappy => snap::raw::Encoder::new().compress_vec(plain).unwrap(),
        Encoding::SnappyFramed => {
            let mut encoder = snap::write::FrameEncoder::new(Vec::new());
            encoder.write_all(plain).unwrap();
            encoder.into_inner().unwrap()
        }
        Encoding::Lz4 => {
            let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(
                FrameInfo::new().content_checksum(true),
                Vec::new(),
            );
            encoder.write_all(plain).unwrap();
            encoder.finish().unwrap()
        }
    }
}

/// What the libraries themselves read in `compressed`.
fn their_plain(encoding: Encoding, compressed: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    match encoding {
        Encoding::Identity => plain.extend_from_slice(compressed),
        Encoding::Gzip => {
            MultiGzDecoder::new(compressed)
                .read_to_end(&mut plain)
                .unwrap();
        }
        Encoding::Deflate | Encoding::Zlib => {
            ZlibDecoder::new(compressed)
                .read_to_end(&mut plain)
                .unwrap();
        }
        Encoding::Zstd => plain = zstd::stream::decode_all(compressed).unwrap(),
        Encoding::Snappy => {
            plain = snap::raw::Decoder::new()
                .decompress_vec(compressed)
                .unwrap();
        }
        Encoding::SnappyFramed => {
            snap::read::FrameDecoder::new(compressed)
                .read_to_end(&mut plain)
                .unwrap();
        }
        Encoding::Lz4 => {
            lz4_flex::frame::FrameDecoder::new(compressed)
                .read_to_end(&mut plain)
                .unwrap();
        }
    }
    plain
}

/// The bytes as slices cut at the given places, each taken modulo the length.
fn cut(bytes: &[u8], places: &[usize]) -> Rope {
    let mut places: Vec<_> = places
        .iter()
        .map(|place| place % (bytes.len() + 1))
        .collect();
    places.sort_unstable();
    let mut rope = Rope::new();
    let mut from = 0;
    for place in places.into_iter().chain([bytes.len()]) {
        rope.push(Bytes::copy_from_slice(&bytes[from..place]));
        from = place;
    }
    rope
}

fn inflate(encoding: Encoding, compressed: &[u8], cap: usize) -> Result<Bytes, InflateError> {
    let rope = Rope::from(Bytes::copy_from_slice(compressed));
    Decompressor::new()
        .inflate(encoding, &rope, cap, |_| true)
        .map(|rope| rope.to_bytes())
}

/// Bytes between noise and monotony, up to several buffers long.
fn plain() -> impl Strategy<Value = Vec<u8>> {
    let piece = (proptest::collection::vec(any::<u8>(), 0..40), 1..2000usize);
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| {
        pieces
            .into_iter()
            .flat_map(|(bytes, times)| bytes.repeat(times))
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn both_directions_agree_with_the_libraries(
        plain in plain(),
        places: [usize; 5],
        encoding in proptest::sample::select(&COMPRESSING[..]),
        again in plain(),
    ) {
        let (mut compressor, mut decompressor) = (Compressor::new(), Decompressor::new());
        // The second body shows that the contexts start anew.
        for plain in [plain, again] {
            let ours = compressor
                .compress(encoding, Level::DEFAULT, &cut(&plain, &places))
                .unwrap();
            prop_assert_eq!(their_plain(encoding, &ours.to_bytes()), &plain[..]);

            let theirs = cut(&their_compressed(encoding, &plain), &places);
            let mut reserved = 0;
            let inflated = decompressor
                .inflate(encoding, &theirs, plain.len(), |bytes| {
                    reserved += bytes;
                    true
                })
                .unwrap();
            prop_assert_eq!(inflated.to_bytes(), &plain[..]);
            prop_assert!(reserved >= plain.len() && reserved <= plain.len() + 1);

            if let Some(cap) = plain.len().checked_sub(1) {
                let error = decompressor.inflate(encoding, &theirs, cap, |_| true).unwrap_err();
                prop_assert_eq!(error, InflateError::TooLarge { cap });
            }
        }
    }

    #[test]
    fn arbitrary_bytes_are_an_answer_within_the_cap(
        bytes: Vec<u8>,
        encoding in proptest::sample::select(&COMPRESSING[..]),
    ) {
        if let Ok(plain) = inflate(encoding, &bytes, 4096) {
            prop_assert!(plain.len() <= 4096);
        }
    }

    #[test]
    fn a_flipped_byte_is_found_or_harmless(
        plain in plain(),
        place: usize,
        flip in 1..=255u8,
        encoding in proptest::sample::select(&[Encoding::Gzip, Encoding::Zlib, Encoding::SnappyFramed, Encoding::Lz4][..]),
    ) {
        // These have checksums over the plain bytes.
        let mut compressed = their_compressed(encoding, &plain);
        prop_assume!(!compressed.is_empty());
        let place = place % compressed.len();
        compressed[place] ^= flip;
        if let Ok(read) = inflate(encoding, &compressed, plain.len()) {
            prop_assert_eq!(read, plain);
        }
    }
}

#[test]
fn every_cut_is_an_error() {
    let plain: Vec<u8> = (0..600u32).flat_map(u32::to_le_bytes).collect();
    for encoding in COMPRESSING {
        let compressed = their_compressed(encoding, &plain);
        for length in 0..compressed.len() {
            let result = inflate(encoding, &compressed[..length], plain.len());
            match (encoding, length) {
                // A framed stream may end behind any frame, the identifier too.
                (Encoding::SnappyFramed, 0 | 10) => assert_eq!(result, Ok(Bytes::new())),
                (Encoding::Snappy, _) => assert!(result.is_err(), "{encoding:?} {length}"),
                _ => assert_eq!(
                    result,
                    Err(InflateError::Truncated),
                    "{encoding:?} {length}"
                ),
            }
        }
    }
}

#[test]
fn members_and_frames_are_read_to_the_last() {
    for encoding in [Encoding::Gzip, Encoding::Zstd, Encoding::SnappyFramed] {
        let mut both = their_compressed(encoding, b"one, ");
        both.extend(their_compressed(encoding, b"two"));
        assert_eq!(inflate(encoding, &both, 8).unwrap(), &b"one, two"[..]);
        assert_eq!(
            inflate(encoding, &both, 7),
            Err(InflateError::TooLarge { cap: 7 })
        );
        both.push(0x55);
        assert!(inflate(encoding, &both, 8).is_err(), "{encoding:?}");
    }
    let mut zlib = their_compressed(Encoding::Zlib, b"one");
    let offset = zlib.len();
    zlib.extend(their_compressed(Encoding::Zlib, b"two"));
    let error = inflate(Encoding::Zlib, &zlib, 100).unwrap_err();
    assert_eq!(error, InflateError::Corrupt { offset });
}

#[test]
fn a_member_like_the_first_is_not_lost() {
    // Its trailer says of the first what it says of itself.
    let twice = their_compressed(Encoding::Gzip, b"the same, ").repeat(2);
    assert_eq!(
        inflate(Encoding::Gzip, &twice, 20).unwrap(),
        &b"the same, the same, "[..]
    );
}

#[test]
fn bodies_about_as_long_as_one_piece_may_be_are_read_back() {
    let mut random = 1_u64;
    let noise = std::iter::repeat_with(|| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random.to_le_bytes()
    });
    let noise: Vec<u8> = noise.take(WHOLE_MAX / 8 + 1).flatten().collect();
    let text: Vec<u8> = b"span ".repeat(WHOLE_MAX / 5 + 2);
    let (mut compressor, mut decompressor) = (Compressor::new(), Decompressor::new());
    for plain in [noise, text] {
        for length in [WHOLE_MAX - 1, WHOLE_MAX, WHOLE_MAX + 1] {
            let plain = &plain[..length];
            let rope = cut(plain, &[1000, WHOLE_MAX / 2]);
            for encoding in [Encoding::Gzip, Encoding::Deflate] {
                let compressed = compressor
                    .compress(encoding, Level::DEFAULT, &rope)
                    .unwrap();
                assert_eq!(their_plain(encoding, &compressed.to_bytes()), plain);
                let read = decompressor.inflate(encoding, &compressed, length, |_| true);
                assert_eq!(read.unwrap().to_bytes(), plain);
            }
        }
    }
}

#[test]
fn a_false_trailer_is_an_error_and_takes_no_more_than_can_be_true() {
    let plain = vec![7; 5000];
    let compressed = their_compressed(Encoding::Gzip, &plain);
    let trailer = compressed.len() - 4;
    for claim in [0, 1, 4999, 5001, 1 << 20, u32::MAX] {
        let mut false_claim = compressed.clone();
        false_claim[trailer..].copy_from_slice(&claim.to_le_bytes());
        let mut reserved = 0;
        let result = Decompressor::new().inflate(
            Encoding::Gzip,
            &Rope::from(Bytes::from(false_claim)),
            1 << 20,
            |bytes| {
                reserved += bytes;
                true
            },
        );
        assert!(
            matches!(result, Err(InflateError::Corrupt { .. })),
            "{claim}: {result:?}"
        );
        assert!(
            reserved < compressed.len() * 1100,
            "{claim} took {reserved}"
        );
    }
}

#[test]
fn empty_members_without_end_are_refused() {
    for encoding in [Encoding::Gzip, Encoding::Zstd] {
        let one = their_compressed(encoding, b"");
        assert!(inflate(encoding, &one.repeat(MEMBERS_MAX), 0).is_ok());
        assert_eq!(
            inflate(encoding, &one.repeat(MEMBERS_MAX + 1), 0),
            Err(InflateError::TooManyMembers)
        );
    }
}

#[test]
fn a_bomb_takes_no_more_than_its_cap() {
    const CAP: usize = 1 << 20;
    let zeros = vec![0; 32 << 20];
    for encoding in COMPRESSING {
        let bomb = Rope::from(Bytes::from(their_compressed(encoding, &zeros)));
        let mut reserved = 0;
        let error = Decompressor::new()
            .inflate(encoding, &bomb, CAP, |bytes| {
                reserved += bytes;
                true
            })
            .unwrap_err();
        assert_eq!(error, InflateError::TooLarge { cap: CAP });
        assert!(reserved <= CAP + 1, "{encoding:?} took {reserved}");
    }
}

#[test]
fn credit_can_end_the_work_at_any_buffer() {
    let plain = vec![7; 3 << 20];
    let mut decompressor = Decompressor::new();
    for encoding in COMPRESSING {
        let compressed = Rope::from(Bytes::from(their_compressed(encoding, &plain)));
        let mut refused_at = 0;
        loop {
            let mut asked = 0;
            let result = decompressor.inflate(encoding, &compressed, plain.len(), |_| {
                asked += 1;
                asked <= refused_at
            });
            match result {
                Ok(read) => break assert_eq!(read.to_bytes(), plain),
                Err(error) => assert_eq!(error, InflateError::Refused),
            }
            refused_at += 1;
        }
        assert!(refused_at > 0, "{encoding:?} asked for nothing");
    }
}

#[test]
fn a_snappy_length_is_only_a_claim() {
    // A length of 1 GiB before three bytes.
    let mut asked = false;
    let claim = Rope::from(Bytes::from_static(&[0x80, 0x80, 0x80, 0x80, 0x04, 0, 0]));
    let error = Decompressor::new()
        .inflate(Encoding::Snappy, &claim, usize::MAX, |_| {
            asked = true;
            true
        })
        .unwrap_err();
    assert_eq!(error, InflateError::Corrupt { offset: 0 });
    assert!(!asked);
}

#[test]
fn http_snappy_is_read_framed_too() {
    let framed = their_compressed(Encoding::SnappyFramed, b"frames under the block's name");
    assert_eq!(
        inflate(Encoding::Snappy, &framed, 100).unwrap(),
        &b"frames under the block's name"[..]
    );
    let block = their_compressed(Encoding::Snappy, b"block");
    assert!(inflate(Encoding::SnappyFramed, &block, 100).is_err());
}

#[test]
fn a_zstd_window_is_at_most_eight_mebibytes() {
    let with_window = |log| {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder
            .set_parameter(zstd::zstd_safe::CParameter::WindowLog(log))
            .unwrap();
        encoder.write_all(b"small").unwrap();
        encoder.finish().unwrap()
    };
    let read = |log| inflate(Encoding::Zstd, &with_window(log), 100);
    assert_eq!(read(WINDOW_LOG_MAX).unwrap(), &b"small"[..]);
    assert_eq!(read(WINDOW_LOG_MAX + 1), Err(InflateError::WindowTooLarge));
}

#[test]
fn every_level_is_read_back() {
    let plain: Vec<u8> = (0..20_000u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
    let rope = cut(&plain, &[11, 40_000, 79_999]);
    let mut compressor = Compressor::new();
    for (encoding, levels) in [
        (Encoding::Gzip, -1..=9),
        (Encoding::Zlib, -1..=9),
        (Encoding::Zstd, -1..=22),
    ] {
        for number in levels {
            let level = Level::new(encoding, number).unwrap();
            let compressed = compressor.compress(encoding, level, &rope).unwrap();
            assert_eq!(
                inflate(encoding, &compressed.to_bytes(), plain.len()).unwrap(),
                plain,
                "{encoding:?} {number}"
            );
        }
    }
}

#[test]
fn identity_is_the_same_slices() {
    let rope = cut(b"not compressed", &[3, 9]);
    let through = Decompressor::new()
        .inflate(Encoding::Identity, &rope, 14, |_| false)
        .unwrap();
    assert_eq!(through.slices(), rope.slices());
    let error = Decompressor::new()
        .inflate(Encoding::Identity, &rope, 13, |_| true)
        .unwrap_err();
    assert_eq!(error, InflateError::TooLarge { cap: 13 });
}
