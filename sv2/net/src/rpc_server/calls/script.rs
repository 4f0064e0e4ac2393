//! Scripts and addresses in words.

use bitcoin::hex::DisplayHex as _;
use bitcoin::opcodes::all::{OP_PUSHNUM_1, OP_PUSHNUM_16, OP_PUSHNUM_NEG1};
use bitcoin::script::Instruction;
use bitcoin::{Address, Network, Script};
use serde_json::{Value, json};

/// An output's script as Bitcoin Core shows it; the descriptor lacks the checksum.
pub(super) fn describe(script: &[u8], network: Network) -> Value {
    let script = Script::from_bytes(script);
    let hex = script.as_bytes().to_lower_hex_string();
    let address = Address::from_script(script, network).ok().map(|address| address.to_string());
    let mut fields = json!({
        "asm": assembly(script),
        "desc": match &address {
            Some(address) => format!("addr({address})"),
            None => format!("raw({hex})"),
        },
        "hex": hex,
        "type": kind(script),
    });
    if let Some(address) = address {
        fields["address"] = address.into();
    }
    fields
}

/// What `validateaddress` says of an address that is valid.
pub(super) fn describe_address(text: &str, address: &Address) -> Value {
    let script = address.script_pubkey();
    let mut fields = json!({
        "isvalid": true,
        "address": text,
        "scriptPubKey": script.as_bytes().to_lower_hex_string(),
        "isscript": script.is_p2sh() || script.is_p2wsh() || script.is_p2tr(),
        "iswitness": script.is_witness_program(),
    });
    if let Some(program) = address.witness_program() {
        fields["witness_version"] = program.version().to_num().into();
        fields["witness_program"] = program.program().as_bytes().to_lower_hex_string().into();
    }
    fields
}

fn kind(script: &Script) -> &'static str {
    match script {
        _ if script.is_p2wpkh() => "witness_v0_keyhash",
        _ if script.is_p2wsh() => "witness_v0_scripthash",
        _ if script.is_p2tr() => "witness_v1_taproot",
        _ if script.is_witness_program() => "witness_unknown",
        _ if script.is_p2pkh() => "pubkeyhash",
        _ if script.is_p2sh() => "scripthash",
        _ if script.is_p2pk() => "pubkey",
        _ if script.is_op_return() => "nulldata",
        _ => "nonstandard",
    }
}

/// In Bitcoin Core's notation: pushes of data as digits, small numbers as numbers.
fn assembly(script: &Script) -> String {
    let words = script.instructions().map(|instruction| match instruction {
        Ok(Instruction::PushBytes(data)) if data.is_empty() => "0".to_owned(),
        Ok(Instruction::PushBytes(data)) => data.as_bytes().to_lower_hex_string(),
        Ok(Instruction::Op(op)) if op == OP_PUSHNUM_NEG1 => "-1".to_owned(),
        Ok(Instruction::Op(op))
            if (OP_PUSHNUM_1.to_u8()..=OP_PUSHNUM_16.to_u8()).contains(&op.to_u8()) =>
        {
            (op.to_u8() - OP_PUSHNUM_1.to_u8() + 1).to_string()
        }
        Ok(Instruction::Op(op)) => op.to_string(),
        Err(_) => "[error]".to_owned(),
    });
    words.collect::<Vec<String>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_told_as_a_node_tells_them() {
        let key_hash = [&[0, 20][..], &[7; 20]].concat();
        for (script, asm, kind) in [
            (vec![0x51], "1".to_owned(), "nonstandard"),
            (vec![0x6a, 2, 1, 2], "OP_RETURN 0102".to_owned(), "nulldata"),
            (key_hash, format!("0 {}", "07".repeat(20)), "witness_v0_keyhash"),
            (vec![5, 1], "[error]".to_owned(), "nonstandard"),
        ] {
            let told = describe(&script, Network::Regtest);

            assert_eq!((&told["asm"], &told["type"]), (&json!(asm), &json!(kind)));
        }
    }
}
