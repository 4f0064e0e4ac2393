//! Accounts of a pool that is killed: what it has acknowledged is on disk.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use sv2::chain::ChainConfig;
use sv2::message::Message;
use sv2::roles::mining_server::MiningServerConfig;
use sv2::roles::pool::PoolConfig;
use sv2::wire::Target;
use sv2_net::accounts::{Account, Accounts};

use crate::blocks::embedded;
use crate::client::Client;
use crate::hosted;
use crate::pool_process::{self, PoolProcess};
use crate::{run, runtime};

/// The argument that makes this program a pool with accounts.
pub(crate) const POOL: &str = "accounts-pool";

pub(crate) fn trials() -> Vec<Trial> {
    vec![Trial::test("what_a_killed_pool_has_acknowledged_is_in_its_accounts", || {
        run(killed_in_the_middle)
    })]
}

async fn killed_in_the_middle() -> Result<(), Failed> {
    let directory = tempfile::tempdir()?;
    let mut before = 0;
    for killed_after in [1, 100, SHARES / 2] {
        let pool = PoolProcess::start([OsStr::new(POOL), directory.path().as_os_str()])?;
        let mut client = Client::connect(&pool.address).await?;
        client.open_channel(&pool.address).await?;
        let shares = client.mine(SHARES)?;
        client.send(shares.into_iter().map(Message::from)).await?;

        let early = acknowledged(&mut client, killed_after).await;
        pool.kill()?;
        // What it has sent is still on its way.
        let acknowledged = early + acknowledged(&mut client, usize::MAX).await;

        let account = account(directory.path())?;
        let kept = usize::try_from(account.accepted_count)? - before;
        assert!(early >= killed_after, "the pool has refused a share");
        assert!(acknowledged <= kept, "{acknowledged} acknowledged, {kept} kept");
        assert!(kept <= SHARES, "{kept} kept of {SHARES}");
        let each = Target::from_expected_hashes(HASHES_PER_SHARE).difficulty_fixed();
        assert_eq!(account.work, each * u128::from(account.accepted_count), "exact sums");
        before += kept;
    }
    Ok(())
}

/// Shares that the pool says it has accepted, until there are so many or it is gone.
async fn acknowledged(client: &mut Client, wanted: usize) -> usize {
    let mut count = 0;
    while count < wanted
        && let Ok(message) = client.message().await
    {
        match message {
            Message::SubmitSharesSuccess(success) => {
                count += success.new_submits_accepted_count as usize;
            }
            other => panic!("{other:?} instead of an acknowledgement"),
        }
    }
    count
}

fn account(directory: &Path) -> Result<Account, Failed> {
    let statement = Accounts::read(directory)?;
    let [account] = &statement.accounts[..] else { return Err("one account".into()) };
    assert_eq!(account.user_identity, b"assay.soak");
    Ok(account.clone())
}

/// `accounts-pool FOLDER`: until its standard input closes.
pub(crate) fn serve(mut arguments: impl Iterator<Item = OsString>) -> Result<(), Failed> {
    let directory = PathBuf::from(arguments.next().ok_or("no folder")?);
    let accounts = Arc::new(Accounts::open(&directory)?);
    let runtime = runtime()?;
    let (_provider, pool) = runtime.block_on(async {
        let chain = embedded(ChainConfig::HARD);
        let provider = hosted::provider(Arc::new(chain.clone()), |role| chain.follow(role)).await?;
        let server = MiningServerConfig {
            easiest_target: Target::from_expected_hashes(HASHES_PER_SHARE),
            vardiff: None,
            ..MiningServerConfig::default()
        };
        let config = PoolConfig { server, ..PoolConfig::default() };
        let pool = hosted::pool_with_accounts(&provider, config, accounts).await?;
        Ok::<_, Failed>((provider, pool))
    })?;
    pool_process::tell_address(&pool.address)?;
    std::io::stdin().lines().for_each(drop);
    Ok(())
}

/// Sent before each kill.
const SHARES: usize = 3_000;
const HASHES_PER_SHARE: f64 = 64.0;
