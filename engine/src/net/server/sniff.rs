//! Which protocol a cleartext connection speaks, by its first bytes.
//!
//! HTTP/2 with prior knowledge opens with 24 fixed bytes (RFC 9113, section 3.4), which no
//! HTTP/1.1 request begins with: `PRI` is reserved. Most connections differ at the first byte.

use bytes::{Buf, Bytes};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The bytes every HTTP/2 client sends first.
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What the first bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spoken {
    Http2,
    Http1,
}

/// Decides by the bytes read so far; `None` if they are too few.
fn classify(first: &[u8]) -> Option<Spoken> {
    if first == PREFACE {
        Some(Spoken::Http2)
    } else if PREFACE.starts_with(first) {
        None
    } else {
        Some(Spoken::Http1)
    }
}

/// Reads until the protocol is known. The bytes read are read again from the socket returned.
/// Errors: the peer went away before that (`UnexpectedEof`), or the socket's own.
pub(super) async fn sniff<IO>(mut io: IO) -> io::Result<(Spoken, Rewind<IO>)>
where
    IO: AsyncRead + Unpin,
{
    let mut first = [0; PREFACE.len()];
    let mut len = 0;
    loop {
        // Never more than the preface: what follows it is for the protocol's own buffer.
        let mut room = ReadBuf::new(&mut first[len..]);
        std::future::poll_fn(|cx| Pin::new(&mut io).poll_read(cx, &mut room)).await?;
        let read = room.filled().len();
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        len += read;
        if let Some(spoken) = classify(&first[..len]) {
            let first = Bytes::copy_from_slice(&first[..len]);
            return Ok((spoken, Rewind { first, io }));
        }
    }
}

/// A socket whose first bytes were read already and are read once more.
#[derive(Debug)]
pub(super) struct Rewind<IO> {
    first: Bytes,
    io: IO,
}

impl<IO> Rewind<IO> {
    /// A socket of which nothing was read.
    pub(super) const fn fresh(io: IO) -> Self {
        Self {
            first: Bytes::new(),
            io,
        }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Rewind<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.io).poll_read(cx, buf);
        }
        let take = self.first.len().min(buf.remaining());
        buf.put_slice(&self.first[..take]);
        self.first.advance(take);
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Rewind<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_preface_is_http2() {
        assert_eq!(classify(PREFACE), Some(Spoken::Http2));
        for len in 0..PREFACE.len() {
            assert_eq!(classify(&PREFACE[..len]), None);
        }
        for request in [
            &b"GET / HTTP/1.1\r\n"[..],
            b"POST",
            b"PUT",
            b"PRI /x",
            b"\x16\x03\x01",
        ] {
            assert_eq!(classify(request), Some(Spoken::Http1), "{request:?}");
        }
    }
}
