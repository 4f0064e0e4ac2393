//! Transactions that wait, and addresses to pay to.

use bitcoin::{Address, Transaction, address::NetworkUnchecked, consensus};
use serde_json::{Value, json};
use sv2::chain::{TemplateTransaction, TransactionRejection};

use super::{Code, Fault, Kind, Method, Param, Params, Run, Service, bitcoin, bytes, script};

pub(super) const METHODS: &[Method] = &[
    Method {
        name: "estimatesmartfee",
        params: &[
            Param::required("conf_target", Kind::Number),
            Param::optional("estimate_mode", Kind::Text),
        ],
        about: "The lowest fee rate of the next block, in BTC/kvB, if a transaction waits.",
        run: Run::Now(estimate_smart_fee),
    },
    Method {
        name: "getmempoolinfo",
        params: &[],
        about: "How many transactions wait, and how large they are.",
        run: Run::Now(get_mempool_info),
    },
    Method {
        name: "getrawmempool",
        params: &[
            Param::optional("verbose", Kind::Flag),
            Param::optional("mempool_sequence", Kind::Flag),
        ],
        about: "The ids of the transactions that wait; with verbose, what each costs.",
        run: Run::Now(get_raw_mempool),
    },
    Method {
        name: "sendrawtransaction",
        params: &[
            Param::required("hexstring", Kind::Text),
            Param::optional("maxfeerate", Kind::Any),
            Param::optional("maxburnamount", Kind::Any),
        ],
        about: "Adds a transaction to the mempool, whatever its fee. The chain runs no scripts: \
                only coins that are visibly free can be spent.",
        run: Run::Now(send_raw_transaction),
    },
    Method {
        name: "validateaddress",
        params: &[Param::required("address", Kind::Text)],
        about: "Whether an address is one of the chain's network, and its script.",
        run: Run::Now(validate_address),
    },
];

fn estimate_smart_fee(service: &Service, params: &Params) -> Result<Value, Fault> {
    let blocks = params.number(0, 0).unwrap_or(0);
    if !(1..=CONF_TARGET_MAX).contains(&blocks) {
        let message = format!("Invalid conf_target, must be between 1 and {CONF_TARGET_MAX}");
        return Err(Fault::new(Code::InvalidParameter, message));
    }
    let template = service.on_chain(|chain, now| chain.template(now));
    let rates = template.transactions.iter().map(|waiting| waiting.fee * 1_000 / vsize(waiting));
    Ok(match rates.min() {
        Some(rate) => json!({ "feerate": bitcoin(rate), "blocks": blocks }),
        None => json!({ "errors": ["Insufficient data or no feerate found"], "blocks": 0 }),
    })
}

fn get_mempool_info(service: &Service, _: &Params) -> Result<Value, Fault> {
    let waiting = service.on_chain(|chain, _| chain.waiting());
    let fee = waiting.iter().map(|waiting| waiting.fee).sum();
    Ok(json!({
        "loaded": true,
        "size": waiting.len(),
        "bytes": waiting.iter().map(vsize).sum::<u64>(),
        "usage": waiting.iter().map(|waiting| waiting.raw.len()).sum::<usize>(),
        "total_fee": bitcoin(fee),
        "maxmempool": 300_000_000,
        "mempoolminfee": bitcoin(MIN_FEE_RATE),
        "minrelaytxfee": bitcoin(MIN_FEE_RATE),
        "incrementalrelayfee": bitcoin(MIN_FEE_RATE),
        "unbroadcastcount": 0,
        "fullrbf": true,
    }))
}

fn get_raw_mempool(service: &Service, params: &Params) -> Result<Value, Fault> {
    let (waiting, height) = service.on_chain(|chain, _| (chain.waiting(), chain.height()));
    if params.flag(0, false) {
        if params.flag(1, false) {
            let message = "Verbose results cannot contain mempool sequence values.";
            return Err(Fault::new(Code::InvalidParameter, message));
        }
        let costs =
            waiting.iter().map(|entry| (entry.txid.to_string(), cost(entry, &waiting, height)));
        return Ok(Value::Object(costs.collect()));
    }
    let txids: Vec<String> = waiting.iter().map(|waiting| waiting.txid.to_string()).collect();
    if params.flag(1, false) {
        let sequence = service.on_chain(|chain, _| chain.revision());
        return Ok(json!({ "txids": txids, "mempool_sequence": sequence }));
    }
    Ok(txids.into())
}

fn cost(entry: &TemplateTransaction, waiting: &[TemplateTransaction], height: u32) -> Value {
    let parents = entry.depends.iter().filter_map(|position| waiting.get(*position as usize));
    let depends: Vec<String> = parents.map(|parent| parent.txid.to_string()).collect();
    json!({
        "vsize": vsize(entry),
        "weight": entry.weight,
        "height": height,
        "wtxid": entry.wtxid.to_string(),
        "fees": { "base": bitcoin(entry.fee), "modified": bitcoin(entry.fee) },
        "depends": depends,
        "unbroadcast": false,
    })
}

fn send_raw_transaction(service: &Service, params: &Params) -> Result<Value, Fault> {
    const UNDECODABLE: &str = "TX decode failed. Make sure the tx has at least one input.";
    let raw = bytes(params.text(0), UNDECODABLE)?;
    let transaction: Transaction =
        consensus::deserialize(&raw).map_err(|_| Fault::new(Code::Deserialization, UNDECODABLE))?;
    match service.on_chain(|chain, _| chain.add_transaction(&raw)) {
        // Once more is no mistake.
        Ok(_) | Err(TransactionRejection::Known) => {
            Ok(transaction.compute_txid().to_string().into())
        }
        Err(rejection @ TransactionRejection::MissingOrSpent) => {
            Err(Fault::new(Code::Verify, rejection.word()))
        }
        Err(rejection) => Err(Fault::new(Code::VerifyRejected, rejection.to_string())),
    }
}

fn validate_address(service: &Service, params: &Params) -> Result<Value, Fault> {
    let text = params.text(0);
    let address =
        text.parse::<Address<NetworkUnchecked>>().map_err(|error| error.to_string()).and_then(
            |address| address.require_network(service.network).map_err(|error| error.to_string()),
        );
    Ok(match address {
        Ok(address) => script::describe_address(text, &address),
        Err(error) => json!({ "isvalid": false, "error_locations": [], "error": error }),
    })
}

/// In virtual bytes, rounded up (BIP 141).
fn vsize(transaction: &TemplateTransaction) -> u64 {
    u64::from(transaction.weight).div_ceil(4).max(1)
}

/// In satoshi for a thousand virtual bytes: what nodes ask for by default.
pub(super) const MIN_FEE_RATE: u64 = 1_000;

/// In blocks.
const CONF_TARGET_MAX: u32 = 1_008;
