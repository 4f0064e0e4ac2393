//! The secrets of a session as lines of a key log, with which a capture is read later.
//!
//! Whoever has them can also forge messages while the connection lives. Long-lived keys are
//! never part of it.

use std::fmt::{self, Write as _};

use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// What a line of a key log holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyLogLabel {
    /// Key of what the initiator sends.
    InitiatorToResponder,
    /// Key of what the responder sends.
    ResponderToInitiator,
    /// Key that seals the static key in act 2.
    HandshakeEe,
    /// Key that seals the certificate in act 2.
    HandshakeEs,
}

impl KeyLogLabel {
    /// All, in the order in which they are written.
    pub const ALL: [KeyLogLabel; 4] = [
        KeyLogLabel::InitiatorToResponder,
        KeyLogLabel::ResponderToInitiator,
        KeyLogLabel::HandshakeEe,
        KeyLogLabel::HandshakeEs,
    ];

    /// The first word of the line.
    pub const fn as_str(self) -> &'static str {
        match self {
            KeyLogLabel::InitiatorToResponder => "SV2_I2R",
            KeyLogLabel::ResponderToInitiator => "SV2_R2I",
            KeyLogLabel::HandshakeEe => "SV2_HS_EE",
            KeyLogLabel::HandshakeEs => "SV2_HS_ES",
        }
    }
}

/// The secrets of one session; the same on both sides. Wiped when dropped.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct SessionSecrets {
    /// Names the session: act 1 as it was sent, the first 64 bytes of the connection.
    pub act_1: [u8; 64],
    /// See [`KeyLogLabel::InitiatorToResponder`].
    pub initiator_to_responder: [u8; 32],
    /// See [`KeyLogLabel::ResponderToInitiator`].
    pub responder_to_initiator: [u8; 32],
    /// See [`KeyLogLabel::HandshakeEe`].
    pub handshake_ee: [u8; 32],
    /// See [`KeyLogLabel::HandshakeEs`].
    pub handshake_es: [u8; 32],
}

impl SessionSecrets {
    /// The secret of one line.
    pub fn secret(&self, label: KeyLogLabel) -> &[u8; 32] {
        match label {
            KeyLogLabel::InitiatorToResponder => &self.initiator_to_responder,
            KeyLogLabel::ResponderToInitiator => &self.responder_to_initiator,
            KeyLogLabel::HandshakeEe => &self.handshake_ee,
            KeyLogLabel::HandshakeEs => &self.handshake_es,
        }
    }

    /// The session's lines, each ended by LF: `LABEL act_1 secret` in hexadecimal. To be
    /// appended in one write, so that several processes can share a file.
    pub fn to_key_log(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(KEY_LOG_LEN_MAX));
        for label in KeyLogLabel::ALL {
            text.push_str(label.as_str());
            for bytes in [&self.act_1[..], self.secret(label)] {
                text.push(' ');
                for byte in bytes {
                    write!(text, "{byte:02x}").expect("writing to a string cannot fail");
                }
            }
            text.push('\n');
        }
        text
    }
}

impl fmt::Debug for SessionSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionSecrets(..)")
    }
}

/// Enough that the text never moves and leaves copies of secrets behind: label, two spaces,
/// 128 and 64 digits, LF.
const KEY_LOG_LEN_MAX: usize = KeyLogLabel::ALL.len() * (16 + 2 + 128 + 64 + 1);

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets() -> SessionSecrets {
        SessionSecrets {
            act_1: [0x1f; 64],
            initiator_to_responder: [0xa1; 32],
            responder_to_initiator: [0xa2; 32],
            handshake_ee: [0xa3; 32],
            handshake_es: [0xa4; 32],
        }
    }

    #[test]
    fn each_line_is_label_session_and_secret() {
        let text = secrets().to_key_log().replace(&"1f".repeat(64), "[act 1]");

        insta::assert_snapshot!(text, @r"
        SV2_I2R [act 1] a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1
        SV2_R2I [act 1] a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2
        SV2_HS_EE [act 1] a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3a3
        SV2_HS_ES [act 1] a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4a4
        ");
    }

    #[test]
    fn the_text_is_written_without_moving() {
        assert!(secrets().to_key_log().len() <= KEY_LOG_LEN_MAX);
    }

    #[test]
    fn debug_output_does_not_show_secrets() {
        insta::assert_snapshot!(format!("{:?}", secrets()), @"SessionSecrets(..)");
    }
}
