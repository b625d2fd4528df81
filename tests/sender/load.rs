//! A load in the background, with a record of what was acknowledged.

use super::{Protocol, Sender};
use crate::item::{Export, Signal};
use crate::{generate, wait};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Senders at work in the background, each with its own ids.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    threads: Vec<std::thread::JoinHandle<Vec<Export>>>,
}

impl Load {
    /// Starts `senders` that each send requests of `items` items of `signal`, one after another,
    /// until told to stop. A refused or broken request is not sent again, so that no item comes
    /// twice because of its sender; the next one has new ids.
    pub fn start(
        protocol: Protocol,
        address: SocketAddr,
        signal: Signal,
        senders: u64,
        items: u64,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let acknowledged = Arc::new(AtomicU64::new(0));
        let threads = (0..senders)
            .map(|sender| {
                let (stop, acknowledged) = (Arc::clone(&stop), Arc::clone(&acknowledged));
                std::thread::spawn(move || {
                    // Every sender's ids start 2^32 apart, so that none overlap.
                    let mut next = (sender << 32) + 1;
                    let sender = Sender::new(protocol, address);
                    let mut accepted = Vec::new();
                    while !stop.load(Ordering::Relaxed) {
                        let export = generate::request(signal, next..next + items);
                        next += items;
                        if sender.send(&export).is_accepted() {
                            acknowledged.fetch_add(items, Ordering::Relaxed);
                            accepted.push(export);
                        }
                    }
                    accepted
                })
            })
            .collect();
        Self {
            stop,
            acknowledged,
            threads,
        }
    }

    /// How many items were acknowledged so far.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Waits until `items` more are acknowledged than are now.
    pub fn wait_for_more(&self, items: u64) {
        let goal = self.acknowledged() + items;
        wait::until_true(&format!("{goal} acknowledged items"), || {
            self.acknowledged() >= goal
        });
    }

    /// Stops after the requests under way and returns those that were acknowledged.
    pub fn stop(self) -> Vec<Export> {
        self.stop.store(true, Ordering::Relaxed);
        let threads = self.threads.into_iter();
        threads
            .flat_map(|thread| thread.join().expect("a sender did not panic"))
            .collect()
    }
}
