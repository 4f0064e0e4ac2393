//! The state follows an observation.

use std::collections::BTreeMap;
use std::sync::Arc;

use sv2::common::Protocol;
use sv2::message::{Chapter, Message};
use sv2::mining::{OpenExtendedMiningChannelSuccess, OpenStandardMiningChannelSuccess};
use sv2::wire::{B32, Target};

use super::budget::Budgets;
use super::channel::{Channel, ChannelKind, Group, PendingShare, Price, ShareLedger, Silence};
use super::connection::{Connection, Ended, SetupAnswered, SetupAsked, Trust};
use super::declaration::{
    self, CustomJobRequest, Token, TokenUse, content_of_declaration, first_script,
    outputs_of_suffix,
};
use super::job::{Board, Job, Tip};
use super::legs::{KnownWork, Place};
use super::request::{Detail, OpenRequest, Pending};
use super::template::Template;
use super::{Facts, History, Mark, State};
use crate::Direction;
use crate::observed::{Integrity, Observed, SessionKey, What};

impl State {
    /// Follows an observation whose facts are known.
    pub fn apply(&mut self, observed: &Observed<'_>, facts: &Facts) {
        let mark = Mark { number: observed.number, at: observed.at };
        if let What::Opened { client, server, from_the_start, is_selection, is_redacted } =
            observed.what
        {
            if self.arrivals.len() < State::CONNECTIONS_MAX {
                self.arrivals.insert(client.ip(), mark);
            }
            if self.make_room() {
                let id = observed.connection;
                let trust = match (is_selection, from_the_start) {
                    (true, _) => Trust::Selected,
                    (false, true) => Trust::Known,
                    (false, false) => Trust::Assumed,
                };
                let mut connection = Connection::new(id, client, server, mark, trust);
                connection.is_redacted = is_redacted;
                self.connections.insert(id, Box::new(connection));
            } else {
                self.untracked += 1;
            }
            return;
        }
        let Some(connection) = self.connections.get_mut(observed.connection) else { return };
        connection.last = mark;
        match &observed.what {
            What::Opened { .. } => {}
            What::Handshake(seen) => {
                if seen.key != SessionKey::Fits {
                    connection.lower_trust(Trust::Lost);
                }
                connection.handshake = Some(seen.clone());
            }
            What::Opaque { .. } => connection.lower_trust(Trust::Lost),
            What::Gap { resynced, .. } => {
                let trust = if *resynced { Trust::Assumed } else { Trust::Lost };
                connection.lower_trust(trust);
            }
            What::Line { direction, .. } => {
                connection.is_sv1 = true;
                connection.message_count[side(*direction)] += 1;
                if let Some((kind, id)) = facts.answers {
                    connection.requests.answer(kind, id, mark);
                }
                if let Some((kind, id)) = facts.asks {
                    let pending = Pending { sent: mark, detail: Detail::Bare };
                    connection.requests.ask(kind, id, pending, &self.budgets.requests);
                }
            }
            What::Closed { by, reset } => {
                connection.ended = Some(Ended { at: mark, by: *by, reset: *reset });
            }
            What::Frame { direction, integrity, .. } => {
                connection.message_count[side(*direction)] += 1;
                if *integrity == Integrity::Bad {
                    connection.lower_trust(Trust::Lost);
                }
                if let Some(message) = &facts.message {
                    self.apply_message(observed.connection, message, facts, mark);
                }
            }
        }
    }

