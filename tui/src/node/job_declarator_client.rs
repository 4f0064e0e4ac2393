//! `assay node job-declarator-client`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use sv2::role::PeerAddress;
use sv2::roles::job_declarator_client::{
    JobDeclarationMode, JobDeclaratorClient, JobDeclaratorClientConfig, JobDeclaratorUpstream,
};
use sv2::roles::mining_server::MiningServerConfig;
use sv2::wire::Str255;
use sv2_net::host::{Host, HostConfig};
use sv2_net::world::Worlds;

use super::arguments::NodeJobDeclaratorClient;
use super::console::Console;
use super::vardiff::Vardiff;
use super::{config, follow_and_obey, job_declarator_server, key_log, server, template_provider};
use crate::address;
use crate::outcome::Outcome;

/// The reference implementation's port of a job declarator client.
const DEFAULT_PORT: u16 = 34265;

/// What `--print-config` prints.
pub(super) const DEFAULT_CONFIG: &str = include_str!("defaults/job-declarator-client.toml");

/// The file of `--config`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    listen: Option<SocketAddr>,
    authority_key: Option<PathBuf>,
    template_provider: Option<String>,
    /// In order of preference; an empty list mines for the miner alone.
    upstreams: Option<Vec<Upstream>>,
    /// Whether the job declarator server learns nothing of the transactions.
    coinbase_only: Option<bool>,
    /// Whom upstreams pay.
    user: Option<String>,
    /// Hexadecimal script that is paid where no upstream is left.
    payout_script: Option<String>,
    coinbase_tag: Option<String>,
    /// Hashes per second that a pool is told to expect before miners have come.
    nominal_hash_rate: Option<f32>,
    /// Shares that a client finds a minute; the pool sees those that are worth its target.
    shares_per_minute: Option<f64>,
    vardiff: Vardiff,
    /// Bytes of extranonce that tell clients apart.
    extranonce_index_len: Option<u8>,
    /// Bytes of extranonce that each client can roll.
    rollable_extranonce_len: Option<u8>,
    /// How long an upstream may take for a token, a channel or a custom job.
    answer_timeout_seconds: Option<u64>,
    /// How long a job declarator server may take to judge a job.
    declaration_timeout_seconds: Option<u64>,
    /// How long an upstream may refuse work on a tip that does not change.
    tip_grace_seconds: Option<u64>,
}

/// A pool, and the job declarator server beside it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Upstream {
    pool: String,
    job_declarator: String,
}

pub(super) async fn run(arguments: NodeJobDeclaratorClient) -> Result<(), Outcome> {
    let file: File = config::read(arguments.common.config.as_deref())?;
    let (listener, authority) =
        server::listener(&arguments.server, file.listen, file.authority_key.clone(), DEFAULT_PORT)?;
    let client = client_config(&arguments, file)?;

    let mut host = HostConfig::new("job declarator client");
    host.listeners = vec![listener];
    host.key_log = key_log(&arguments.common)?;
    let host = Host::bind(host).await.map_err(|error| Outcome::usage(error.to_string()))?;
    let mut console = Console::new(arguments.common.json);
    console.line(&format!("stratum2+tcp://{}/{authority}", host.addresses()[0]));
    let PeerAddress { host: name, port, .. } = &client.template_provider;
    console.line(&format!("template provider {name}:{port}"));
    for (number, upstream) in client.upstreams.iter().enumerate() {
        let [pool, declarator] = [&upstream.pool, &upstream.job_declarator]
            .map(|peer| format!("{}:{}", peer.host, peer.port));
        console
            .line(&format!("upstream {number}: pool {pool}, job declarator server {declarator}"));
    }
    let role = JobDeclaratorClient::new(client, sv2_net::entropy::from_system());
    follow_and_obey(host.start(role, Worlds::default()), &mut console).await
}

