//! A template provider of ours on a real node whose mempool does not fit a block: every client
//! gets a template with the room that it asked for, and the node finds nothing wrong with the
//! block that is made of it.

use std::sync::Arc;

use bitcoin::absolute::LockTime;
use bitcoin::consensus::{deserialize, encode, serialize};
use bitcoin::hashes::Hash;
use bitcoin::hex::DisplayHex;
use bitcoin::transaction::Version;
use bitcoin::{
    Amount, Block, OutPoint, Script, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, VarInt,
    Witness,
};
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use sv2::common::SetupConnection;
use sv2::message::Message;
use sv2::mining::header::{Header, merkle_root};
use sv2::role::{ChainEvent, ConnectionId, Input, Outbox, Output, Role, Via};
use sv2::roles::template_provider::{TemplateProvider, TemplateProviderConfig};
use sv2::template_distribution::{
    CoinbaseOutputConstraints, NewTemplate, RequestTransactionData, RequestTransactionDataSuccess,
    SetNewPrevHash,
};
use sv2::wire::{Tlvs, U256};
use sv2_net::bitcoind::{Network, Node, NodeConfig};
use sv2_net::clock::Clock;

use crate::{helper, run};

pub(crate) fn trials() -> Vec<Trial> {
    let name = "a_real_node_takes_the_full_blocks_of_clients_with_every_kind_of_constraints";
    let trial = Trial::test(name, || run(on_a_full_mempool));
    vec![trial.with_kind("needs bitcoind").with_ignored_flag(true)]
}

async fn on_a_full_mempool() -> Result<(), Failed> {
    let arguments = ["-acceptnonstdtxn=1", "-blockmaxweight=4000000"].map(Into::into).to_vec();
    let config = NodeConfig { helper: helper()?, arguments, ..NodeConfig::new(Network::Regtest)? };
    let node = Node::start(&config).await?;
    let blocks = node.mine(100 + COINS).await?;
    let mut coins = Vec::new();
    for hash in &blocks[..COINS as usize] {
        let block: Block = deserialize(&node.block(hash).await?)?;
        let coinbase = &block.txdata[0];
        let outpoint = OutPoint { txid: coinbase.compute_txid(), vout: 0 };
        coins.push(Coin { outpoint, value: coinbase.output[0].value.to_sat() });
    }
    let fees = fill_the_mempool(&node, coins).await?;
    let template = Arc::new(node.template().await?);
    let subsidy = template.coinbase_value - template.fees();
    assert!(template.fees() == fees.heavy.iter().chain(&fees.busy).sum::<u64>() + fees.family);

    // What stays behind: the heavy ones weigh 378,000 each, the busy ones have 16,000 operations.
    let all_but_heavy = fees.busy.iter().sum::<u64>() + fees.family;
    let heavy_sum = |count: usize| fees.heavy[fees.heavy.len() - count..].iter().sum::<u64>();
    let busy_lost = |count: usize| fees.busy[..count].iter().sum::<u64>();
    for (size, sigops, value) in [
        (100, 0, template.coinbase_value),
        (400_000, 0, subsidy + all_but_heavy + heavy_sum(6)),
        (900_000, 0, subsidy + all_but_heavy + heavy_sum(1)),
        (100_000, 40_000, template.coinbase_value - busy_lost(2)),
        (999_708, u16::MAX, subsidy),
    ] {
        let client = Client::new(&template, size, sigops);
        let name = format!("{size} bytes, {sigops} operations");

        let refusal = propose(&node, &client.block(size as usize, sigops.into())).await?;

        assert_eq!(refusal, Value::Null, "{name}");
        assert_eq!(client.template.coinbase_tx_value_remaining, value, "{name}");
    }
    // Who takes more than was asked for has no block: there was nothing to spare.
    let modest = Client::new(&template, 100, 0);
    for (size, sigops, expected) in
        [(20_000, 40_000, "bad-blk-sigops"), (900_000, 0, "bad-blk-length")]
    {
        assert_eq!(propose(&node, &modest.block(size, sigops)).await?, expected);
    }
    node.stop().await?;
    Ok(())
}

