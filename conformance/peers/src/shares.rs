//! A channel with the same job, target and extranonce prefix on both sides.

use std::sync::Arc;

use bitcoin::TxOut;
use bitcoin::hashes::Hash as _;
use channels_sv2::extranonce_manager::ExtranonceAllocator as TheirAllocator;
use channels_sv2::server::extended::ExtendedChannel;
use channels_sv2::server::jobs::extended::ExtendedJob;
use channels_sv2::server::share_accounting::{ShareValidationError, ShareValidationResult};
use channels_sv2::server::standard::StandardChannel;
use framing_sv2::header::Header as TheirHeader;
use mining_sv2::{SubmitSharesExtendedOwned, SubmitSharesStandardOwned};
use parsers_sv2::{AnyMessage, AnyMessageOwned, MiningOwned, TemplateDistributionOwned};
use sv2::message::Message;
use sv2::mining::channel::{Channel, ChannelKind};
use sv2::mining::coinbase::{Coinbase, payout};
use sv2::mining::extranonce::{ExtranonceAllocator, ExtranonceLayout};
use sv2::mining::header::double_sha256;
use sv2::mining::job::{Tip, Work};
use sv2::mining::proof::ProofCheck;
use sv2::mining::{SubmitSharesExtended, SubmitSharesStandard};
use sv2::template_distribution::{NewTemplate, SetNewPrevHash};
use sv2::time::{Instant, Now, UnixTime};
use sv2::wire::{B64K, B255, Seq255, Target, Tlvs, U256};

/// When each tip became known, and its smallest header time.
pub const MIN_NTIME: u32 = 1_700_000_000;
/// Version of the jobs.
pub const VERSION: u32 = 0x2000_0000;
/// A block takes 2^32 hashes, so no share of a test is one.
pub const NBITS: u32 = 0x1d00_ffff;
/// Both clocks at that moment.
pub const NOW: Now = Now { instant: Instant::ZERO, unix: UnixTime(MIN_NTIME as u64) };

/// What came of a share: the hash of its header, or the error code that the miner is told.
pub type Judgement = Result<U256, String>;

/// What a test chooses.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Of the channel.
    pub kind: ChannelKind,
    /// Of the channel, and so of its jobs.
    pub target: Target,
    /// Of the jobs.
    pub version_rolling_allowed: bool,
    /// Branches between coinbase and root.
    pub path_len: u8,
}

/// The same channel twice. The job of the first tip has id 1, that of the next one id 2.
pub struct Pair {
    setup: Setup,
    /// Ours.
    pub ours: Channel,
    /// Theirs.
    pub theirs: TheirChannel,
    /// For both.
    pub tip: Tip,
    tip_count: u32,
}

/// Theirs has a type for each kind.
pub enum TheirChannel {
    /// Header-only work.
    Standard(Box<StandardChannel>),
    /// Rolls an extranonce.
    Extended(Box<ExtendedChannel>),
}

impl Pair {
    /// A channel that works on its first tip.
    ///
    /// # Panics
    /// If one side cannot open it.
    pub fn new(setup: Setup) -> Self {
        let mut theirs = TheirAllocator::new(vec![0], 20, 1 << 17).expect("1 + 3 + 16 bytes");
        let mut allocator = ExtranonceAllocator::new(ExtranonceLayout::default());
        let max_target = bitcoin::Target::MAX;
        let hash_rate = 1e6;
        let per_minute = 1e6;
        // They start to count elsewhere, so ours is asked until the prefixes are the same.
        let theirs = match setup.kind {
            ChannelKind::Standard => {
                let prefix = theirs.allocate_standard().expect("the first channel");
                TheirChannel::Standard(Box::new(
                    StandardChannel::new_for_pool(
                        1,
                        "user".into(),
                        prefix,
                        max_target,
                        hash_rate,
                        1,
                        per_minute,
                        "tag".into(),
                        None,
                    )
                    .expect("a channel"),
                ))
            }
            ChannelKind::Extended => {
                let prefix = theirs.allocate_extended(16).expect("the first channel");
                TheirChannel::Extended(Box::new(
                    ExtendedChannel::new_for_pool(
                        1,
                        "user".into(),
                        prefix,
                        max_target,
                        hash_rate,
                        setup.version_rolling_allowed,
                        16,
                        1,
                        per_minute,
                        "tag".into(),
                        None,
                    )
                    .expect("a channel"),
                ))
            }
        };
        let extranonce = (0..3)
            .map(|_| match setup.kind {
                ChannelKind::Standard => allocator.standard().expect("a few channels"),
                ChannelKind::Extended => allocator.extended(16).expect("a few channels"),
            })
            .find(|extranonce| extranonce.prefix().as_slice() == theirs.extranonce_prefix())
            .expect("both divide 20 bytes into 1 + 3 + 16");
        let ours = Channel::new(1, setup.kind, 9, extranonce, setup.target, (1 << 20, 7));
        let mut pair = Pair { setup, ours, theirs, tip: tip(0), tip_count: 0 };
        pair.set_target(setup.target);
        pair.next_tip();
        pair
    }

