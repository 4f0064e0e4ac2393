//! The name of a device's worker (extension 0x0002).

use crate::extensions::{RequestExtensionsError, RequestExtensionsSuccess, WORKER_TRACKING};
use crate::message::Message;
use crate::role::{Input, Output};
use crate::roles::mining_device::{EXTENSIONS_TIMEOUT, MiningDeviceConfig};
use crate::wire::{B32, Seq64K, TlvOrder, Tlvs};

use super::{Bench, CHANNEL, EASY, config, extended_config, left, sent};

fn named() -> MiningDeviceConfig {
    MiningDeviceConfig { worker_name: B32::new(b"rig-1").unwrap(), ..extended_config() }
}

fn extensions(numbers: &[u16]) -> Seq64K<u16> {
    Seq64K::new(numbers.to_vec()).unwrap()
}

/// What stands behind the shares of a device whose request is answered like this.
fn behind_shares(answer: impl Into<Message>) -> Vec<Tlvs> {
    let (mut bench, _) = Bench::set_up(named(), 0);
    bench.receive(answer.into());
    bench.open_channel(1, CHANNEL, EASY);
    bench.extended_job(CHANNEL, 5, None);
    bench.tip(CHANNEL, 5);
    let outputs = bench.wake();
    let tlvs = outputs.iter().filter_map(|output| match output {
        Output::Send { message: Message::SubmitSharesExtended(_), tlvs, .. } => Some(tlvs.clone()),
        _ => None,
    });
    tlvs.collect()
}

#[test]
fn a_named_device_asks_before_anything_else_and_sends_nothing_until_it_is_answered() {
    let (mut bench, outputs) = Bench::set_up(named(), 0);

    let [Message::RequestExtensions(request)] = sent(&outputs)[..] else { panic!("{outputs:?}") };
    assert_eq!(request.requested_extensions.as_slice(), [WORKER_TRACKING]);
    bench.pass(EXTENSIONS_TIMEOUT / 2);
    assert!(sent(&bench.input(Input::Woken)).is_empty());
}

#[test]
fn each_share_names_the_worker_where_the_pool_agrees() {
    let agreed = RequestExtensionsSuccess {
        request_id: 1,
        supported_extensions: extensions(&[WORKER_TRACKING]),
    };

    let tlvs = behind_shares(agreed);

    assert!(!tlvs.is_empty());
    for tlvs in tlvs {
        let fields = tlvs.fields(TlvOrder::LittleEndian).unwrap();
        let [name] = &fields[..] else { panic!("{fields:?}") };
        assert_eq!((name.extension, name.field, name.value.as_ref()), (2, 1, &b"rig-1"[..]));
    }
}

#[test]
fn no_share_names_the_worker_where_the_pool_refuses() {
    let refused = RequestExtensionsError {
        request_id: 1,
        unsupported_extensions: extensions(&[WORKER_TRACKING]),
        required_extensions: extensions(&[]),
    };

    let tlvs = behind_shares(refused);

    assert!(!tlvs.is_empty());
    assert!(tlvs.iter().all(Tlvs::is_empty));
}

#[test]
fn a_pool_that_requires_another_extension_is_left() {
    let (mut bench, _) = Bench::set_up(named(), 0);

    let outputs = bench.receive(RequestExtensionsError {
        request_id: 1,
        unsupported_extensions: extensions(&[]),
        required_extensions: extensions(&[5]),
    });

    assert!(left(&outputs).unwrap().contains("0x0005"));
}

#[test]
fn a_pool_that_ignores_the_question_is_used_without_extensions() {
    let (mut bench, _) = Bench::set_up(named(), 0);

    bench.pass(EXTENSIONS_TIMEOUT);
    let outputs = bench.wake();

    assert!(matches!(sent(&outputs)[..], [Message::OpenExtendedMiningChannel(_)]));
}

#[test]
fn a_device_of_standard_shares_has_no_place_for_a_name() {
    let named = MiningDeviceConfig { worker_name: B32::new(b"rig-1").unwrap(), ..config() };

    let (_, outputs) = Bench::set_up(named, 0);

    assert!(matches!(sent(&outputs)[..], [Message::OpenStandardMiningChannel(_)]));
}
