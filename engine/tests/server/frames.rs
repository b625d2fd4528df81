//! An HTTP/2 peer made of raw frames, for what no well-behaved client sends.

use std::collections::BTreeMap;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const ACK: u8 = 1;

/// The header block of a gRPC call to `path`, in literals that leave the dynamic table alone.
pub fn call_block(path: &str) -> Vec<u8> {
    // `:method: POST` and `:scheme: http` stand in the static table.
    let mut block = vec![0x83, 0x86];
    literal(&mut block, ":path", path);
    literal(&mut block, ":authority", "localhost");
    literal(&mut block, "content-type", "application/grpc");
    block
}

/// A literal header field without indexing, neither name nor value longer than 126 bytes.
pub fn literal(block: &mut Vec<u8>, name: &str, value: &str) {
    block.push(0);
    for text in [name, value] {
        block.push(u8::try_from(text.len()).unwrap());
        block.extend(text.as_bytes());
    }
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A frame that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

/// A connection of which the test writes every byte.
pub struct RawPeer<IO = DuplexStream> {
    io: IO,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> RawPeer<IO> {
    pub const fn new(io: IO) -> Self {
        Self { io }
    }

    pub fn into_inner(self) -> IO {
        self.io
    }

    /// A peer that has sent its preface and its settings.
    pub async fn greeted(io: IO) -> Self {
        let mut peer = Self::new(io);
        peer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        peer.write(&frame(SETTINGS, 0, 0, &[])).await;
        peer
    }

    /// Writes, or finds the connection closed: `false`.
    pub async fn write(&mut self, bytes: &[u8]) -> bool {
        self.io.write_all(bytes).await.is_ok()
    }

    /// The next frame; `None` at the end.
    pub async fn read(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.io.read_exact(&mut head).await.ok()?;
        let len = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; len as usize];
        self.io.read_exact(&mut payload).await.ok()?;
        Some(Frame {
            kind: head[3],
            flags: head[4],
            stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
            payload,
        })
    }

    /// Reads until a frame of this kind.
    pub async fn read_until(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.read().await?;
            if frame.kind == kind {
                return Some(frame);
            }
        }
    }

    /// Reads to the end: how many frames of each kind came, and the reason of the last GOAWAY.
    pub async fn read_to_end(&mut self) -> (BTreeMap<u8, usize>, Option<u32>) {
        let mut kinds = BTreeMap::new();
        let mut reason = None;
        while let Some(frame) = self.read().await {
            *kinds.entry(frame.kind).or_default() += 1;
            if frame.kind == GOAWAY {
                reason = frame.payload[4..8].try_into().ok().map(u32::from_be_bytes);
            }
        }
        (kinds, reason)
    }
}
