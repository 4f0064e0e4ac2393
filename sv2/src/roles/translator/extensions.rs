//! Extensions towards the upstream: negotiation (0x0001), and the worker's name behind a share
//! (0x0002).

use bytes::Bytes;

use super::upstream::Extensions;
use super::{Timer, Translator};
use crate::event::Event;
use crate::extensions::{
    RequestExtensions, RequestExtensionsError, WORKER_TRACKING, WORKER_USER_IDENTITY,
    WORKER_USER_IDENTITY_LEN_MAX,
};
use crate::role::{CloseReason, ConnectionId, Outbox};
use crate::time::Now;
use crate::wire::{Seq64K, Tlv, TlvOrder, Tlvs};

impl Translator {
    /// Set-up is done: what else is there?
    pub(super) fn negotiate(&mut self, now: Now, connection: ConnectionId, out: &mut Outbox) {
        if !self.config.names_workers {
            return self.agree(now, Extensions::None, out);
        }
        let requested_extensions = Seq64K::new(vec![WORKER_TRACKING]).unwrap_or_default();
        out.send(connection, RequestExtensions { request_id: 0, requested_extensions });
        self.timers.set(Timer::Extensions, now.instant + self.config.extensions_timeout);
    }

    pub(super) fn handle_extensions(&mut self, now: Now, supported: &[u16], out: &mut Outbox) {
        let agreed = match supported.contains(&WORKER_TRACKING) {
            true => Extensions::Workers,
            false => Extensions::None,
        };
        self.agree(now, agreed, out);
    }

    /// What an upstream requires beyond what we know is not to be had from us.
    pub(super) fn handle_extensions_refused(
        &mut self,
        now: Now,
        connection: ConnectionId,
        error: &RequestExtensionsError,
        out: &mut Outbox,
    ) {
        let required = error.required_extensions.as_slice();
        if required.is_empty() {
            return self.agree(now, Extensions::None, out);
        }
        let what = format!("the upstream requires extensions {required:?} (extension 0x0001, 4)");
        out.tell(Event::Noted { connection: Some(connection), what });
        let reason = CloseReason::RefusedByPeer("required extensions".to_owned());
        self.upstream.uplink.close(reason, out);
    }

    /// Who ignores what it does not know does not answer (spec 3.4.1).
    pub(super) fn go_on_without_extensions(&mut self, now: Now, out: &mut Outbox) {
        let connection = self.upstream.uplink.ready();
        let what = "the upstream does not answer RequestExtensions: there are none".to_owned();
        out.tell(Event::Noted { connection, what });
        self.agree(now, Extensions::None, out);
    }

    fn agree(&mut self, now: Now, agreed: Extensions, out: &mut Outbox) {
        self.timers.cancel(Timer::Extensions);
        // A second answer changes nothing.
        if self.upstream.extensions == Extensions::Unknown {
            self.upstream.extensions = agreed;
            self.open_all(now, out);
        }
    }

    /// What stands behind a share of this user.
    pub(super) fn worker_tlvs(&self, user: &str) -> Tlvs {
        if self.upstream.extensions != Extensions::Workers {
            return Tlvs::NONE;
        }
        let value = Bytes::copy_from_slice(worker_name(user).as_bytes());
        let (extension, field) = (WORKER_TRACKING, WORKER_USER_IDENTITY);
        // AMB-03: little-endian, as spec 3.1 says and the reference implementation reads.
        Tlvs::encode(&[Tlv { extension, field, value }], TlvOrder::LittleEndian)
    }
}

/// At most 32 bytes of a user's name, whole characters. Of an account that is too long itself
/// (an address) what stands behind it tells workers apart.
fn worker_name(user: &str) -> &str {
    let behind = user.split_once('.').map(|(_, worker)| worker).filter(|name| !name.is_empty());
    let name = match behind {
        Some(worker) if user.len() > WORKER_USER_IDENTITY_LEN_MAX => worker,
        _ => user,
    };
    let mut end = name.len().min(WORKER_USER_IDENTITY_LEN_MAX);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_between_characters_and_long_accounts_are_left_out() {
        let address = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4";
        for (user, name) in [
            ("", ""),
            ("alice", "alice"),
            ("alice.worker1", "alice.worker1"),
            (&format!("{address}.rig.7"), "rig.7"),
            (address, &address[..32]),
            (&format!("{address}."), &address[..32]),
            (&"é".repeat(20), &"é".repeat(16)),
            (&format!("x{}", "é".repeat(20)), &format!("x{}", "é".repeat(15))),
            (&format!("{address}.{}", "日".repeat(40)), &"日".repeat(10)),
        ] {
            assert_eq!(worker_name(user), name, "{user}");
        }
    }
}