fn client_config(
    arguments: &NodeJobDeclaratorClient,
    file: File,
) -> Result<JobDeclaratorClientConfig, Outcome> {
    let default = JobDeclaratorClientConfig::default();
    let template_provider =
        match arguments.template_provider.as_ref().or(file.template_provider.as_ref()) {
            Some(url) => address::peer(url).map_err(Outcome::Usage)?,
            None => local(template_provider::DEFAULT_PORT),
        };
    let user_identity = match arguments.user.clone().or(file.user) {
        None => default.user_identity,
        Some(user) => Str255::new(user.into_bytes())
            .map_err(|_| Outcome::usage("user: at most 255 bytes (spec 5.3.4)"))?,
    };
    let payout_script = match &file.payout_script {
        None => default.payout_script,
        Some(digits) => address::bytes("payout_script", digits).map_err(Outcome::Usage)?,
    };
    let extranonce_index_len = file.extranonce_index_len.unwrap_or(default.extranonce_index_len);
    if !(1..=4).contains(&extranonce_index_len) {
        let what = format!("extranonce_index_len: expected 1 to 4, got {extranonce_index_len}");
        return Err(Outcome::usage(what));
    }
    let seconds = |setting: Option<u64>, default| setting.map_or(default, Duration::from_secs);
    let server = default.server;
    Ok(JobDeclaratorClientConfig {
        template_provider,
        upstreams: upstreams(arguments, file.upstreams)?,
        mode: match arguments.coinbase_only || file.coinbase_only.unwrap_or_default() {
            true => JobDeclarationMode::CoinbaseOnly,
            false => JobDeclarationMode::FullTemplate,
        },
        user_identity,
        payout_script,
        coinbase_tag: file.coinbase_tag.map_or(default.coinbase_tag, String::into_bytes),
        extranonce_index_len,
        rollable_extranonce_len: file
            .rollable_extranonce_len
            .unwrap_or(default.rollable_extranonce_len),
        nominal_hash_rate: file.nominal_hash_rate.unwrap_or(default.nominal_hash_rate),
        answer_timeout: seconds(file.answer_timeout_seconds, default.answer_timeout),
        declaration_timeout: seconds(file.declaration_timeout_seconds, default.declaration_timeout),
        tip_grace: seconds(file.tip_grace_seconds, default.tip_grace),
        server: MiningServerConfig {
            shares_per_minute: file.shares_per_minute.unwrap_or(server.shares_per_minute),
            vardiff: file.vardiff.0,
            ..server
        },
        ..default
    })
}

/// From the command line, then from the file, then those that our own roles listen as.
fn upstreams(
    arguments: &NodeJobDeclaratorClient,
    file: Option<Vec<Upstream>>,
) -> Result<Vec<JobDeclaratorUpstream>, Outcome> {
    let (pools, declarators) = (&arguments.pools, &arguments.job_declarators);
    if arguments.solo {
        return Ok(Vec::new());
    }
    if pools.len() != declarators.len() {
        return Err(Outcome::usage(format!(
            "{} --pool and {} --job-declarator: each pool needs the job declarator server beside \
             it, in the same order",
            pools.len(),
            declarators.len()
        )));
    }
    let named: Vec<(String, String)> = match file {
        Some(file) if pools.is_empty() => {
            file.into_iter().map(|upstream| (upstream.pool, upstream.job_declarator)).collect()
        }
        None if pools.is_empty() => {
            let job_declarator = local(job_declarator_server::DEFAULT_PORT);
            return Ok(vec![JobDeclaratorUpstream { pool: local(34254), job_declarator }]);
        }
        _ => pools.iter().cloned().zip(declarators.iter().cloned()).collect(),
    };
    let parse = |(pool, job_declarator): (String, String)| {
        Ok(JobDeclaratorUpstream {
            pool: address::peer(&pool).map_err(Outcome::Usage)?,
            job_declarator: address::peer(&job_declarator).map_err(Outcome::Usage)?,
        })
    };
    named.into_iter().map(parse).collect()
}

/// A role of ours on this machine, with its defaults.
fn local(port: u16) -> PeerAddress {
    let authority = Some(server::example_authority());
    PeerAddress { host: "127.0.0.1".to_owned(), port, authority }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::arguments::{Node, parsed_node};

    #[test]
    fn the_default_config_says_what_no_config_says() {
        let Node::JobDeclaratorClient(arguments) = parsed_node(&["job-declarator-client"]) else {
            unreachable!()
        };
        config::check_default(DEFAULT_CONFIG, |file: File| {
            let key = file.authority_key.clone();
            let (listener, authority) =
                server::listener(&arguments.server, file.listen, key, DEFAULT_PORT)?;
            Ok((listener.address, authority.to_string(), client_config(&arguments, file)?))
        });
    }
}
