//! Client connections: attempts out, answers in.
//!
//! One task for each connection, none for an attempt: [`run`] is that task's future. It obeys its
//! mailbox and reports to [`Outbound`]; whom to connect to, and what to send, is decided elsewhere.
//!
//! ```text
//!   mailbox -> queue -> h2 (many streams)  -> answer -> Outbound
//!                    -> http1 (one by one) ->
//! ```

mod answer;
mod h2;
mod http1;
mod keepalive;
mod queue;
mod response;
#[cfg(test)]
mod rig;
mod settings;
#[cfg(test)]
mod tests;
mod upload;

pub use self::settings::{Protocol, Settings};

use self::queue::{Order, Queue};
use crate::exchange::{Address, Answer, ClientCommand, CloseReason, Failure, Outbound};
use crate::net::{Clock, Mailbox};
use crate::runtime;
use crate::time::Instant;
use crate::units::ConnectionId;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite};

/// What stays the same for one connection.
#[derive(Debug)]
pub struct Link<O> {
    pub id: ConnectionId,
    pub settings: Settings,
    pub outbound: O,
}

/// A connection as a state machine over its socket.
trait Machine {
    /// Does all that can be done now. `Ready` when the connection is done with and every attempt
    /// that was not cancelled is answered; the reason is yet to be reported.
    fn poll(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<CloseReason>;

    /// When [`Self::poll`] has something to do even if nothing happens.
    fn next_timeout(&self) -> Instant;
}

/// Starts a client connection as a task of this thread's executor. See [`run`].
///
/// # Panics
/// Outside [`runtime::run`].
pub fn start<O>(address: Address, link: Link<O>, mailbox: Mailbox<ClientCommand>)
where
    O: Outbound + Clone + 'static,
{
    let connect = async move { runtime::connect(&address).await };
    runtime::spawn(run(connect, link, mailbox, runtime::Timer::new()));
}

/// Connects and serves one connection to its end, which is reported last.
///
/// Dropped before its end, the connection is closed and nothing more is reported.
/// Cost: attempts are sent and answers read inside this future's poll; nothing is spawned.
pub async fn run<IO, O, C>(
    connect: impl Future<Output = io::Result<IO>>,
    link: Link<O>,
    mailbox: Mailbox<ClientCommand>,
    mut clock: C,
) where
    IO: AsyncRead + AsyncWrite + Unpin,
    O: Outbound + Clone,
    C: Clock,
{
    let (id, outbound) = (link.id, link.outbound.clone());
    let mut queue = Queue::new(mailbox);
    let opened = open(connect, &link, &mut queue, &mut clock).await;
    let reason = match opened {
        Ok(Opened::Http2(begun)) => {
            drive(h2::Driver::new(link, queue, *begun, clock.now()), clock).await
        }
        Ok(Opened::Http1(io)) => {
            drive(http1::Driver::new(link, queue, io, clock.now()), clock).await
        }
        Err(reason) => {
            queue.refuse_all(|attempt| {
                outbound.answered(id, attempt, Answer::Failed(Failure::Unprocessed));
            });
            reason
        }
    };
    outbound.closed(id, reason);
}

enum Opened<IO> {
    Http2(Box<h2::Begun<IO>>),
    Http1(IO),
}

/// Connects, in time, unless the engine drains the connection before.
async fn open<IO, O, C>(
    connect: impl Future<Output = io::Result<IO>>,
    link: &Link<O>,
    queue: &mut Queue,
    clock: &mut C,
) -> Result<Opened<IO>, CloseReason>
where
    IO: AsyncRead + AsyncWrite + Unpin,
    O: Outbound,
    C: Clock,
{
    let answered = |attempt, failure| {
        link.outbound
            .answered(link.id, attempt, Answer::Failed(failure));
    };
    let now = clock.now();
    let until = now + link.settings.connect_timeout;
    let mut opening = pin!(async {
        let io = connect.await.map_err(|error| unreachable_by(&error))?;
        Ok(match link.settings.protocol {
            Protocol::Http2 => {
                Opened::Http2(Box::new(h2::handshake(io, &link.settings, now).await?))
            }
            Protocol::Http1 => Opened::Http1(io),
        })
    });
    poll_fn(|cx| {
        while let Poll::Ready(order) = queue.poll_order(cx) {
            match order {
                Order::Drain => return Poll::Ready(Err(CloseReason::Drained)),
                Order::Refuse(attempt) => answered(attempt.id, Failure::Unprocessed),
                Order::Cancel(_) => {}
            }
        }
        if let Poll::Ready(opened) = opening.as_mut().poll(cx) {
            return Poll::Ready(opened);
        }
        let now = clock.now();
        while let Some(attempt) = queue.pop_expired(now) {
            answered(attempt.id, Failure::TimedOut);
        }
        if until <= now {
            return Poll::Ready(Err(CloseReason::ConnectTimedOut));
        }
        wait_until(clock, cx, until.min(queue.next_timeout()));
        Poll::Pending
    })
    .await
}

async fn drive<C: Clock>(mut machine: impl Machine, mut clock: C) -> CloseReason {
    let mut armed = Instant::NEVER;
    poll_fn(|cx| {
        let now = clock.now();
        if let Poll::Ready(reason) = machine.poll(cx, now) {
            return Poll::Ready(reason);
        }
        // A timeout that moved away is left to fire and is found to be early: deadlines move with
        // every attempt, and seldom pass.
        let next = machine.next_timeout();
        if armed <= now || next < armed {
            armed = next;
        }
        wait_until(&mut clock, cx, armed);
        Poll::Pending
    })
    .await
}

/// Has the task polled again at `at`, at once where it has come meanwhile.
fn wait_until<C: Clock>(clock: &mut C, cx: &mut Context<'_>, at: Instant) {
    if clock.poll_until(cx, at).is_ready() {
        cx.waker().wake_by_ref();
    }
}

fn unreachable_by(error: &io::Error) -> CloseReason {
    if error.kind() == io::ErrorKind::TimedOut {
        return CloseReason::ConnectTimedOut;
    }
    CloseReason::Unreachable {
        os_error: error.raw_os_error(),
    }
}
