//! The server itself, and the network that there is none of.

use serde_json::{Value, json};

use super::mempool::MIN_FEE_RATE;
use super::{Fault, Kind, Method, Param, Params, Run, SECTIONS, Service, bitcoin};

pub(super) const METHODS: &[Method] = &[
    Method {
        name: "getconnectioncount",
        params: &[],
        about: "The number of peers: none.",
        run: Run::Now(|_, _| Ok(0.into())),
    },
    Method {
        name: "getnetworkinfo",
        params: &[],
        about: "Which program this is, and that it has no peers.",
        run: Run::Now(get_network_info),
    },
    Method {
        name: "getpeerinfo",
        params: &[],
        about: "The peers: none.",
        run: Run::Now(|_, _| Ok(json!([]))),
    },
    Method {
        name: "help",
        params: &[Param::optional("command", Kind::Text)],
        about: "All calls, or one.",
        run: Run::Now(help),
    },
    Method {
        name: "ping",
        params: &[],
        about: "Nothing, as there are no peers.",
        run: Run::Now(|_, _| Ok(Value::Null)),
    },
    Method { name: "stop", params: &[], about: "Ends the server.", run: Run::Now(stop) },
    Method {
        name: "uptime",
        params: &[],
        about: "Seconds since the start.",
        run: Run::Now(|service, _| Ok(service.started_at.elapsed().as_secs().into())),
    },
];

fn help(_: &Service, params: &Params) -> Result<Value, Fault> {
    let wanted = params.text(0);
    if !wanted.is_empty() {
        return Ok(match Method::find(wanted) {
            Some(method) => method.help(),
            None => format!("help: unknown command: {wanted}"),
        }
        .into());
    }
    let mut text = String::new();
    for (title, methods) in SECTIONS {
        let separator = if text.is_empty() { "" } else { "\n" };
        text.push_str(&format!("{separator}== {title} ==\n"));
        for method in *methods {
            text.push_str(&method.usage());
            text.push('\n');
        }
    }
    Ok(text.trim_end().into())
}

fn stop(service: &Service, _: &Params) -> Result<Value, Fault> {
    service.stop.send_replace(true);
    Ok("Bitcoin Core stopping".into())
}

fn get_network_info(_: &Service, _: &Params) -> Result<Value, Fault> {
    let network = |name: &str| {
        json!({
            "name": name,
            "limited": false,
            "reachable": false,
            "proxy": "",
            "proxy_randomize_credentials": false,
        })
    };
    let networks = ["ipv4", "ipv6", "onion", "i2p", "cjdns"].map(network);
    Ok(json!({
        "version": SPOKEN_VERSION,
        "subversion": format!("/Satoshi:29.0.0/Assay:{}/", env!("CARGO_PKG_VERSION")),
        "protocolversion": 70_016,
        // NETWORK and WITNESS.
        "localservices": "0000000000000009",
        "localservicesnames": ["NETWORK", "WITNESS"],
        "localrelay": false,
        "timeoffset": 0,
        "networkactive": false,
        "connections": 0,
        "connections_in": 0,
        "connections_out": 0,
        "networks": networks,
        "relayfee": bitcoin(MIN_FEE_RATE),
        "incrementalfee": bitcoin(MIN_FEE_RATE),
        "localaddresses": [],
        "warnings": [],
    }))
}

/// Of Bitcoin Core: pools ask whether a node is recent enough for them.
const SPOKEN_VERSION: u32 = 290_000;
