//! Random `kill -9` among all processes of configuration A or D: whatever is killed is started
//! again, mining goes on, and every share is accounted for. `ci/kill` runs it for ten minutes.

#![allow(clippy::unwrap_used, reason = "a test, whose parts clippy does not know as such")]

mod kill;

use kill::books::{Books, Role};
use kill::network::{Configuration, Network};

/// A run is long enough for each of the processes to be killed about twice.
const SECONDS_DEFAULT: u64 = 30;

#[test]
#[ignore = "needs bitcoind"]
fn shares_are_accounted_for_whatever_is_killed() {
    let wanted = std::env::var("ASSAY_KILL_CONFIG").unwrap_or_else(|_| "config-a".to_owned());
    account_for_shares(Configuration::named(&wanted));
}

#[test]
#[ignore = "needs bitcoind"]
fn shares_of_stratum_v1_devices_are_accounted_for_whatever_is_killed() {
    // One configuration is asked for where the run is long.
    if std::env::var_os("ASSAY_KILL_CONFIG").is_none() {
        account_for_shares(Configuration::D);
    }
}

fn account_for_shares(configuration: Configuration) {
    let seconds = std::env::var("ASSAY_KILL_SECONDS").ok().and_then(|text| text.parse().ok());
    let seed = std::env::var("ASSAY_KILL_SEED").ok().and_then(|text| text.parse().ok());
    let (seconds, seed) = (seconds.unwrap_or(SECONDS_DEFAULT), seed.unwrap_or(1));
    let mut network = Network::start(configuration);
    network.wait_for_shares(1);

    let killed = network.kill_at_random(seconds, seed);

    // What is left comes up again and works.
    let accepted_before = network.accepted_by_pool();
    network.wait_for_shares(accepted_before + 1);
    let folder = network.stop();
    let devices = Books::read(folder.path(), "miners", Role::Client);
    let client = Books::read(folder.path(), "client", Role::Client);
    let pool = Books::read(folder.path(), "pool", Role::Server);
    let stored = kill::books::accounts(folder.path());
    if configuration == Configuration::D {
        let translator = Books::read(folder.path(), "translator", Role::Client);
        println!("translator, to the client: {translator}");
        translator.check("translator");
    }
    println!(
        "{killed} processes killed in {seconds} s, seed {seed}\n\
         devices: {devices}\nclient, to the pool: {client}\npool: {pool}\n\
         accounts: {stored} shares"
    );
    devices.check("devices");
    client.check("client");
    // What was acknowledged had been written before; what was written had been sent.
    assert!(client.accepted <= stored, "{} acknowledged, {stored} written", client.accepted);
    assert!(stored <= client.submitted, "{stored} written, {} sent", client.submitted);
}