    fn apply_message(&mut self, id: u32, message: &Message, facts: &Facts, mark: Mark) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.protocol.is_none() {
            connection.protocol = protocol_of(message.descriptor().chapter);
        }
        let answered =
            facts.answers.and_then(|(kind, id)| connection.requests.answer(kind, id, mark));
        if let Some((kind, request_id)) = facts.asks {
            let mut detail = detail(message);
            if let Message::SetCustomMiningJob(job) = message {
                let place = Place { connection: id, channel: job.channel_id };
                let extranonce_len = full_extranonce_size(connection, job.channel_id);
                let work = extranonce_len.and_then(|len| declaration::work(job, len)).map(Arc::new);
                let request = CustomJobRequest::new(mark, job, work.as_ref());
                detail = Detail::CustomJob(Box::new(request));
                if let Some(work) = work {
                    let is_custom = true;
                    self.legs.add_work(KnownWork { work, first: mark, place, is_custom });
                }
            }
            let pending = Pending { sent: mark, detail };
            connection.requests.ask(kind, request_id, pending, &self.budgets.requests);
        }
        match message.descriptor().chapter {
            Chapter::Common => apply_common(connection, message, mark),
            Chapter::Mining => self.apply_mining(id, message, facts, answered, mark),
            Chapter::JobDeclaration => self.apply_declaration(id, message, answered, mark),
            Chapter::TemplateDistribution => self.apply_template(id, message, mark),
            Chapter::ExtensionNegotiation => {
                if let (Message::RequestExtensionsSuccess(message), Some(_)) = (message, answered) {
                    let agreed = message.supported_extensions.as_slice().iter();
                    connection.extensions = agreed.take(EXTENSIONS_MAX).copied().collect();
                }
            }
        }
    }

    fn apply_mining(
        &mut self,
        id: u32,
        message: &Message,
        facts: &Facts,
        answered: Option<Pending>,
        mark: Mark,
    ) {
        let place = Place { connection: id, channel: facts.channel.unwrap_or(0) };
        match message {
            Message::NewExtendedMiningJob(job) => {
                let work = self.legs.work(job, mark, place);
                let Some(connection) = self.connections.get_mut(id) else { return };
                if let Some(board) = board(connection, place.channel) {
                    board.add(Job::extended(mark, job, &work), &self.budgets.jobs);
                }
            }
            Message::SetNewPrevHash(tip) => {
                self.legs.add_tip(tip.prev_hash, tip.nbits, mark);
                let Some(connection) = self.connections.get_mut(id) else { return };
                set_tip(connection, place.channel, Tip::new(mark, tip));
            }
            Message::SetCustomMiningJob(job) => {
                self.legs.add_tip(job.prev_hash, job.nbits, mark);
            }
            Message::SetCustomMiningJobSuccess(success) => {
                self.accept_custom_job(id, place.channel, success.job_id, answered, mark);
            }
            Message::SubmitSharesStandard(_) | Message::SubmitSharesExtended(_) => {
                self.submit(place, facts, mark);
            }
            _ => {
                let Some(connection) = self.connections.get_mut(id) else { return };
                apply_channel(connection, message, answered, mark, &self.budgets);
            }
        }
    }

    fn submit(&mut self, place: Place, facts: &Facts, mark: Mark) {
        let Some(share) = &facts.share else { return };
        if let Some(proof) = &share.proof {
            self.legs.add_proof(&proof.hash, place, mark);
        }
        let Some(connection) = self.connections.get_mut(place.connection) else { return };
        let Some(channel) = connection.channels.get_mut(&place.channel) else { return };
        channel.silence = Silence { expected_shares: 0.0, counted_until: mark.at };
        let proof = share.proof.as_ref();
        channel.shares.submit(
            PendingShare {
                sequence_number: share.submitted.sequence_number,
                sent: mark,
                difficulty: proof.map_or(0, |proof| channel.price.of(proof.target)),
                hash_difficulty: proof.map_or(0.0, |proof| proof.difficulty),
                is_good: facts.is_good(),
                is_repeated: share.repeats.is_some(),
                is_priced: proof.is_some(),
            },
            &self.budgets.shares,
        );
        if let Some(proof) = proof {
            channel.shares.best_diff = channel.shares.best_diff.max(proof.difficulty);
            channel.shares.blocks_found += u64::from(proof.is_block);
        }
        let group = connection.groups.get_mut(&channel.group).map(|group| &mut group.board);
        for board in [Some(&mut channel.board), group].into_iter().flatten() {
            let job = board.job_mut(share.submitted.job_id);
            if let Some(job) = job.filter(|job| job.first_share.is_none()) {
                job.first_share = Some(mark);
            }
        }
    }

    fn accept_custom_job(
        &mut self,
        id: u32,
        channel_id: u32,
        job_id: u32,
        answered: Option<Pending>,
        mark: Mark,
    ) {
        let Some(Pending { detail: Detail::CustomJob(request), .. }) = answered else { return };
        if let Some(token) = self.tokens.get_mut(&request.token) {
            token.consumed = Some(request.accepted(mark, id));
        }
        let Some(connection) = self.connections.get_mut(id) else { return };
        let Some(board) = board(connection, channel_id) else { return };
        // No message tells the channel of the block (AMB-07): the first job on it does.
        if board.tip().is_none_or(|tip| tip.prev_hash != request.tip.prev_hash) {
            board.push_tip(Tip { told: mark, job_id, ..request.tip });
        }
        if let Some(job) = request.job(job_id, mark) {
            board.add(job, &self.budgets.jobs);
        }
    }

    fn apply_declaration(
        &mut self,
        id: u32,
        message: &Message,
        answered: Option<Pending>,
        mark: Mark,
    ) {
        match message {
            Message::AllocateMiningJobTokenSuccess(message) => {
                let payout = first_script(message.coinbase_tx_outputs.as_slice());
                let token = Token { allocated: mark, payout, ..Token::default() };
                self.tokens.add(message.mining_job_token.as_slice(), token);
            }
            Message::DeclareMiningJob(message) => {
                let outputs = outputs_of_suffix(message.coinbase_tx_suffix.as_slice());
                if let Some(token) = self.tokens.get_mut(message.mining_job_token.as_slice()) {
                    let content = content_of_declaration(message);
                    token.declared = Some(TokenUse::new(mark, id, content));
                    token.declared_outputs = outputs;
                }
            }
            Message::DeclareMiningJobSuccess(message) => {
                let Some(Pending { detail: Detail::Declaration { token, .. }, .. }) = answered
                else {
                    return;
                };
                let declared = self.tokens.get(&token).cloned().unwrap_or_default();
                let token = Token { allocated: mark, is_of_declaration: true, ..declared };
                self.tokens.add(message.new_mining_job_token.as_slice(), token);
            }
            _ => {}
        }
    }

    fn apply_template(&mut self, id: u32, message: &Message, mark: Mark) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        match message {
            Message::CoinbaseOutputConstraints(_) => {
                connection.templates.constraints = Some(mark);
            }
            Message::NewTemplate(message) => connection.templates.add(Template {
                id: message.template_id,
                sent: mark,
                was_future: message.future_template,
                activated: None,
            }),
            Message::TemplateSetNewPrevHash(message) => {
                connection.templates.set_tip(message.template_id, message.prev_hash, mark);
                self.legs.add_tip(message.prev_hash, message.nbits, mark);
            }
            _ => {}
        }
    }
}