    /// For jobs to come.
    ///
    /// # Panics
    /// If they refuse the target, as they do with zero.
    pub fn set_target(&mut self, target: Target) {
        self.ours.set_target(target);
        let target = bitcoin::Target::from_le_bytes(target.0.to_le_bytes());
        match &mut self.theirs {
            TheirChannel::Standard(channel) => channel.set_target(target).expect("not zero"),
            TheirChannel::Extended(channel) => channel.set_target(target).expect("not zero"),
        }
    }

    /// A future job, and the tip that activates it; returns its id.
    ///
    /// # Panics
    /// If they refuse it.
    pub fn next_tip(&mut self) -> u32 {
        self.tip_count += 1;
        let job_id = self.tip_count;
        self.tip = tip(job_id);
        let (template, outputs) = template(job_id, self.setup.path_len);
        let coinbase = Coinbase::new(&template, b"tag", &outputs, 20).expect("a usable template");
        let work = Arc::new(Work {
            template_id: Some(template.template_id),
            min_ntime: None,
            version: template.version,
            version_rolling_allowed: self.setup.version_rolling_allowed,
            merkle_path: template.merkle_path.clone(),
            coinbase,
        });
        self.ours.add_future_job(job_id, Arc::clone(&work));
        self.ours.activate(job_id, &self.tip);

        let prev_hash = SetNewPrevHash {
            template_id: template.template_id,
            prev_hash: self.tip.prev_hash,
            header_timestamp: MIN_NTIME,
            nbits: NBITS,
            target: self.tip.network_target,
        };
        let job = their_job(&work, job_id, template, outputs);
        let AnyMessageOwned::TemplateDistribution(TemplateDistributionOwned::SetNewPrevHash(tip)) =
            their_message(&prev_hash.into())
        else {
            panic!("another message")
        };
        match &mut self.theirs {
            TheirChannel::Standard(channel) => {
                channel.on_group_channel_job(job).expect("a future job");
                channel.on_set_new_prev_hash(tip).expect("its tip");
            }
            TheirChannel::Extended(channel) => {
                channel.on_group_channel_job(job).expect("a future job");
                channel.on_set_new_prev_hash(tip).expect("its tip");
            }
        }
        job_id
    }

    /// Both verdicts on a share, ours first. The extranonce is left out on a standard channel.
    pub fn judge(&mut self, share: &SubmitSharesExtended) -> (Judgement, Judgement) {
        let standard = standard(share);
        let ours = match self.setup.kind {
            ChannelKind::Standard => self.ours.judge_standard(&standard, &self.tip, NOW),
            ChannelKind::Extended => self.ours.judge_extended(share, &self.tip, NOW),
        };
        let theirs = match &mut self.theirs {
            TheirChannel::Standard(channel) => channel.validate_share(their_standard(&standard)),
            TheirChannel::Extended(channel) => channel.validate_share(their_extended(share)),
        };
        let ours = ours.map(|share| share.hash).map_err(|error| error.error_code().to_owned());
        (ours, theirs.map(hash_of).map_err(code_of))
    }
}

impl TheirChannel {
    fn extranonce_prefix(&self) -> &[u8] {
        match self {
            TheirChannel::Standard(channel) => channel.get_extranonce_prefix(),
            TheirChannel::Extended(channel) => channel.get_extranonce_prefix(),
        }
    }
}

/// A share for a standard channel with the same header fields.
pub fn standard(share: &SubmitSharesExtended) -> SubmitSharesStandard {
    let SubmitSharesExtended { channel_id, sequence_number, job_id, nonce, ntime, version, .. } =
        *share;
    SubmitSharesStandard { channel_id, sequence_number, job_id, nonce, ntime, version }
}

