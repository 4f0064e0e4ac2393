use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::entropy::Entropy;
use crate::wire::arbitrary::{Shape, arbitrary_payload};
use crate::wire::compose::compose;
use crate::wire::dissect::{Node, Problem, sound_len};
use crate::wire::{Kind, Tlv, TlvOrder};

const SHAPES: [Shape; 4] =
    [Shape::Minimal, Shape::Maximal { len_max: 300 }, Shape::Odd, Shape::Random];

fn frame(row: &Descriptor, payload: impl Into<Bytes>) -> Frame {
    Frame {
        extension_type: row.extension_type(),
        message_type: row.number,
        payload: payload.into(),
    }
}

/// What has to hold for any payload of any message, whoever sent it.
fn check_readers(row: &Descriptor, payload: &[u8]) -> Result<(), TestCaseError> {
    let dissection = dissect(row.fields, payload);
    let canonical = canonical(row, &dissection, payload);
    let is_sound =
        dissection.findings.iter().all(|it| matches!(it.problem, Problem::Trailing { .. }));
    let mut fields = row.fields.iter();
    let sound_len =
        fields.try_fold(0, |at, field| Some(at + sound_len(field.kind, payload.get(at..)?)?));
    prop_assert_eq!(sound_len, is_sound.then_some(dissection.fields_len));

    match Message::decode(&frame(row, payload.to_vec())) {
        Ok(decoded) => {
            let fields_len = dissection.fields_len;
            prop_assert_eq!(dissection.fatal(), None);
            prop_assert_eq!(decoded.message.name(), row.name);
            prop_assert_eq!(decoded.message.wire_len(), fields_len);
            prop_assert_eq!(&decoded.tlvs.as_bytes()[..], &payload[fields_len..]);

            let canonical = canonical.expect("a dissection without a fatal finding is complete");
            let mut written = Vec::new();
            decoded.message.write(&mut written);
            prop_assert_eq!(&written, &canonical);
            prop_assert_eq!(decoded.is_canonical, payload[..fields_len] == canonical);
            let upper_bits =
                |finding: &Finding| matches!(finding.problem, Problem::UpperBits { .. });
            prop_assert_eq!(decoded.is_canonical, !dissection.findings.iter().any(upper_bits));

            let end = check_spans(&dissection.nodes, 0)?;
            prop_assert_eq!(end, fields_len);
            let trailing = |finding: &Finding| matches!(finding.problem, Problem::Trailing { .. });
            prop_assert_eq!(dissection.findings.iter().any(trailing), fields_len < payload.len());

            if decoded.is_canonical {
                let again = decoded.message.to_frame(&decoded.tlvs);
                prop_assert_eq!(&again, &frame(row, payload.to_vec()));
                let (mut streamed, mut framed) = (vec![7], vec![7]);
                decoded.message.write_frame(&decoded.tlvs, &mut streamed);
                again.write(&mut framed);
                prop_assert_eq!(streamed, framed);
            }
        }
        Err(DecodeError::Malformed { name, finding }) => {
            prop_assert_eq!(name, row.name);
            prop_assert_eq!(Some(&finding), dissection.fatal());
            prop_assert!(finding.offset <= payload.len());
            prop_assert!(canonical.is_none());
        }
        Err(unknown) => prop_assert!(false, "{}", unknown),
    }
    Ok(())
}

/// The payload as we would write it, by way of names and values; `None` if a field is missing.
fn canonical(row: &Descriptor, dissection: &Dissection, payload: &[u8]) -> Option<Vec<u8>> {
    compose(row.fields, |name| dissection.node(name).map(|node| node.value(payload))).ok()
}

/// Nodes lie side by side and within their parents, so that patching one harms no other.
fn check_spans(nodes: &[Node], start: usize) -> Result<usize, TestCaseError> {
    let mut at = start;
    for node in nodes {
        prop_assert_eq!(node.span.start, at);
        at = node.span.end;
        if !node.children.is_empty() {
            let prefix = match node.kind {
                Kind::Sequence { prefix, .. } => usize::from(*prefix),
                _ => 1,
            };
            prop_assert_eq!(check_spans(&node.children, node.span.start + prefix)?, at);
        }
    }
    Ok(at)
}

/// Where the lengths and counts of a payload stand, and how wide they are.
fn prefixes(nodes: &[Node], out: &mut Vec<(usize, usize)>) {
    for node in nodes {
        match node.kind {
            Kind::Bytes { prefix, .. } | Kind::Sequence { prefix, .. } => {
                out.push((node.span.start, usize::from(*prefix)));
            }
            Kind::Text | Kind::Option { .. } => out.push((node.span.start, 1)),
            Kind::Bool | Kind::Int { .. } | Kind::F32 | Kind::U256 | Kind::Target => {}
        }
        prefixes(&node.children, out);
    }
}

