//! The accounts of a role: what each worker has earned, on disk.
//!
//! A record is answered once it is on disk. Whatever arrives while the disk is busy goes down
//! together with the next commit, so that one `fsync` serves many shares. What was answered
//! survives the end of the process and of the machine, however they end.
//!
//! A store has one process at a time, which lets others read ([`Accounts::serve`]).

mod live;
mod store;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};

use redb::Database;
use serde::{Deserialize, Serialize};
use sv2::mining::share_record::ShareRecord;
use sv2::role::{Answer, Request};
use thiserror::Error;

use self::store::StoreError;
use crate::world::{Reply, World};

/// Keeps accounts in a folder. Dropping it ends its thread, after the records that it has taken.
#[derive(Debug)]
pub struct Accounts {
    orders: mpsc::SyncSender<Order>,
}

/// What one worker has earned since the accounts were opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Of the channel (spec 5.3.2), as its client sent it.
    pub user_identity: Vec<u8>,
    /// As the shares name it (extension 0x0002); empty for shares that name none.
    pub worker: Vec<u8>,
    /// Accepted shares.
    pub accepted_count: u64,
    /// The exact sum of their difficulties, in units of 2^-64 (bdiff).
    pub work: u128,
    /// Accepted shares that are blocks, whatever became of these.
    pub block_count: u64,
    /// When the last share was accepted, in seconds since 1970-01-01 UTC.
    pub last_accepted_at: u64,
    /// Shares that earned nothing, by error code.
    pub rejected: BTreeMap<String, u64>,
}

/// Everything in the accounts of a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// Ordered by user, then worker, as bytes.
    pub accounts: Vec<Account>,
    /// Shares, by error code, of all who never had one accepted: these have no accounts, since
    /// they cost nothing to invent.
    pub rejected_of_others: BTreeMap<String, u64>,
}

/// Accounts that cannot be opened or read.
#[derive(Debug, Error)]
pub enum AccountsError {
    /// The folder.
    #[error("accounts in {}: {source}", directory.display())]
    Folder {
        /// As asked for.
        directory: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Two processes would overwrite each other's sums.
    #[error("accounts in {}: another process has them open and does not show them",
        directory.display())]
    InUse {
        /// As asked for.
        directory: PathBuf,
    },
    /// The process that has them open.
    #[error("accounts in {}: the process that has them open says: {reason}", directory.display())]
    Live {
        /// As asked for.
        directory: PathBuf,
        /// In its words, or ours about them.
        reason: String,
    },
    /// The store.
    #[error("accounts in {}: {source}", directory.display())]
    Store {
        /// As asked for.
        directory: PathBuf,
        /// Why.
        source: Box<redb::Error>,
    },
}

impl Accounts {
    /// The file in the folder.
    pub const FILE: &str = "accounts.redb";

    /// Beside it, while a process has it open.
    pub const SOCKET: &str = "accounts.socket";

    /// Opens the accounts in a folder, or begins them.
    ///
    /// # Errors
    /// [`AccountsError`].
    pub fn open(directory: &Path) -> Result<Self, AccountsError> {
        let in_folder = |source| AccountsError::Folder { directory: directory.to_owned(), source };
        std::fs::create_dir_all(directory).map_err(in_folder)?;
        let path = directory.join(Self::FILE);
        let database = store::open(&path).map_err(|error| in_store(directory, error))?;
        // A new file is there after a power failure only if its folder says so.
        std::fs::File::open(directory).and_then(|folder| folder.sync_all()).map_err(in_folder)?;
        Self::start(database, move || store::open(&path)).map_err(in_folder)
    }

    /// What is in them now. Waits for the disk: not for a task of a runtime.
    ///
    /// # Errors
    /// In words, if the store fails.
    pub fn statement(&self) -> Result<Statement, String> {
        let (reply, answer) = mpsc::channel();
        let ended = "the thread that keeps the accounts has ended";
        self.orders.send(Order::Read(reply)).map_err(|_| ended)?;
        answer.recv().map_err(|_| ended)?
    }

