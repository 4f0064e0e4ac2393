//! Accounts on disks that work, fail and fill.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use redb::StorageBackend;
use redb::backends::InMemoryBackend;
use sv2::mining::share_record::ShareOutcome;
use sv2::role::RequestId;
use sv2::time::UnixTime;
use sv2::wire::{Str255, U256};
use tokio::sync::mpsc::unbounded_channel;

use super::*;

const ONE: u128 = 1 << 64;

fn record(user: &'static str, worker: &'static str, outcome: ShareOutcome) -> ShareRecord {
    ShareRecord {
        at: UnixTime(1_700_000_000),
        user_identity: Str255::from_static(user),
        worker: Bytes::from_static(worker.as_bytes()),
        outcome,
    }
}

fn accepted(difficulty: u128) -> ShareOutcome {
    ShareOutcome::Accepted { hash: U256::ZERO, difficulty, is_block: false }
}

fn block(difficulty: u128) -> ShareOutcome {
    ShareOutcome::Accepted { hash: U256::ZERO, difficulty, is_block: true }
}

fn rejected(error_code: &'static str) -> ShareOutcome {
    ShareOutcome::Rejected { error_code }
}

/// Asks for all at once, and waits for the answers, which come in the same order.
fn persist(accounts: &Accounts, records: impl IntoIterator<Item = ShareRecord>) -> Vec<Answer> {
    let (answers, mut answered) = unbounded_channel();
    for (request, record) in (0..).zip(records) {
        let record = Box::new(record);
        accounts.take(Request::Persist { record }, Reply::new(RequestId(request), answers.clone()));
    }
    drop(answers);
    std::iter::from_fn(|| answered.blocking_recv()).map(|(_, answer)| answer).collect()
}

/// After the end of the process that wrote.
fn read(directory: &Path) -> Statement {
    Accounts::read(directory).unwrap()
}

fn account(user: &str, worker: &str, accepted_count: u64, work: u128) -> Account {
    Account {
        user_identity: user.into(),
        worker: worker.into(),
        accepted_count,
        work,
        block_count: 0,
        last_accepted_at: 1_700_000_000,
        rejected: BTreeMap::new(),
    }
}

/// Opens, writes, ends.
fn session(directory: &Path, records: impl IntoIterator<Item = ShareRecord>) {
    let database = store::open(&directory.join(Accounts::FILE)).unwrap();
    let records: Vec<ShareRecord> = records.into_iter().collect();
    let records: Vec<&ShareRecord> = records.iter().collect();
    let without_room = store::write(&database, &records, WORKERS_MAX).unwrap();
    assert_eq!(without_room, [0_usize; 0]);
}

#[test]
fn sums_are_exact_and_go_on_where_an_earlier_process_ended() {
    let directory = tempfile::tempdir().unwrap();
    let fractions = [ONE / 3, 7 * ONE + 1, u128::from(u64::MAX)];

    session(directory.path(), fractions.map(|work| record("a", "", accepted(work))));
    session(directory.path(), fractions.map(|work| record("a", "", accepted(work))));

    let sum = 2 * fractions.iter().sum::<u128>();
    assert_eq!(read(directory.path()).accounts, [account("a", "", 6, sum)]);
}

#[test]
fn each_worker_of_a_user_has_an_account_and_so_has_the_user_itself() {
    let directory = tempfile::tempdir().unwrap();
    let shares = [("b", "2"), ("a", ""), ("b", "10"), ("b", ""), ("b", "2")];

    session(directory.path(), shares.map(|(user, worker)| record(user, worker, accepted(ONE))));

    let expected = [("a", "", 1), ("b", "", 1), ("b", "10", 1), ("b", "2", 2)];
    let expected =
        expected.map(|(user, worker, count)| account(user, worker, count, ONE * u128::from(count)));
    assert_eq!(read(directory.path()).accounts, expected);
}

#[test]
fn blocks_and_rejections_are_counted_by_worker_and_code() {
    let directory = tempfile::tempdir().unwrap();
    let (stale, twice) = (rejected("stale-share"), rejected("duplicate-share"));
    let outcomes = [stale, accepted(ONE), block(ONE), twice, stale];

    session(directory.path(), outcomes.map(|outcome| record("a", "1", outcome)));

    let counts = [("duplicate-share".to_owned(), 1), ("stale-share".to_owned(), 2)];
    let expected =
        Account { block_count: 1, rejected: counts.into(), ..account("a", "1", 2, 2 * ONE) };
    assert_eq!(read(directory.path()).accounts, [expected]);
}

#[test]
fn who_has_no_share_accepted_has_no_account() {
    let directory = tempfile::tempdir().unwrap();
    let shares = ["a", "b", "c"].map(|user| record(user, "", rejected("difficulty-too-low")));

    session(directory.path(), shares);

    let statement = read(directory.path());
    assert_eq!(statement.accounts, []);
    assert_eq!(statement.rejected_of_others, [("difficulty-too-low".to_owned(), 3)].into());
}