struct Coin {
    outpoint: OutPoint,
    value: u64,
}

/// In satoshi, from the poorest to the richest.
struct Fees {
    heavy: Vec<u64>,
    busy: Vec<u64>,
    /// A parent that pays nothing worth its weight, and the child that pays for it.
    family: u64,
}

async fn fill_the_mempool(node: &Node, coins: Vec<Coin>) -> Result<Fees, Failed> {
    let mut coins = coins.into_iter();
    let mut coin = || coins.next().ok_or("more coins are needed");
    let mut fees = Fees { heavy: Vec::new(), busy: Vec::new(), family: 0 };
    // The node counts an operation as 20 bytes where it sorts by fee rate: so these pay well.
    for number in 0..4 {
        let fee = 4_000_000 + 1_000 * number;
        let operations = [34, 34, 34, 34, 34, 30].map(|len| small(vec![CHECKMULTISIG; len]));
        send(node, spend(&coin()?, operations.to_vec(), fee)).await?;
        fees.busy.push(fee);
    }
    for number in 0..8 {
        let fee = 300_000 + 10_000 * number;
        send(node, spend(&coin()?, vec![small(vec![NOP; 34]); 2_200], fee)).await?;
        fees.heavy.push(fee);
    }
    let (poor, rich) = (2_000, 1_000_000);
    let parent = spend(&coin()?, vec![small(vec![NOP; 34]); 20], poor);
    let outpoint = OutPoint { txid: parent.compute_txid(), vout: 20 };
    let rest = Coin { outpoint, value: parent.output[20].value.to_sat() };
    send(node, parent).await?;
    send(node, spend(&rest, vec![small(vec![NOP; 34]); 20], rich)).await?;
    fees.family = poor + rich;
    Ok(fees)
}

async fn send(node: &Node, transaction: Transaction) -> Result<(), Failed> {
    let raw = encode::serialize_hex(&transaction);
    // Whatever it pays, and whatever it burns.
    node.rpc().call("sendrawtransaction", json!([raw, 0, 1])).await?;
    Ok(())
}

/// What is left goes to the last output, free for anyone.
fn spend(coin: &Coin, mut output: Vec<TxOut>, fee: u64) -> Transaction {
    let spent: u64 = output.iter().map(|output| output.value.to_sat()).sum();
    let free = ScriptBuf::new_p2wsh(&Script::from_bytes(&[TRUE]).wscript_hash());
    output.push(TxOut { value: Amount::from_sat(coin.value - fee - spent), script_pubkey: free });
    Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output: coin.outpoint,
            script_sig: ScriptBuf::new(),
            sequence: Sequence::MAX,
            witness: Witness::from_slice(&[[TRUE]]),
        }],
        output,
    }
}

/// No node takes long scripts any more.
fn small(script: Vec<u8>) -> TxOut {
    TxOut { value: Amount::from_sat(1_000), script_pubkey: ScriptBuf::from_bytes(script) }
}

/// `null`, or what is wrong with a block apart from its proof (BIP 23).
async fn propose(node: &Node, block: &[u8]) -> Result<Value, Failed> {
    let data = block.to_lower_hex_string();
    let request = json!([{ "mode": "proposal", "data": data, "rules": ["segwit"] }]);
    Ok(node.rpc().call("getblocktemplate", request).await?)
}

/// What a client has, from messages alone.
struct Client {
    template: NewTemplate,
    tip: SetNewPrevHash,
    data: RequestTransactionDataSuccess,
}

