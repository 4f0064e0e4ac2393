//! Job tokens that prove themselves (spec 6.4.3, 6.4.5).
//!
//! A token is data under a message authentication code. Whoever holds the key knows what a token
//! is good for without asking anybody, so a pool and its job declarator server share the key of
//! their authority and nothing else: no calls, no table, not even a process.
//!
//! The life of a token:
//!
//! 1. *Allocated*, by the server, on a connection in one of two modes. In coinbase-only mode it
//!    goes to the pool as it is; in full-template mode it has to be declared first, on the
//!    connection that it was allocated on.
//! 2. *Pending*, while the server looks at a declaration and waits for transactions.
//! 3. *Declared*: the server gives a new token in its place, with the same id and the same expiry,
//!    which holds the terms of the one job that it is good for. The old one is used up.
//! 4. *Consumed*, by the first `SetCustomMiningJob` that the pool accepts. One token backs one
//!    job; ids are compared, so a token and its successor count once.
//!
//! A declaration or a custom job that is refused leaves its token as it was (AMB-38): a token
//! stands for a job that somebody committed to, and nobody did. Losing a race against a new block
//! must not cost a miner what is handed out slowly (spec 6.4.2). When the connection to the server
//! ends, its tokens cannot be declared any more; those that the pool can use stay good until they
//! expire, as nobody could tell the pool. Expiry is what bounds the pool's memory of used tokens:
//! no message tells a client of it, so it lies far beyond the time that a client would keep one.

use std::fmt;

use bitcoin::hashes::{Hash, HashEngine, Hmac, HmacEngine, cmp, sha256};
use thiserror::Error;
use zeroize::Zeroizing;

use super::terms::{JobTerms, digest, take};
use crate::time::UnixTime;
use crate::wire::B255;

/// What a token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobToken {
    /// No other job has it.
    pub id: TokenId,
    /// From this second on it is good for nothing.
    pub expires_at: UnixTime,
    /// Where the job has to pay: the first of the outputs that came with the token.
    pub payout: PayoutDigest,
    /// Who asked for it.
    pub user: UserDigest,
    /// What it is good for.
    pub stage: TokenStage,
}

/// Ids are unique over all servers with the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenId {
    /// Of the connection, drawn at random.
    pub session: u64,
    /// Within the connection.
    pub serial: u64,
}

/// How far a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenStage {
    /// Good for a custom job of its owner's choice.
    CoinbaseOnly,
    /// Good for a declaration.
    FullTemplate,
    /// Good for the one job that was declared.
    Declared(JobTerms),
}

/// Of an output script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PayoutDigest([u8; 32]);

impl PayoutDigest {
    /// SHA-256.
    pub fn new(script: &[u8]) -> Self {
        PayoutDigest(digest(script))
    }
}

/// Of a `user_identifier`; all that a token has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserDigest([u8; 16]);

impl UserDigest {
    /// The first half of SHA-256: identities are chosen by those who have them, so it only has to
    /// tell them apart.
    pub fn new(user_identifier: &[u8]) -> Self {
        UserDigest(take(&mut &digest(user_identifier)[..]))
    }
}

/// What a server and a pool have in common. Wiped when dropped, never printed.
#[derive(Clone)]
pub struct TokenKey(Zeroizing<[u8; 32]>);

/// Bytes that nobody with this key has made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a token of ours")]
pub struct NotOurs;

impl TokenKey {
    /// For [`crate::noise::AuthoritySecretKey::derive`]: keys of other purposes are other keys.
    pub const PURPOSE: &'static str = "assay/job-token";

    /// A key that was derived or stored.
    pub fn new(secret: Zeroizing<[u8; 32]>) -> Self {
        TokenKey(secret)
    }

    /// As it goes over the wire.
    pub fn seal(&self, token: &JobToken) -> B255 {
        let mut bytes = Vec::with_capacity(FIXED_LEN + JobTerms::LEN + CODE_LEN);
        bytes.extend_from_slice(&[FORMAT, stage_number(&token.stage)]);
        bytes.extend_from_slice(&token.id.session.to_le_bytes());
        bytes.extend_from_slice(&token.id.serial.to_le_bytes());
        bytes.extend_from_slice(&token.expires_at.0.to_le_bytes());
        bytes.extend_from_slice(&token.payout.0);
        bytes.extend_from_slice(&token.user.0);
        if let TokenStage::Declared(terms) = &token.stage {
            bytes.extend_from_slice(&terms.to_bytes());
        }
        let code = self.code(&bytes);
        bytes.extend_from_slice(&code);
        B255::new(bytes).expect("the longest token fits, see LEN_MAX")
    }

