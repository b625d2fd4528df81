//! A request of our own before the pipeline: it asks for admission and credit, as any other does.

use super::{Intake, LISTENER};
use crate::exchange::{Admission, Body, Credit, Inbound, Reply, RequestHead};
use crate::units::RequestId;
use http::request::Parts;
use tailrace_codec::grpc::Code;
use tailrace_codec::otlp::encode::Envelope;
use tailrace_codec::{Rope, Signal};

impl Intake {
    /// Whether what was refused is offered again.
    pub(super) const fn comes_again(&self, refused: Code) -> bool {
        matches!(refused, Code::Unavailable | Code::ResourceExhausted) && !self.is_draining
    }

    pub(super) fn admit(
        &mut self,
        head: &Parts,
        envelope: &Envelope,
        items: Rope,
        count: u64,
    ) -> Result<(), Code> {
        let mut message = Rope::from(envelope.head(items.len()));
        message.append(items);
        let put = self.put(head, message);
        if let Some(request) = put.map_err(|reply| code(&reply))? {
            self.unanswered.insert(request, count);
        }
        Ok(())
    }

    /// Puts a request into the pipeline. `None`: it was answered at once, and well.
    pub(super) fn put(&self, head: &Parts, message: Rope) -> Result<Option<RequestId>, Box<Reply>> {
        let head = RequestHead {
            listener: LISTENER,
            connection: self.connection,
            parts: head,
        };
        let request = match self.shard.head(&head) {
            Admission::Receive { request, .. } => request,
            Admission::Answer(reply) => return Err(Box::new(reply)),
        };
        if let Credit::Refused(reply) = self.shard.reserve(request, message.len() as u64) {
            return Err(Box::new(reply));
        }
        let compressed = false;
        let body = Body {
            message,
            compressed,
        };
        match self.shard.complete(request, body) {
            None => Ok(Some(request)),
            Some(reply) if code(&reply) == Code::Ok => Ok(None),
            Some(reply) => Err(Box::new(reply)),
        }
    }
}

pub(super) fn code(reply: &Reply) -> Code {
    match reply {
        Reply::Grpc(reply) => reply.code,
        // The requests are gRPC's: nothing else answers them.
        Reply::Http(_) | Reply::Reset(_) => Code::Internal,
    }
}

pub(super) fn head(signal: Signal) -> Parts {
    let request = http::Request::post(signal.grpc_path())
        .header(http::header::CONTENT_TYPE, "application/grpc")
        .body(());
    let (parts, ()) = request
        .expect("a path and a header of our own")
        .into_parts();
    parts
}
