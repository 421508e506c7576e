//! The request to cancel what a session is doing, on a connection of its own.

use std::net::SocketAddr;

use crate::error::Error;
use crate::login::Endpoint;
use crate::session::Opener;

/// What it takes to cancel the query of a session.
pub(crate) struct Cancel<'a> {
    pub(crate) opener: &'a Opener<'a>,
    pub(crate) endpoint: Endpoint,
    pub(crate) address: SocketAddr,
    /// Process and secret; a server may have none to give.
    pub(crate) key: Option<(i32, i32)>,
}

impl Cancel<'_> {
    /// Sends the request; it has no answer.
    pub(crate) async fn send(&self) -> Result<(), Error> {
        match self.key {
            Some(key) => self.opener.cancel(&self.endpoint, self.address, key).await,
            None => Ok(()),
        }
    }
}
