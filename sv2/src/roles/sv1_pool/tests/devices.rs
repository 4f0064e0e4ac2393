//! Our own devices on the pool, in every dialect.

use std::num::{NonZeroU32, NonZeroU64};

use super::*;
use crate::role::PeerAddress;
use crate::roles::mining_device::VersionRolling;
use crate::roles::sv1_device::{Configures, Dialect, ShareAccounts, Sv1Device, Sv1DeviceConfig};

/// Lets a device hash until it has submitted as much; its accounts.
fn mine(bench: &mut Bench, config: Sv1DeviceConfig, share_count: u64) -> ShareAccounts {
    let mut device = Sv1Device::new(config, Entropy::from_seed(9));
    let mut out = Outbox::new();
    bench.connect(DEVICE);
    let connected = Input::Connected { connection: DEVICE, via: Via::Dial(DialId(0)) };
    let mut inputs = vec![Input::Woken, connected];
    while device.accounts().submitted_count < share_count {
        if inputs.is_empty() {
            let at = device.wake_at().expect("the device waits for something");
            bench.now = bench.now.after(at.since(bench.now.instant));
            inputs.push(Input::Woken);
        }
        for input in std::mem::take(&mut inputs) {
            device.handle(bench.now, input, &mut out);
        }
        for output in out.take() {
            match output {
                Output::Line { connection, line } => {
                    // As a host does with what has come over the wire.
                    let line =
                        line.strip_suffix(b"\r").map_or(line.clone(), Bytes::copy_from_slice);
                    let answers = bench.line(connection, line);
                    inputs.extend(
                        lines_to(DEVICE, &answers)
                            .into_iter()
                            .map(|line| Input::Line { connection: DEVICE, line: line.into() }),
                    );
                }
                Output::Close { reason, .. } => panic!("the device leaves: {reason}"),
                _ => {}
            }
        }
    }
    for input in inputs {
        device.handle(bench.now, input, &mut out);
    }
    device.accounts().clone()
}

#[test]
fn a_device_of_every_dialect_has_all_of_its_shares_accepted() {
    let pool = PeerAddress { host: "127.0.0.1".to_owned(), port: 3333, authority: None };
    let config = Sv1DeviceConfig {
        nonces_per_call: NonZeroU32::new(500).unwrap(),
        hash_rate_limit: NonZeroU64::new(50_000),
        suggested_difficulty: Difficulty::new(1e-6),
        ..Sv1DeviceConfig::new(pool, "user.worker".to_owned())
    };
    let usual = Dialect::default();
    for dialect in [
        usual,
        Dialect { pipelines: true, ..usual },
        Dialect { configures: Configures::AfterSubscribe, ..usual },
        Dialect { configures: Configures::Last, suggests_first: true, ..usual },
        Dialect { difficulty_at_once: true, takes_extranonces: false, ..usual },
        Dialect { upper_case: true, text_ids: true, crlf: true, extra_param_count: 3, ..usual },
    ] {
        for version_rolling in [VersionRolling::Off, VersionRolling::Required(MASK)] {
            let mut bench = Bench::ready(Sv1PoolConfig {
                easiest_target: Target::from_expected_hashes(256.0),
                ..Sv1PoolConfig::default()
            });

            let config = Sv1DeviceConfig { dialect, version_rolling, ..config.clone() };
            let accounts = mine(&mut bench, config, 20);

            assert_eq!(accounts.rejected_count_by_code().len(), 0, "{dialect:?}");
            assert_eq!(accounts.accepted_count, accounts.submitted_count, "{dialect:?}");
        }
    }
}
