//! The encrypted session below the frames (spec 4).

mod authority;

pub use authority::AuthorityPublicKey;
