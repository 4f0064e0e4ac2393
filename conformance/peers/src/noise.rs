//! The reference implementation's handshake and sealed frames, with keys that we choose.

use std::time::Duration;

use bitcoin::secp256k1::{Parity, Secp256k1, SecretKey};
use codec_sv2::{
    Decrypted, Handshake, NoiseDecoder, NoiseEncoder, Transport, TransportDecryptState,
    TransportEncryptState,
};
use framing_sv2::framing::SerializedFrame;
use noise_sv2::{Initiator, Responder};
use rand::{CryptoRng, RngCore};
use sv2::entropy::Entropy;
use sv2::noise::{
    ACT_1_LEN, ACT_2_LEN, AuthoritySecretKey, CipherSuite, EllSwiftEncoding, Identity, StaticKey,
};
use sv2::wire::Frame;

/// When the handshakes of the tests take place, in seconds since the Unix epoch.
pub const NOW: u32 = 1_700_000_000;
/// How both sides encode keys: theirs cannot choose.
pub const ENCODING: EllSwiftEncoding = EllSwiftEncoding::ZeroRandomness;
/// The only one that both have.
pub const SUITE: CipherSuite = CipherSuite::ChaChaPoly;

/// All secrets of a handshake.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Of the initiator.
    pub initiator_ephemeral: [u8; 32],
    /// Of the responder.
    pub responder_ephemeral: [u8; 32],
    /// Of the responder.
    pub responder_static: [u8; 32],
    /// Who certifies the responder.
    pub authority: [u8; 32],
    /// Randomness of the signature.
    pub auxiliary: [u8; 32],
}

impl Keys {
    /// Repeatable.
    pub fn from_seed(seed: u64) -> Self {
        let mut entropy = Entropy::from_seed(seed);
        let mut secret = || with_even_y(entropy.bytes());
        Keys {
            initiator_ephemeral: secret(),
            responder_ephemeral: secret(),
            responder_static: secret(),
            authority: secret(),
            auxiliary: secret(),
        }
    }

    /// Who certifies the responder.
    ///
    /// # Panics
    /// Never: the keys are below the order of the curve.
    pub fn authority(&self) -> AuthoritySecretKey {
        AuthoritySecretKey::from_bytes(&self.authority).expect("below the order of the curve")
    }

    /// Our responder's identity, signed by us.
    ///
    /// # Panics
    /// Never: the keys are below the order of the curve.
    pub fn identity(&self) -> Identity {
        let mut entropy = Entropy::from_bytes(self.auxiliary);
        Identity::new(&self.authority(), self.static_key(), NOW, NOW + 3600, &mut entropy)
    }

    /// Our responder's static key.
    ///
    /// # Panics
    /// Never: the keys are below the order of the curve.
    pub fn static_key(&self) -> StaticKey {
        StaticKey::from_secret(&self.responder_static, ENCODING)
            .expect("below the order of the curve")
    }

    /// Their initiator; without an authority it takes any server.
    ///
    /// # Panics
    /// If `authority` is no point of the curve.
    pub fn their_initiator(&self, authority: Option<[u8; 32]>) -> Box<Initiator> {
        let mut drawn = Drawn(vec![self.initiator_ephemeral]);
        match authority {
            Some(key) => Initiator::from_raw_k_with_rng(key, &mut drawn).expect("a public key"),
            None => Initiator::without_pk_with_rng(&mut drawn).expect("nothing to refuse"),
        }
    }

    /// Their responder.
    ///
    /// # Panics
    /// Never: the authority's keys fit each other.
    pub fn their_responder(&self) -> Box<Responder> {
        let mut drawn = Drawn(vec![self.responder_ephemeral, self.responder_static]);
        let public = self.authority().public_key().to_bytes();
        let validity = Duration::from_secs(3600);
        Responder::from_authority_kp_with_rng(&public, &self.authority, validity, &mut drawn)
            .expect("the keys fit each other")
    }
}

/// Randomness that is a list: of secret keys, in the order in which they are drawn.
#[derive(Debug)]
pub struct Drawn(pub Vec<[u8; 32]>);

