//! Rule 28: tokens, declarations and custom jobs.

use bitcoin::TxOut;
use bitcoin::consensus::serialize;
use sv2::common::SetupConnectionSuccess;
use sv2::job_declaration::{
    AllocateMiningJobToken, AllocateMiningJobTokenSuccess, DeclareMiningJob,
    ProvideMissingTransactions,
};
use sv2::mining::SetCustomMiningJob;
use sv2::mining::coinbase::payout;
use sv2::wire::{B64K, B255, Seq64K, Seq255, Tlvs, U256};
use sv2_capture::Direction::{ClientToServer, ServerToClient};
use sv2_capture::rules::Severity::{Note, Warning};

use super::Case;
use crate::talk::{
    CHANNEL, NBITS, START, Talk, extended_job, extended_success, hash_of_block, open_extended,
    setup, text, tip,
};

pub(super) const CASES: &[Case] = &[
    Case {
        rule: 28,
        severity: Warning,
        about: "token that no server gave",
        wrong: |talk| custom_job(talk, b"other", &pays(1)),
        nearly: |talk| custom_job(talk, b"token", &pays(1)),
    },
    Case {
        rule: 28,
        severity: Warning,
        about: "nothing for the pool",
        wrong: |talk| custom_job(talk, b"token", &pays(0)),
        nearly: |talk| custom_job(talk, b"token", &pays(1)),
    },
    Case {
        rule: 28,
        severity: Warning,
        about: "token that backs another job already",
        wrong: |talk| {
            custom_job(talk, b"token", &pays(1));
            accept(talk);
            set_custom_job(talk, 2, b"token", &pays(1));
        },
        nearly: |talk| {
            custom_job(talk, b"token", &pays(1));
            accept(talk);
            let leg = next_leg(talk);
            talk.say(leg, ClientToServer, custom(1, 1, b"token", &pays(1)), &Tlvs::NONE);
        },
    },
    Case {
        rule: 28,
        severity: Warning,
        about: "job for a block that another has followed",
        wrong: |talk| job_behind_a_block(talk, 3_000, 1),
        nearly: |talk| job_behind_a_block(talk, 3_000, 2),
    },
    Case {
        rule: 28,
        severity: Note,
        about: "job that a block has overtaken",
        wrong: |talk| job_behind_a_block(talk, 500, 1),
        // Of which nobody else has heard yet.
        nearly: |talk| job_behind_a_block(talk, 500, 3),
    },
    Case {
        rule: 28,
        severity: Warning,
        about: "position outside of the declaration",
        wrong: |talk| missing(talk, 3),
        nearly: |talk| missing(talk, 2),
    },
];

const SCRIPT: [u8; 3] = [0x51, 0x52, 0x53];

fn pays(satoshi: u64) -> Vec<TxOut> {
    vec![payout(satoshi, &SCRIPT), payout(5, &[0x60])]
}

/// A job declarator server, which gives one token, and a miner who selects work.
fn declarator(talk: &mut Talk) {
    *talk = Talk::set_up(2);
    talk.client(open_extended(1));
    talk.server(extended_success(1, CHANNEL));
    let id = talk.open(true);
    talk.say(id, ClientToServer, setup(1, 1), &Tlvs::NONE);
    let success = SetupConnectionSuccess { used_version: 2, flags: 0 };
    talk.say(id, ServerToClient, success, &Tlvs::NONE);
    let ask = AllocateMiningJobToken { user_identifier: text("alice"), request_id: 1 };
    talk.say(id, ClientToServer, ask, &Tlvs::NONE);
    let given = AllocateMiningJobTokenSuccess {
        request_id: 1,
        mining_job_token: B255::new(&b"token"[..]).unwrap(),
        coinbase_tx_outputs: B64K::new(serialize(&vec![payout(0, &SCRIPT)])).unwrap(),
    };
    talk.say(id, ServerToClient, given, &Tlvs::NONE);
}

fn custom_job(talk: &mut Talk, token: &'static [u8], outputs: &Vec<TxOut>) {
    declarator(talk);
    set_custom_job(talk, 1, token, outputs);
}

/// A custom job on block `block` so long after block 2 has followed block 1.
fn job_behind_a_block(talk: &mut Talk, milliseconds: u64, block: u8) {
    declarator(talk);
    talk.server(extended_job(CHANNEL, 1, None));
    talk.server(tip(CHANNEL, 1, 1));
    talk.server(extended_job(CHANNEL, 2, None));
    talk.server(tip(CHANNEL, 2, 2));
    talk.pass(milliseconds);
    talk.client(custom(1, block, b"token", &pays(1)));
}

/// The leg above, with the same channel, of a tap that passes everything on.
fn next_leg(talk: &mut Talk) -> u32 {
    let leg = talk.open(true);
    talk.say(leg, ClientToServer, setup(0, 2), &Tlvs::NONE);
    let success = SetupConnectionSuccess { used_version: 2, flags: 0 };
    talk.say(leg, ServerToClient, success, &Tlvs::NONE);
    talk.say(leg, ClientToServer, open_extended(1), &Tlvs::NONE);
    talk.say(leg, ServerToClient, extended_success(1, CHANNEL), &Tlvs::NONE);
    leg
}

fn set_custom_job(talk: &mut Talk, request_id: u32, token: &'static [u8], outputs: &Vec<TxOut>) {
    talk.client(custom(request_id, 1, token, outputs));
}

fn custom(
    request_id: u32,
    block: u8,
    token: &'static [u8],
    outputs: &Vec<TxOut>,
) -> SetCustomMiningJob {
    SetCustomMiningJob {
        channel_id: CHANNEL,
        request_id,
        mining_job_token: B255::new(token).unwrap(),
        version: 0x2000_0000,
        prev_hash: hash_of_block(block),
        min_ntime: START,
        nbits: NBITS,
        coinbase_tx_version: 2,
        coinbase_prefix: B255::new(vec![3, 0x40, 0x0d, 0x03, 12]).unwrap(),
        coinbase_tx_input_n_sequence: 0xffff_fffe,
        coinbase_tx_outputs: B64K::new(serialize(outputs)).unwrap(),
        coinbase_tx_locktime: 0,
        merkle_path: Seq255::default(),
    }
}

fn accept(talk: &mut Talk) {
    let (channel_id, request_id, job_id) = (CHANNEL, 1, 1);
    talk.server(sv2::mining::SetCustomMiningJobSuccess { channel_id, request_id, job_id });
}

/// A declaration of three transactions, one of which the server lacks.
fn missing(talk: &mut Talk, position: u16) {
    declarator(talk);
    let coinbase = crate::talk::coinbase();
    let declaration = DeclareMiningJob {
        request_id: 2,
        mining_job_token: B255::new(&b"token"[..]).unwrap(),
        version: 0x2000_0000,
        coinbase_tx_prefix: coinbase.prefix().clone(),
        coinbase_tx_suffix: coinbase.suffix().clone(),
        wtxid_list: Seq64K::new(vec![U256::from_le_bytes([4; 32]); 3]).unwrap(),
        excess_data: B64K::default(),
    };
    talk.say(1, ClientToServer, declaration, &Tlvs::NONE);
    let unknown_tx_position_list = Seq64K::new(vec![position]).unwrap();
    let missing = ProvideMissingTransactions { request_id: 2, unknown_tx_position_list };
    talk.say(1, ServerToClient, missing, &Tlvs::NONE);
}
