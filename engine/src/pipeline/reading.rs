//! From a body as it was received to an export request in protobuf, counted and classified, in memory
//! of its size.

use super::Pipeline;
use crate::batch::Size;
use crate::classify::Classified;
use crate::exchange::{Body, Framing};
use crate::flow::fair::Class;
use crate::ingress::{Content, Fault, Ingress, Refusal};
use crate::memory::{pinned_bytes, pool};
use crate::time::Instant;
use crate::units::RequestId;
use tailrace_codec::compress::{Encoding, InflateError};
use tailrace_codec::otlp;
use tailrace_codec::otlp::json::{self, JsonErrorKind};
use tailrace_codec::{Rope, Signal};

/// An export request as protobuf, counted.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) signal: Signal,
    pub(super) body: Rope,
    pub(super) items: u64,
    pub(super) classes: Classified,
    /// The memory its slices keep (bytes).
    pub(super) pinned: u64,
    pub(super) deadline: Instant,
}

impl Message {
    pub(super) fn size(&self) -> Size {
        let bytes = match &self.classes {
            Classified::Alike(_) => self.body.len() as u64,
            Classified::Apart(pieces) => pieces
                .iter()
                .map(|(_, piece)| piece.body.len() as u64)
                .sum(),
        };
        Size {
            requests: 1,
            items: self.items,
            bytes,
        }
    }
}

/// What each lane gets of a message of size `whole`, at least one part: a piece's own bytes, or
/// `None` for all of it.
pub(super) fn parts(
    classes: &Classified,
    whole: Size,
) -> impl ExactSizeIterator<Item = (Class, Option<&Rope>, Size)> {
    let count = match classes {
        Classified::Alike(_) => 1,
        Classified::Apart(pieces) => pieces.len(),
    };
    (0..count).map(move |index| match classes {
        Classified::Alike(class) => (*class, None, whole),
        Classified::Apart(pieces) => {
            let (class, piece) = &pieces[index];
            let size = Size {
                // A request counts once.
                requests: u64::from(index == 0),
                items: piece.items,
                bytes: piece.body.len() as u64,
            };
            (*class, Some(&piece.body), size)
        }
    })
}

impl Pipeline {
    /// Inflates, converts and counts a body. The credit taken follows what is held.
    pub(super) fn read(
        &mut self,
        id: RequestId,
        body: Body,
        now: Instant,
    ) -> Result<Message, Refusal> {
        let request = &self.requests[id];
        let deadline = request.deadline;
        let Ingress {
            signal,
            content,
            encoding,
            framing,
            ..
        } = request.ingress;
        let encoding = match framing {
            Framing::Grpc if !body.compressed => Encoding::Identity,
            Framing::Grpc if encoding == Encoding::Identity => {
                return Err(Refusal::CompressedWithoutEncoding);
            }
            Framing::Grpc | Framing::Plain => encoding,
        };
        let limit = self.settings.listeners[request.listener.index()]
            .receiver
            .message_max;
        let mut message = body.message;
        if encoding != Encoding::Identity {
            message = self.inflate(id, encoding, &message, limit, now)?;
        }
        if content == Content::Json {
            message = self.parse_json(id, signal, &message, limit, now)?;
        }
        let scan = otlp::scan(signal, &message)
            .map_err(|malformed| Refusal::Malformed(Fault::Protobuf(malformed)))?;
        // What was inflated or converted lies in memory of its own length.
        let is_own = encoding != Encoding::Identity || content == Content::Json;
        let (body, pinned) = if message.len() < pool::SMALL {
            let bytes = message.len() as u64;
            (self.compact(id, signal, message, is_own), bytes)
        } else if is_own {
            let bytes = message.len() as u64;
            (message, bytes)
        } else {
            let pinned = pinned_bytes(&message);
            (message, pinned)
        };
        self.sweep_tenants(now);
        let metadata = self.requests[id].ingress.metadata.as_ref();
        let classes = self.classifier.classify(signal, &body, metadata, now);
        Ok(Message {
            signal,
            classes,
            body,
            items: scan.items,
            pinned,
            deadline,
        })
    }

    /// A small message without the buffer it was read into, which is many times as large, and
    /// without what an allocator rounds up.
    fn compact(&mut self, id: RequestId, signal: Signal, message: Rope, is_own: bool) -> Rope {
        let request = &self.requests[id];
        if request.ingress.metadata.is_some() || self.sorts {
            // Batches of different tenants and items of different classes leave in no common order: memory of its own.
            if is_own {
                return message;
            }
            let mut bytes = vec![0; message.len()];
            message.copy_to_slice(&mut bytes);
            return bytes.into();
        }
        self.pools[request.listener.index()][signal as usize].keep(&message)
    }

    /// The protobuf of a JSON message. It may be larger than the text, so it takes credit too.
    fn parse_json(
        &mut self,
        id: RequestId,
        signal: Signal,
        text: &Rope,
        limit: u64,
        now: Instant,
    ) -> Result<Rope, Refusal> {
        // No more is written than there is credit for, so that taking it afterwards is in time.
        let free = self.credit.free();
        let cap = usize::try_from(limit.min(free)).unwrap_or(usize::MAX);
        let converted = self
            .scratch
            .write(|out| json::decode(signal, text, cap, out));
        let message = converted.map_err(|error| match error.kind {
            JsonErrorKind::TooLarge { .. } if free < limit => Refusal::Memory {
                retry_after: self.delay(limit - free, now),
            },
            JsonErrorKind::TooLarge { .. } => Refusal::InflatesTooLarge { limit },
            _ => Refusal::Malformed(Fault::Json {
                offset: error.offset as u64,
            }),
        })?;
        let bytes = message.len() as u64;
        if let Err(short) = self.credit.take(bytes) {
            let retry_after = self.delay(short.bytes, now);
            return Err(Refusal::Memory { retry_after });
        }
        let request = &mut self.requests[id];
        request.reserved += bytes;
        self.senders.hold(request.sender, bytes);
        Ok(Rope::from(message))
    }

    fn inflate(
        &mut self,
        id: RequestId,
        encoding: Encoding,
        input: &Rope,
        limit: u64,
        now: Instant,
    ) -> Result<Rope, Refusal> {
        let request = &mut self.requests[id];
        let senders = &mut self.senders;
        let cap = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut short = 0;
        let credit = &mut self.credit;
        let reserve = |bytes: usize| match credit.take(bytes as u64) {
            Ok(()) => {
                request.reserved += bytes as u64;
                senders.hold(request.sender, bytes as u64);
                true
            }
            Err(missing) => {
                short = missing.bytes;
                false
            }
        };
        match self.decompressor.inflate(encoding, input, cap, reserve) {
            Ok(message) => Ok(message),
            Err(InflateError::TooLarge { .. }) => Err(Refusal::InflatesTooLarge { limit }),
            Err(InflateError::Refused) => Err(Refusal::Memory {
                retry_after: self.delay(short, now),
            }),
            Err(
                InflateError::Corrupt { .. }
                | InflateError::Truncated
                | InflateError::WindowTooLarge
                | InflateError::TooManyMembers,
            ) => Err(Refusal::Malformed(Fault::Compression)),
        }
    }
}