impl RngCore for Drawn {
    fn next_u32(&mut self) -> u32 {
        panic!("keys are drawn as bytes")
    }
    fn next_u64(&mut self) -> u64 {
        panic!("keys are drawn as bytes")
    }
    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.0.remove(0));
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl CryptoRng for Drawn {}

/// The secret of the same x coordinate whose point has an even y: they negate the others,
/// and the encoding of a key shows the sign.
///
/// # Panics
/// If `secret` is not below the order of the curve, as one in 2^128 is not.
pub fn with_even_y(secret: [u8; 32]) -> [u8; 32] {
    let secret = SecretKey::from_slice(&secret).expect("below the order of the curve");
    match secret.x_only_public_key(&Secp256k1::signing_only()).1 {
        Parity::Even => secret.secret_bytes(),
        Parity::Odd => secret.negate().secret_bytes(),
    }
}

/// Their initiator's part of a handshake.
///
/// # Panics
/// If they cannot make act 1.
pub fn their_act_1(
    initiator: Box<Initiator>,
) -> ([u8; ACT_1_LEN], Handshake<codec_sv2::InitiatorSent>) {
    let (message, handshake) = Handshake::initiator(initiator).step_0().expect("act 1");
    (message.payload().try_into().expect("64 bytes"), handshake)
}

/// Their responder's part of a handshake.
///
/// # Panics
/// If they refuse act 1, which no 64 bytes deserve.
pub fn their_act_2(keys: &Keys, act_1: [u8; ACT_1_LEN]) -> ([u8; ACT_2_LEN], TheirSession) {
    let mut drawn = Drawn(vec![keys.auxiliary]);
    let (message, transport) = Handshake::responder(keys.their_responder())
        .step_1_with_now_rng(act_1, NOW, &mut drawn)
        .expect("act 2");
    (message.payload().try_into().expect("234 bytes"), TheirSession::new(transport))
}

/// What their handshake ends in.
pub struct TheirSession {
    encoder: NoiseEncoder,
    decoder: NoiseDecoder,
    encrypt: TransportEncryptState,
    /// They give it back only where there was no error.
    decrypt: Option<TransportDecryptState>,
}

impl TheirSession {
    /// Both directions.
    pub fn new(transport: Transport) -> Self {
        let (encrypt, decrypt) = transport.split();
        let (encoder, decoder) = (NoiseEncoder::new(), NoiseDecoder::new());
        TheirSession { encoder, decoder, encrypt, decrypt: Some(decrypt) }
    }

    /// The sending half, for who has an encoder of their own.
    pub fn encrypt_state(&mut self) -> &mut TransportEncryptState {
        &mut self.encrypt
    }

    /// The receiving half, for who has a decoder of their own; once.
    ///
    /// # Panics
    /// When it was taken before.
    pub fn take_decrypt_state(&mut self) -> TransportDecryptState {
        self.decrypt.take().expect("taken once")
    }

    /// What goes over the wire for a frame.
    ///
    /// # Panics
    /// If they refuse to send it.
    pub fn seal(&mut self, frame: &Frame) -> Vec<u8> {
        let mut bytes = Vec::new();
        frame.write(&mut bytes);
        let frame = SerializedFrame::from_bytes(bytes).expect("a whole frame");
        self.encoder.encode_transport(frame, &mut self.encrypt).expect("they can seal it")
    }

    /// The frame that `sealed` holds.
    ///
    /// # Errors
    /// Why they refuse it, or that it is not whole; the session is over then.
    pub fn open(&mut self, mut sealed: &[u8]) -> Result<Vec<u8>, String> {
        loop {
            let wanted = self.decoder.writable();
            let (now, later) = sealed.split_at_checked(wanted.len()).ok_or("incomplete")?;
            wanted.copy_from_slice(now);
            sealed = later;
            let decrypt = self.decrypt.take().ok_or("the session is over")?;
            match self.decoder.next_transport_frame(decrypt) {
                Ok(Decrypted::Frame(frame, decrypt)) => {
                    self.decrypt = Some(decrypt);
                    return Ok(frame.as_bytes().to_vec());
                }
                Ok(Decrypted::Incomplete(_, decrypt)) => self.decrypt = Some(decrypt),
                Err(error) => return Err(format!("{error:?}")),
            }
        }
    }
}
