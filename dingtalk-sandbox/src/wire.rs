//! The connection under a response: as it is, or reset, cut or dripping.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use crate::clock::Clock;

/// What happens to the bytes of one response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) end: Option<End>,
    pub(crate) bytes_per_second: Option<u32>,
}

/// Where a response ends before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// RST after that many bytes, head included.
    Reset(u64),
    /// FIN after the head and that many bytes of the body.
    Cut(u64),
}

/// The place where the service leaves the plan for the response it is about to return.
#[derive(Clone, Debug, Default)]
pub(crate) struct Planned(Arc<Mutex<Progress>>);

#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    plan: Plan,
    started: Option<Duration>,
    written: u64,
    /// How much of `\r\n\r\n` was just written, up to all of it.
    head_end: usize,
    body_written: u64,
}

impl Planned {
    pub(crate) fn set(&self, plan: Plan) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Progress {
            plan,
            ..Progress::default()
        };
    }
}

impl Progress {
    /// How many bytes of `buf` may go before the end that was planned.
    fn before_end(&self, buf: &[u8]) -> usize {
        let left = match self.plan.end {
            None => return buf.len(),
            Some(End::Reset(at)) => at - self.written,
            Some(End::Cut(at)) => {
                let head = self.head_of(buf);
                head + (at - self.body_written)
            }
        };
        usize::try_from(left).unwrap_or(usize::MAX).min(buf.len())
    }

    /// How many of these bytes still belong to the head.
    fn head_of(&self, buf: &[u8]) -> u64 {
        let mut copy = *self;
        buf.iter()
            .map(|byte| copy.count(*byte))
            .take_while(|in_head| *in_head)
            .map(|_| 1)
            .sum()
    }

    /// Counts a byte. Whether it was of the head.
    fn count(&mut self, byte: u8) -> bool {
        self.written += 1;
        if self.head_end == HEAD_END.len() {
            self.body_written += 1;
            return false;
        }
        self.head_end = match HEAD_END.get(self.head_end) {
            Some(expected) if *expected == byte => self.head_end + 1,
            _ => usize::from(byte == b'\r'),
        };
        true
    }
}

/// A TCP connection for hyper that does with each response what was planned for it.
pub(crate) struct Wire {
    stream: TcpStream,
    planned: Planned,
    clock: Clock,
    pause: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream, planned: Planned, clock: Clock) -> Self {
        Self {
            stream,
            planned,
            clock,
            pause: None,
        }
    }

    /// Waits until the planned pace allows a byte, and says how many it allows.
    fn poll_allowance(&mut self, cx: &mut Context<'_>, pace: u32) -> Poll<u64> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            let now = self.clock.elapsed();
            let (started, written) = {
                let mut progress = self
                    .planned
                    .0
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                (*progress.started.get_or_insert(now), progress.written)
            };
            let due = now.saturating_sub(started).as_nanos() * u128::from(pace) / NANOS;
            let allowed = u64::try_from(due)
                .unwrap_or(u64::MAX)
                .saturating_sub(written);
            if allowed > 0 {
                return Poll::Ready(allowed);
            }
            let next = (u128::from(written + 1) * NANOS).div_ceil(u128::from(pace));
            let next = Duration::from_nanos(u64::try_from(next).unwrap_or(u64::MAX));
            self.pause = Some(Box::pin(
                self.clock.sleep((started + next).saturating_sub(now)),
            ));
        }
    }

    fn end(&mut self, end: End, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match end {
            End::Reset(_) => {
                // Closing a socket that lingers for no time sends RST.
                socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO))?;
                Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
            }
            End::Cut(_) => {
                ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
                Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
            }
        }
    }
}

impl Write for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let progress = *this
            .planned
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut most = progress.before_end(buf);
        if let (0, Some(end), false) = (most, progress.plan.end, buf.is_empty()) {
            return this.end(end, cx);
        }
        if let Some(pace) = progress.plan.bytes_per_second {
            let allowed = ready!(this.poll_allowance(cx, pace));
            most = most.min(usize::try_from(allowed).unwrap_or(usize::MAX));
        }
        let part = buf.get(..most).unwrap_or(buf);
        let sent = ready!(Pin::new(&mut this.stream).poll_write(cx, part))?;
        if progress.plan != Plan::default() {
            let mut progress = this
                .planned
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            for byte in part.iter().take(sent) {
                progress.count(*byte);
            }
        }
        Poll::Ready(Ok(sent))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

impl Read for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut bytes = [0; 8192];
        let room = buf.remaining().min(bytes.len());
        let mut part = ReadBuf::new(bytes.get_mut(..room).unwrap_or_default());
        ready!(Pin::new(&mut self.get_mut().stream).poll_read(cx, &mut part))?;
        buf.put_slice(part.filled());
        Poll::Ready(Ok(()))
    }
}

const HEAD_END: &[u8; 4] = b"\r\n\r\n";
const NANOS: u128 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(end: End) -> Progress {
        Progress {
            plan: Plan {
                end: Some(end),
                bytes_per_second: None,
            },
            ..Progress::default()
        }
    }

    #[test]
    fn a_reset_counts_from_the_first_byte_of_the_head() {
        assert_eq!(progress(End::Reset(3)).before_end(b"HTTP/1.1"), 3);
        assert_eq!(progress(End::Reset(99)).before_end(b"HTTP/1.1"), 8);
    }

    #[test]
    fn a_cut_counts_from_the_first_byte_of_the_body() {
        let whole = b"HTTP/1.1 200 OK\r\na: b\r\n\r\n0123456789";
        assert_eq!(
            &whole[..progress(End::Cut(4)).before_end(whole)],
            b"HTTP/1.1 200 OK\r\na: b\r\n\r\n0123"
        );
    }

    #[test]
    fn a_head_may_come_in_pieces() {
        let mut progress = progress(End::Cut(1));
        for byte in b"HTTP/1.1 200 OK\r\na: b\r\n\r" {
            assert!(progress.count(*byte));
        }
        assert_eq!(progress.before_end(b"\nxyz"), 2);
    }
}