fn rows() -> impl Strategy<Value = &'static Descriptor> {
    proptest::sample::select(DESCRIPTORS)
}

proptest! {
    #[test]
    fn every_payload_round_trips(row in rows(), seed: u64, shape in proptest::sample::select(&SHAPES[..])) {
        let payload = arbitrary_payload(row.fields, &mut Entropy::from_seed(seed), shape);

        prop_assert!(Message::decode(&frame(row, payload.clone())).is_ok());
        check_readers(row, &payload)?;
    }

    #[test]
    fn readers_agree_on_random_bytes(
        row in rows(),
        payload in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        check_readers(row, &payload)?;
    }

    #[test]
    fn readers_agree_when_one_byte_is_wrong(row in rows(), seed: u64, at: proptest::sample::Index, byte: u8) {
        let mut payload = arbitrary_payload(row.fields, &mut Entropy::from_seed(seed), Shape::Random);
        let at = at.index(payload.len());
        payload[at] = byte;

        check_readers(row, &payload)?;
    }

    #[test]
    fn bytes_behind_the_fields_are_kept_for_extensions(row in rows(), seed: u64, field: u8, value: Vec<u8>) {
        let tlv = Tlv { extension: 2, field, value: value.into() };
        let tlvs = Tlvs::encode(&[tlv], TlvOrder::LittleEndian);
        let mut payload = arbitrary_payload(row.fields, &mut Entropy::from_seed(seed), Shape::Random);
        payload.extend_from_slice(tlvs.as_bytes());

        let decoded = Message::decode(&frame(row, payload.clone())).unwrap();

        prop_assert_eq!(&decoded.tlvs, &tlvs);
        prop_assert_eq!(&decoded.message.to_frame(&tlvs).payload[..], &payload[..]);
        check_readers(row, &payload)?;
    }

    #[test]
    fn a_message_that_we_do_not_know_is_named_and_its_frame_untouched(extension_type: u16, message_type: u8, payload: Vec<u8>) {
        let extension = extension_type & !FrameHeader::CHANNEL_BIT;
        prop_assume!(descriptor(extension, message_type).is_none());
        let frame = Frame { extension_type, message_type, payload: payload.into() };

        let outcome = Message::decode(&frame);

        prop_assert_eq!(outcome, Err(DecodeError::Unknown { extension, number: message_type }));
        prop_assert!(dissect_frame(&frame).is_none());
    }
}

#[test]
fn readers_agree_at_every_truncation() {
    for row in DESCRIPTORS {
        for shape in SHAPES {
            let payload = arbitrary_payload(row.fields, &mut Entropy::from_seed(1), shape);
            // Of long payloads both ends and every 37th length between.
            for len in (0..payload.len())
                .filter(|len| *len < 600 || len % 37 == 0 || payload.len() - len < 100)
            {
                check_readers(row, &payload[..len]).unwrap();
                let decoded = Message::decode(&frame(row, payload[..len].to_vec()));
                assert!(decoded.is_err(), "{} cut to {len} bytes", row.name);
            }
        }
    }
}

#[test]
fn readers_agree_on_a_lie_in_every_length() {
    for row in DESCRIPTORS {
        for shape in SHAPES {
            let payload = arbitrary_payload(row.fields, &mut Entropy::from_seed(2), shape);
            let mut found = Vec::new();
            prefixes(&dissect(row.fields, &payload).nodes, &mut found);
            for (at, width) in found.into_iter().take(40) {
                let truth = u32::from_le_bytes(std::array::from_fn(|index| {
                    if index < width { payload[at + index] } else { 0 }
                }));
                let lies =
                    [0, 1, 32, 33, truth.wrapping_sub(1), truth + 1, 0xff, 0xff_ffff, !truth];
                for lie in lies {
                    let mut payload = payload.clone();
                    payload[at..at + width].copy_from_slice(&lie.to_le_bytes()[..width]);
                    check_readers(row, &payload).unwrap();
                }
            }
        }
    }
}

