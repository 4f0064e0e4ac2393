//! Rules about jobs and blocks: 13, 14, 15, 26, 27, 29.

use sv2::message::Message;
use sv2::mining::{NewExtendedMiningJob, NewMiningJob, SetNewPrevHash};
use sv2::template_distribution::{
    CoinbaseOutputConstraints, NewTemplate, SetNewPrevHash as TemplateSetNewPrevHash,
};
use sv2::wire::{B32, B64K, B255, Seq255, Target, Tlvs, U256};
use sv2_capture::Direction::{ClientToServer, ServerToClient};
use sv2_capture::rules::Severity::{Error, Warning};

use super::Case;
use crate::talk::{
    CHANNEL, NBITS, PREFIX, ROLLED, START, Talk, coinbase, extended_job, hash_of_block,
    open_standard, setup, standard_job, standard_success, tip,
};

pub(super) const CASES: &[Case] = &[
    Case {
        rule: 13,
        severity: Error,
        about: "block for a job that was never given",
        wrong: |talk| next_tip(talk, 7),
        nearly: |talk| next_tip(talk, 2),
    },
    Case {
        rule: 13,
        severity: Error,
        about: "block for a job that is active",
        wrong: |talk| next_tip(talk, 1),
        nearly: |talk| next_tip(talk, 2),
    },
    Case {
        rule: 14,
        severity: Error,
        about: "job id used again",
        wrong: |talk| {
            *talk = Talk::mining();
            talk.server(extended_job(CHANNEL, 1, Some(START)));
        },
        nearly: |talk| {
            // The first job with this id is void since the second block.
            next_tip(talk, 2);
            talk.server(extended_job(CHANNEL, 1, Some(START)));
        },
    },
    Case {
        rule: 15,
        severity: Warning,
        about: "job for a block that was not told of",
        wrong: |talk| {
            *talk = Talk::set_up(0);
            talk.open_extended(1, CHANNEL);
            talk.server(extended_job(CHANNEL, 1, Some(START)));
        },
        nearly: |talk| {
            *talk = Talk::mining();
            talk.server(extended_job(CHANNEL, 2, Some(START)));
            // A reorganisation back to the first block.
            talk.server(extended_job(CHANNEL, 3, None));
            talk.server(tip(CHANNEL, 3, 2));
            talk.server(extended_job(CHANNEL, 4, None));
            talk.server(tip(CHANNEL, 4, 1));
        },
    },
    Case {
        rule: 26,
        severity: Error,
        about: "script length without the extranonce",
        wrong: |talk| {
            *talk = Talk::mining();
            let mut prefix = coinbase().prefix().as_slice().to_vec();
            prefix[41] -= 8;
            job_with(talk, prefix);
        },
        nearly: |talk| {
            *talk = Talk::mining();
            job_with(talk, coinbase().prefix().as_slice().to_vec());
        },
    },
    Case {
        rule: 26,
        severity: Error,
        about: "job with the fields of BIP 141",
        wrong: |talk| {
            *talk = Talk::mining();
            let mut prefix = coinbase().prefix().as_slice().to_vec();
            prefix.splice(4..4, [0, 1]);
            job_with(talk, prefix);
        },
        nearly: |talk| {
            *talk = Talk::mining();
            job_with(talk, coinbase().prefix().as_slice().to_vec());
        },
    },
    Case {
        rule: 27,
        severity: Error,
        about: "one block with two targets",
        wrong: |talk| two_legs_tell(talk, hash_of_block(1), NBITS + 1),
        nearly: |talk| two_legs_tell(talk, hash_of_block(1), NBITS),
    },
    Case {
        rule: 27,
        severity: Error,
        about: "block hash with its bytes reversed",
        wrong: |talk| two_legs_tell(talk, reversed(hash_of_block(1)), NBITS),
        nearly: |talk| two_legs_tell(talk, hash_of_block(2), NBITS),
    },
    Case {
        rule: 27,
        severity: Error,
        about: "merkle root with its bytes reversed",
        wrong: |talk| derived(talk, reversed),
        nearly: |talk| derived(talk, |root| root),
    },
    Case {
        rule: 27,
        severity: Error,
        about: "merkle root of no job above",
        wrong: |talk| derived(talk, |_| U256::from_le_bytes([3; 32])),
        nearly: |talk| derived(talk, |root| root),
    },
    Case {
        rule: 29,
        severity: Warning,
        about: "template ids that go back",
        wrong: |talk| templates(talk, &[(5, true), (4, false)], 5),
        nearly: |talk| templates(talk, &[(4, true), (5, false)], 4),
    },
    Case {
        rule: 29,
        severity: Warning,
        about: "block for a template that was not for it",
        wrong: |talk| templates(talk, &[(4, true), (5, false)], 5),
        nearly: |talk| templates(talk, &[(4, true), (5, true)], 5),
    },
    Case {
        rule: 29,
        severity: Warning,
        about: "template before the constraints",
        wrong: |talk| {
            provider(talk);
            talk.server(template(1, true));
        },
        nearly: |talk| templates(talk, &[(1, true)], 1),
    },
    Case {
        rule: 29,
        severity: Warning,
        about: "fewer outputs than the template says",
        wrong: |talk| {
            constrained(talk);
            talk.server(NewTemplate { coinbase_tx_outputs_count: 1, ..template(1, true) });
        },
        nearly: |talk| templates(talk, &[(1, true)], 1),
    },
];

