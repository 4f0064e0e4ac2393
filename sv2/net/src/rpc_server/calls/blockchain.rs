//! Blocks and outputs of the chain.

use bitcoin::hex::DisplayHex as _;
use bitcoin::{Block, CompactTarget, Network, consensus};
use serde_json::{Value, json};
use sv2::chain::{BlockPlace, Chain};
use sv2::mining::header::Header;
use sv2::wire::{Target, U256};

use super::{Code, Fault, Kind, Method, Param, Params, Run, Service, bitcoin, hash, script};

pub(super) const METHODS: &[Method] = &[
    Method {
        name: "getbestblockhash",
        params: &[],
        about: "The hash of the last block.",
        run: Run::Now(|service, _| Ok(service.on_chain(|chain, _| chain.tip()).to_string().into())),
    },
    Method {
        name: "getblock",
        params: &[
            Param::required("blockhash", Kind::Text),
            Param::optional("verbosity", Kind::NumberOrFlag),
        ],
        about: "A block: 0 for its bytes, 1 for its header and the ids of its transactions.",
        run: Run::Now(get_block),
    },
    Method {
        name: "getblockchaininfo",
        params: &[],
        about: "Where the chain stands.",
        run: Run::Now(get_blockchain_info),
    },
    Method {
        name: "getblockcount",
        params: &[],
        about: "The height of the last block.",
        run: Run::Now(|service, _| Ok(service.on_chain(|chain, _| chain.height()).into())),
    },
    Method {
        name: "getblockhash",
        params: &[Param::required("height", Kind::Number)],
        about: "The hash of the block at a height; the last 288 blocks are kept.",
        run: Run::Now(get_block_hash),
    },
    Method {
        name: "getblockheader",
        params: &[Param::required("blockhash", Kind::Text), Param::optional("verbose", Kind::Flag)],
        about: "A block's header: its fields, or its bytes if not verbose.",
        run: Run::Now(get_block_header),
    },
    Method {
        name: "getdifficulty",
        params: &[],
        about: "How many times harder the next block is than difficulty 1.",
        run: Run::Now(|service, _| {
            Ok(service.on_chain(|chain, _| chain.target().difficulty()).into())
        }),
    },
    Method {
        name: "gettxout",
        params: &[
            Param::required("txid", Kind::Text),
            Param::required("n", Kind::Number),
            Param::optional("include_mempool", Kind::Flag),
        ],
        about: "An output that is not spent; null for any other.",
        run: Run::Now(get_tx_out),
    },
];

/// The name that Bitcoin Core has for a network.
pub(super) fn network_name(network: Network) -> &'static str {
    network.to_core_arg()
}

fn get_block_hash(service: &Service, params: &Params) -> Result<Value, Fault> {
    let out_of_range = || Fault::new(Code::InvalidParameter, "Block height out of range");
    let height = params.number(0, 0).map_err(|_| out_of_range())?;
    let (hash, tip) = service.on_chain(|chain, _| (chain.block_hash(height), chain.height()));
    match hash {
        Some(hash) => Ok(hash.to_string().into()),
        None if height > tip => Err(out_of_range()),
        None => Err(Fault::new(Code::Miscellaneous, "Block not available (pruned data)")),
    }
}

fn get_block(service: &Service, params: &Params) -> Result<Value, Fault> {
    let hash = hash(params, 0, "blockhash")?;
    let verbosity = params.verbosity(1, 1)?;
    service.on_chain(|chain, _| {
        let (raw, place) = find(chain, &hash)?;
        if verbosity == 0 {
            return Ok(raw.to_lower_hex_string().into());
        }
        let block: Block = decode(raw)?;
        let mut fields = header_fields(chain, &hash, place, &block);
        fields["strippedsize"] = stripped_size(&block).into();
        fields["size"] = raw.len().into();
        fields["weight"] = block.weight().to_wu().into();
        let txids = block.txdata.iter().map(|transaction| transaction.compute_txid().to_string());
        fields["tx"] = txids.collect::<Vec<String>>().into();
        Ok(fields)
    })
}

fn get_block_header(service: &Service, params: &Params) -> Result<Value, Fault> {
    let hash = hash(params, 0, "hash")?;
    service.on_chain(|chain, _| {
        let (raw, place) = find(chain, &hash)?;
        match params.flag(1, true) {
            true => Ok(header_fields(chain, &hash, place, &decode(raw)?)),
            false => Ok(raw[..Header::LEN].to_lower_hex_string().into()),
        }
    })
}

