//! Events for machines: what they hold, by the names that the code gives it.

use serde_json::{Value, json};
use sv2::event::Event;
use sv2::role::ConnectionId;

/// The fields of an event, as a JSON object. Numbers of the wire are numbers; hashes and targets
/// are the hexadecimal digits that people read; what a peer has written is escaped.
pub(crate) fn fields(event: &Event) -> Value {
    match event {
        Event::SetupDone { connection, protocol, flags } => {
            json!({ "connection": id(connection), "protocol": protocol, "flags": flags })
        }
        Event::ConnectionClosed { connection, reason } => {
            json!({ "connection": id(connection), "reason": reason.to_string() })
        }
        Event::ChannelOpened { connection, channel_id }
        | Event::ChannelClosed { connection, channel_id } => {
            json!({ "connection": id(connection), "channel_id": channel_id })
        }
        Event::CustomJobAccepted { connection, channel_id, job_id } => {
            json!({ "connection": id(connection), "channel_id": channel_id, "job_id": job_id })
        }
        Event::CustomJobRefused { connection, channel_id, error_code, reason } => json!({
            "connection": id(connection), "channel_id": channel_id, "error_code": error_code,
            "reason": reason,
        }),
        Event::ShareAccepted { connection, channel_id, sequence_number, hash } => json!({
            "connection": id(connection), "channel_id": channel_id,
            "sequence_number": sequence_number, "hash": hash.to_string(),
        }),
        Event::WorkerNamed { connection, channel_id, worker } => {
            json!({ "connection": id(connection), "channel_id": channel_id, "worker": worker })
        }
        Event::ShareRejected { connection, channel_id, sequence_number, error_code } => json!({
            "connection": id(connection), "channel_id": channel_id,
            "sequence_number": sequence_number, "error_code": error_code,
        }),
        Event::WorkStarted { connection, channel_id, job_id, target } => json!({
            "connection": id(connection), "channel_id": channel_id, "job_id": job_id,
            "target": target.to_string(),
        }),
        Event::ShareSubmitted { connection, channel_id, sequence_number, job_id, hash } => json!({
            "connection": id(connection), "channel_id": channel_id,
            "sequence_number": sequence_number, "job_id": job_id, "hash": hash.to_string(),
        }),
        Event::ShareFiltered { connection, channel_id, sequence_number } => json!({
            "connection": id(connection), "channel_id": channel_id,
            "sequence_number": sequence_number,
        }),
        Event::SharesLost { count } => json!({ "count": count }),
        Event::SharesAcknowledged {
            connection,
            channel_id,
            last_sequence_number,
            accepted_count,
            difficulty_sum,
        } => json!({
            "connection": id(connection), "channel_id": channel_id,
            "last_sequence_number": last_sequence_number, "accepted_count": accepted_count,
            "difficulty_sum": difficulty_sum,
        }),
        Event::ShareRefused { connection, channel_id, sequence_number, error_code } => json!({
            "connection": id(connection), "channel_id": channel_id,
            "sequence_number": sequence_number,
            "error_code": error_code.as_slice().escape_ascii().to_string(),
        }),
        Event::JobRefused { connection, answer, error_code } => json!({
            "connection": id(connection), "answer": answer,
            "error_code": error_code.as_slice().escape_ascii().to_string(),
        }),
        Event::UpstreamLeft { upstream, broke_word, reason } => {
            json!({ "upstream": upstream, "broke_word": broke_word, "reason": reason })
        }
        Event::MiningFor { upstream } => json!({ "upstream": upstream }),
        Event::AccountsFailed { reason } => json!({ "reason": reason }),
        Event::AccountsRecovered => json!({}),
        Event::RejectionsUncounted { count } => json!({ "count": count }),
        Event::CommandDone { command, count } => json!({ "command": command, "count": count }),
        Event::CommandRefused { command, count, reason } => {
            json!({ "command": command, "count": count, "reason": reason })
        }
        Event::TokenAllocated { connection, user } => {
            json!({ "connection": id(connection), "user": user })
        }
        Event::JobDeclared { connection, request_id, transaction_count, provided_count } => json!({
            "connection": id(connection), "request_id": request_id,
            "transaction_count": transaction_count, "provided_count": provided_count,
        }),
        Event::DeclarationRefused { connection, request_id, error_code, reason } => json!({
            "connection": id(connection), "request_id": request_id, "error_code": error_code,
            "reason": reason,
        }),
        Event::BlockPushed { connection, hash } => {
            json!({ "connection": id(connection), "hash": hash.to_string() })
        }
        Event::BlockFound { hash } => json!({ "hash": hash.to_string() }),
        Event::TipChanged { prev_hash } => json!({ "prev_hash": prev_hash.to_string() }),
        Event::Noted { connection, what } => {
            json!({ "connection": connection.as_ref().map(id), "what": what })
        }
    }
}

fn id(ConnectionId(connection): &ConnectionId) -> u32 {
    *connection
}

#[cfg(test)]
mod tests {
    use sv2::wire::Str255;

    use super::*;

    #[test]
    fn what_a_peer_has_written_cannot_steer_a_terminal() {
        let event = Event::ShareRefused {
            connection: ConnectionId(3),
            channel_id: 1,
            sequence_number: 7,
            error_code: Str255::from_static("\u{1b}[2J"),
        };

        let text = fields(&event).to_string();

        assert!(text.contains(r#""error_code":"\\x1b[2J""#), "{text}");
    }
}