/// A second future job, then a block that names `job_id`.
fn next_tip(talk: &mut Talk, job_id: u32) {
    *talk = Talk::mining();
    talk.server(extended_job(CHANNEL, 2, None));
    talk.server(tip(CHANNEL, job_id, 2));
}

fn job_with(talk: &mut Talk, prefix: Vec<u8>) {
    talk.server(NewExtendedMiningJob {
        coinbase_tx_prefix: B64K::new(prefix).unwrap(),
        ..extended_job(CHANNEL, 2, None)
    });
}

fn reversed(hash: U256) -> U256 {
    let mut bytes = hash.to_be_bytes();
    bytes.reverse();
    U256::from_be_bytes(bytes)
}

/// A second miner's connection, to the same server or to a proxy.
fn second(talk: &mut Talk, server: [u8; 4]) -> u32 {
    let client = std::net::SocketAddr::from(([10, 0, 0, 3], 51_000));
    let id = talk.open_between(client, (server, 34_254).into(), true);
    talk.say(id, ClientToServer, setup(0, 1), &Tlvs::NONE);
    let success = sv2::common::SetupConnectionSuccess { used_version: 2, flags: 0 };
    talk.say(id, ServerToClient, success, &Tlvs::NONE);
    id
}

fn two_legs_tell(talk: &mut Talk, prev_hash: U256, nbits: u32) {
    *talk = Talk::mining();
    let id = second(talk, [10, 0, 0, 2]);
    let messages: [Message; 4] = [
        open_standard(1).into(),
        standard_success(1, 5).into(),
        standard_job(5, 1, None).into(),
        SetNewPrevHash { prev_hash, nbits, ..tip(5, 1, 1) }.into(),
    ];
    let [open, rest @ ..] = messages;
    talk.say(id, ClientToServer, open, &Tlvs::NONE);
    rest.into_iter().for_each(|message| talk.say(id, ServerToClient, message, &Tlvs::NONE));
}

/// A proxy derives a standard job from the extended one above.
fn derived(talk: &mut Talk, change: fn(U256) -> U256) {
    *talk = Talk::mining();
    let id = second(talk, [10, 0, 0, 1]);
    let extranonce = [&PREFIX[..], &[0; ROLLED as usize]].concat();
    let job = extended_job(CHANNEL, 1, None);
    let txid = sv2::mining::header::coinbase_txid(
        job.coinbase_tx_prefix.as_slice(),
        &extranonce,
        &[],
        job.coinbase_tx_suffix.as_slice(),
    );
    let root = sv2::mining::header::merkle_root(txid, job.merkle_path.as_slice());
    let success = sv2::mining::OpenStandardMiningChannelSuccess {
        extranonce_prefix: B32::new(&extranonce).unwrap(),
        ..standard_success(1, 5)
    };
    talk.say(id, ClientToServer, open_standard(1), &Tlvs::NONE);
    talk.say(id, ServerToClient, success, &Tlvs::NONE);
    let job = NewMiningJob { merkle_root: change(root), ..standard_job(5, 1, None) };
    talk.say(id, ServerToClient, job, &Tlvs::NONE);
    talk.say(id, ServerToClient, tip(5, 1, 1), &Tlvs::NONE);
}

fn provider(talk: &mut Talk) {
    talk.open(true);
    talk.client(setup(2, 0));
    talk.server(sv2::common::SetupConnectionSuccess { used_version: 2, flags: 0 });
}

fn constrained(talk: &mut Talk) {
    provider(talk);
    talk.client(CoinbaseOutputConstraints {
        coinbase_output_max_additional_size: 100,
        coinbase_output_max_additional_sigops: 0,
    });
}

fn template(template_id: u64, future_template: bool) -> NewTemplate {
    NewTemplate {
        template_id,
        future_template,
        version: 0x2000_0000,
        coinbase_tx_version: 2,
        coinbase_prefix: B255::new(vec![3, 0x40, 0x0d, 0x03]).unwrap(),
        coinbase_tx_input_sequence: 0xffff_fffe,
        coinbase_tx_value_remaining: 312_500_000,
        coinbase_tx_outputs_count: 0,
        coinbase_tx_outputs: B64K::default(),
        coinbase_tx_locktime: 0,
        merkle_path: Seq255::default(),
    }
}

fn templates(talk: &mut Talk, templates: &[(u64, bool)], activated: u64) {
    constrained(talk);
    for (id, is_future) in templates {
        talk.server(template(*id, *is_future));
    }
    talk.server(TemplateSetNewPrevHash {
        template_id: activated,
        prev_hash: hash_of_block(1),
        header_timestamp: START,
        nbits: NBITS,
        target: Target::from_compact(NBITS).unwrap(),
    });
}
