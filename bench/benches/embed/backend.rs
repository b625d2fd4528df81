//! A sink in a process of its own: what it costs is nobody's here.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tailrace_bench::sink::{Settings, Sink};
use tailrace_engine::exchange::Address;
use tailrace_engine::runtime::RuntimeKind;

/// With this argument the program is the sink.
pub const FLAG: &str = "--be-the-backend";

/// How long what was flushed may take to be counted.
const PATIENCE: Duration = Duration::from_secs(10);

pub struct Backend {
    child: Child,
    out: BufReader<std::process::ChildStdout>,
    pub url: String,
}

impl Backend {
    pub fn start() -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut child = Command::new(program)
            .arg(FLAG)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let mut out = BufReader::new(child.stdout.take().expect("piped"));
        let mut address = String::new();
        out.read_line(&mut address).expect("its address");
        let url = format!("http://{}", address.trim());
        Self { child, out, url }
    }

    /// Ends it; the items that arrived.
    pub fn end(mut self) -> u64 {
        drop(self.child.stdin.take());
        let mut items = String::new();
        self.out.read_line(&mut items).expect("its count");
        self.child.wait().expect("it ends");
        items.trim().parse().expect("a number")
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
    let mut rest = Vec::new();
    std::io::stdin().read_to_end(&mut rest).expect("a pipe");
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
