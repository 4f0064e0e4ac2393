//! Mutants that read what stands behind a share otherwise than agreed.

use std::collections::BTreeSet;

use sv2::extensions::WORKER_TRACKING;
use sv2::message::Message;
use sv2::mining::SubmitSharesError;
use sv2::role::{ConnectionId, Input, Outbox, Output};
use sv2::wire::{Str255, Tlv, TlvOrder, Tlvs};

use super::Mutant;
use super::edge::{Tamper, edge};

pub(super) fn mutants() -> Vec<Mutant> {
    vec![
        Mutant::in_code(
            "shares-with-tlvs-are-malformed",
            "A pool whose shares have one length and no other, so that fields behind them cost \
             the miner his work",
            |role| edge(role, Reader { takes: |agreed, tlvs| agreed || tlvs.is_empty(), ..NEW }),
        ),
        Mutant::in_code(
            "user-identities-break-shares",
            "A pool that agrees to the user identity and never taught its parser to expect it",
            |role| edge(role, Reader { takes: |_, tlvs| tlvs.is_empty(), ..NEW }),
        ),
        Mutant::in_code(
            "big-endian-tlvs-break-shares",
            "A pool that refuses shares whose TLVs it cannot read, and knows little-endian ones \
             alone",
            |role| edge(role, Reader { takes: |_, tlvs| is_readable(tlvs), ..NEW }),
        ),
        Mutant::in_code(
            "user-identities-of-any-length",
            "A pool that takes a user identity at the length that it announces",
            |role| edge(role, AnyLength),
        ),
        Mutant::in_code(
            "only-the-first-tlv-is-looked-at",
            "A pool that expects the user identity to be the first thing behind a share",
            |role| edge(role, Reader { takes: |_, tlvs| is_first(tlvs), ..NEW }),
        ),
        Mutant::in_code(
            "shares-without-user-identity-are-refused",
            "A pool that takes the agreement so literally that work without a name is not paid",
            |role| edge(role, Reader { takes: |agreed, tlvs| !agreed || !tlvs.is_empty(), ..NEW }),
        ),
        Mutant::in_code(
            "every-field-of-the-extension-is-the-name",
            "A pool that looks TLVs up by the number of their extension, and takes the first field \
             of extension 2 for the name whatever its number",
            |role| edge(role, Reader { takes: |_, tlvs| !has_long(tlvs), ..NEW }),
        ),
        Mutant::in_code(
            "empty-user-identities-break-shares",
            "A pool that takes a TLV without a value for one that was cut off",
            |role| edge(role, Reader { takes: |_, tlvs| !has_empty(tlvs), ..NEW }),
        ),
    ]
}

/// Refuses shares by what stands behind them.
struct Reader {
    /// Whether a share is looked at further: knows whether user identities were agreed on.
    takes: fn(bool, &Tlvs) -> bool,
    agreed: BTreeSet<ConnectionId>,
}

const NEW: Reader = Reader { takes: |_, _| true, agreed: BTreeSet::new() };

impl Tamper for Reader {
    fn hear(&mut self, input: Input, out: &mut Outbox) -> Vec<Input> {
        match &input {
            Input::Received {
                connection,
                message: Message::SubmitSharesExtended(share),
                tlvs,
                ..
            } if !(self.takes)(self.agreed.contains(connection), tlvs) => {
                let refusal = SubmitSharesError {
                    channel_id: share.channel_id,
                    sequence_number: share.sequence_number,
                    error_code: Str255::from_static("invalid-share"),
                };
                out.send(*connection, refusal);
                Vec::new()
            }
            Input::Closed { connection, .. } => {
                self.agreed.remove(connection);
                vec![input]
            }
            _ => vec![input],
        }
    }

    fn say(&mut self, output: Output) -> Option<Output> {
        if let Output::Send {
            connection, message: Message::RequestExtensionsSuccess(success), ..
        } = &output
            && success.supported_extensions.as_slice().contains(&WORKER_TRACKING)
        {
            self.agreed.insert(*connection);
        }
        Some(output)
    }
}

/// Pays shares whatever the length of the name behind them.
struct AnyLength;

impl Tamper for AnyLength {
    fn hear(&mut self, input: Input, _: &mut Outbox) -> Vec<Input> {
        match input {
            Input::Received {
                connection,
                message: message @ Message::SubmitSharesExtended(_),
                original,
                ..
            } => vec![Input::Received { connection, message, tlvs: Tlvs::NONE, original }],
            other => vec![other],
        }
    }
}

/// All fields, in whichever order reads to the end; a list that cannot be read has none.
fn fields(tlvs: &Tlvs) -> Vec<Tlv> {
    let little = tlvs.fields(TlvOrder::LittleEndian);
    little.or_else(|_| tlvs.fields(TlvOrder::BigEndian)).unwrap_or_default()
}

fn is_readable(tlvs: &Tlvs) -> bool {
    tlvs.fields(TlvOrder::LittleEndian).is_ok()
}

fn is_first(tlvs: &Tlvs) -> bool {
    fields(tlvs).first().is_none_or(|tlv| tlv.extension == WORKER_TRACKING)
}

fn has_empty(tlvs: &Tlvs) -> bool {
    fields(tlvs).iter().any(|tlv| tlv.value.is_empty())
}

fn has_long(tlvs: &Tlvs) -> bool {
    fields(tlvs).iter().any(|tlv| tlv.extension == WORKER_TRACKING && tlv.value.len() > 32)
}
