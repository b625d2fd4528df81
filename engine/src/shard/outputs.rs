//! What the pipeline asks for, performed.

use super::Shard;
use super::messages::{PeerMessage, Report};
use crate::egress::destination::Terms;
use crate::egress::lane::Conclusion;
use crate::exchange::{Answer, ClientCommand, Failure, ServerCommand};
use crate::net::client;
use crate::pipeline::{Output, Pipeline};
use crate::runtime::now;
use crate::time::Instant;
use crate::units::ConnectionId;
use std::task::{Context, Poll};
use std::time::SystemTime;

impl Shard {
    pub(super) fn perform(&self, output: Output, pipeline: &mut Pipeline, now: Instant) {
        let state = &self.0;
        match output {
            Output::Reply {
                connection,
                request,
                reply,
            } => {
                if let Some(mailbox) = state.incoming.borrow().get(&connection) {
                    mailbox.send(ServerCommand::Reply(request, reply));
                }
            }
            Output::Connect {
                lane,
                connection,
                address,
                terms,
            } => {
                if let Some(settings) = &state.clients[lane.index()] {
                    self.connect(connection, on_terms(settings, terms), address);
                }
            }
            Output::Command {
                connection,
                command,
            } => self.command(connection, command, pipeline, now),
            Output::Notice { lane, notice } => {
                let (exporter, signal) = pipeline.name(lane);
                let untold = notice.untold;
                tracing::warn!(exporter, signal, untold, "{notice}");
            }
            Output::Resolve { endpoint } => {
                state.peers.report(Report::Resolve { endpoint });
            }
            Output::Append {
                lane,
                attempt,
                bytes,
            } => {
                if !state.writers.borrow_mut().append(lane, attempt, bytes) {
                    pipeline.handle_written(attempt, false, now);
                }
            }
            Output::Print { attempt, text } => {
                if !state.writers.borrow_mut().print(attempt, text) {
                    pipeline.handle_written(attempt, false, now);
                }
            }
            Output::HandOver {
                to,
                lane,
                attempt,
                parcel,
            } => {
                let message = PeerMessage::Parcel {
                    from: state.id,
                    lane,
                    attempt,
                    parcel,
                };
                if !state.peers.send(to, message) {
                    pipeline.handle_hand_back(attempt, Conclusion::Unsent, 0, now);
                }
            }
            Output::HandBack {
                to,
                attempt,
                conclusion,
                wire_bytes,
            } => {
                let message = PeerMessage::Ended {
                    attempt,
                    conclusion,
                    wire_bytes,
                };
                // A peer that is gone waits for nothing.
                let _ = state.peers.send(to, message);
            }
        }
    }

    /// A connection may have ended between the decision to send on it and this turn: what was to be
    /// sent was certainly not processed.
    fn command(
        &self,
        connection: ConnectionId,
        command: ClientCommand,
        pipeline: &mut Pipeline,
        now: Instant,
    ) {
        match (self.0.outgoing.borrow().get(&connection), command) {
            (Some(mailbox), command) => mailbox.send(command),
            (None, ClientCommand::Send(attempt)) => {
                let answer = Answer::Failed(Failure::Unprocessed);
                let wall_clock = SystemTime::now();
                pipeline.handle_answered(connection, attempt.id, answer, now, wall_clock);
            }
            (None, ClientCommand::Cancel(_) | ClientCommand::Drain) => {}
        }
    }

    pub(super) fn take_written(&self, cx: &mut Context<'_>) -> bool {
        let mut any = false;
        loop {
            let written = self.0.writers.borrow_mut().poll_written(cx);
            let Poll::Ready((attempt, done)) = written else {
                return any;
            };
            any = true;
            self.0
                .pipeline
                .borrow_mut()
                .handle_written(attempt, done, now());
        }
    }
}

/// The lane's settings for one connection.
fn on_terms(settings: &client::Settings, terms: Terms) -> client::Settings {
    let mut settings = settings.clone();
    settings.age_max = terms.age_max;
    if let Some(keepalive) = &mut settings.keepalive {
        keepalive.time = keepalive.time.saturating_mul(1 << terms.calmed);
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::Keepalive;
    use std::time::Duration;

    #[test]
    fn each_plea_for_calm_doubles_the_time_between_pings() {
        let keepalive = Keepalive {
            time: Duration::from_secs(10),
            timeout: Duration::from_secs(20),
            permit_without_stream: false,
        };
        let settings = client::Settings {
            keepalive: Some(keepalive),
            ..client::Settings::new(client::Protocol::Http2)
        };
        for (calmed, seconds) in [(0, 10), (1, 20), (10, 10_240)] {
            let age_max = Duration::from_secs(60);
            let settings = on_terms(&settings, Terms { age_max, calmed });
            let keepalive = settings.keepalive.expect("it was set");
            assert_eq!(keepalive.time, Duration::from_secs(seconds));
            assert_eq!(keepalive.timeout, Duration::from_secs(20));
            assert_eq!(settings.age_max, age_max);
        }
    }
}