    /// What a token says. Whether it has expired or was used is the caller's to judge.
    ///
    /// # Errors
    /// [`NotOurs`]: made up, changed, cut, or made with another key.
    pub fn open(&self, bytes: &[u8]) -> Result<JobToken, NotOurs> {
        let (said, code) = bytes.split_last_chunk::<CODE_LEN>().ok_or(NotOurs)?;
        if !cmp::fixed_time_eq(&self.code(said), code) {
            return Err(NotOurs);
        }
        // From here on it is what `seal` has written, in this format or in a later one.
        let (fixed, terms) = said.split_first_chunk::<FIXED_LEN>().ok_or(NotOurs)?;
        let mut rest = &fixed[..];
        let [format, stage] = take(&mut rest);
        let stage = match (format, stage, <&[u8; JobTerms::LEN]>::try_from(terms)) {
            (FORMAT, 1, Err(_)) if terms.is_empty() => TokenStage::CoinbaseOnly,
            (FORMAT, 2, Err(_)) if terms.is_empty() => TokenStage::FullTemplate,
            (FORMAT, 3, Ok(terms)) => TokenStage::Declared(JobTerms::from_bytes(terms)),
            _ => return Err(NotOurs),
        };
        Ok(JobToken {
            id: TokenId {
                session: u64::from_le_bytes(take(&mut rest)),
                serial: u64::from_le_bytes(take(&mut rest)),
            },
            expires_at: UnixTime(u64::from_le_bytes(take(&mut rest))),
            payout: PayoutDigest(take(&mut rest)),
            user: UserDigest(take(&mut rest)),
            stage,
        })
    }

    fn code(&self, said: &[u8]) -> [u8; CODE_LEN] {
        let mut engine = HmacEngine::<sha256::Hash>::new(&*self.0);
        engine.input(said);
        Hmac::from_engine(engine).to_byte_array()
    }
}

impl PartialEq for TokenKey {
    fn eq(&self, other: &Self) -> bool {
        cmp::fixed_time_eq(&*self.0, &*other.0)
    }
}

impl Eq for TokenKey {}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey(..)")
    }
}

fn stage_number(stage: &TokenStage) -> u8 {
    match stage {
        TokenStage::CoinbaseOnly => 1,
        TokenStage::FullTemplate => 2,
        TokenStage::Declared(_) => 3,
    }
}

/// Of the bytes of a token.
const FORMAT: u8 = 1;

/// Format, stage, id, expiry, payout, user; in bytes.
const FIXED_LEN: usize = 2 + 16 + 8 + 32 + 16;

/// HMAC-SHA-256, in bytes.
const CODE_LEN: usize = 32;

/// The longest token, in bytes.
const LEN_MAX: usize = FIXED_LEN + JobTerms::LEN + CODE_LEN;
const _: () = assert!(LEN_MAX <= B255::MAX);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::job_declaration::JobParts;
    use crate::wire::U256;

    fn key(byte: u8) -> TokenKey {
        TokenKey::new(Zeroizing::new([byte; 32]))
    }

    fn terms() -> JobTerms {
        JobParts {
            version: 4,
            prev_hash: U256::MAX,
            coinbase_tx_version: 2,
            script_start: &[1, 17],
            extranonce_len: 20,
            sequence: 1,
            outputs: &[0],
            locktime: 0,
            merkle_path: &[],
        }
        .terms()
    }

    fn token(stage: TokenStage) -> JobToken {
        JobToken {
            id: TokenId { session: 0x0102_0304_0506_0708, serial: 9 },
            expires_at: UnixTime(1_700_000_000),
            payout: PayoutDigest::new(b"script"),
            user: UserDigest::new(b"user"),
            stage,
        }
    }

    fn stages() -> [TokenStage; 3] {
        [TokenStage::CoinbaseOnly, TokenStage::FullTemplate, TokenStage::Declared(terms())]
    }

    #[test]
    fn whoever_has_the_key_reads_what_a_token_says_and_nobody_else_does() {
        for stage in stages() {
            let sealed = key(1).seal(&token(stage));

            assert_eq!(key(1).open(sealed.as_slice()), Ok(token(stage)));
            assert_eq!(key(2).open(sealed.as_slice()), Err(NotOurs));
        }
    }

    #[test]
    fn no_bit_of_a_token_can_be_changed_and_no_byte_left_out_or_added() {
        for stage in stages() {
            let sealed = key(1).seal(&token(stage)).as_slice().to_vec();
            for bit in 0..8 * sealed.len() {
                let mut changed = sealed.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(key(1).open(&changed), Err(NotOurs), "bit {bit}");
            }
            for len in 0..sealed.len() {
                assert_eq!(key(1).open(&sealed[..len]), Err(NotOurs), "{len} bytes");
            }
            assert_eq!(key(1).open(&[&sealed[..], &[0]].concat()), Err(NotOurs));
        }
    }

    #[test]
    fn a_token_of_a_later_format_is_not_read() {
        let mut said = key(1).seal(&token(TokenStage::CoinbaseOnly)).as_slice().to_vec();
        said.truncate(FIXED_LEN);
        for (format, stage) in [(2, 1), (1, 0), (1, 3), (1, 4)] {
            (said[0], said[1]) = (format, stage);
            let later = [&said[..], &key(1).code(&said)].concat();

            assert_eq!(key(1).open(&later), Err(NotOurs));
        }
    }

    #[test]
    fn debug_output_does_not_show_the_key() {
        insta::assert_snapshot!(format!("{:?}", key(1)), @"TokenKey(..)");
    }

    proptest! {
        #[test]
        fn bytes_that_nobody_sealed_open_nothing(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
            prop_assert_eq!(key(1).open(&bytes), Err(NotOurs));
        }
    }
}
