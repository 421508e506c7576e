//! The messages that prove the user to the server, and with SCRAM the server to the user.

use bytes::BytesMut;
use postgres_protocol::authentication::{md5_hash, sasl};
use postgres_protocol::message::backend::{AuthenticationSaslBody, Message};
use postgres_protocol::message::frontend;

use super::{Ask, Method, Trouble, out_of_turn};
use crate::require_auth::ChannelBinding;
use crate::secret::Password;

/// What a proof can be bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channel<'a> {
    /// There is no TLS.
    Plain,
    /// There is TLS, but no hash is defined for the certificate's signature algorithm.
    Unbindable,
    /// `tls-server-end-point` of RFC 5929: a hash of the server's certificate.
    ServerEndPoint(&'a [u8]),
}

/// One exchange, up to the server's acceptance.
pub(super) struct Exchange<'a> {
    ask: &'a Ask<'a>,
    scram: Option<Scram>,
}

struct Scram {
    state: sasl::ScramSha256,
    bound: bool,
    /// Whether the server has proved that it knows the password.
    proved: bool,
}

impl<'a> Exchange<'a> {
    pub(super) fn new(ask: &'a Ask<'a>) -> Self {
        Self { ask, scram: None }
    }

    /// Whether the user's proof was bound to the TLS connection.
    pub(super) fn is_bound(&self) -> bool {
        self.scram.as_ref().is_some_and(|scram| scram.bound)
    }

    /// Writes the response to a message about authentication; whether the server has accepted the user with it.
    /// `method` is what it asks for.
    ///
    /// # Errors
    /// The server asks for what it may not have or what there is not, or does not prove itself.
    pub(super) fn respond(
        &mut self,
        message: &Message,
        method: &mut Method,
        out: &mut BytesMut,
    ) -> Result<bool, Trouble> {
        match message {
            Message::AuthenticationOk => {
                self.accept(*method)?;
                return Ok(true);
            }
            Message::AuthenticationCleartextPassword => {
                *method = Method::Cleartext;
                frontend::password_message(self.password(*method)?.reveal().as_bytes(), out)?;
            }
            Message::AuthenticationMd5Password(body) => {
                *method = Method::Md5;
                let password = self.password(*method)?.reveal().as_bytes();
                let hashed = md5_hash(self.ask.user.as_bytes(), password, body.salt());
                frontend::password_message(hashed.as_bytes(), out)?;
            }
            Message::AuthenticationSasl(body) => {
                *method = Method::Scram;
                self.begin_scram(body, out)?;
            }
            Message::AuthenticationSaslContinue(body) => {
                let scram = self.scram.as_mut().ok_or_else(out_of_turn)?;
                scram.state.update(body.data()).map_err(|error| Trouble::Unproved(error.to_string()))?;
                frontend::sasl_response(scram.state.message(), out)?;
            }
            Message::AuthenticationSaslFinal(body) => {
                let scram = self.scram.as_mut().ok_or_else(out_of_turn)?;
                scram.state.finish(body.data()).map_err(|error| Trouble::Unproved(error.to_string()))?;
                scram.proved = true;
            }
            Message::AuthenticationGss | Message::AuthenticationGssContinue(_) => {
                return Err(Trouble::Unsupported("GSSAPI"));
            }
            Message::AuthenticationKerberosV5 => return Err(Trouble::Unsupported("Kerberos V5")),
            Message::AuthenticationSspi => return Err(Trouble::Unsupported("SSPI")),
            Message::AuthenticationScmCredential => return Err(Trouble::Unsupported("SCM credentials")),
            _ => return Err(out_of_turn()),
        }
        Ok(false)
    }

    /// Whether the server may end the exchange here.
    fn accept(&self, method: Method) -> Result<(), Trouble> {
        match &self.scram {
            // An impostor does not know the password, and would leave its proof out.
            Some(scram) if !scram.proved => {
                Err(Trouble::Unproved("the server did not prove that it knows the password".to_owned()))
            }
            Some(_) => Ok(()),
            None => self.allow(method),
        }
    }

    /// Refuses a method that `--require-auth` or `--channel-binding` excludes.
    fn allow(&self, method: Method) -> Result<(), Trouble> {
        let policy = self.ask.policy;
        if !policy.require.allows(method) {
            return Err(Trouble::NotAllowed(method));
        }
        match (policy.binding, method) {
            (ChannelBinding::Require, Method::Trust | Method::Cleartext | Method::Md5) => {
                Err(Trouble::Unbound(format!("{method} cannot be bound to the TLS connection")))
            }
            _ => Ok(()),
        }
    }

    fn password(&self, method: Method) -> Result<&'a Password, Trouble> {
        self.allow(method)?;
        self.ask.password.ok_or(Trouble::NoPassword(method))
    }

    fn begin_scram(&mut self, body: &AuthenticationSaslBody, out: &mut BytesMut) -> Result<(), Trouble> {
        if self.scram.is_some() {
            return Err(out_of_turn());
        }
        let (mut plain, mut plus) = (false, false);
        let mut mechanisms = body.mechanisms();
        while let Some(mechanism) = fallible_iterator::FallibleIterator::next(&mut mechanisms)? {
            plain |= mechanism == sasl::SCRAM_SHA_256;
            plus |= mechanism == sasl::SCRAM_SHA_256_PLUS;
        }
        let password = self.password(Method::Scram)?;
        let binding = self.ask.policy.binding;
        let (mechanism, channel, bound) = match (binding, self.ask.channel) {
            (ChannelBinding::Prefer | ChannelBinding::Require, Channel::ServerEndPoint(hash)) if plus => {
                (sasl::SCRAM_SHA_256_PLUS, sasl::ChannelBinding::tls_server_end_point(hash.to_vec()), true)
            }
            (ChannelBinding::Require, Channel::Plain) => {
                return Err(Trouble::Unbound("there is no TLS connection".to_owned()));
            }
            (ChannelBinding::Require, Channel::Unbindable) => {
                let why = "no binding is defined for the signature algorithm of the server's certificate";
                return Err(Trouble::Unbound(why.to_owned()));
            }
            (ChannelBinding::Require, Channel::ServerEndPoint(_)) => {
                return Err(Trouble::Unbound("the server does not offer SCRAM-SHA-256-PLUS".to_owned()));
            }
            // Tells the server that it was not offered: someone in between may have taken it out of the list.
            (ChannelBinding::Prefer, Channel::ServerEndPoint(_)) => {
                (sasl::SCRAM_SHA_256, sasl::ChannelBinding::unrequested(), false)
            }
            (ChannelBinding::Disable, _) | (ChannelBinding::Prefer, Channel::Plain | Channel::Unbindable) => {
                (sasl::SCRAM_SHA_256, sasl::ChannelBinding::unsupported(), false)
            }
        };
        if !bound && !plain {
            return Err(Trouble::Unsupported("a SASL mechanism other than SCRAM-SHA-256"));
        }
        let state = sasl::ScramSha256::new(password.reveal().as_bytes(), channel);
        frontend::sasl_initial_response(mechanism, state.message(), out)?;
        self.scram = Some(Scram { state, bound, proved: false });
        Ok(())
    }
}