    /// Lets other processes read while this one writes, whoever may open the socket in the
    /// folder: as long as the future is polled. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// Why there can be no such socket, for example that its path is too long.
    pub fn serve(
        self: Arc<Self>,
        directory: &Path,
    ) -> io::Result<impl Future<Output = ()> + Send + 'static> {
        Ok(live::serve(live::listen(&directory.join(Self::SOCKET))?, self))
    }

    /// Reads the accounts in a folder: from the process that has them open, if there is one.
    ///
    /// # Errors
    /// [`AccountsError`]; also where no accounts were ever kept.
    pub fn read(directory: &Path) -> Result<Statement, AccountsError> {
        if let Some(statement) = live::read(&directory.join(Self::SOCKET)) {
            let directory = directory.to_owned();
            return statement.map_err(|reason| AccountsError::Live { directory, reason });
        }
        let path = directory.join(Self::FILE);
        let database = Database::open(path).map_err(|error| in_store(directory, error.into()))?;
        store::read(&database).map_err(|error| in_store(directory, error))
    }

    /// `reopen`: after a failure, of which the store itself must recover.
    fn start(
        database: Database,
        reopen: impl FnMut() -> Result<Database, StoreError> + Send + 'static,
    ) -> io::Result<Self> {
        let (orders, queue) = mpsc::sync_channel(QUEUE_MAX);
        let keeper = Keeper { database: Some(database), reopen };
        std::thread::Builder::new().name("accounts".into()).spawn(move || keeper.run(&queue))?;
        Ok(Accounts { orders })
    }
}

impl World for Accounts {
    fn take(&self, request: Request, reply: Reply) {
        match request {
            Request::Persist { record } => {
                // A thread that is gone drops the reply, which answers.
                let order = Order::Write(Entry { record, reply });
                if let Err(mpsc::TrySendError::Full(Order::Write(entry))) =
                    self.orders.try_send(order)
                {
                    let reason = format!("{QUEUE_MAX} records wait for the disk, the limit");
                    entry.reply.answer(Answer::Failed(reason));
                }
            }
            Request::SubmitBlock { .. } | Request::ValidateBlock { .. } => {
                reply.answer(Answer::Failed("accounts take no blocks".into()));
            }
        }
    }
}

enum Order {
    Write(Entry),
    Read(mpsc::Sender<Result<Statement, String>>),
}

struct Entry {
    record: Box<ShareRecord>,
    reply: Reply,
}

/// Has the store, on a thread of its own.
struct Keeper<F> {
    /// `None` after a failure, until it could be opened again.
    database: Option<Database>,
    reopen: F,
}

impl<F: FnMut() -> Result<Database, StoreError>> Keeper<F> {
    fn run(mut self, queue: &mpsc::Receiver<Order>) {
        while let Ok(first) = queue.recv() {
            let (mut group, mut readers) = (Vec::new(), Vec::new());
            for order in std::iter::once(first).chain(queue.try_iter().take(GROUP_MAX - 1)) {
                match order {
                    Order::Write(entry) => group.push(entry),
                    Order::Read(reader) => readers.push(reader),
                }
            }
            if !group.is_empty() {
                self.keep(group);
            }
            for reader in readers {
                let statement = self.with(store::read);
                // A reader that is gone has no question any more.
                let _ = reader.send(statement.map_err(|error| error.to_string()));
            }
        }
    }

    fn keep(&mut self, group: Vec<Entry>) {
        let records: Vec<&ShareRecord> = group.iter().map(|entry| &*entry.record).collect();
        let outcome = self
            .with(|database| store::write(database, &records, WORKERS_MAX))
            .map_err(|error| format!("accounts: {error}"));
        for (index, Entry { record: _, reply }) in group.into_iter().enumerate() {
            reply.answer(match &outcome {
                Ok(without_room) if without_room.contains(&index) => {
                    Answer::Failed(format!("accounts: {WORKERS_MAX} workers, the limit"))
                }
                Ok(_) => Answer::Persisted,
                Err(reason) => Answer::Failed(reason.clone()),
            });
        }
    }

    /// Drops the store unless all goes well: after a failure it says no more than that it has
    /// failed.
    fn with<T>(
        &mut self,
        work: impl FnOnce(&Database) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let database = match self.database.take() {
            Some(database) => database,
            None => (self.reopen)()?,
        };
        let outcome = work(&database)?;
        self.database = Some(database);
        Ok(outcome)
    }
}

fn in_store(directory: &Path, StoreError(source): StoreError) -> AccountsError {
    let directory = directory.to_owned();
    match *source {
        redb::Error::DatabaseAlreadyOpen => AccountsError::InUse { directory },
        _ => AccountsError::Store { directory, source },
    }
}

/// Records that wait for the disk; beyond, they fail.
const QUEUE_MAX: usize = 65_536;

/// Records in one commit.
const GROUP_MAX: usize = 4_096;

/// Accounts in one store, some hundred bytes each; beyond, shares of workers that have none
/// fail.
const WORKERS_MAX: u64 = 1_000_000;
