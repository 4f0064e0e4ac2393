//! What a call ends with instead of a result: a number that programs know, and words.

use serde_json::{Value, json};

/// An error in the sense of JSON-RPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) code: Code,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Fault { code, message: message.into() }
    }

    /// Bitcoin Core's words for a hash that is none.
    pub(super) fn no_hash(name: &str, text: &str) -> Self {
        let message = match text.chars().count() {
            64 => format!("{name} must be hexadecimal string (not '{text}')"),
            len => format!("{name} must be of length 64 (not {len}, for '{text}')"),
        };
        Fault::new(Code::InvalidParameter, message)
    }

    pub(super) fn to_json(&self) -> Value {
        json!({ "code": self.code as i32, "message": self.message })
    }

    /// The HTTP status of an answer as JSON-RPC 1.0 has it, which Bitcoin Core keeps to.
    pub(super) fn status(&self) -> u16 {
        match self.code {
            Code::InvalidRequest => 400,
            Code::MethodNotFound => 404,
            _ => 500,
        }
    }
}

/// The numbers of Bitcoin Core's `rpc/protocol.h`, as far as we have a use for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    ParseError = -32700,
    InternalError = -32603,
    MethodNotFound = -32601,
    InvalidRequest = -32600,
    /// Too few or too many parameters, and what has no number of its own.
    Miscellaneous = -1,
    /// A parameter of another type.
    Type = -3,
    /// A hash of no block, an address that is none.
    InvalidAddressOrKey = -5,
    /// We are about to end.
    NotConnected = -9,
    /// A parameter that is out of range, missing or malformed.
    InvalidParameter = -8,
    /// Bytes that are no block and no transaction.
    Deserialization = -22,
    /// A transaction whose coins are not there.
    Verify = -25,
    /// A transaction that breaks another rule.
    VerifyRejected = -26,
}
