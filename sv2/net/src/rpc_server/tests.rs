//! The server as its clients see it, those who mean well and those who do not.

use bitcoin::hex::DisplayHex as _;
use bitcoin::{Amount, ScriptBuf, TxOut};
use serde_json::{Value, json};
use sv2::chain::{Chain, ChainConfig, ChainHost, block};
use sv2::entropy::Entropy;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::bitcoind::{RpcClient, RpcConfig, RpcError};
use crate::clock::Clock;

/// `a:b`.
const HEADERS: &str = "Host: x\r\nAuthorization: Basic YTpi\r\n";

fn password() -> Auth {
    Auth::Password { user: "a".into(), password: "b".into() }
}

fn chain(nbits: u32) -> EmbeddedChain {
    let config = ChainConfig::new(nbits, Clock::of_process().now().unix);
    EmbeddedChain::new(ChainHost::new(Chain::new(config, Entropy::from_seed(7))))
}

async fn start(limits: RpcLimits) -> (RpcServer, EmbeddedChain) {
    let chain = chain(ChainConfig::EASY);
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let config = RpcServerConfig { limits, ..RpcServerConfig::new(listen, password()) };
    (RpcServer::start(&config, chain.clone()).await.unwrap(), chain)
}

fn client(server: &RpcServer) -> RpcClient {
    RpcClient::new(RpcConfig::new("127.0.0.1", server.address().port(), password()))
}

async fn connect(server: &RpcServer) -> TcpStream {
    TcpStream::connect(server.address()).await.unwrap()
}

/// All that the server sends before it closes.
async fn to_the_end(socket: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    // A server that closes with something unread resets the connection.
    let _ = socket.read_to_end(&mut bytes).await;
    String::from_utf8(bytes).unwrap()
}

