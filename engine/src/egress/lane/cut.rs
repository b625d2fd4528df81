//! Cutting parts: the store must know each piece as a holder of its payload.

use super::LaneSettings;
use super::contents::Contents;
use crate::batch::{Part, Room, Size, Sizer};
use crate::delivery::{Cut, Divisible};
use crate::memory::{PayloadId, Store};
use tailrace_codec::Signal;
use tailrace_codec::otlp::{self, Piece, SplitLimit};

impl Divisible for Part {
    type Origin = PayloadId;

    fn origin(&self) -> PayloadId {
        self.payload
    }

    fn items(&self) -> u64 {
        self.size.items
    }

    fn bytes(&self) -> u64 {
        self.size.bytes
    }
}

/// Cuts the parts of one lane.
#[derive(Debug)]
pub(super) struct Cutter<'a> {
    signal: Signal,
    /// Whether the receiver's answer waits for the pieces.
    awaited: bool,
    store: &'a mut Store,
    /// What the lane holds: each piece repeats the headers around its cut, so together they are
    /// larger than the whole.
    held: &'a mut Contents,
}

impl<'a> Cutter<'a> {
    pub const fn new(
        settings: &LaneSettings,
        store: &'a mut Store,
        held: &'a mut Contents,
    ) -> Self {
        Self {
            signal: settings.signal,
            awaited: settings.waits,
            store,
            held,
        }
    }

    /// Cuts a part so that the head holds at most what `cut` says, or gives it back whole.
    pub fn cut(&mut self, part: Part, cut: Cut) -> Result<(Part, Part), Part> {
        let limit = match cut {
            Cut::Items(items) => SplitLimit {
                items: Some(items),
                bytes: None,
            },
            Cut::Bytes(bytes) => SplitLimit {
                items: None,
                bytes: Some(bytes),
            },
        };
        let body = part.body(self.store);
        // The payload was scanned when it was admitted, so its borders are sound.
        match otlp::cut(self.signal, &body, part.size.items, limit) {
            Ok(Some((head, tail))) => Ok(self.pieces(part, head, tail)),
            Ok(None) | Err(_) => Err(part),
        }
    }

    /// As [`cut`](Self::cut), for the room that there is in a batch.
    pub fn fill(&mut self, part: Part, sizer: Sizer, room: Room) -> Result<(Part, Part), Part> {
        match (sizer, room) {
            (Sizer::Requests, _) | (_, Room::Rest(0)) => Err(part),
            (Sizer::Items, Room::Rest(items) | Room::Whole(items)) => {
                self.cut(part, Cut::Items(items))
            }
            (Sizer::Bytes, Room::Whole(bytes)) => self.cut(part, Cut::Bytes(bytes)),
            (Sizer::Bytes, Room::Rest(bytes)) => match self.cut(part, Cut::Bytes(bytes)) {
                // Its first item alone is over the room: the part waits for the next batch.
                Ok((head, tail)) if head.size.bytes > bytes => Err(self.rejoin(head, tail)),
                cut => cut,
            },
        }
    }

    fn pieces(&mut self, part: Part, head: Piece, tail: Piece) -> (Part, Part) {
        self.store.hold(part.payload, self.awaited);
        let piece = |piece: Piece, requests: u64| Part {
            payload: part.payload,
            size: Size {
                requests,
                items: piece.items,
                bytes: piece.body.len() as u64,
            },
            piece: Some(Box::new(piece.body)),
            metadata: part.metadata.clone(),
            class: part.class,
            bucket: part.bucket,
            arrived: part.arrived,
        };
        let (head, tail) = (piece(head, part.size.requests), piece(tail, 0));
        self.held.remove(&part);
        self.held.add(&head);
        self.held.add(&tail);
        (head, tail)
    }

    fn rejoin(&mut self, head: Part, tail: Part) -> Part {
        let mut body = head.body(self.store);
        body.append(tail.body(self.store));
        // The part that comes back still holds the payload: not its last holder.
        self.store.release(tail.payload, self.awaited);
        let size = Size {
            bytes: body.len() as u64,
            ..head.size + tail.size
        };
        self.held.remove(&head);
        self.held.remove(&tail);
        let part = Part {
            piece: Some(Box::new(body)),
            size,
            ..head
        };
        self.held.add(&part);
        part
    }
}