fn side(direction: Direction) -> usize {
    match direction {
        Direction::ClientToServer => 0,
        Direction::ServerToClient => 1,
    }
}

fn protocol_of(chapter: Chapter) -> Option<Protocol> {
    match chapter {
        Chapter::Common | Chapter::ExtensionNegotiation => None,
        Chapter::Mining => Some(Protocol::Mining),
        Chapter::JobDeclaration => Some(Protocol::JobDeclaration),
        Chapter::TemplateDistribution => Some(Protocol::TemplateDistribution),
    }
}

fn detail(message: &Message) -> Detail {
    match message {
        Message::OpenStandardMiningChannel(message) => Detail::Open(OpenRequest {
            kind: ChannelKind::Standard,
            user_identity: message.user_identity.to_text().into_owned(),
            nominal_hash_rate: message.nominal_hash_rate,
            max_target: message.max_target,
            min_extranonce_size: None,
        }),
        Message::OpenExtendedMiningChannel(message) => Detail::Open(OpenRequest {
            kind: ChannelKind::Extended,
            user_identity: message.user_identity.to_text().into_owned(),
            nominal_hash_rate: message.nominal_hash_rate,
            max_target: message.max_target,
            min_extranonce_size: Some(message.min_extranonce_size),
        }),
        Message::DeclareMiningJob(message) => Detail::Declaration {
            token: message.mining_job_token.as_slice().to_vec(),
            transaction_count: message.wtxid_list.as_slice().len(),
        },
        Message::ProvideMissingTransactions(message) => {
            Detail::Missing { count: message.unknown_tx_position_list.as_slice().len() }
        }
        Message::RequestExtensions(message) => {
            let asked = message.requested_extensions.as_slice().iter();
            Detail::Extensions(asked.take(EXTENSIONS_MAX).copied().collect())
        }
        _ => Detail::Bare,
    }
}

