//! Key logs, read: which secrets belong to which session. Lines come in any order; what is no
//! line of ours is skipped.

use std::collections::BTreeMap;

use sv2::noise::{ACT_1_LEN, KeyLogLabel};
use sv2::wire::hex::array_from_hex;
use zeroize::Zeroize;

use crate::Direction;

/// Sessions that are kept; lines of others are counted and dropped.
pub const SESSIONS_MAX: usize = 1 << 18;
/// Checkpoints that are kept.
pub const CHECKPOINTS_MAX: usize = 1 << 20;

/// Secrets by session.
#[derive(Debug, Default)]
pub struct KeyRing {
    sessions: BTreeMap<[u8; ACT_1_LEN], SessionKeys>,
    checkpoints: BTreeMap<[u8; 16], Checkpoint>,
    skipped: u64,
}

/// What is known of one session. Wiped when dropped.
#[derive(Clone, Default, zeroize::ZeroizeOnDrop)]
pub struct SessionKeys {
    secrets: [Option<[u8; 32]>; 4],
}

impl SessionKeys {
    /// The secret with a label.
    pub fn secret(&self, label: KeyLogLabel) -> Option<&[u8; 32]> {
        self.secrets[index(label)].as_ref()
    }

    /// The key of a direction.
    pub fn transport(&self, direction: Direction) -> Option<&[u8; 32]> {
        self.secret(match direction {
            Direction::ClientToServer => KeyLogLabel::InitiatorToResponder,
            Direction::ServerToClient => KeyLogLabel::ResponderToInitiator,
        })
    }
}

impl std::fmt::Debug for SessionKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionKeys(..)")
    }
}

/// A place in a session, found by the MAC of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Names the session.
    pub session: [u8; ACT_1_LEN],
    /// Who sends.
    pub direction: Direction,
    /// Of the header.
    pub nonce: u64,
}

impl KeyRing {
    /// Takes the lines of a key log: `LABEL session secret` in hexadecimal.
    pub fn read(&mut self, text: &[u8]) {
        for line in text.split(|byte| matches!(byte, b'\n' | b'\r')) {
            let is_comment = line.first().is_none_or(|byte| *byte == b'#');
            if !is_comment && self.line(line).is_none() {
                self.skipped += 1;
            }
        }
    }

    /// The secrets of the session that begins with `act_1`.
    pub fn session(&self, act_1: &[u8; ACT_1_LEN]) -> Option<&SessionKeys> {
        self.sessions.get(act_1)
    }

    /// Every session, in the order of its name.
    pub fn sessions(&self) -> impl Iterator<Item = (&[u8; ACT_1_LEN], &SessionKeys)> {
        self.sessions.iter()
    }

    /// Where in which session a header with this MAC stands.
    pub fn checkpoint(&self, mac: &[u8; 16]) -> Option<&Checkpoint> {
        self.checkpoints.get(mac)
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// Lines that are no lines of a key log, or above a limit.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    fn line(&mut self, line: &[u8]) -> Option<()> {
        let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        let label = words.next()?;
        let session: [u8; ACT_1_LEN] = array_from_hex(words.next()?)?;
        let direction = match label {
            b"SV2_CKPT_I2R" => Some(Direction::ClientToServer),
            b"SV2_CKPT_R2I" => Some(Direction::ServerToClient),
            _ => None,
        };
        if let Some(direction) = direction {
            let nonce: u64 = std::str::from_utf8(words.next()?).ok()?.parse().ok()?;
            let mac = array_from_hex(words.next()?)?;
            if self.checkpoints.len() >= CHECKPOINTS_MAX || nonce > NONCE_MAX {
                return None;
            }
            self.checkpoints.insert(mac, Checkpoint { session, direction, nonce });
            return Some(());
        }
        let label = KeyLogLabel::ALL.into_iter().find(|row| row.as_str().as_bytes() == label)?;
        let mut secret: [u8; 32] = array_from_hex(words.next()?)?;
        if self.sessions.len() >= SESSIONS_MAX && !self.sessions.contains_key(&session) {
            return None;
        }
        self.sessions.entry(session).or_default().secrets[index(label)] = Some(secret);
        secret.zeroize();
        Some(())
    }
}

/// No session comes near it, and counting on from there cannot overflow.
const NONCE_MAX: u64 = 1 << 62;

fn index(label: KeyLogLabel) -> usize {
    match label {
        KeyLogLabel::InitiatorToResponder => 0,
        KeyLogLabel::ResponderToInitiator => 1,
        KeyLogLabel::HandshakeEe => 2,
        KeyLogLabel::HandshakeEs => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sv2::noise::SessionSecrets;

    #[test]
    fn what_roles_write_is_read_among_lines_of_others() {
        let secrets = SessionSecrets {
            act_1: [1; 64],
            initiator_to_responder: [2; 32],
            responder_to_initiator: [3; 32],
            handshake_ee: [4; 32],
            handshake_es: [5; 32],
        };
        let act_1 = "01".repeat(64);
        let mac = "0a".repeat(16);
        let text = format!(
            "# a comment\r\n\r\nCLIENT_RANDOM 00 11\nSV2_I2R 12 34\n{}SV2_CKPT_I2R {act_1} 4096 {mac}\n",
            secrets.to_key_log().to_uppercase()
        );
        let mut ring = KeyRing::default();

        ring.read(text.as_bytes());

        let keys = ring.session(&[1; 64]).unwrap();
        assert_eq!(keys.transport(Direction::ClientToServer), Some(&[2; 32]));
        assert_eq!(keys.transport(Direction::ServerToClient), Some(&[3; 32]));
        assert_eq!(keys.secret(KeyLogLabel::HandshakeEe), Some(&[4; 32]));
        assert_eq!(ring.checkpoint(&[10; 16]).map(|found| found.nonce), Some(4096));
        assert_eq!(ring.skipped(), 2);
    }
}