fn post(body: &str) -> String {
    format!("POST / HTTP/1.1\r\n{HEADERS}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// The status of what comes back for `request`, or `closed`.
async fn status_of(server: &RpcServer, request: &str) -> String {
    let mut socket = connect(server).await;
    socket.write_all(request.as_bytes()).await.unwrap();
    let answer = to_the_end(&mut socket).await;
    answer.split("\r\n").next().unwrap().strip_prefix("HTTP/1.1 ").unwrap_or("closed").into()
}

/// A valid block on the tip.
fn mine(chain: &EmbeddedChain) -> Vec<u8> {
    let template = chain.change(|chain, now| chain.template(now));
    let value = Amount::from_sat(template.coinbase_value);
    let outputs = vec![TxOut { value, script_pubkey: ScriptBuf::from_bytes(vec![0x51]) }];
    let coinbase = block::coinbase(&template, b"test", outputs);
    let mut header = block::header(&template, &coinbase);
    while !template.target.is_met_by(&header.hash()) {
        header.nonce += 1;
    }
    block::assemble(&header, &block::serialize(&coinbase), &template.transactions).to_vec()
}

#[tokio::test]
async fn envelopes_are_answered_as_bitcoin_core_answers_them() {
    let (server, _chain) = start(RpcLimits { batch_len_max: 3, ..RpcLimits::default() }).await;
    let not_found = r#"{"code":-32601,"message":"Method not found"}"#;
    let error = |code: i32, message: &str, id: &str| {
        format!(r#"{{"error":{{"code":{code},"message":"{message}"}},{id}"result":null}}"#)
    };
    for (body, status, expected) in [
        ("{", 500, error(-32700, "Parse error", r#""id":null,"#)),
        ("", 500, error(-32700, "Parse error", r#""id":null,"#)),
        ("5", 500, error(-32700, "Top-level object parse error", r#""id":null,"#)),
        ("[]", 200, "[]".into()),
        (r#"{"id":1}"#, 400, error(-32600, "Missing method", r#""id":1,"#)),
        (r#"{"id":1,"method":5}"#, 400, error(-32600, "Method must be a string", r#""id":1,"#)),
        (
            r#"{"id":1,"method":"ping","params":5}"#,
            400,
            error(-32600, "Params must be an array or object", r#""id":1,"#),
        ),
        (r#"{"id":1,"method":"nosuch"}"#, 404, error(-32601, "Method not found", r#""id":1,"#)),
        (r#"{"method":"ping"}"#, 200, r#"{"error":null,"result":null}"#.into()),
        (
            r#"{"id":{"a":1},"method":"getblockcount"}"#,
            200,
            r#"{"error":null,"id":{"a":1},"result":101}"#.into(),
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"nosuch"}"#,
            200,
            format!(r#"{{"error":{not_found},"id":1,"jsonrpc":"2.0"}}"#),
        ),
        (r#"{"jsonrpc":"2.0","method":"ping"}"#, 204, String::new()),
        (r#"[{"jsonrpc":"2.0","method":"ping"}]"#, 204, String::new()),
        (
            r#"[{"id":1,"method":"getblockcount"},{"jsonrpc":"2.0","id":"b","method":"nosuch"},5]"#,
            200,
            format!(
                r#"[{{"error":null,"id":1,"result":101}},{{"error":{not_found},"id":"b","jsonrpc":"2.0"}},{}]"#,
                error(-32600, "Invalid Request object", r#""id":null,"#)
            ),
        ),
        ("[1,2,3,4]", 400, error(-32600, "a batch has at most 3 calls", r#""id":null,"#)),
    ] {
        let answer = envelope::answer(&server.service, body.as_bytes()).await;

        let text = answer.body.map(|body| String::from_utf8(body.to_vec()).unwrap());
        let text = text.as_deref().unwrap_or_default().split_whitespace();
        let same = |text: &str| text.split_whitespace().collect::<String>();
        assert_eq!((answer.status, text.collect::<String>()), (status, same(&expected)), "{body}");
    }
}

#[tokio::test]
async fn parameters_that_do_not_fit_have_the_numbers_of_bitcoin_core() {
    let (server, _chain) = start(RpcLimits::default()).await;
    let hash = "00".repeat(32);
    let segwit = json!(["segwit"]);
    for (method, params, code, message) in [
        ("getblockhash", json!([]), -1, "getblockhash height\n"),
        ("getblockcount", json!([1]), -1, "getblockcount\n"),
        (
            "getblockhash",
            json!(["x"]),
            -3,
            "Wrong type passed:\n{\n    \"Position 1 (height)\": \
             \"JSON value of type string is not of expected type number\"\n}",
        ),
        ("getblockhash", json!([99_999]), -8, "Block height out of range"),
        ("getblockhash", json!([-1]), -8, "Block height out of range"),
        ("getblockhash", json!({"heigt": 5}), -8, "Unknown named parameter heigt"),
        ("getblock", json!(["00"]), -8, "blockhash must be of length 64 (not 2, for '00')"),
        ("getblock", json!([hash]), -5, "Block not found"),
        ("getblocktemplate", json!([]), -1, "getblocktemplate template_request\n"),
        ("getblocktemplate", json!([{}]), -8, "getblocktemplate must be called with the segwit"),
        ("getblocktemplate", json!([{"mode": "x"}]), -8, "Invalid mode"),
        ("getblocktemplate", json!([{"mode": 5}]), -8, "Invalid mode"),
        (
            "getblocktemplate",
            json!([{"mode": "proposal"}]),
            -3,
            "Missing data String key for proposal",
        ),
        (
            "getblocktemplate",
            json!([{"mode": "proposal", "data": "zz"}]),
            -22,
            "Block decode failed",
        ),
        (
            "getblocktemplate",
            json!([{"rules": segwit, "longpollid": "xx"}]),
            -8,
            "longpollid must be of length 64 (not 2, for 'xx')",
        ),
        (
            "getblocktemplate",
            json!([{"rules": segwit, "longpollid": "\u{e9}".repeat(40)}]),
            -8,
            "longpollid must be",
        ),
        ("submitblock", json!(["00"]), -22, "Block decode failed"),
        ("submitblock", json!(["0g"]), -22, "Block decode failed"),
        ("sendrawtransaction", json!(["00"]), -22, "TX decode failed."),
        ("gettxout", json!(["00", 0]), -8, "txid must be of length 64 (not 2, for '00')"),
        ("estimatesmartfee", json!([0]), -8, "Invalid conf_target"),
        ("assay_reorganise", json!([5_000]), -8, "a reorganisation of 5000 blocks is too deep"),
        ("assay_newblock", json!(["-1"]), -8, "\"-1\" is not between 0 and 4294967295"),
        ("assay_newblock", json!([true]), -3, "Wrong type passed:"),
        ("assay_newblock", json!(["5000"]), -8, "count is 5000, 1000 is the most"),
        ("assay_newblock", json!([5_000]), -8, "count is 5000, 1000 is the most"),
        ("assay_setnbits", json!(["0"]), -8, "nbits 0x00000000 is not a target"),
    ] {
        let outcome = client(&server).call(method, params.clone()).await;

        let Err(RpcError::Refused { code: found, message: text, .. }) = outcome else {
            panic!("{method} {params}: {outcome:?}");
        };
        assert_eq!(found, code, "{method} {params}: {text}");
        assert!(text.starts_with(message), "{method} {params}: {text}");
    }
}

#[tokio::test]
async fn what_is_no_call_of_a_client_we_know_is_refused_by_its_status() {
    let limits = RpcLimits { body_len_max: 40, ..RpcLimits::default() };
    let (server, _chain) = start(limits).await;
    let chunked = format!(
        "POST / HTTP/1.1\r\n{HEADERS}Transfer-Encoding: chunked\r\n\r\n29\r\n{}\r\n0\r\n\r\n",
        " ".repeat(41)
    );
    let long_head = format!("POST / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(20_000));
    for (request, status) in [
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "405 Method Not Allowed"),
        ("POST /x HTTP/1.1\r\nHost: x\r\n\r\n", "404 Not Found"),
        ("POST / HTTP/1.1\r\nHost: x\r\n\r\n", "401 Unauthorized"),
        (
            "POST / HTTP/1.1\r\nAuthorization: Basic YTpj\r\nContent-Length: 99\r\n\r\n",
            "401 Unauthorized",
        ),
        (
            &format!("POST / HTTP/1.1\r\n{HEADERS}Content-Length: 99999999999\r\n\r\n"),
            "413 Payload Too Large",
        ),
        (&chunked, "413 Payload Too Large"),
        (&long_head, "431 Request Header Fields Too Large"),
        ("hello\r\n\r\n", "400 Bad Request"),
        (&format!("POST / HTTP/1.1\r\n{HEADERS}Content-Length: x\r\n\r\n"), "400 Bad Request"),
    ] {
        assert_eq!(status_of(&server, request).await, status, "{request}");
    }
}

#[tokio::test]
async fn a_client_that_is_too_slow_is_not_waited_for() {
    let brief = Duration::from_millis(30);
    let limits = RpcLimits { head_timeout: brief, body_timeout: brief, ..RpcLimits::default() };
    let (server, _chain) = start(limits).await;
    for (request, status) in [
        (String::new(), "closed"),
        ("POST / HTTP/1.1\r\nHo".into(), "closed"),
        (format!("POST / HTTP/1.1\r\n{HEADERS}Content-Length: 9\r\n\r\n{{"), "408 Request Timeout"),
        // The first is answered; the second never comes.
        (post(r#"{"method":"ping"}"#), "200 OK"),
    ] {
        assert_eq!(status_of(&server, &request).await, status, "{request}");
    }
}

#[tokio::test]
async fn one_connection_carries_many_calls_and_one_too_many_is_closed() {
    let limits = RpcLimits { connections_max: 1, ..RpcLimits::default() };
    let (server, _chain) = start(limits).await;
    let mut socket = connect(&server).await;
    let last = post(r#"{"id":3,"method":"stop"}"#);
    let calls = [post(r#"{"id":1,"method":"getblockcount"}"#), post(r#"{"id":2,"method":"help"}"#)];

    socket.write_all(calls.concat().as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    socket.read_exact(&mut answer).await.unwrap();
    assert_eq!(to_the_end(&mut connect(&server).await).await, "");
    socket.write_all(last.as_bytes()).await.unwrap();
    let rest = to_the_end(&mut socket).await;

    assert_eq!(&answer, b"HTTP/1.1 200");
    assert_eq!(rest.matches("HTTP/1.1 200 OK").count(), 2, "{rest}");
    assert!(rest.contains(r#""result":101"#) && rest.contains("getblocktemplate"), "{rest}");
    assert!(rest.contains("Bitcoin Core stopping"), "{rest}");
    server.stopped().await;
    server.shutdown().await;
}

#[tokio::test]
async fn the_answer_of_a_batch_is_bounded() {
    let limits = RpcLimits { batch_answer_len_max: 20, ..RpcLimits::default() };
    let (server, _chain) = start(limits).await;
    let batch = json!([{"id": 1, "method": "ping"}, {"id": 2, "method": "assay_newblock"}]);

    let answer = envelope::answer(&server.service, batch.to_string().as_bytes()).await;

    let replies: Value = serde_json::from_slice(&answer.body.unwrap()).unwrap();
    assert_eq!(replies[1]["error"]["code"], -32603, "{replies}");
    let height = envelope::answer(&server.service, br#"{"method":"getblockcount"}"#).await;
    assert!(height.body.unwrap().ends_with(b"101}\n"), "the call is not done");
}

#[tokio::test]
async fn blocks_are_judged_in_the_words_of_a_node() {
    let (server, chain) = start(RpcLimits::default()).await;
    let client = client(&server);
    let submit = async |raw: &[u8]| {
        client.call("submitblock", json!([raw.to_lower_hex_string()])).await.unwrap()
    };
    let propose = async |raw: &[u8]| {
        let request = json!([{"mode": "proposal", "data": raw.to_lower_hex_string()}]);
        client.call("getblocktemplate", request).await.unwrap()
    };
    let (first, rival) = (mine(&chain), mine(&chain));
    let mut of_nobody = first.clone();
    of_nobody[4] ^= 1;
    // A coinbase transaction that the header does not commit to.
    let mut other = first.clone();
    let last = other.len() - 1;
    other[last] ^= 1;
    assert_ne!(first, other);
    chain.change(|chain, _| chain.set_nbits(ChainConfig::HARD)).unwrap();
    assert_eq!(submit(&first).await, "bad-diffbits");
    chain.change(|chain, _| chain.set_nbits(ChainConfig::EASY)).unwrap();

    assert_eq!(propose(&first).await, Value::Null);
    assert_eq!(propose(&of_nobody).await, "inconclusive-not-best-prevblk");
    assert_eq!(submit(&other).await, "bad-txnmrklroot");
    assert_eq!(submit(&first).await, Value::Null);
    assert_eq!(submit(&first).await, "duplicate");
    assert_eq!(propose(&rival).await, "duplicate", "the same template makes the same block");

    let hash = client.call("getbestblockhash", json!([])).await.unwrap();
    let raw = client.call("getblock", json!({"blockhash": hash, "verbosity": 0})).await.unwrap();
    assert_eq!(raw, first.to_lower_hex_string());
    client.call("assay_reorganise", json!([1])).await.unwrap();
    assert_eq!(client.call("getblockcount", json!([])).await.unwrap(), 103);
    let gone = client.call("getblockheader", json!([hash])).await.unwrap_err();
    assert_eq!(gone.code(), Some(-5), "{gone}");
}

#[tokio::test]
async fn a_long_poll_ends_with_a_tip_or_a_target_and_with_fees_after_a_while() {
    let (server, chain) = start(RpcLimits::default()).await;
    let rpc = client(&server);
    let template = async |params| rpc.call("getblocktemplate", params).await.unwrap();
    let poll = |id: &Value| json!([{"rules": ["segwit"], "longpollid": id}]);
    let first = template(json!([{"rules": ["segwit"]}])).await;

    // Fees are no reason to answer; a tip is.
    let mut waiting = Box::pin(template(poll(&first["longpollid"])));
    rpc.call("assay_addtransaction", json!([])).await.unwrap();
    assert!(is_waiting(&mut waiting, &rpc).await);
    let (second, tip) = tokio::join!(waiting, async { chain.new_block().to_string() });
    assert_eq!(second["previousblockhash"], tip);

    let mut waiting = Box::pin(template(poll(&second["longpollid"])));
    assert!(is_waiting(&mut waiting, &rpc).await);
    let (third, _) = tokio::join!(waiting, rpc.call("assay_setnbits", json!(["1d00ffff"])));
    assert_eq!(third["bits"], "1d00ffff");

    // What has been overtaken already is answered at once.
    assert_eq!(template(poll(&first["longpollid"])).await["previousblockhash"], tip);
}

#[tokio::test]
async fn more_fees_are_news_after_a_while() {
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut config = RpcServerConfig::new(listen, password());
    config.fees_after = Duration::from_millis(20);
    let server = RpcServer::start(&config, chain(ChainConfig::HARD)).await.unwrap();
    let rpc = client(&server);
    let first = rpc.call("getblocktemplate", json!([{"rules": ["segwit"]}])).await.unwrap();
    let poll = json!([{"rules": ["segwit"], "longpollid": first["longpollid"]}]);

    let (second, txid) = tokio::join!(
        rpc.call("getblocktemplate", poll),
        rpc.call("assay_addtransaction", json!([]))
    );

    assert_eq!(second.unwrap()["transactions"][0]["txid"], txid.unwrap());
}

#[tokio::test]
async fn long_polls_leave_room_for_others_and_end_with_the_server() {
    let limits = RpcLimits { long_polls_max: 1, ..RpcLimits::default() };
    let (server, _chain) = start(limits).await;
    let rpc = client(&server);

    let (refused, waiting) = two_long_polls(&rpc).await;
    let (ended, ()) = tokio::join!(waiting, server.shutdown());

    assert_eq!(refused.to_string(), "getblocktemplate: 1 long polls are open (RPC error -1)");
    assert_eq!(ended.unwrap_err().code(), Some(-9));
}

#[tokio::test]
async fn a_long_poll_whose_client_has_gone_makes_room() {
    let limits = RpcLimits { long_polls_max: 1, ..RpcLimits::default() };
    let (server, _chain) = start(limits).await;
    let rpc = client(&server);
    let (_, waiting) = two_long_polls(&rpc).await;
    assert_eq!(server.service.long_polls.available_permits(), 0);

    drop(waiting);

    let room = server.service.long_polls.acquire();
    assert!(tokio::time::timeout(Duration::from_secs(30), room).await.is_ok());
}

type Poll<'a> = std::pin::Pin<Box<dyn Future<Output = Result<Value, RpcError>> + 'a>>;

/// Where there is room for one of two: the refusal, and the one that waits.
async fn two_long_polls(rpc: &RpcClient) -> (RpcError, Poll<'_>) {
    let first = rpc.call("getblocktemplate", json!([{"rules": ["segwit"]}])).await.unwrap();
    let poll = json!([{"rules": ["segwit"], "longpollid": first["longpollid"]}]);
    let mut one: Poll<'_> = Box::pin(rpc.call("getblocktemplate", poll.clone()));
    let mut other: Poll<'_> = Box::pin(rpc.call("getblocktemplate", poll));
    tokio::select! {
        outcome = &mut one => (outcome.unwrap_err(), other),
        outcome = &mut other => (outcome.unwrap_err(), one),
    }
}

/// Whether a call has not ended while others, begun later, have.
async fn is_waiting<T>(call: &mut (impl Future<Output = T> + Unpin), rpc: &RpcClient) -> bool {
    let others = async {
        for _ in 0..5 {
            rpc.call("ping", json!([])).await.unwrap();
        }
    };
    tokio::select! {
        _ = call => false,
        () = others => true,
    }
}
