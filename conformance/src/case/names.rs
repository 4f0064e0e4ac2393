//! Names that a case may use beside those of the message table: the runner's functions and
//! the rules over a whole exchange.

/// A function of the runner.
#[derive(Debug)]
pub struct Function {
    /// As in `call = "mine-share"`.
    pub name: &'static str,
    /// Names of its arguments; all are optional unless the text says otherwise.
    pub arguments: &'static [&'static str],
    /// What it does, for `--explain` and the format's reference.
    pub text: &'static str,
}

/// The functions that `call` knows.
pub const FUNCTIONS: &[Function] = &[
    Function {
        name: "mine-share",
        arguments: &[
            "channel",
            "job",
            "ntime",
            "version",
            "extranonce",
            "extranonce_len",
            "extranonce_byte",
            "extranonce_prefix",
            "target",
            "ceiling",
            "also",
            "hash",
            "sequence_number",
            "nonce_from",
            "version_bits",
            "user",
        ],
        text: "finds a nonce. `hash` is what it looks for: \"share\" (default: meets the job's \
               target and is no block), \"low\" (misses the target; by no more than `ceiling`, \
               if that is given), \"block\" (meets the \
               network target), \"any\" (no work at all). On a connection of lines it meets the \
               target `also` as well: of a translator's upstream. Returns the fields of a submit \
               message, and `hash`, `target`, `difficulty` (of the target, rounded down), \
               `is_block`.",
    },
    Function {
        name: "submit",
        arguments: &["share", "sequence_number"],
        text: "sends `share` with the message that its channel's kind asks for; returns what \
               was sent.",
    },
    Function {
        name: "accepted",
        arguments: &["share"],
        text: "makes sure that a share that was submitted is paid. Where the target acknowledges \
               by count, more good shares are sent until an acknowledgement covers it; without \
               one the case is inconclusive. Returns of that acknowledgement `count`, `sum`, \
               `last_sequence_number`; of the channel up to it `total_count`, `total_sum`, \
               `batches`, `sent`, `refused`.",
    },
    Function {
        name: "coinbase",
        arguments: &[
            "channel",
            "which",
            "id",
            "job",
            "extranonce",
            "extranonce_len",
            "extranonce_byte",
            "extranonce_prefix",
        ],
        text: "the coinbase transaction of an extended job: is_transaction, has_segwit_fields, \
               input_count, has_null_input, script_len, is_extranonce_in_script, height (BIP 34), \
               output_count, value, has_commitment, txid, root (of the block), path_len.",
    },
    Function {
        name: "chain",
        arguments: &[],
        text: "the chain behind the target, where the world has it: tip, height, nbits, \
               next_value (subsidy and fees of the next block), block (the tip: version, ntime, \
               transaction_count, has_valid_commitment, coinbase), solution (coinbase of the \
               last SubmitSolution).",
    },
    Function {
        name: "build-job",
        arguments: &[
            "outputs",
            "pays",
            "value",
            "height",
            "tag",
            "extranonce_len",
            "hidden",
            "flaw",
        ],
        text: "a job of what the node behind the target offers, as a miner with a node of its own \
               has it: the fields of DeclareMiningJob and SetCustomMiningJob, and `height`, \
               `value`, `extranonce_len`. `outputs` came with a token; `pays` is \"first\" \
               (default: all to the first of them), \"nothing\", \"stranger\" or \"both\". \
               `hidden` transactions are ones that no node has heard of: `hidden` (their bytes), \
               `hidden_positions`. `flaw` is \"overspends\", \"double-spend\" (both of hidden \
               ones) or \"children-first\".",
    },
    Function {
        name: "solve-job",
        arguments: &["job", "extranonce_byte", "hash"],
        text: "the fields of PushSolution for a `job` of build-job, and `hash`. With \
               `hash = \"low\"` it is no block.",
    },
    Function {
        name: "outputs",
        arguments: &["bytes", "script"],
        text: "outputs that came with a token, or of a custom job: is_well_formed (a count and so \
               many outputs), count, first_script, is_first_spendable, value (of all), paid (of \
               those with the script).",
    },
    Function {
        name: "refuse",
        arguments: &["code"],
        text: "from now on the suite refuses every custom job, with this code.",
    },
    Function {
        name: "by-hand",
        arguments: &["message"],
        text: "from now on the case answers this message of a target that has dialled.",
    },
    Function {
        name: "examine-template",
        arguments: &["template", "data", "tip"],
        text: "the record of a NewTemplate, looked at: height (BIP 34), prefix_len, \
               has_outputs_as_counted, has_commitment; with the record of its \
               RequestTransactionData.Success as `data`: is_commitment_right, is_path_right, \
               are_transactions, transaction_count, has_coinbase, have_witnesses, weight, sigops \
               (of scripts); with the record of a SetNewPrevHash as `tip`: \
               is_target_within_nbits.",
    },
    Function {
        name: "solve-template",
        arguments: &["template", "tip", "value", "extranonce_byte", "hash"],
        text: "the fields of SubmitSolution for a NewTemplate and the SetNewPrevHash that it \
               builds on, and `hash`. With `hash = \"low\"` it is no block; `value` is what the \
               coinbase pays (default: all that remains).",
    },
    Function {
        name: "channel",
        arguments: &["id"],
        text: "a channel that was opened on the connection (default: the last): id, kind, \
               target, extranonce_prefix, extranonce_size, group, jobs.",
    },
    Function {
        name: "job",
        arguments: &["channel", "which", "id"],
        text: "a job of a channel: `which` is \"active\" (default), \"newest\", \"future\", \
               \"past\" or \"stale\"; or the one with an `id`. Returns id, version, ntime, \
               min_ntime, is_future, target, prev_hash, version_rolling_allowed.",
    },
    Function {
        name: "next-share",
        arguments: &["channel", "job", "seconds"],
        text: "where the target has dialled: waits (15 s, or `seconds`) for its next share of a \
               channel, or of one `job`, since the last stimulus. Returns the fields of the submit \
               message, and kind (\"standard\" or \"extended\"), hash, target, state of its job \
               (\"active\", \"past\", \"stale\", \"future\", \"unknown\"), error (the code that it \
               is refused with; empty if it is paid), is_good, is_block, worker (of extension \
               0x0002; empty if there is none), rolled_bits (of the version), seconds_on (of ntime, from the smallest). Silence fails where a share was \
               all but certain at the claimed hash rate, and is inconclusive otherwise.",
    },
    Function {
        name: "attempts",
        arguments: &["seconds", "refuse"],
        text: "where the target dials: for some time (60 s, or `seconds`) takes every connection \
               that it opens, and refuses `refuse`: \"connection\" (it is closed at once), \
               \"handshake\" (with a certificate of a stranger), \"setup\" or \"channels\" (both \
               with an error). Returns dials, setups, opens (requests for channels), and \
               shortest_ms (between two dials; the whole time if there were fewer).",
    },
    Function {
        name: "give-work",
        arguments: &["clean", "hashes", "difficulty", "id"],
        text: "where the target has dialled: sends a future job and the SetNewPrevHash that makes \
               it active, to the channel opened last. Returns the job. On a connection of lines: \
               a difficulty (such that a share takes `hashes`; none if `difficulty` is false) and \
               a job (`clean` or not, default: clean; with an `id` of its own).",
    },
    Function {
        name: "give-job",
        arguments: &["channel", "future", "min_ntime", "job_id", "branches"],
        text: "where the target has dialled: sends a job to a channel (default: the last) or to a \
               group, which is active, or `future`; with so many `branches` of random hashes. \
               Returns the job.",
    },
    Function {
        name: "received",
        arguments: &["message", "channel"],
        text: "all messages of a name on the connection, oldest first, as a list of records.",
    },
    Function {
        name: "alive",
        arguments: &[],
        text: "makes sure that the connection still works: a request must be answered.",
    },
    Function {
        name: "fence",
        arguments: &[],
        text: "waits until the target has answered a request, so that everything before has \
               been dealt with. Without an answer nothing is concluded.",
    },
    Function {
        name: "drain",
        arguments: &[],
        text: "takes what has arrived; later steps that look for new messages pass over it.",
    },
    Function {
        name: "connections-alive",
        arguments: &[],
        text: "the same as `alive` for a connection of its own: the target still serves others.",
    },
];

