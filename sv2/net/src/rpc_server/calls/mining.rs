//! What miners ask; the template has a file of its own.

use serde_json::{Value, json};
use sv2::chain::Chain;
use sv2::wire::Target;

use super::blockchain::network_name;
use super::{Code, Fault, Kind, Method, Param, Params, Run, Service, bytes};

pub(super) const METHODS: &[Method] = &[
    Method {
        name: "getblocktemplate",
        params: &[Param::required("template_request", Kind::Object)],
        about: "A block to mine (BIP 22, 23, 145), now or, with a longpollid, when there is a \
                better one; or whether a block would be valid, with mode proposal.",
        run: Run::Template,
    },
    Method {
        name: "getmininginfo",
        params: &[],
        about: "The next block in numbers.",
        run: Run::Now(get_mining_info),
    },
    Method {
        name: "getnetworkhashps",
        params: &[
            Param::optional("nblocks", Kind::Number),
            Param::optional("height", Kind::Number),
        ],
        about: "The hash rate that a block every ten minutes needs.",
        run: Run::Now(|service, _| Ok(service.on_chain(|chain, _| hash_rate(chain)).into())),
    },
    Method {
        name: "submitblock",
        params: &[Param::required("hexdata", Kind::Text), Param::optional("dummy", Kind::Any)],
        about: "Hands in a block: null if it is the new tip, or a word why not (BIP 22).",
        run: Run::Now(submit_block),
    },
];

/// Bitcoin Core's words for what is no block.
pub(super) const UNDECODABLE: &str = "Block decode failed";

fn submit_block(service: &Service, params: &Params) -> Result<Value, Fault> {
    let raw = bytes(params.text(0), UNDECODABLE)?;
    match service.on_chain(|chain, now| chain.submit_block(now, &raw)) {
        Ok(_) => Ok(Value::Null),
        Err(sv2::chain::BlockRejection::Undecodable(_)) => {
            Err(Fault::new(Code::Deserialization, UNDECODABLE))
        }
        Err(rejection) => {
            tracing::info!(%rejection, "a block was handed in");
            Ok(rejection.word().into())
        }
    }
}

fn get_mining_info(service: &Service, _: &Params) -> Result<Value, Fault> {
    let network = service.network;
    Ok(service.on_chain(|chain, now| {
        let template = chain.template(now);
        let weight: u64 = template.transactions.iter().map(|entry| u64::from(entry.weight)).sum();
        let next = goal(template.nbits, &template.target);
        let mut info = json!({
            "blocks": chain.height(),
            "currentblockweight": weight + sv2::chain::RESERVED_WEIGHT_MIN,
            "currentblocktx": template.transactions.len(),
            "networkhashps": hash_rate(chain),
            "pooledtx": chain.mempool_len(),
            "chain": network_name(network),
            "warnings": [],
        });
        for (key, value) in &next {
            info[*key] = value.clone();
        }
        info["next"] = json!({ "height": template.height });
        for (key, value) in next {
            info["next"][key] = value;
        }
        info
    }))
}

fn goal(nbits: u32, target: &Target) -> [(&'static str, Value); 3] {
    [
        ("bits", format!("{nbits:08x}").into()),
        ("difficulty", target.difficulty().into()),
        ("target", target.0.to_string().into()),
    ]
}

/// In hashes per second. Blocks by others cost nothing here, so their times say nothing.
fn hash_rate(chain: &Chain) -> f64 {
    chain.target().expected_hashes() / BLOCK_TIME
}

/// In seconds.
const BLOCK_TIME: f64 = 600.0;