fn apply_common(connection: &mut Connection, message: &Message, mark: Mark) {
    match message {
        Message::SetupConnection(message) if connection.asked.is_none() => {
            connection.asked = Some(SetupAsked::new(mark, message));
            connection.protocol = Protocol::from_number(message.protocol);
        }
        Message::SetupConnectionSuccess(message) => {
            let (version, flags) = (message.used_version, message.flags);
            connection.answered = Some(SetupAnswered::Success { sent: mark, version, flags });
        }
        Message::SetupConnectionError(message) => {
            let code = message.error_code.to_text().into_owned();
            let flags = message.flags;
            connection.answered = Some(SetupAnswered::Error { sent: mark, flags, code });
            connection.farewell = Some(mark);
        }
        Message::Reconnect(_) => {
            connection.reconnect = Some(mark);
            connection.farewell = Some(mark);
        }
        // Spec 3.6.4: what was negotiated is void.
        Message::ChannelEndpointChanged(_) => connection.extensions.clear(),
        _ => {}
    }
}

fn apply_channel(
    connection: &mut Connection,
    message: &Message,
    answered: Option<Pending>,
    mark: Mark,
    budgets: &Budgets,
) {
    match message {
        Message::OpenStandardMiningChannelSuccess(message) => {
            open(connection, Opening::standard(message), answered, mark, budgets);
        }
        Message::OpenExtendedMiningChannelSuccess(message) => {
            open(connection, Opening::extended(message), answered, mark, budgets);
        }
        Message::NewMiningJob(message) => {
            if let Some(board) = board(connection, message.channel_id) {
                board.add(Job::standard(mark, message), &budgets.jobs);
            }
        }
        Message::UpdateChannel(message) => {
            if let Some(channel) = connection.channels.get_mut(&message.channel_id) {
                channel.nominal_hashrate = message.nominal_hash_rate;
                channel.requested_max_target = Some(message.maximum_target);
                channel.max_target_asked = mark;
                channel.silence = Silence { counted_until: mark.at, ..Silence::default() };
            }
        }
        Message::CloseChannel(message) => {
            connection.close_channel(message.channel_id, mark);
            connection.farewell = Some(mark);
        }
        Message::SetExtranoncePrefix(message) => {
            if let Some(channel) = connection.channels.get_mut(&message.channel_id) {
                channel.extranonce_prefix.push(mark.number, message.extranonce_prefix);
            }
        }
        Message::SetTarget(message) => {
            let (id, target) = (message.channel_id, message.maximum_target);
            let groups = &connection.groups;
            if let Some(channel) = connection.channels.get_mut(&id) {
                channel.count_silence(groups, mark.at);
                channel.target.push(mark.number, target);
            } else if let Some(group) = connection.groups.get_mut(&id) {
                group.set_target(mark.number, target);
            }
        }
        Message::SetGroupChannel(message) => {
            let group = message.group_channel_id;
            add_group(&mut connection.groups, group, mark, budgets);
            for id in message.channel_ids.as_slice() {
                let target = connection.channels.get(id).map(|it| it.target(&connection.groups));
                connection.leave_group(*id);
                if let (Some(channel), Some(target)) = (connection.channels.get_mut(id), target) {
                    (channel.group, channel.joined) = (group, mark.number);
                    channel.target.push(mark.number, target);
                    join(&mut connection.groups, group, *id);
                }
            }
        }
        Message::SubmitSharesSuccess(message) => {
            if let Some(channel) = connection.channels.get_mut(&message.channel_id) {
                let count = message.new_submits_accepted_count;
                channel.shares.accept(message.last_sequence_number, count, message.new_shares_sum);
            }
        }
        Message::SubmitSharesError(message) => {
            if let Some(channel) = connection.channels.get_mut(&message.channel_id) {
                let code = message.error_code.to_text();
                channel.shares.refuse(message.sequence_number, &code);
            }
        }
        _ => {}
    }
}

/// What both kinds of `OpenMiningChannel.Success` say.
struct Opening {
    kind: ChannelKind,
    channel_id: u32,
    group_channel_id: u32,
    target: Target,
    extranonce_prefix: B32,
    extranonce_size: u16,
}

