//! The relay as a device: what comes from a connection goes to another one, and back.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

/// The best of its sizes on most machines: half of a second-level cache.
const BUFFER_BYTES: usize = 1 << 20;

/// Serves until it is killed.
pub fn relay(listen: &str, backend: &str) -> io::Result<()> {
    let listener = TcpListener::bind(listen)?;
    loop {
        let (from, _) = listener.accept()?;
        let to = TcpStream::connect(backend)?;
        for socket in [&from, &to] {
            socket.set_nodelay(true)?;
        }
        let (back_from, back_to) = (to.try_clone()?, from.try_clone()?);
        thread::spawn(move || pass(from, to));
        thread::spawn(move || pass(back_from, back_to));
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = vec![0; BUFFER_BYTES];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    // The other side may be gone already.
    let _ = to.shutdown(Shutdown::Write);
}
