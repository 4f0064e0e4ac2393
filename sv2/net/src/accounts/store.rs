//! Accounts as tables of redb.
//!
//! Sums, not shares, so that the file grows with the workers and not with time.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use redb::{Database, ReadableTable, ReadableTableMetadata, TableDefinition, TableError};
use sv2::mining::share_record::{ShareOutcome, ShareRecord};

use super::{Account, Statement};

/// User and worker.
type Key<'a> = (&'a [u8], &'a [u8]);

/// Accepted shares, their difficulties in units of 2^-64, blocks, Unix time of the last.
type Row = (u64, u128, u64, u64);

const WORKERS: TableDefinition<Key<'static>, Row> = TableDefinition::new("workers");

/// User, worker and error code: how many.
const REJECTED: TableDefinition<(&[u8], &[u8], &str), u64> = TableDefinition::new("rejected");

/// Error code: how many, of workers that have no account.
const REJECTED_OF_OTHERS: TableDefinition<&str, u64> = TableDefinition::new("rejected_of_others");

/// Of redb; in a box, since it is long.
#[derive(Debug)]
pub(super) struct StoreError(pub(super) Box<redb::Error>);

impl<E: Into<redb::Error>> From<E> for StoreError {
    fn from(error: E) -> Self {
        StoreError(Box::new(error.into()))
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Opens a store, or makes one.
pub(super) fn open(path: &Path) -> Result<Database, StoreError> {
    Ok(Database::builder().create_with_file_format_v3(true).create(path)?)
}

/// Adds records, all or none, but for those of new workers beyond `workers_max`: returns the
/// indexes of these. On disk when it returns.
pub(super) fn write(
    database: &Database,
    records: &[&ShareRecord],
    workers_max: u64,
) -> Result<Vec<usize>, StoreError> {
    let mut changes: BTreeMap<Key<'_>, Change> = BTreeMap::new();
    for (index, record) in records.iter().enumerate() {
        changes.entry(key(record)).or_default().add(index, record);
    }
    let mut transaction = database.begin_write()?;
    // Peers choose bytes of the file. With one phase, what tells a torn commit from a whole one
    // is a checksum that they can compute.
    transaction.set_two_phase_commit(true);
    let mut without_room = Vec::new();
    {
        let mut workers = transaction.open_table(WORKERS)?;
        let mut rejected = transaction.open_table(REJECTED)?;
        let mut rejected_of_others = transaction.open_table(REJECTED_OF_OTHERS)?;
        for (key, change) in changes {
            let old = workers.get(key)?.map(|row| row.value());
            let has_room = old.is_some() || workers.len()? < workers_max;
            let has_account = old.is_some() || has_room && !change.accepted.is_empty();
            if !has_room {
                without_room.extend(&change.accepted);
            } else if !change.accepted.is_empty() {
                workers.insert(key, change.onto(old.unwrap_or_default()))?;
            }
            for (error_code, count) in change.rejected {
                if has_account {
                    let key = (key.0, key.1, error_code);
                    let old = rejected.get(key)?.map_or(0, |count| count.value());
                    rejected.insert(key, old.saturating_add(count))?;
                } else {
                    let old = rejected_of_others.get(error_code)?.map_or(0, |count| count.value());
                    rejected_of_others.insert(error_code, old.saturating_add(count))?;
                }
            }
        }
    }
    transaction.commit()?;
    Ok(without_room)
}

/// Reads everything, as of one commit.
pub(super) fn read(database: &Database) -> Result<Statement, StoreError> {
    let transaction = database.begin_read()?;
    let mut statement = Statement::default();
    // Tables come with the first record.
    let workers = match transaction.open_table(WORKERS) {
        Err(TableError::TableDoesNotExist(_)) => return Ok(statement),
        workers => workers?,
    };
    for row in workers.iter()? {
        let (key, row) = row?;
        let (user_identity, worker) = key.value();
        let (accepted_count, work, block_count, last_accepted_at) = row.value();
        statement.accounts.push(Account {
            user_identity: user_identity.to_vec(),
            worker: worker.to_vec(),
            accepted_count,
            work,
            block_count,
            last_accepted_at,
            rejected: BTreeMap::new(),
        });
    }
    for row in transaction.open_table(REJECTED)?.iter()? {
        let (key, count) = row?;
        let (user_identity, worker, error_code) = key.value();
        let of = |account: &Account| {
            (&account.user_identity[..], &account.worker[..]).cmp(&(user_identity, worker))
        };
        if let Ok(index) = statement.accounts.binary_search_by(of) {
            statement.accounts[index].rejected.insert(error_code.to_owned(), count.value());
        }
    }
    for row in transaction.open_table(REJECTED_OF_OTHERS)?.iter()? {
        let (error_code, count) = row?;
        statement.rejected_of_others.insert(error_code.value().to_owned(), count.value());
    }
    Ok(statement)
}

fn key(record: &ShareRecord) -> Key<'_> {
    (record.user_identity.as_slice(), &record.worker)
}

/// What a group of records makes of one account.
#[derive(Default)]
struct Change {
    /// Indexes of the records.
    accepted: Vec<usize>,
    work: u128,
    block_count: u64,
    last_accepted_at: u64,
    rejected: BTreeMap<&'static str, u64>,
}

impl Change {
    fn add(&mut self, index: usize, record: &ShareRecord) {
        match record.outcome {
            ShareOutcome::Accepted { hash: _, difficulty, is_block } => {
                self.accepted.push(index);
                self.work = self.work.saturating_add(difficulty);
                self.block_count += u64::from(is_block);
                self.last_accepted_at = self.last_accepted_at.max(record.at.0);
            }
            ShareOutcome::Rejected { error_code } => {
                *self.rejected.entry(error_code).or_default() += 1;
            }
        }
    }

    /// Sums saturate.
    fn onto(&self, (accepted_count, work, block_count, last_accepted_at): Row) -> Row {
        (
            accepted_count.saturating_add(self.accepted.len() as u64),
            work.saturating_add(self.work),
            block_count.saturating_add(self.block_count),
            last_accepted_at.max(self.last_accepted_at),
        )
    }
}