impl Opening {
    fn standard(message: &OpenStandardMiningChannelSuccess) -> Self {
        Opening {
            kind: ChannelKind::Standard,
            channel_id: message.channel_id,
            group_channel_id: message.group_channel_id,
            target: message.target,
            extranonce_prefix: message.extranonce_prefix,
            extranonce_size: 0,
        }
    }

    fn extended(message: &OpenExtendedMiningChannelSuccess) -> Self {
        Opening {
            kind: ChannelKind::Extended,
            channel_id: message.channel_id,
            group_channel_id: message.group_channel_id,
            target: message.target,
            extranonce_prefix: message.extranonce_prefix,
            extranonce_size: message.extranonce_size,
        }
    }
}

fn open(
    connection: &mut Connection,
    opening: Opening,
    answered: Option<Pending>,
    mark: Mark,
    budgets: &Budgets,
) {
    let Some(slot) = budgets.channels.take() else {
        // What is not followed may be named later.
        connection.lower_trust(Trust::Assumed);
        return;
    };
    let requested = answered.as_ref().map(|pending| pending.sent);
    let request = match answered {
        Some(Pending { detail: Detail::Open(request), .. }) => Some(request),
        _ => None,
    };
    let group = opening.group_channel_id;
    add_group(&mut connection.groups, group, mark, budgets);
    connection.leave_group(opening.channel_id);
    join(&mut connection.groups, group, opening.channel_id);
    let channel = Channel {
        kind: opening.kind,
        opened: mark,
        requested,
        group,
        joined: mark.number,
        user_identity: request.as_ref().map_or("", |request| &request.user_identity).into(),
        nominal_hashrate: request.as_ref().map_or(0.0, |request| request.nominal_hash_rate),
        requested_max_target: request.as_ref().map(|request| request.max_target),
        max_target_asked: mark,
        min_extranonce_size: request.as_ref().and_then(|request| request.min_extranonce_size),
        target: History::new(mark.number, opening.target),
        extranonce_prefix: History::new(mark.number, opening.extranonce_prefix),
        rollable_extranonce_size: opening.extranonce_size,
        board: Board::default(),
        shares: ShareLedger::default(),
        cache: None,
        price: Price::default(),
        _slot: slot,
        silence: Silence { expected_shares: 0.0, counted_until: mark.at },
    };
    connection.channels.insert(opening.channel_id, channel);
}

fn add_group(groups: &mut BTreeMap<u32, Group>, id: u32, since: Mark, budgets: &Budgets) {
    if groups.len() >= Connection::GROUPS_MAX || groups.contains_key(&id) {
        return;
    }
    if let Some(slot) = budgets.groups.take() {
        groups.insert(id, Group { since, _slot: Some(slot), ..Group::default() });
    }
}

fn join(groups: &mut BTreeMap<u32, Group>, group: u32, channel_id: u32) {
    if let Some(group) = groups.get_mut(&group) {
        group.members.insert(channel_id);
    }
}

/// Of a channel or a group.
fn board(connection: &mut Connection, id: u32) -> Option<&mut Board> {
    match connection.channels.get_mut(&id) {
        Some(channel) => Some(&mut channel.board),
        None => connection.groups.get_mut(&id).map(|group| &mut group.board),
    }
}

/// A tip for a channel may name a job of its group (spec 5.3.17).
fn set_tip(connection: &mut Connection, id: u32, tip: Tip) {
    if let Some(channel) = connection.channels.get_mut(&id)
        && channel.board.job(tip.job_id).is_none()
        && let Some(group) = connection.groups.get_mut(&channel.group)
        && let Some(job) = group.board.job_mut(tip.job_id)
        && job.activated.is_none()
    {
        job.activated = Some(tip.told);
    }
    if let Some(board) = board(connection, id) {
        board.set_tip(tip);
    }
}

fn full_extranonce_size(connection: &Connection, id: u32) -> Option<usize> {
    let channel = connection.channels.get(&id);
    let channel = channel.or_else(|| connection.members(id).next().map(|(_, channel)| channel));
    channel.map(Channel::full_extranonce_size)
}

/// Extensions of one negotiation that are remembered.
const EXTENSIONS_MAX: usize = 256;
