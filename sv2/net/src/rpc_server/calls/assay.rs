//! What no node does on demand: events that a pool must be ready for.

use serde_json::Value;
use sv2::chain::TransactionShape;

use super::{Code, Fault, Kind, Method, Param, Params, Run, Service};

pub(super) const METHODS: &[Method] = &[
    Method {
        name: "assay_addtransaction",
        params: &[
            Param::optional("data_len", Kind::NumberOrText),
            Param::optional("sigops", Kind::NumberOrText),
        ],
        about: "Makes up a transaction with a fee, of a coin that is free, and so many bytes of \
                data and signature operations; its id.",
        run: Run::Now(add_transaction),
    },
    Method {
        name: "assay_newblock",
        params: &[Param::optional("count", Kind::NumberOrText)],
        about: "Lets somebody else find blocks, without a proof of work; their hashes.",
        run: Run::Now(new_block),
    },
    Method {
        name: "assay_reorganise",
        params: &[Param::required("depth", Kind::NumberOrText)],
        about: "Replaces the last blocks by one more than these; the new tip.",
        run: Run::Now(reorganise),
    },
    Method {
        name: "assay_setnbits",
        params: &[Param::required("nbits", Kind::Text)],
        about: "Gives the next block, and all after it, another target, such as 207fffff.",
        run: Run::Now(set_nbits),
    },
];

fn new_block(service: &Service, params: &Params) -> Result<Value, Fault> {
    let count = params.number(0, 1)?;
    if count > BLOCKS_MAX {
        let message = format!("count is {count}, {BLOCKS_MAX} is the most");
        return Err(Fault::new(Code::InvalidParameter, message));
    }
    // Each is news by itself.
    let hashes = (0..count).map(|_| service.chain.new_block().to_string());
    Ok(hashes.collect::<Vec<String>>().into())
}

fn reorganise(service: &Service, params: &Params) -> Result<Value, Fault> {
    let depth = params.number(0, 0)?;
    service
        .chain
        .reorganise(depth as usize)
        .map(|tip| tip.to_string().into())
        .map_err(|error| Fault::new(Code::InvalidParameter, error.to_string()))
}

fn add_transaction(service: &Service, params: &Params) -> Result<Value, Fault> {
    let shape = TransactionShape {
        data_len: params.number(0, 0)? as usize,
        sigops: params.number(1, 0)? as usize,
    };
    service
        .on_chain(|chain, _| chain.generate_transaction(shape))
        .map(|txid| txid.to_string().into())
        .ok_or_else(|| Fault::new(Code::Miscellaneous, "no coin is free, or no room is left"))
}

fn set_nbits(service: &Service, params: &Params) -> Result<Value, Fault> {
    let text = params.text(0);
    let nbits = u32::from_str_radix(text.trim_start_matches("0x"), 16).map_err(|_| {
        let message = format!("nbits must be up to eight hexadecimal digits (not '{text}')");
        Fault::new(Code::InvalidParameter, message)
    })?;
    service
        .on_chain(|chain, _| chain.set_nbits(nbits))
        .map(|()| Value::Null)
        .map_err(|error| Fault::new(Code::InvalidParameter, error.to_string()))
}

/// In one call.
const BLOCKS_MAX: u32 = 1_000;
