//! How far a request came: whether a byte of it was written, and whether a byte of the answer was read.
//!
//! The error of a client does not say this: a reset is a reset, before the request as after it. So the stream is watched,
//! above TLS and behind the proxy. What a handshake or a CONNECT sends is no part of the request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use ureq::Error;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

/// How far a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Progress {
    /// There was no connection to the server itself, or nothing was written to it.
    NothingSent,
    /// At least a part was written. The server may have taken the request.
    Sent,
    /// The server began to answer.
    Answered,
}

/// Keeps the progress of the request that is being made.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch(Arc<AtomicU8>);

impl Watch {
    /// Begins with a new request.
    pub(super) fn begin(&self) {
        self.0.store(0, Ordering::SeqCst);
    }

    /// Returns how far it came.
    pub(super) fn progress(&self) -> Progress {
        match self.0.load(Ordering::SeqCst) {
            0 => Progress::NothingSent,
            1 => Progress::Sent,
            _ => Progress::Answered,
        }
    }

    fn reached(&self, progress: Progress) {
        let number = match progress {
            Progress::NothingSent => 0,
            Progress::Sent => 1,
            Progress::Answered => 2,
        };
        self.0.fetch_max(number, Ordering::SeqCst);
    }
}

impl<In: Transport> Connector<In> for Watch {
    type Out = Watched<In>;

    fn connect(&self, _: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Self::Out>, Error> {
        Ok(chained.map(|inner| Watched { inner, watch: self.clone() }))
    }
}

/// A stream that is watched.
#[derive(Debug)]
pub(super) struct Watched<T> {
    inner: T,
    watch: Watch,
}

impl<T: Transport> Transport for Watched<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        // Also where it fails: a part may be on its way.
        self.watch.reached(Progress::Sent);
        self.inner.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let made_progress = self.inner.await_input(timeout)?;
        if made_progress {
            self.watch.reached(Progress::Answered);
        }
        Ok(made_progress)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}
