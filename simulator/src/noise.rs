//! Noise without sockets: one end of a connection, for whoever carries its bytes to the other.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use sv2::connection::{
    Connection, ConnectionConfig, ConnectionError, InitiatorSecurity, Received, ResponderSecurity,
};
use sv2::entropy::Entropy;
use sv2::message::Message;
use sv2::noise::{
    AuthorityPublicKey, AuthoritySecretKey, CipherSuite, Identity, SessionSecrets, StaticKey,
};
use sv2::time::Now;
use sv2::wire::{Frame, Tlvs};

/// One end of a Noise connection, with what has arrived and what is to be sent.
pub(crate) struct NoiseEnd {
    connection: Connection,
    /// What has arrived.
    pub(crate) input: BytesMut,
    /// What is to be sent.
    pub(crate) output: Vec<u8>,
}

/// What somebody at one end learns.
pub(crate) enum News {
    Established,
    Frame(Frame),
    Failed(ConnectionError),
}

impl NoiseEnd {
    pub(crate) fn client(
        authority: Option<AuthorityPublicKey>,
        now: Now,
        entropy: &mut Entropy,
    ) -> Self {
        let mut output = Vec::new();
        let security = InitiatorSecurity::Noise { suite: CipherSuite::default(), authority };
        let config = ConnectionConfig::default();
        let connection = Connection::initiator(config, security, now, entropy, &mut output);
        NoiseEnd { connection, input: BytesMut::new(), output }
    }

    pub(crate) fn server(identity: Arc<Identity>, now: Now, entropy: &mut Entropy) -> Self {
        let security = ResponderSecurity::Noise { suite: CipherSuite::default(), identity };
        let connection = Connection::responder(ConnectionConfig::default(), security, now, entropy);
        NoiseEnd { connection, input: BytesMut::new(), output: Vec::new() }
    }

    /// What has come of whole messages of the other end, which are opened where they are.
    pub(crate) fn arrive(&mut self, bytes: Vec<u8>, now: Now) -> Option<News> {
        if self.input.is_empty() {
            self.input = BytesMut::from(Bytes::from(bytes));
        } else {
            self.input.extend_from_slice(&bytes);
        }
        let news = self.next(now);
        if self.input.is_empty() {
            self.input = BytesMut::new();
        }
        news
    }

    /// What has come of what arrived.
    pub(crate) fn next(&mut self, now: Now) -> Option<News> {
        match self.connection.receive(now, &mut self.input, &mut self.output) {
            Ok(None) => None,
            Ok(Some(Received::Established { .. })) => Some(News::Established),
            Ok(Some(Received::Frame(frame))) => Some(News::Frame(frame)),
            Err(error) => Some(News::Failed(error)),
        }
    }

    /// Whether it has the keys of a session.
    pub(crate) fn is_established(&self) -> bool {
        self.connection.is_established()
    }

    /// Once, when it is established: gives what a capture of it can be read with, and takes less
    /// memory from then on.
    pub(crate) fn settle(&mut self) -> Option<SessionSecrets> {
        let secrets = self.connection.key_log().cloned();
        self.connection.shrink();
        secrets
    }

    pub(crate) fn send(&mut self, message: &Message, tlvs: &Tlvs) {
        if self.connection.is_established() {
            // A message of a role of ours is never too long.
            let _ = self.connection.send_message(message, tlvs, &mut self.output);
        }
    }

    pub(crate) fn forward(&mut self, frame: &Frame) {
        if self.connection.is_established() {
            let _ = self.connection.send_frame(frame, &mut self.output);
        }
    }
}

/// A static key with a certificate for a year.
pub(crate) fn identity(
    authority: &AuthoritySecretKey,
    now: Now,
    entropy: &mut Entropy,
) -> Arc<Identity> {
    let (from, until) = (now.unix.to_u32() - 60, now.unix.to_u32() + 365 * 86_400);
    let key = StaticKey::generate(entropy);
    Arc::new(Identity::new(authority, key, from, until, entropy))
}