fn get_blockchain_info(service: &Service, _: &Params) -> Result<Value, Fault> {
    let network = service.network;
    service.on_chain(|chain, _| {
        let tip = chain.tip();
        let (raw, place) = find(chain, &tip)?;
        let block: Block = decode(raw)?;
        Ok(json!({
            "chain": network_name(network),
            "blocks": place.height,
            "headers": place.height,
            "bestblockhash": tip.to_string(),
            "bits": format!("{:08x}", block.header.bits.to_consensus()),
            "target": target_of(block.header.bits).0.to_string(),
            "difficulty": target_of(block.header.bits).difficulty(),
            "time": block.header.time,
            "mediantime": place.median_time,
            "verificationprogress": 1,
            "initialblockdownload": false,
            "chainwork": chain_work(chain, place.height),
            "size_on_disk": chain.branch().iter().map(bytes::Bytes::len).sum::<usize>(),
            "pruned": false,
            "warnings": [],
        }))
    })
}

fn get_tx_out(service: &Service, params: &Params) -> Result<Value, Fault> {
    let txid = hash(params, 0, "txid")?;
    let vout = params.number(1, 0)?;
    let includes_mempool = params.flag(2, true);
    let network = service.network;
    Ok(service.on_chain(|chain, _| {
        let Some(output) = chain.unspent(txid, vout, includes_mempool) else {
            return Value::Null;
        };
        let confirmations = output.height.map_or(0, |height| chain.height() + 1 - height);
        json!({
            "bestblock": chain.tip().to_string(),
            "confirmations": confirmations,
            "value": bitcoin(output.value),
            "scriptPubKey": script::describe(&output.script, network),
            "coinbase": output.is_coinbase,
        })
    }))
}

fn find<'a>(chain: &'a Chain, hash: &U256) -> Result<(&'a bytes::Bytes, BlockPlace), Fault> {
    chain
        .block(hash)
        .zip(chain.block_place(hash))
        .ok_or_else(|| Fault::new(Code::InvalidAddressOrKey, "Block not found"))
}

fn decode(raw: &[u8]) -> Result<Block, Fault> {
    consensus::deserialize(raw)
        .map_err(|error| Fault::new(Code::InternalError, format!("a block of the chain: {error}")))
}

fn header_fields(chain: &Chain, hash: &U256, place: BlockPlace, block: &Block) -> Value {
    let header = &block.header;
    let version = header.version.to_consensus();
    let mut fields = json!({
        "hash": hash.to_string(),
        "confirmations": chain.height() + 1 - place.height,
        "height": place.height,
        "version": version,
        "versionHex": format!("{version:08x}"),
        "merkleroot": header.merkle_root.to_string(),
        "time": header.time,
        "mediantime": place.median_time,
        "nonce": header.nonce,
        "bits": format!("{:08x}", header.bits.to_consensus()),
        "target": target_of(header.bits).0.to_string(),
        "difficulty": target_of(header.bits).difficulty(),
        "chainwork": chain_work(chain, place.height),
        "nTx": block.txdata.len(),
    });
    if place.height > 0 {
        fields["previousblockhash"] = header.prev_blockhash.to_string().into();
    }
    if let Some(next) = place.next {
        fields["nextblockhash"] = next.to_string().into();
    }
    fields
}

fn target_of(bits: CompactTarget) -> Target {
    Target::from_compact(bits.to_consensus()).unwrap_or_default()
}

/// Without witnesses, in bytes (BIP 141: the weight is three times that and the whole).
fn stripped_size(block: &Block) -> u64 {
    (block.weight().to_wu() - block.total_size() as u64) / 3
}

/// Expected hashes of all blocks up to a height. Blocks that are no longer kept count as much as
/// the next block does.
fn chain_work(chain: &Chain, height: u32) -> String {
    let work =
        |nbits| bitcoin::Target::from_compact(CompactTarget::from_consensus(nbits)).to_work();
    let nbits_of = |raw: &bytes::Bytes| {
        let header = raw.first_chunk::<{ Header::LEN }>();
        header.map_or(chain.config().nbits, |header| Header::from_bytes(header).nbits)
    };
    let branch = chain.branch();
    let kept_from = chain.height() + 1 - u32::try_from(branch.len()).unwrap_or(u32::MAX);
    let mut sum = multiple(work(chain.config().nbits), kept_from);
    for (_, raw) in (kept_from..=height).zip(&branch) {
        sum = sum + work(nbits_of(raw));
    }
    sum.to_be_bytes().to_lower_hex_string()
}

/// By doubling: a chain may begin at any height.
fn multiple(work: bitcoin::Work, mut count: u32) -> bitcoin::Work {
    let (mut sum, mut power) = (bitcoin::Work::from_be_bytes([0; 32]), work);
    while count > 0 {
        if count & 1 == 1 {
            sum = sum + power;
        }
        power = power + power;
        count >>= 1;
    }
    sum
}