#[test]
fn a_truth_value_with_upper_bits_is_read_by_its_lowest_bit_and_marked() {
    let row = by_name("NewTemplate", None).unwrap();
    let mut payload = arbitrary_payload(row.fields, &mut Entropy::from_seed(3), Shape::Random);
    let at = dissect(row.fields, &payload).node("future_template").unwrap().span.start;

    for (byte, value, is_canonical) in
        [(0, false, true), (1, true, true), (2, false, false), (0xff, true, false)]
    {
        payload[at] = byte;
        let decoded = Message::decode(&frame(row, payload.clone())).unwrap();
        let Message::NewTemplate(template) = decoded.message else {
            panic!("{} decoded as another message", row.name)
        };
        assert_eq!(
            (template.future_template, decoded.is_canonical),
            (value, is_canonical),
            "{byte}"
        );
    }
}

#[test]
fn the_channel_bit_does_not_decide_what_a_message_is() {
    for row in DESCRIPTORS {
        let payload = arbitrary_payload(row.fields, &mut Entropy::from_seed(4), Shape::Random);
        let mut flipped = frame(row, payload);
        let expected = Message::decode(&flipped).unwrap().message;
        flipped.extension_type ^= FrameHeader::CHANNEL_BIT;

        let decoded = Message::decode(&flipped).unwrap();

        // Fractions that are no numbers differ from themselves.
        assert_eq!(format!("{:?}", decoded.message), format!("{expected:?}"));
    }
}

#[test]
fn every_message_with_the_channel_bit_starts_with_a_channel_id() {
    for row in DESCRIPTORS.iter().filter(|row| row.channel_bit) {
        let first = row.fields[0];
        assert_eq!(
            (first.name, first.kind),
            ("channel_id", &Kind::Int { bytes: 4 }),
            "{}",
            row.name
        );
    }
}

#[test]
fn a_name_and_a_chapter_find_exactly_one_row() {
    for row in DESCRIPTORS {
        let found = by_name(row.name, Some(row.chapter)).unwrap();
        assert_eq!((found.extension, found.number), (row.extension, row.number));
        let found = descriptor(row.extension, row.number).unwrap();
        assert_eq!((found.name, found.chapter), (row.name, row.chapter));
    }
    assert!(by_name("SetNewPrevHash", Some(Chapter::Common)).is_none());
}

#[test]
fn a_message_fits_a_cache_line() {
    assert_eq!(size_of::<Message>(), 64);
}

#[test]
fn a_list_of_transactions_can_be_too_long_for_a_frame() {
    let transaction = crate::wire::B16M::new(vec![0; 0x80_0000]).unwrap();
    let of = |count| {
        Message::from(job_declaration::ProvideMissingTransactionsSuccess {
            request_id: 1,
            transaction_list: crate::wire::Seq64K::new(vec![transaction.clone(); count]).unwrap(),
        })
    };

    assert!(of(1).fits_frame(&Tlvs::NONE));
    assert!(!of(2).fits_frame(&Tlvs::NONE));
}

