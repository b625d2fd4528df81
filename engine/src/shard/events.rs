//! What connections tell the shard, passed on to the pipeline word by word.

use super::Shard;
use crate::exchange::{
    Admission, Answer, Arrival, Body, CloseReason, Credit, Inbound, Outbound, Reply, RequestHead,
    ServerCommand, Terms,
};
use crate::net::Mailbox;
use crate::runtime::now;
use crate::units::{AttemptId, ConnectionId, RequestId};
use std::time::SystemTime;

impl Inbound for Shard {
    fn opened(&self, arrival: Arrival, mailbox: Mailbox<ServerCommand>) -> Option<Terms> {
        let terms = self
            .0
            .pipeline
            .borrow_mut()
            .handle_opened(arrival.round_trip)?;
        self.0
            .incoming
            .borrow_mut()
            .insert(terms.connection, mailbox);
        Some(terms)
    }

    fn closed(&self, connection: ConnectionId) {
        self.0.incoming.borrow_mut().remove(&connection);
        self.0
            .pipeline
            .borrow_mut()
            .handle_closed_incoming(connection);
        self.wake();
    }

    fn head(&self, head: &RequestHead<'_>) -> Admission {
        self.0.pipeline.borrow_mut().handle_head(head, now())
    }

    fn reserve(&self, request: RequestId, bytes: u64) -> Credit {
        self.0
            .pipeline
            .borrow_mut()
            .handle_reserve(request, bytes, now())
    }

    fn complete(&self, request: RequestId, body: Body) -> Option<Reply> {
        let reply = self
            .0
            .pipeline
            .borrow_mut()
            .handle_complete(request, body, now());
        self.wake();
        reply
    }

    fn abandon(&self, request: RequestId) {
        self.0.pipeline.borrow_mut().handle_abandoned(request);
        self.wake();
    }
}

impl Outbound for Shard {
    fn connected(&self, connection: ConnectionId, streams_max: u32) {
        self.0
            .pipeline
            .borrow_mut()
            .handle_connected(connection, streams_max, now());
        self.wake();
    }

    fn streams_max(&self, connection: ConnectionId, streams_max: u32) {
        self.0
            .pipeline
            .borrow_mut()
            .handle_streams_max(connection, streams_max, now());
        self.wake();
    }

    fn answered(&self, connection: ConnectionId, attempt: AttemptId, answer: Answer) {
        let mut pipeline = self.0.pipeline.borrow_mut();
        pipeline.handle_answered(connection, attempt, answer, now(), SystemTime::now());
        drop(pipeline);
        self.wake();
    }

    fn draining(&self, connection: ConnectionId) {
        self.0
            .pipeline
            .borrow_mut()
            .handle_draining(connection, now());
        self.wake();
    }

    fn closed(&self, connection: ConnectionId, reason: CloseReason) {
        tracing::debug!(
            shard = self.0.id.0,
            connection = connection.0,
            ?reason,
            "closed"
        );
        self.0.outgoing.borrow_mut().remove(&connection);
        self.0
            .pipeline
            .borrow_mut()
            .handle_closed(connection, &reason, now());
        self.wake();
    }
}
