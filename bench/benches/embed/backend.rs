//! A sink in a process of its own: what it costs is nobody's here.

use std::time::{Duration, Instant};
use tailrace_bench::role::{Role, until_told_to_end};
use tailrace_bench::sink::{Settings, Sink};
use tailrace_engine::exchange::Address;
use tailrace_engine::runtime::RuntimeKind;

/// With this argument the program is the sink.
pub const FLAG: &str = "--be-the-backend";

/// How long what was flushed may take to be counted.
const PATIENCE: Duration = Duration::from_secs(10);

pub struct Backend {
    role: Role,
    pub url: String,
}

impl Backend {
    pub fn start() -> Self {
        let role = Role::start(&[FLAG]).expect("a process");
        let url = format!("http://{}", role.address);
        Self { role, url }
    }

    /// Ends it; the items that arrived.
    pub fn end(self) -> u64 {
        let items = self.role.end().expect("its count");
        items.parse().expect("a number")
    }
}

/// Prints its address, serves until its input ends, and prints how many items came.
pub fn serve() {
    let anywhere = Address::Tcp(([127, 0, 0, 1], 0).into());
    let sink = Sink::start(RuntimeKind::Epoll, &anywhere, Settings::default()).expect("a sink");
    let Address::Tcp(address) = sink.address() else {
        unreachable!("it was told a port");
    };
    println!("{address}");
    until_told_to_end().expect("a pipe");
    // Counters are published now and then: until they stand still.
    let begin = Instant::now();
    let mut before = 0;
    while begin.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(300));
        let items = sink.counts().total().items;
        if items == before {
            break;
        }
        before = items;
    }
    println!("{before}");
}