/// A rule over everything that was received.
#[derive(Debug)]
pub struct Invariant {
    /// As in `check = "channel-bits"`.
    pub name: &'static str,
    /// What it says.
    pub text: &'static str,
}

/// The rules that `check` knows by name.
pub const INVARIANTS: &[Invariant] = &[
    Invariant {
        name: "channel-bits",
        text: "every frame of the table has the channel bit that the table says",
    },
    Invariant {
        name: "extension-types",
        text: "every frame belongs to the core or to an extension that was negotiated",
    },
    Invariant {
        name: "known-channels",
        text: "every message for a channel or group names one that is open",
    },
    Invariant { name: "well-formed", text: "every frame of the table can be decoded" },
    Invariant { name: "known-messages", text: "every frame is a message of the table" },
    Invariant {
        name: "no-extension-unasked",
        text: "no frame of an extension and nothing behind a message's fields came before the \
               client asked for extensions",
    },
    Invariant { name: "no-trailing-bytes", text: "no message has bytes behind its last field" },
    Invariant {
        name: "no-control-chars",
        text: "no error code and no reason contains a control character",
    },
    Invariant { name: "printable", text: "every error code and reason is printable ASCII" },
    Invariant {
        name: "unique-job-ids",
        text: "no job of a channel has the id of another job of it that is still valid",
    },
    Invariant {
        name: "known-jobs",
        text: "every SetNewPrevHash names a future job that was sent before to its channel",
    },
    Invariant {
        name: "targets-within-max",
        text: "no target of a channel is above the max_target that its client gave",
    },
    Invariant {
        name: "unique-channel-ids",
        text: "no id of a channel or group is given twice on a connection, nor to both",
    },
    Invariant {
        name: "one-size-per-group",
        text: "all members of a group have extranonces of one full length at any time",
    },
    Invariant {
        name: "disjoint-extranonces",
        text: "no extranonce prefix of a channel, on any connection, begins with another's",
    },
    Invariant {
        name: "rising-sequence-numbers",
        text: "every share of a client has a larger sequence number than the one before it on \
               its channel",
    },
    Invariant {
        name: "distinct-requests",
        text: "no request of a client for a channel has the request_id of another of its \
               connection",
    },
    Invariant {
        name: "distinct-shares",
        text: "no share of a client has the contents of another of its job",
    },
    Invariant {
        name: "rising-template-ids",
        text: "every NewTemplate of a connection has a larger template_id than the one before",
    },
    Invariant {
        name: "known-templates",
        text: "every SetNewPrevHash names a future template that was sent before to its client",
    },
    Invariant { name: "one-answer-each", text: "no request and no share has been answered twice" },
    Invariant { name: "lines-are-objects", text: "every line of the target is one JSON object" },
    Invariant {
        name: "unique-line-ids",
        text: "no request of the target has the id of another one that is not answered yet",
    },
    Invariant {
        name: "client-messages-only-answered",
        text: "no message came that only a client sends",
    },
];
