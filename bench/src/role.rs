//! A copy of this program in a process of its own, with another part to play: it says where it listens, and
//! when its input ends, what came of it.

use std::io::{self, BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

/// The copy, for who started it.
#[derive(Debug)]
pub struct Role {
    child: Child,
    out: BufReader<ChildStdout>,
    /// The first line that it printed.
    pub address: String,
}

impl Role {
    /// Starts it with these arguments, and waits for its first line.
    pub fn start(arguments: &[&str]) -> io::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let out = child.stdout.take().expect("it is piped");
        let mut out = BufReader::new(out);
        let address = line(&mut out)?;
        Ok(Self {
            child,
            out,
            address,
        })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends its input, and waits for its last line and its end.
    pub fn end(mut self) -> io::Result<String> {
        drop(self.child.stdin.take());
        let line = line(&mut self.out)?;
        self.child.wait()?;
        Ok(line)
    }
}

/// In the copy: waits until it is to end.
pub fn until_told_to_end() -> io::Result<()> {
    io::copy(&mut io::stdin().lock(), &mut io::sink()).map(drop)
}

fn line(out: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    out.read_line(&mut line)?;
    Ok(line.trim().to_owned())
}