impl Client {
    fn new(template: &Arc<sv2::chain::BlockTemplate>, size: u32, sigops: u16) -> Client {
        let mut provider = TemplateProvider::new(TemplateProviderConfig::default());
        let mut say = |input| {
            let mut out = Outbox::new();
            provider.handle(Clock::of_process().now(), input, &mut out);
            let message = |output| match output {
                Output::Send { message, .. } => Some(message),
                _ => None,
            };
            out.take().into_iter().filter_map(message).collect::<Vec<Message>>()
        };
        let connection = ConnectionId(1);
        let received = |message: Message| Input::Received {
            connection,
            message,
            tlvs: Tlvs::NONE,
            original: None,
        };
        say(Input::Chain(ChainEvent::Template(Arc::clone(template))));
        say(Input::Connected { connection, via: Via::Listener(0) });
        let setup =
            SetupConnection { protocol: 2, min_version: 2, max_version: 2, ..Default::default() };
        say(received(setup.into()));
        let constraints = CoinbaseOutputConstraints {
            coinbase_output_max_additional_size: size,
            coinbase_output_max_additional_sigops: sigops,
        };
        let pair = say(received(constraints.into()));
        let [Message::NewTemplate(template), Message::TemplateSetNewPrevHash(tip)] = &pair[..]
        else {
            panic!("{pair:?}");
        };
        let request = RequestTransactionData { template_id: template.template_id };
        let answer = say(received(request.into()));
        let [Message::RequestTransactionDataSuccess(data)] = &answer[..] else {
            panic!("{answer:?}");
        };
        Client { template: (**template).clone(), tip: (**tip).clone(), data: *data.clone() }
    }

    /// With outputs of exactly `size` bytes and as many operations, that take all there is.
    fn block(&self, size: usize, sigops: usize) -> Vec<u8> {
        let coinbase = self.coinbase(size, sigops);
        let txid = U256::from_le_bytes(coinbase.compute_txid().to_byte_array());
        let header = Header {
            version: self.template.version,
            prev_hash: self.tip.prev_hash,
            merkle_root: merkle_root(txid, self.template.merkle_path.as_slice()),
            ntime: self.tip.header_timestamp,
            nbits: self.tip.nbits,
            nonce: 0,
        };
        let transactions = self.data.transaction_list.as_slice();
        let mut block = header.to_bytes().to_vec();
        block.extend(serialize(&VarInt::from(1 + transactions.len())));
        block.extend(serialize(&coinbase));
        transactions.iter().for_each(|transaction| block.extend(transaction.as_slice()));
        block
    }

    fn coinbase(&self, size: usize, sigops: usize) -> Transaction {
        let template = &self.template;
        let script_len =
            (0..size).rev().find(|len| 8 + VarInt::from(*len).size() + len <= size).unwrap();
        let mut script = vec![NOP; script_len];
        script.iter_mut().take(sigops / 4).for_each(|operation| *operation = CHECKSIG);
        let value = Amount::from_sat(template.coinbase_tx_value_remaining);
        let reward = TxOut { value, script_pubkey: ScriptBuf::from_bytes(script) };
        let commitment = deserialize(template.coinbase_tx_outputs.as_slice()).unwrap();
        let mut script_sig = template.coinbase_prefix.as_slice().to_vec();
        script_sig.resize(100, CHECKSIG);
        Transaction {
            version: Version(template.coinbase_tx_version.cast_signed()),
            lock_time: LockTime::from_consensus(template.coinbase_tx_locktime),
            input: vec![TxIn {
                previous_output: OutPoint { txid: Txid::all_zeros(), vout: u32::MAX },
                script_sig: ScriptBuf::from_bytes(script_sig),
                sequence: Sequence(template.coinbase_tx_input_sequence),
                witness: Witness::from_slice(&[[0; 32]]),
            }],
            output: vec![reward, commitment],
        }
    }
}

/// Rewards that can be spent.
const COINS: u32 = 14;
const TRUE: u8 = 0x51;
const NOP: u8 = 0x61;
/// One signature operation, four in a block.
const CHECKSIG: u8 = 0xac;
/// Twenty signature operations, eighty in a block.
const CHECKMULTISIG: u8 = 0xae;
