//! How the shard talks to a connection's task: a queue and a waker, on one thread.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// A queue from the shard to one connection. Both ends hold a clone.
///
/// The shard fills many mailboxes during a turn and the tasks run after it, so a connection that
/// got a hundred commands is polled once.
#[derive(Debug)]
pub struct Mailbox<T>(Rc<RefCell<Inner<T>>>);

#[derive(Debug)]
struct Inner<T> {
    queue: VecDeque<T>,
    waker: Option<Waker>,
}

impl<T> Mailbox<T> {
    pub fn new() -> Self {
        Self(Rc::new(RefCell::new(Inner {
            queue: VecDeque::new(),
            waker: None,
        })))
    }

    /// Adds a command and wakes the connection's task.
    pub fn send(&self, command: T) {
        let waker = {
            let mut inner = self.0.borrow_mut();
            inner.queue.push_back(command);
            inner.waker.take()
        };
        // Woken outside the borrow: a runtime may poll the task from within `wake`.
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Takes the oldest command, or registers the task to be woken by the next one.
    pub fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<T> {
        let mut inner = self.0.borrow_mut();
        if let Some(command) = inner.queue.pop_front() {
            return Poll::Ready(command);
        }
        match &inner.waker {
            Some(waker) if waker.will_wake(cx.waker()) => {}
            _ => inner.waker = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    pub fn is_empty(&self) -> bool {
        self.0.borrow().queue.is_empty()
    }
}

impl<T> Clone for Mailbox<T> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<T> Default for Mailbox<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    #[test]
    fn commands_arrive_in_order_and_then_none() {
        let mailbox = Mailbox::new();
        let receiver = mailbox.clone();
        mailbox.send(1);
        mailbox.send(2);
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(receiver.poll_recv(&mut cx), Poll::Ready(1));
        assert_eq!(receiver.poll_recv(&mut cx), Poll::Ready(2));
        assert_eq!(receiver.poll_recv(&mut cx), Poll::Pending);
    }
}
