//! The answers on their way to the sink, while the calls go on.

use job_runtime::{Sink, SinkError};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// With so much to be written, writing does not wait for an idle moment.
const ENOUGH: usize = 64 * 1024;

type Writing = Pin<Box<dyn Future<Output = (Sink, Result<(), SinkError>)>>>;

/// Writes whatever has gathered, all at once, and then what has gathered meanwhile: under load that is many lines,
/// else each one at once.
pub(crate) struct Outbox {
    /// Away while it writes.
    sink: Option<Sink>,
    writing: Option<Writing>,
    gathered: Vec<u8>,
    /// Bytes that are being written.
    away: usize,
}

impl Outbox {
    pub(crate) fn new(sink: Sink) -> Self {
        Self { sink: Some(sink), writing: None, gathered: Vec::new(), away: 0 }
    }

    pub(crate) fn push(&mut self, text: &[u8]) {
        self.gathered.extend_from_slice(text);
    }

    /// Bytes that are not written yet.
    pub(crate) fn unwritten(&self) -> usize {
        self.gathered.len() + self.away
    }

    /// Whether writing should begin, however busy everything else is.
    pub(crate) fn is_full(&self) -> bool {
        self.writing.is_none() && self.gathered.len() >= ENOUGH
    }

    /// Begins to write, and waits for nothing.
    pub(crate) async fn begin(&mut self) -> Result<(), SinkError> {
        poll_fn(|cx| match self.poll(cx) {
            Poll::Pending => Poll::Ready(Ok(())),
            ended @ Poll::Ready(_) => ended,
        })
        .await
    }

    /// Writes what has gathered up to now; it may be dropped, and is gone on with by the next.
    pub(crate) async fn written(&mut self) -> Result<(), SinkError> {
        poll_fn(|cx| self.poll(cx)).await
    }

    /// Writes everything.
    pub(crate) async fn close(mut self) -> Result<(), SinkError> {
        while self.unwritten() > 0 {
            self.written().await?;
        }
        match self.sink {
            Some(sink) => sink.finish().await,
            None => Ok(()),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SinkError>> {
        // Without a sink there was an error, which has ended the batch.
        if let Some(sink) = self.sink.take_if(|_| !self.gathered.is_empty()) {
            let text = std::mem::take(&mut self.gathered);
            self.away = text.len();
            self.writing = Some(Box::pin(write(sink, text)));
        }
        let Some(writing) = &mut self.writing else { return Poll::Ready(Ok(())) };
        let (sink, written) = ready!(writing.as_mut().poll(cx));
        (self.writing, self.away) = (None, 0);
        if written.is_ok() {
            self.sink = Some(sink);
        }
        Poll::Ready(written)
    }
}

/// In pieces, because the sink copies what it is given.
async fn write(mut sink: Sink, text: Vec<u8>) -> (Sink, Result<(), SinkError>) {
    for piece in text.chunks(ENOUGH) {
        if let Err(err) = sink.write(piece).await {
            return (sink, Err(err));
        }
    }
    let written = sink.flush().await;
    (sink, written)
}

#[cfg(test)]
mod tests {
    use super::*;
    use job_runtime::Open;
    use std::path::Path;

    #[tokio::test]
    async fn everything_arrives_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let mut outbox = Outbox::new(Sink::file(&path, Open::Replace).unwrap());
        assert!(outbox.written().await.is_ok());
        let mut expected = String::new();
        for number in 0..40_000 {
            let line = format!("{number}\n");
            outbox.push(line.as_bytes());
            expected.push_str(&line);
            if outbox.is_full() {
                outbox.begin().await.unwrap();
                // It is being written, or a fast disk has it already.
                assert!(!outbox.is_full());
            }
        }
        outbox.close().await.unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
    }

    #[tokio::test]
    async fn what_cannot_be_written_is_told_once() {
        let mut outbox = Outbox::new(Sink::file(Path::new("/dev/full"), Open::Replace).unwrap());
        outbox.push(b"x");
        assert!(outbox.written().await.is_err());
        assert!(outbox.written().await.is_ok());
    }
}
