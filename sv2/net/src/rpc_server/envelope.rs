//! What stands around a call: JSON-RPC 1.0 and 2.0, single calls and batches, as Bitcoin Core
//! speaks them.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::fault::{Code, Fault};
use super::method::Given;
use super::service::Service;

/// An answer on its way: HTTP status and body; no body for a notification.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Option<Bytes>,
}

/// Answers what stands in one HTTP request.
pub(super) async fn answer(service: &Arc<Service>, body: &[u8]) -> Answer {
    match serde_json::from_slice(body) {
        Err(_) => refuse(Fault::new(Code::ParseError, "Parse error")),
        Ok(Value::Array(calls)) => batch(service, calls).await,
        Ok(call @ Value::Object(_)) => single(service, call).await,
        Ok(_) => refuse(Fault::new(Code::ParseError, "Top-level object parse error")),
    }
}

fn refuse(fault: Fault) -> Answer {
    let status = fault.status();
    let reply = Envelope::NONE.wrap(Err(fault)).expect("an envelope without id is answered");
    Answer { status, body: Some(to_bytes(&reply)) }
}

async fn single(service: &Arc<Service>, call: Value) -> Answer {
    let (envelope, call) = Envelope::open(call);
    let outcome = run(service, call).await;
    let status = match (&outcome, envelope.version) {
        (Err(fault), Version::One) => fault.status(),
        _ => 200,
    };
    match envelope.wrap(outcome) {
        Some(reply) => Answer { status, body: Some(to_bytes(&reply)) },
        None => Answer { status: 204, body: None },
    }
}

/// One after the other. A batch's answer is as bounded as its question: calls behind the limit
/// are refused and not done.
async fn batch(service: &Arc<Service>, calls: Vec<Value>) -> Answer {
    let limits = service.limits;
    if calls.len() > limits.batch_len_max {
        let message = format!("a batch has at most {} calls", limits.batch_len_max);
        return refuse(Fault::new(Code::InvalidRequest, message));
    }
    let is_empty = calls.is_empty();
    let mut bytes = vec![b'['];
    for call in calls {
        let (envelope, call) = Envelope::open(call);
        let outcome = match bytes.len() > limits.batch_answer_len_max {
            true => Err(Fault::new(
                Code::InternalError,
                format!("the answer is longer than {} bytes", limits.batch_answer_len_max),
            )),
            false => run(service, call).await,
        };
        if let Some(reply) = envelope.wrap(outcome) {
            if bytes.len() > 1 {
                bytes.push(b',');
            }
            bytes.extend_from_slice(&to_bytes(&reply));
        }
    }
    if bytes.len() == 1 && !is_empty {
        return Answer { status: 204, body: None };
    }
    bytes.extend_from_slice(b"]\n");
    Answer { status: 200, body: Some(Bytes::from(bytes)) }
}

async fn run(service: &Arc<Service>, call: Result<Call, Fault>) -> Result<Value, Fault> {
    let Call { method, params } = call?;
    service.call(&method, params).await
}

/// What an answer needs to know of its question.
#[derive(Debug)]
struct Envelope {
    version: Version,
    /// Without one there is no answer in JSON-RPC 2.0, and none in the answer in 1.0.
    id: Option<Value>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    One,
    Two,
}

#[derive(Debug)]
struct Call {
    method: String,
    params: Given,
}

impl Envelope {
    /// Of a question that cannot be read.
    const NONE: Envelope = Envelope { version: Version::One, id: Some(Value::Null) };

    fn open(call: Value) -> (Envelope, Result<Call, Fault>) {
        let Value::Object(mut call) = call else {
            let fault = Fault::new(Code::InvalidRequest, "Invalid Request object");
            return (Envelope::NONE, Err(fault));
        };
        // Any other text is 1.0, and so is none.
        let version = match call.get("jsonrpc") {
            Some(Value::String(version)) if version == "2.0" => Version::Two,
            _ => Version::One,
        };
        let envelope = Envelope { version, id: call.remove("id") };
        let wrong = |message: &str| Err(Fault::new(Code::InvalidRequest, message));
        let method = match call.remove("method") {
            Some(Value::String(method)) => method,
            None | Some(Value::Null) => return (envelope, wrong("Missing method")),
            Some(_) => return (envelope, wrong("Method must be a string")),
        };
        let params = match call.remove("params") {
            None | Some(Value::Null) => Given::ByPosition(Vec::new()),
            Some(Value::Array(values)) => Given::ByPosition(values),
            Some(Value::Object(named)) => Given::ByName(named),
            Some(_) => return (envelope, wrong("Params must be an array or object")),
        };
        (envelope, Ok(Call { method, params }))
    }

    fn wrap(self, outcome: Result<Value, Fault>) -> Option<Value> {
        let mut reply = match (self.version, outcome) {
            (Version::Two, Ok(result)) => json!({ "jsonrpc": "2.0", "result": result }),
            (Version::Two, Err(fault)) => json!({ "jsonrpc": "2.0", "error": fault.to_json() }),
            (Version::One, Ok(result)) => json!({ "result": result, "error": null }),
            (Version::One, Err(fault)) => json!({ "result": null, "error": fault.to_json() }),
        };
        match (self.version, self.id) {
            (Version::Two, None) => return None,
            (Version::One, None) => {}
            (_, Some(id)) => reply["id"] = id,
        }
        Some(reply)
    }
}

fn to_bytes(reply: &Value) -> Bytes {
    let mut bytes = serde_json::to_vec(reply).expect("a value of JSON can be written");
    bytes.push(b'\n');
    Bytes::from(bytes)
}
