//! Around a pipeline: a sender's connection, and destinations that take everything at once.

use bytes::Bytes;
use http::{Request, request};
use std::fmt::Write;
use std::time::SystemTime;
use tailrace_codec::Rope;
use tailrace_codec::compress::{Compressor, Encoding, Level};
use tailrace_codec::grpc::Code;
use tailrace_engine::config::limits::{Limits, Machine};
use tailrace_engine::config::{self, Inputs, ProcessEnvironment};
use tailrace_engine::exchange::{
    Admission, Answer, Body, ClientCommand, Credit, Reply, RequestHead,
};
use tailrace_engine::time::Instant;
use tailrace_engine::units::{AttemptId, ConnectionId, ListenerId};
use tailrace_engine::{Output, Pipeline};

/// A configuration, and how requests come to it.
pub struct Setup {
    exporter: &'static str,
    pub lanes: usize,
    gzip_in: bool,
    gzip_out: bool,
}

pub struct World {
    pipeline: Pipeline,
    incoming: ConnectionId,
    head: request::Parts,
    gzip_in: bool,
    lanes: usize,
    open: Vec<(ConnectionId, AttemptId)>,
    requests: u64,
    now: Instant,
}

impl Setup {
    /// One otlp_grpc exporter with these keys.
    pub const fn of(exporter: &'static str) -> Self {
        Self {
            exporter,
            lanes: 1,
            gzip_in: false,
            gzip_out: false,
        }
    }

    pub const fn lanes(self, lanes: usize) -> Self {
        Self { lanes, ..self }
    }

    pub const fn gzip_in(self) -> Self {
        Self {
            gzip_in: true,
            ..self
        }
    }

    pub const fn gzip_out(self) -> Self {
        Self {
            gzip_out: true,
            ..self
        }
    }

    /// The request as this setup's sender puts it on the wire.
    pub fn message(&self, request: &Rope) -> Rope {
        if !self.gzip_in {
            return request.clone();
        }
        let mut compressor = Compressor::new();
        let compressed = compressor.compress(Encoding::Gzip, Level::DEFAULT, request);
        compressed.expect("gzip takes all")
    }

    fn yaml(&self) -> String {
        let compression = if self.gzip_out { "gzip" } else { "none" };
        let mut yaml = "receivers: {otlp: {protocols: {grpc: {}}}}\nexporters:\n".to_owned();
        let mut names = Vec::new();
        for lane in 0..self.lanes {
            names.push(format!("otlp_grpc/{lane}"));
            let _ = writeln!(
                yaml,
                "  otlp_grpc/{lane}: {{endpoint: 'http://127.0.0.1:4317', compression: {compression}, {}}}",
                self.exporter
            );
        }
        let names = names.join(", ");
        let _ = writeln!(
            yaml,
            "service: {{pipelines: {{traces: {{receivers: [otlp], exporters: [{names}]}}}}}}"
        );
        yaml
    }

    fn pipeline(&self) -> Pipeline {
        let inputs = Inputs {
            configs: vec![format!("yaml:{}", self.yaml())],
            sets: Vec::new(),
        };
        let loaded = config::load(&inputs, &ProcessEnvironment);
        let config = loaded.expect("a configuration that is valid").config;
        let limits = Limits::plan(&config, 1, Machine::detect()).expect("enough memory");
        let mut pipelines = tailrace_engine::pipelines(&config, &limits, 1);
        pipelines.pop().expect("one for each shard")
    }
}

impl World {
    pub fn new(setup: &Setup) -> Self {
        let mut pipeline = setup.pipeline();
        let terms = pipeline.handle_opened(None).expect("memory for one");
        let path = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
        let encoding = if setup.gzip_in { "gzip" } else { "identity" };
        let request = Request::post(path)
            .header("content-type", "application/grpc")
            .header("user-agent", "OTel-OTLP-Exporter-Rust/0.31.0")
            .header("grpc-encoding", encoding)
            .header("te", "trailers");
        let (head, ()) = request.body(()).expect("a request").into_parts();
        Self {
            pipeline,
            incoming: terms.connection,
            head,
            gzip_in: setup.gzip_in,
            lanes: setup.lanes,
            open: Vec::new(),
            requests: 0,
            now: Instant(1),
        }
    }

    /// These requests come in; every one is delivered before this returns the bodies that went out,
    /// in `sent`, which has room for them.
    pub fn carry(&mut self, messages: Vec<Rope>, mut sent: Vec<Rope>) -> Vec<Rope> {
        self.now.0 += 1_000_000;
        self.requests += messages.len() as u64;
        for message in messages {
            self.receive(message);
        }
        self.turn(&mut sent);
        // The rest that fills no batch goes out when its time has come.
        while !self.pipeline.is_idle() {
            let timeout = self.pipeline.next_timeout();
            self.now = timeout.expect("what is open has a time").max(self.now);
            self.pipeline.handle_timeout(self.now);
            self.turn(&mut sent);
        }
        sent
    }

    fn receive(&mut self, message: Rope) {
        let head = RequestHead {
            listener: ListenerId(0),
            connection: self.incoming,
            parts: &self.head,
        };
        let Admission::Receive { request, .. } = self.pipeline.handle_head(&head, self.now) else {
            panic!("refused by its headers");
        };
        let bytes = message.len() as u64;
        let credit = self.pipeline.handle_reserve(request, bytes, self.now);
        assert!(matches!(credit, Credit::Granted), "refused for its length");
        let body = Body {
            message,
            compressed: self.gzip_in,
        };
        match self.pipeline.handle_complete(request, body, self.now) {
            Some(Reply::Grpc(reply)) if reply.code == Code::Ok => {}
            reply => panic!("not accepted: {reply:?}"),
        }
    }

    fn turn(&mut self, sent: &mut Vec<Rope>) {
        loop {
            while let Some(output) = self.pipeline.poll_output(self.now) {
                match output {
                    Output::Connect { connection, .. } => {
                        self.pipeline.handle_connected(connection, 1024, self.now);
                    }
                    Output::Command {
                        connection,
                        command: ClientCommand::Send(attempt),
                    } => {
                        self.open.push((connection, attempt.id));
                        sent.push(attempt.body);
                    }
                    Output::Command { .. } => {}
                    other => panic!("nothing else is asked: {other:?}"),
                }
            }
            if self.open.is_empty() {
                return;
            }
            for (connection, attempt) in self.open.drain(..) {
                let wall = SystemTime::UNIX_EPOCH;
                self.pipeline
                    .handle_answered(connection, attempt, ok(), self.now, wall);
            }
        }
    }

    /// Everything that came in was delivered to every lane.
    pub fn check(&self, items: usize) {
        let counters = self.pipeline.counters(self.now);
        assert_eq!(counters.lanes.len(), self.lanes);
        for lane in counters.lanes {
            assert_eq!(lane.delivered, self.requests * items as u64);
            assert_eq!(lane.unaccounted(), 0);
        }
    }
}

fn ok() -> Answer {
    Answer::Grpc {
        code: Code::Ok,
        message: String::new(),
        details: Bytes::new(),
        body: Bytes::new(),
    }
}
