//! The man in the middle of an SV2 connection: bytes, of which he can read none unless the device
//! takes him for the pool.

use sv2::entropy::Entropy;
use sv2::message::{Decoded, Message};
use sv2::noise::{AuthoritySecretKey, SEALED_HEADER_LEN, sealed_payload_len};
use sv2::time::Now;
use sv2::wire::Str255;

use super::line::THIEF;
use crate::engine::{Purpose, Stream};
use crate::noise::{News, NoiseEnd, identity};

/// Who stands between.
pub(super) enum NoiseMan {
    /// He has bytes alone, and changes some in this part of all shares.
    Outside { part: f64, choice: Stream },
    /// He is a pool to the device, and a device to the pool.
    Between(Box<NoiseEnd>, Box<NoiseEnd>),
}

/// A connection with somebody in its middle.
pub(super) struct NoiseLine {
    pub(super) device: NoiseEnd,
    pub(super) pool: NoiseEnd,
    man: NoiseMan,
    pub(super) seen: u64,
}

impl NoiseLine {
    pub(super) fn new(device: NoiseEnd, pool: NoiseEnd, man: NoiseMan) -> Self {
        NoiseLine { device, pool, man, seen: 0 }
    }

    /// Carries what is to be sent; whether there was anything.
    pub(super) fn carry(&mut self, now: Now) -> bool {
        let up = std::mem::take(&mut self.device.output);
        let down = std::mem::take(&mut self.pool.output);
        let has_carried = !up.is_empty() || !down.is_empty();
        self.seen += u64::from(up.len() == SHARE_LEN);
        match &mut self.man {
            NoiseMan::Outside { part, choice } => {
                let mut up = up;
                if up.len() == SHARE_LEN && choice.unit() < *part {
                    // Any bit of the payload: he does not know which one is which.
                    up[SEALED_HEADER_LEN] ^= 1;
                }
                self.pool.input.extend_from_slice(&up);
                self.device.input.extend_from_slice(&down);
                has_carried
            }
            NoiseMan::Between(to_device, to_pool) => {
                to_device.input.extend_from_slice(&up);
                to_pool.input.extend_from_slice(&down);
                // The pool's end first: what the device sends needs it established.
                pass(to_pool, to_device, now, false);
                pass(to_device, to_pool, now, true);
                let up = std::mem::take(&mut to_pool.output);
                let down = std::mem::take(&mut to_device.output);
                self.pool.input.extend_from_slice(&up);
                self.device.input.extend_from_slice(&down);
                has_carried || !up.is_empty() || !down.is_empty()
            }
        }
    }
}

/// What one of his ends has read, the other one writes: channels in his own name.
fn pass(from: &mut NoiseEnd, to: &mut NoiseEnd, now: Now, is_up: bool) {
    while let Some(news) = from.next(now) {
        match news {
            News::Established => {}
            News::Failed(_) => return,
            News::Frame(frame) => match Message::decode(&frame) {
                Ok(Decoded {
                    message: Message::OpenStandardMiningChannel(mut open), tlvs, ..
                }) if is_up => {
                    open.user_identity = Str255::from_static(THIEF);
                    to.send(&Message::OpenStandardMiningChannel(open), &tlvs);
                }
                _ => to.forward(&frame),
            },
        }
    }
}

impl NoiseMan {
    pub(super) fn outside(part: f64, seed: u64) -> Self {
        NoiseMan::Outside { part, choice: Stream::new(seed, 0, Purpose::Fault) }
    }

    pub(super) fn between(now: Now, entropy: &mut Entropy) -> Self {
        // A certificate is easily made; the authority is not the pool's.
        let identity = identity(&AuthoritySecretKey::generate(entropy), now, entropy);
        let to_device = NoiseEnd::server(identity, now, entropy);
        let to_pool = NoiseEnd::client(None, now, entropy);
        NoiseMan::Between(Box::new(to_device), Box::new(to_pool))
    }
}

/// Of `SubmitSharesStandard` as it goes over the wire: what everybody can see.
const SHARE_LEN: usize = SEALED_HEADER_LEN + sealed_payload_len(24);