/// Spec 8 and extension 1, chapter 4. `0x1e` is reserved there and has no row here.
#[test]
fn numbers_and_channel_bits_are_those_of_the_specification() {
    let table: String = DESCRIPTORS
        .iter()
        .map(|row| {
            format!(
                "{} {:#04x} {} {} ({:?})\n",
                row.extension,
                row.number,
                u8::from(row.channel_bit),
                row.name,
                row.sender
            )
        })
        .collect();

    insta::assert_snapshot!(table, @"
    0 0x00 0 SetupConnection (Client)
    0 0x01 0 SetupConnection.Success (Server)
    0 0x02 0 SetupConnection.Error (Server)
    0 0x03 1 ChannelEndpointChanged (Server)
    0 0x04 0 Reconnect (Server)
    0 0x10 0 OpenStandardMiningChannel (Client)
    0 0x11 0 OpenStandardMiningChannel.Success (Server)
    0 0x12 0 OpenMiningChannel.Error (Server)
    0 0x13 0 OpenExtendedMiningChannel (Client)
    0 0x14 0 OpenExtendedMiningChannel.Success (Server)
    0 0x15 1 NewMiningJob (Server)
    0 0x16 1 UpdateChannel (Client)
    0 0x17 1 UpdateChannel.Error (Server)
    0 0x18 1 CloseChannel (Both)
    0 0x19 1 SetExtranoncePrefix (Server)
    0 0x1a 1 SubmitSharesStandard (Client)
    0 0x1b 1 SubmitSharesExtended (Client)
    0 0x1c 1 SubmitShares.Success (Server)
    0 0x1d 1 SubmitShares.Error (Server)
    0 0x1f 1 NewExtendedMiningJob (Server)
    0 0x20 1 SetNewPrevHash (Server)
    0 0x21 1 SetTarget (Server)
    0 0x22 1 SetCustomMiningJob (Client)
    0 0x23 1 SetCustomMiningJob.Success (Server)
    0 0x24 1 SetCustomMiningJob.Error (Server)
    0 0x25 0 SetGroupChannel (Server)
    0 0x50 0 AllocateMiningJobToken (Client)
    0 0x51 0 AllocateMiningJobToken.Success (Server)
    0 0x55 0 ProvideMissingTransactions (Server)
    0 0x56 0 ProvideMissingTransactions.Success (Client)
    0 0x57 0 DeclareMiningJob (Client)
    0 0x58 0 DeclareMiningJob.Success (Server)
    0 0x59 0 DeclareMiningJob.Error (Server)
    0 0x60 0 PushSolution (Client)
    0 0x70 0 CoinbaseOutputConstraints (Client)
    0 0x71 0 NewTemplate (Server)
    0 0x72 0 SetNewPrevHash (Server)
    0 0x73 0 RequestTransactionData (Client)
    0 0x74 0 RequestTransactionData.Success (Server)
    0 0x75 0 RequestTransactionData.Error (Server)
    0 0x76 0 SubmitSolution (Client)
    1 0x00 0 RequestExtensions (Client)
    1 0x01 0 RequestExtensions.Success (Server)
    1 0x02 0 RequestExtensions.Error (Server)
    ");
}

#[test]
fn fields_are_those_of_the_specification() {
    let table: String = DESCRIPTORS
        .iter()
        .map(|row| {
            let fields: Vec<String> = row
                .fields
                .iter()
                .map(|field| format!("{} {}", field.name, field.kind.spec_name()))
                .collect();
            format!("{}: {}\n", row.name, fields.join(", "))
        })
        .collect();

    insta::assert_snapshot!(table, @"
    SetupConnection: protocol U8, min_version U16, max_version U16, flags U32, endpoint_host STR0_255, endpoint_port U16, vendor STR0_255, hardware_version STR0_255, firmware STR0_255, device_id STR0_255
    SetupConnection.Success: used_version U16, flags U32
    SetupConnection.Error: flags U32, error_code STR0_255
    ChannelEndpointChanged: channel_id U32
    Reconnect: new_host STR0_255, new_port U16
    OpenStandardMiningChannel: request_id U32, user_identity STR0_255, nominal_hash_rate F32, max_target U256
    OpenStandardMiningChannel.Success: request_id U32, channel_id U32, target U256, extranonce_prefix B0_32, group_channel_id U32
    OpenMiningChannel.Error: request_id U32, error_code STR0_255
    OpenExtendedMiningChannel: request_id U32, user_identity STR0_255, nominal_hash_rate F32, max_target U256, min_extranonce_size U16
    OpenExtendedMiningChannel.Success: request_id U32, channel_id U32, target U256, extranonce_size U16, extranonce_prefix B0_32, group_channel_id U32
    NewMiningJob: channel_id U32, job_id U32, min_ntime OPTION[U32], version U32, merkle_root U256
    UpdateChannel: channel_id U32, nominal_hash_rate F32, maximum_target U256
    UpdateChannel.Error: channel_id U32, error_code STR0_255
    CloseChannel: channel_id U32, reason_code STR0_255
    SetExtranoncePrefix: channel_id U32, extranonce_prefix B0_32
    SubmitSharesStandard: channel_id U32, sequence_number U32, job_id U32, nonce U32, ntime U32, version U32
    SubmitSharesExtended: channel_id U32, sequence_number U32, job_id U32, nonce U32, ntime U32, version U32, extranonce B0_32
    SubmitShares.Success: channel_id U32, last_sequence_number U32, new_submits_accepted_count U32, new_shares_sum U64
    SubmitShares.Error: channel_id U32, sequence_number U32, error_code STR0_255
    NewExtendedMiningJob: channel_id U32, job_id U32, min_ntime OPTION[U32], version U32, version_rolling_allowed BOOL, merkle_path SEQ0_255[U256], coinbase_tx_prefix B0_64K, coinbase_tx_suffix B0_64K
    SetNewPrevHash: channel_id U32, job_id U32, prev_hash U256, min_ntime U32, nbits U32
    SetTarget: channel_id U32, maximum_target U256
    SetCustomMiningJob: channel_id U32, request_id U32, mining_job_token B0_255, version U32, prev_hash U256, min_ntime U32, nbits U32, coinbase_tx_version U32, coinbase_prefix B0_255, coinbase_tx_input_n_sequence U32, coinbase_tx_outputs B0_64K, coinbase_tx_locktime U32, merkle_path SEQ0_255[U256]
    SetCustomMiningJob.Success: channel_id U32, request_id U32, job_id U32
    SetCustomMiningJob.Error: channel_id U32, request_id U32, error_code STR0_255
    SetGroupChannel: group_channel_id U32, channel_ids SEQ0_64K[U32]
    AllocateMiningJobToken: user_identifier STR0_255, request_id U32
    AllocateMiningJobToken.Success: request_id U32, mining_job_token B0_255, coinbase_tx_outputs B0_64K
    ProvideMissingTransactions: request_id U32, unknown_tx_position_list SEQ0_64K[U16]
    ProvideMissingTransactions.Success: request_id U32, transaction_list SEQ0_64K[B0_16M]
    DeclareMiningJob: request_id U32, mining_job_token B0_255, version U32, coinbase_tx_prefix B0_64K, coinbase_tx_suffix B0_64K, wtxid_list SEQ0_64K[U256], excess_data B0_64K
    DeclareMiningJob.Success: request_id U32, new_mining_job_token B0_255
    DeclareMiningJob.Error: request_id U32, error_code STR0_255, error_details B0_64K
    PushSolution: extranonce B0_32, prev_hash U256, nonce U32, ntime U32, nbits U32, version U32
    CoinbaseOutputConstraints: coinbase_output_max_additional_size U32, coinbase_output_max_additional_sigops U16
    NewTemplate: template_id U64, future_template BOOL, version U32, coinbase_tx_version U32, coinbase_prefix B0_255, coinbase_tx_input_sequence U32, coinbase_tx_value_remaining U64, coinbase_tx_outputs_count U32, coinbase_tx_outputs B0_64K, coinbase_tx_locktime U32, merkle_path SEQ0_255[U256]
    SetNewPrevHash: template_id U64, prev_hash U256, header_timestamp U32, nbits U32, target U256
    RequestTransactionData: template_id U64
    RequestTransactionData.Success: template_id U64, excess_data B0_64K, transaction_list SEQ0_64K[B0_16M]
    RequestTransactionData.Error: template_id U64, error_code STR0_255
    SubmitSolution: template_id U64, version U32, header_timestamp U32, header_nonce U32, coinbase_tx B0_64K
    RequestExtensions: request_id U16, requested_extensions SEQ0_64K[U16]
    RequestExtensions.Success: request_id U16, supported_extensions SEQ0_64K[U16]
    RequestExtensions.Error: request_id U16, unsupported_extensions SEQ0_64K[U16], required_extensions SEQ0_64K[U16]
    ");
}

#[test]
fn a_frame_that_is_no_message_says_where_and_why() {
    let say = |name: &str, payload: &[u8]| {
        let row = by_name(name, None).unwrap();
        Message::decode(&frame(row, payload.to_vec())).unwrap_err().to_string()
    };
    let unknown = Frame { extension_type: 0x8003, message_type: 0x1e, payload: Bytes::new() };
    let texts = [
        Message::decode(&unknown).unwrap_err().to_string(),
        say("CloseChannel", &[1, 0, 0]),
        say("CloseChannel", &[1, 0, 0, 0, 5, b'a']),
        say("SetExtranoncePrefix", &[1, 0, 0, 0, 33]),
        say("NewMiningJob", &[1, 0, 0, 0, 2, 0, 0, 0, 2]),
        say("RequestExtensions", &[1, 0, 3, 0, 2, 0, 4]),
        say("ProvideMissingTransactions.Success", &[1, 0, 0, 0, 2, 0, 1, 0, 0, 9, 3, 0, 0, 7]),
    ];

    insta::assert_snapshot!(texts.join("\n"), @"
    extension 0x0003 has no message 0x1e that we know (spec 8)
    CloseChannel is malformed: channel_id at byte 0: needs 4 bytes, 3 are left (spec 3.1)
    CloseChannel is malformed: reason_code at byte 4: needs 5 bytes, 1 are left (spec 3.1)
    SetExtranoncePrefix is malformed: extranonce_prefix at byte 4: says 33, the type allows 32 (spec 3.1)
    NewMiningJob is malformed: min_ntime at byte 8: says 2, the type allows 1 (spec 3.1)
    RequestExtensions is malformed: requested_extensions[1] at byte 6: needs 2 bytes, 1 are left (spec 3.1)
    ProvideMissingTransactions.Success is malformed: transaction_list[1] at byte 10: needs 3 bytes, 1 are left (spec 3.1)
    ");
}
