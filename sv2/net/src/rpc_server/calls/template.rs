//! `getblocktemplate`: templates, long polls and proposals (BIP 22, 23, 145).

use bitcoin::hex::DisplayHex as _;
use serde_json::{Map, Value, json};
use sv2::chain::{BLOCK_SIGOPS_MAX, BLOCK_WEIGHT_MAX, BlockRejection, BlockTemplate};
use sv2::wire::U256;
use tokio::time::{Instant, sleep_until};

use super::mining::UNDECODABLE;
use super::{Code, Fault, Params, Service, bytes};

/// Answers now, or when there is a better template than the one that the caller knows.
pub(crate) async fn get_block_template(service: &Service, params: &Params) -> Result<Value, Fault> {
    let nothing = Map::new();
    let request = params.value(0).as_object().unwrap_or(&nothing);
    match request.get("mode") {
        None | Some(Value::Null) => {}
        Some(Value::String(mode)) if mode == "template" => {}
        Some(Value::String(mode)) if mode == "proposal" => return propose(service, request),
        Some(_) => return Err(Fault::new(Code::InvalidParameter, "Invalid mode")),
    }
    let rules = request.get("rules").and_then(Value::as_array);
    if !rules.is_some_and(|rules| rules.iter().any(|rule| rule == "segwit")) {
        let message = "getblocktemplate must be called with the segwit rule set (call with \
                       {\"rules\": [\"segwit\"]})";
        return Err(Fault::new(Code::InvalidParameter, message));
    }
    if let Some(known) = Known::parse(request.get("longpollid"))? {
        wait(service, known).await?;
    }
    let (template, revision) =
        service.on_chain(|chain, now| (chain.template(now), chain.revision()));
    Ok(to_json(&template, revision))
}

fn propose(service: &Service, request: &Map<String, Value>) -> Result<Value, Fault> {
    let Some(Value::String(data)) = request.get("data") else {
        return Err(Fault::new(Code::Type, "Missing data String key for proposal"));
    };
    let raw = bytes(data, UNDECODABLE)?;
    match service.on_chain(|chain, now| chain.validate_block(now, &raw)) {
        Ok(_) => Ok(Value::Null),
        Err(BlockRejection::Undecodable(_)) => Err(Fault::new(Code::Deserialization, UNDECODABLE)),
        Err(BlockRejection::Stale { .. } | BlockRejection::UnknownPrevious { .. }) => {
            Ok("inconclusive-not-best-prevblk".into())
        }
        Err(rejection) => Ok(rejection.word().into()),
    }
}

/// What a caller who polls knows: a tip, and which of the templates on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    tip: U256,
    revision: u64,
}

impl Known {
    fn parse(longpollid: Option<&Value>) -> Result<Option<Known>, Fault> {
        let text = match longpollid {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(text)) => text,
            Some(_) => return Err(Fault::no_hash("longpollid", "")),
        };
        let (tip, revision) = text.split_at_checked(64).unwrap_or((text, ""));
        let tip = U256::from_hex(tip).ok_or_else(|| Fault::no_hash("longpollid", tip))?;
        // One that we never gave knows no template.
        Ok(Some(Known { tip, revision: revision.parse().unwrap_or(u64::MAX) }))
    }
}

/// Until there is another tip or target; after a while, more fees will do.
async fn wait(service: &Service, known: Known) -> Result<(), Fault> {
    let Ok(_permit) = service.long_polls.try_acquire() else {
        let message = format!("{} long polls are open", service.limits.long_polls_max);
        return Err(Fault::new(Code::Miscellaneous, message));
    };
    let mut news = service.chain.news();
    let nbits = service.on_chain(|chain, _| chain.config().nbits);
    let fees_at = Instant::now() + service.fees_after;
    loop {
        let now = Instant::now();
        let (tip, revision, nbits_now) =
            service.on_chain(|chain, _| (chain.tip(), chain.revision(), chain.config().nbits));
        let has_more = now >= fees_at && revision != known.revision;
        if tip != known.tip || nbits_now != nbits || has_more {
            return Ok(());
        }
        tokio::select! {
            changed = news.changed() => if changed.is_err() { return Ok(()) },
            () = sleep_until(fees_at), if now < fees_at => {}
            () = service.stopping() => {
                return Err(Fault::new(Code::NotConnected, "Shutting down"));
            }
        }
    }
}

fn to_json(template: &BlockTemplate, revision: u64) -> Value {
    let transactions: Vec<Value> = template
        .transactions
        .iter()
        .map(|transaction| {
            // Counted from 1 (BIP 22).
            let depends: Vec<u32> = transaction.depends.iter().map(|index| index + 1).collect();
            json!({
                "data": transaction.raw.to_lower_hex_string(),
                "txid": transaction.txid.to_string(),
                "hash": transaction.wtxid.to_string(),
                "depends": depends,
                "fee": transaction.fee,
                "sigops": transaction.sigops,
                "weight": transaction.weight,
            })
        })
        .collect();
    json!({
        "capabilities": ["proposal"],
        // Signed, as Bitcoin Core has it.
        "version": template.version.cast_signed(),
        "rules": ["csv", "!segwit", "taproot"],
        "vbavailable": {},
        "vbrequired": 0,
        "previousblockhash": template.prev_hash.to_string(),
        "transactions": transactions,
        "coinbaseaux": {},
        "coinbasevalue": template.coinbase_value,
        "longpollid": format!("{}{revision}", template.prev_hash),
        "target": template.target.0.to_string(),
        "mintime": template.min_ntime,
        "mutable": ["time", "transactions", "prevblock"],
        "noncerange": "00000000ffffffff",
        "sigoplimit": BLOCK_SIGOPS_MAX,
        "sizelimit": BLOCK_WEIGHT_MAX,
        "weightlimit": BLOCK_WEIGHT_MAX,
        "curtime": template.current_time,
        "bits": format!("{:08x}", template.nbits),
        "height": template.height,
        "default_witness_commitment": template.witness_commitment_script().to_lower_hex_string(),
    })
}