/// The same message in their types, by way of the wire.
///
/// # Panics
/// If they cannot read it.
pub fn their_message(message: &Message) -> AnyMessageOwned {
    let mut bytes = Vec::new();
    message.write_frame(&Tlvs::NONE, &mut bytes);
    let header = TheirHeader::from_bytes(&bytes).expect("a header");
    AnyMessage::try_from((header, &mut bytes[TheirHeader::SIZE..])).expect("a message").into_owned()
}

/// A share in their types.
///
/// # Panics
/// If they cannot read it.
pub fn their_extended(share: &SubmitSharesExtended) -> SubmitSharesExtendedOwned {
    match their_message(&share.clone().into()) {
        AnyMessageOwned::Mining(MiningOwned::SubmitSharesExtended(share)) => share,
        other => panic!("another message: {other:?}"),
    }
}

/// A share in their types.
///
/// # Panics
/// If they cannot read it.
pub fn their_standard(share: &SubmitSharesStandard) -> SubmitSharesStandardOwned {
    match their_message(&share.clone().into()) {
        AnyMessageOwned::Mining(MiningOwned::SubmitSharesStandard(share)) => share,
        other => panic!("another message: {other:?}"),
    }
}

fn hash_of(result: ShareValidationResult) -> U256 {
    let (ShareValidationResult::Valid(hash) | ShareValidationResult::BlockFound(hash, ..)) = result;
    U256::from_le_bytes(hash.to_byte_array())
}

fn code_of(error: ShareValidationError) -> String {
    use ShareValidationError as Theirs;
    match error {
        Theirs::Invalid(code)
        | Theirs::Stale(code)
        | Theirs::InvalidJobId(code)
        | Theirs::DoesNotMeetTarget(code)
        | Theirs::VersionRollingNotAllowed(code)
        | Theirs::DuplicateShare(code)
        | Theirs::BadExtranonceSize(code) => code.to_owned(),
        other @ (Theirs::InvalidCoinbase
        | Theirs::NoChainTip
        | Theirs::SeenSharesBudgetExhausted) => {
            format!("{other:?}")
        }
    }
}

fn tip(number: u32) -> Tip {
    Tip {
        prev_hash: double_sha256(&number.to_le_bytes()),
        nbits: NBITS,
        min_ntime: MIN_NTIME,
        network_target: Target::from_compact(NBITS).expect("difficulty 1"),
        since: Instant::ZERO,
        proof_check: ProofCheck::Hashed,
    }
}

fn template(number: u32, path_len: u8) -> (NewTemplate, Vec<TxOut>) {
    let path = (0..path_len).map(|index| double_sha256(&[index])).collect();
    let template = NewTemplate {
        template_id: u64::from(number),
        future_template: true,
        version: VERSION,
        coinbase_tx_version: 2,
        coinbase_prefix: B255::new(&[2, 200, 0][..]).expect("a height of 200"),
        coinbase_tx_input_sequence: 0xffff_ffff,
        coinbase_tx_value_remaining: 5_000_000_000,
        coinbase_tx_outputs_count: 0,
        coinbase_tx_outputs: B64K::default(),
        coinbase_tx_locktime: 0,
        merkle_path: Seq255::new(path).expect("at most 255"),
    };
    // Pays to a key hash that nobody has.
    let script = [&[0x00, 0x14][..], &[7; 20]].concat();
    (template, vec![payout(5_000_000_000, &script)])
}

fn their_job(work: &Work, job_id: u32, template: NewTemplate, outputs: Vec<TxOut>) -> ExtendedJob {
    let AnyMessageOwned::TemplateDistribution(TemplateDistributionOwned::NewTemplate(template)) =
        their_message(&template.into())
    else {
        panic!("another message")
    };
    let AnyMessageOwned::Mining(MiningOwned::NewExtendedMiningJob(message)) =
        their_message(&work.extended_job(9, job_id, None).into())
    else {
        panic!("another message")
    };
    let prefix = work.coinbase.prefix().as_slice().to_vec();
    let suffix = work.coinbase.suffix().as_slice().to_vec();
    ExtendedJob::from_template(template, Vec::new(), outputs, prefix, suffix, message)
        .expect("a job")
}