#[test]
fn a_full_store_refuses_new_workers_and_serves_the_others() {
    let directory = tempfile::tempdir().unwrap();
    let database = store::open(&directory.path().join(Accounts::FILE)).unwrap();
    let old = record("old", "", accepted(ONE));
    let new = record("new", "", accepted(ONE));
    store::write(&database, &[&old], 1).unwrap();

    let without_room = store::write(&database, &[&new, &old, &new], 1).unwrap();

    assert_eq!(without_room, [0_usize, 2]);
    assert_eq!(store::read(&database).unwrap().accounts, [account("old", "", 2, 2 * ONE)]);
}

#[test]
fn accounts_are_open_in_one_process_only_and_the_error_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let _first = Accounts::open(directory.path()).unwrap();

    let second = Accounts::open(directory.path()).unwrap_err();
    let reader = Accounts::read(directory.path()).unwrap_err();

    assert!(matches!(second, AccountsError::InUse { .. }), "{second}");
    assert!(matches!(reader, AccountsError::InUse { .. }), "{reader}");
}

#[tokio::test]
async fn accounts_that_are_open_can_be_read_through_their_process() {
    let directory = tempfile::tempdir().unwrap();
    // As a process that was killed leaves it.
    drop(std::os::unix::net::UnixListener::bind(directory.path().join(Accounts::SOCKET)));
    let accounts = Arc::new(Accounts::open(directory.path()).unwrap());
    tokio::spawn(Arc::clone(&accounts).serve(directory.path()).unwrap());

    let statement = tokio::task::spawn_blocking(move || {
        persist(&accounts, [record("a", "", accepted(ONE))]);
        read(directory.path())
    });

    assert_eq!(statement.await.unwrap().accounts, [account("a", "", 1, ONE)]);
}

#[test]
fn a_record_is_in_the_store_when_it_is_answered() {
    let disk = Disk::default();
    let accounts = disk.keep();

    let answers = persist(&accounts, (0..3).map(|_| record("a", "", accepted(ONE))));

    assert_eq!(answers, [Answer::Persisted, Answer::Persisted, Answer::Persisted]);
    // As whoever looks after a power failure at this moment.
    let statement = store::read(&disk.copy().database().unwrap()).unwrap();
    assert_eq!(statement.accounts, [account("a", "", 3, 3 * ONE)]);
}

#[test]
fn a_disk_that_fails_fails_the_record_and_works_again_when_it_can() {
    let disk = Disk::default();
    let accounts = disk.keep();
    let share = || [record("a", "", accepted(ONE))];
    persist(&accounts, share());

    disk.is_full.store(true, Ordering::SeqCst);
    let while_full = [persist(&accounts, share()), persist(&accounts, share())].concat();
    disk.is_full.store(false, Ordering::SeqCst);
    let after = persist(&accounts, share());

    for answer in while_full {
        let Answer::Failed(reason) = answer else { panic!("{answer:?}") };
        assert!(
            reason.starts_with("accounts: ") && reason.contains("no storage space"),
            "{reason}"
        );
    }
    assert_eq!(after, [Answer::Persisted]);
    let statement = store::read(&disk.copy().database().unwrap()).unwrap();
    assert_eq!(statement.accounts, [account("a", "", 2, 2 * ONE)]);
}

/// What outlives a process; it can be full.
#[derive(Clone, Debug, Default)]
struct Disk {
    bytes: Arc<InMemoryBackend>,
    is_full: Arc<AtomicBool>,
}

impl Disk {
    fn database(&self) -> Result<Database, StoreError> {
        Ok(Database::builder().create_with_backend(self.clone())?)
    }

    fn keep(&self) -> Accounts {
        let disk = self.clone();
        Accounts::start(self.database().unwrap(), move || disk.database()).unwrap()
    }

    fn copy(&self) -> Disk {
        let copy = Disk::default();
        let len = self.bytes.len().unwrap();
        copy.bytes.set_len(len).unwrap();
        let bytes = self.bytes.read(0, usize::try_from(len).unwrap()).unwrap();
        copy.bytes.write(0, &bytes).unwrap();
        copy
    }

    fn room(&self) -> io::Result<()> {
        match self.is_full.load(Ordering::SeqCst) {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.bytes.len()
    }

    fn read(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        self.bytes.read(offset, len)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.room()?;
        self.bytes.set_len(len)
    }

    fn sync_data(&self, eventual: bool) -> io::Result<()> {
        self.room()?;
        self.bytes.sync_data(eventual)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.room()?;
        self.bytes.write(offset, data)
    }
}
