//! One connection as the engine knows it.

use crate::exchange::{
    Admission, Arrival, Body, Credit, Inbound, Reply, RequestHead, ServerCommand, Terms,
};
use crate::net::Mailbox;
use crate::units::{ListenerId, RequestId};
use http::request::Parts;
use std::task::{Context, Poll};

/// The engine's view of a connection: opened when made, closed when dropped.
///
/// What it owes the engine by then, an end for every request, is its holder's duty.
#[derive(Debug)]
pub(super) struct Session<S: Inbound> {
    inbound: S,
    listener: ListenerId,
    pub(super) terms: Terms,
    mailbox: Mailbox<ServerCommand>,
}

impl<S: Inbound> Session<S> {
    /// `None`: the engine takes no more connections.
    pub(super) fn open(inbound: S, arrival: Arrival) -> Option<Self> {
        let mailbox = Mailbox::new();
        let terms = inbound.opened(arrival, mailbox.clone())?;
        Some(Self {
            inbound,
            listener: arrival.listener,
            terms,
            mailbox,
        })
    }

    pub(super) fn head(&self, parts: &Parts) -> Admission {
        self.inbound.head(&RequestHead {
            listener: self.listener,
            connection: self.terms.connection,
            parts,
        })
    }

    pub(super) fn reserve(&self, request: RequestId, bytes: u64) -> Credit {
        self.inbound.reserve(request, bytes)
    }

    pub(super) fn complete(&self, request: RequestId, body: Body) -> Option<Reply> {
        self.inbound.complete(request, body)
    }

    pub(super) fn abandon(&self, request: RequestId) {
        self.inbound.abandon(request);
    }

    pub(super) fn poll_command(&self, cx: &mut Context<'_>) -> Poll<ServerCommand> {
        self.mailbox.poll_recv(cx)
    }
}

impl<S: Inbound> Drop for Session<S> {
    fn drop(&mut self) {
        self.inbound.closed(self.terms.connection);
    }
}
