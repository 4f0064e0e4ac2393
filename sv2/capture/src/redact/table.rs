//! The table of what is private in messages.

use sv2::message::{Chapter, Descriptor};

use super::Category;

/// What a field tells of somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Private {
    /// Who.
    User,
    /// Where.
    Host,
    /// Something that is as good as a name, for a time.
    Token,
    /// An error or reason: words of the specification, unless a peer has put others there.
    Code,
    /// Free text, that may say anything.
    Words,
    /// A coinbase transaction up to the extranonce.
    CoinbasePrefix,
    /// The same behind the extranonce.
    CoinbaseSuffix,
    /// How the script of its input begins.
    CoinbaseScript,
    /// All of it.
    CoinbaseTransaction,
    /// Outputs, one after the other.
    Outputs,
    /// The same behind their count.
    CountedOutputs,
}

impl Private {
    /// Who wants it replaced; `None`: everybody.
    pub fn category(self) -> Option<Category> {
        Some(match self {
            Private::User => Category::Users,
            Private::Host => Category::Ips,
            Private::Token => Category::Tokens,
            Private::Code | Private::Words => return None,
            Private::CoinbasePrefix
            | Private::CoinbaseSuffix
            | Private::CoinbaseScript
            | Private::CoinbaseTransaction
            | Private::Outputs
            | Private::CountedOutputs => Category::Coinbase,
        })
    }
}

/// Whether a field of a message tells of somebody, and what. Not private are what products are
/// called (`vendor`, `hardware_version`, `firmware`), extranonces, and transactions of others.
pub fn private(row: &Descriptor, field: &str) -> Option<Private> {
    Some(match field {
        "user_identity" | "user_identifier" | "device_id" => Private::User,
        "endpoint_host" | "new_host" => Private::Host,
        "mining_job_token" | "new_mining_job_token" => Private::Token,
        "error_code" | "reason_code" => Private::Code,
        "error_details" => Private::Words,
        "coinbase_tx_prefix" => Private::CoinbasePrefix,
        "coinbase_tx_suffix" => Private::CoinbaseSuffix,
        "coinbase_prefix" => Private::CoinbaseScript,
        "coinbase_tx" => Private::CoinbaseTransaction,
        // Spec 7.2: without a count, which is a field of its own there.
        "coinbase_tx_outputs" if row.chapter == Chapter::TemplateDistribution => Private::Outputs,
        "coinbase_tx_outputs" => Private::CountedOutputs,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use sv2::message::DESCRIPTORS;
    use sv2::wire::Kind;

    use super::*;

    /// Text and bytes that are no secret.
    const PUBLIC: [&str; 7] = [
        "vendor",
        "hardware_version",
        "firmware",
        "extranonce",
        "extranonce_prefix",
        "excess_data",
        "transaction_list",
    ];

    fn is_free(kind: &Kind) -> bool {
        match kind {
            Kind::Text | Kind::Bytes { .. } => true,
            Kind::Sequence { item, .. } | Kind::Option { item } => is_free(item),
            _ => false,
        }
    }

    #[test]
    fn every_text_of_every_message_is_private_or_known_not_to_be() {
        for row in DESCRIPTORS {
            for field in row.fields.iter().filter(|field| is_free(field.kind)) {
                let is_public = PUBLIC.contains(&field.name);

                assert_ne!(
                    private(row, field.name).is_some(),
                    is_public,
                    "{} {}",
                    row.name,
                    field.name
                );
            }
        }
    }
}
