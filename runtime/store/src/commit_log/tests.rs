use std::{os::unix::fs::FileExt, sync::Arc};

use orchestratai_shared::{AgentId, AgentStatus, Event, EventBody, SessionId, Timestamp, event::AgentStatusChanged};
use proptest::prelude::*;
use tempfile::TempDir;

use super::{segment::SECTOR, *};
use crate::{Append, JournalEntry};

const SEGMENT: u64 = 64 << 10;

/// An append of one event whose frame is about so long.
fn append(seq: u64, filling: usize) -> Vec<Write> {
    let session_id = SessionId::new();
    let event = Event {
        seq,
        session_id,
        turn_id: None,
        at: Timestamp::now(),
        body: EventBody::AgentStatus(AgentStatusChanged {
            agent: AgentId::parse("billing").unwrap(),
            status: AgentStatus::Active,
        }),
    };
    let frame = serde_json::to_string(&event).unwrap();
    let frame = format!("{}{}", frame, " ".repeat(filling));
    let entry = JournalEntry {
        event: Arc::new(event),
        frame: frame.into(),
        kept: None,
    };
    vec![Write::Append(Append {
        session_id,
        entries: vec![entry],
    })]
}

struct Bench {
    folder: TempDir,
    lineage: Uuid,
}

impl Bench {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            lineage: Uuid::now_v7(),
        }
    }

    fn open(&self, applied: u64) -> Result<(CommitLog, Vec<Record>), LogError> {
        self.open_as(applied, true).map(|(log, left)| (log, left.records))
    }

    fn open_as(&self, applied: u64, is_flushed: bool) -> Result<(CommitLog, Left), LogError> {
        self.lock()?.read(self.lineage, applied, is_flushed, SEGMENT)
    }

    /// Takes the log. Another test that starts a process at this moment shares every open file with it until that is another
    /// program, and with the file its lock.
    fn lock(&self) -> io::Result<LockedLog> {
        let mut tries = 0;
        loop {
            match CommitLog::lock(&self.folder.path().join("x.db")) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && tries < 500 => {
                    tries += 1;
                    std::thread::sleep(std::time::Duration::from_millis(10));
                }
                locked => return locked,
            }
        }
    }

    fn file(&self, index: usize) -> PathBuf {
        self.folder.path().join(format!("x.db-log{index}"))
    }
}

/// Appends, with everything before applied where that makes room. Gives the position.
fn push(log: &mut CommitLog, writes: &[Write]) -> u64 {
    log.append(Encoded::new(writes)).unwrap()
}

fn seqs(records: &[Record]) -> Vec<u64> {
    records
        .iter()
        .flat_map(|record| &record.writes)
        .map(|write| match write {
            Write::Append(append) => append.entries[0].event.seq,
            Write::CreateSession { .. } | Write::EraseSession { .. } => 0,
        })
        .collect()
}

#[test]
fn what_was_appended_is_there_and_what_was_applied_is_not() {
    let bench = Bench::new();
    let (mut log, records) = bench.open(0).unwrap();
    assert!(records.is_empty());
    for seq in 1..=9 {
        assert_eq!(push(&mut log, &append(seq, 10)), seq);
    }
    drop(log);
    let (log, records) = bench.open(4).unwrap();
    assert_eq!(seqs(&records), [5, 6, 7, 8, 9]);
    assert_eq!(records[0].position, 5);
    drop(log);
    let (mut log, records) = bench.open(9).unwrap();
    assert!(records.is_empty());
    assert_eq!(push(&mut log, &append(10, 10)), 10);
    drop(log);
    assert_eq!(seqs(&bench.open(9).unwrap().1), [10]);
}

#[test]
fn one_has_it_at_a_time() {
    let bench = Bench::new();
    let held = bench.open(0).unwrap();
    let error = bench.open(0).unwrap_err();
    assert!(
        matches!(&error, LogError::Io(error) if error.kind() == io::ErrorKind::WouldBlock),
        "{error:?}"
    );
    drop(held);
    assert!(bench.open(0).is_ok());
}

#[test]
fn a_file_is_written_anew_only_when_it_is_applied_and_a_long_record_finds_room() {
    let bench = Bench::new();
    let (mut log, _) = bench.open(0).unwrap();
    let mut applied = 0;
    for seq in 1..=200 {
        let writes = append(seq, if seq % 50 == 0 { 90 << 10 } else { 700 });
        let record = Encoded::new(&writes);
        let needed = log.room_after(record.len());
        // What it asks for is never more than what was appended.
        assert!(needed < seq);
        applied = applied.max(needed);
        assert_eq!(log.append(record).unwrap(), seq);
        // At any moment, a crash loses nothing that the database does not have.
        if seq % 7 == 0 {
            drop(log);
            let (reopened, records) = bench.open(applied).unwrap();
            assert_eq!(seqs(&records), (applied + 1..=seq).collect::<Vec<_>>(), "after {seq}");
            log = reopened;
            applied = seq;
        }
    }
}

#[test]
fn what_was_wiped_is_nowhere() {
    let bench = Bench::new();
    let (mut log, _) = bench.open(0).unwrap();
    for seq in 1..=40 {
        push(&mut log, &append(seq, 700));
    }
    let holds = |index| {
        std::fs::read(bench.file(index))
            .unwrap()
            .windows(7)
            .any(|text| text == b"billing")
    };
    assert!(holds(0) && holds(1));
    log.wipe().unwrap();
    assert!(!holds(0) && !holds(1));
    push(&mut log, &append(41, 10));
    drop(log);
    assert_eq!(seqs(&bench.open(40).unwrap().1), [41]);
}

#[test]
fn a_log_of_another_database_or_version_is_refused() {
    let mut bench = Bench::new();
    drop(bench.open(0).unwrap());
    bench.lineage = Uuid::now_v7();
    let error = bench.open(0).unwrap_err().to_string();
    assert!(
        error.contains("another database") && error.contains("x.db-log0"),
        "{error}"
    );
    std::fs::write(bench.file(0), "These are my notes. ".repeat(99)).unwrap();
    let error = bench.open(0).unwrap_err().to_string();
    assert!(error.contains("this version"), "{error}");
}

#[test]
fn records_that_are_missing_before_others_are_noticed() {
    let bench = Bench::new();
    let (mut log, _) = bench.open(0).unwrap();
    for seq in 1..=3 {
        push(&mut log, &append(seq, 10));
    }
    drop(log);
    // The log goes on from 3, in a database that ends at 1: somebody has put an old one in its place.
    let (mut log, _) = bench.open(3).unwrap();
    push(&mut log, &append(4, 10));
    drop(log);
    let error = bench.open(1).unwrap_err().to_string();
    assert!(error.contains("missing"), "{error}");
}

#[test]
fn where_nothing_is_flushed_the_records_up_to_the_first_hole_are_taken_up() {
    let bench = Bench::new();
    let (mut log, _) = bench.open_as(0, false).unwrap();
    for seq in 1..=6 {
        push(&mut log, &append(seq, 100));
    }
    drop(log);
    // A loss of power: the fourth never reached the disk, the sixth did.
    let file = std::fs::OpenOptions::new().write(true).open(bench.file(0)).unwrap();
    file.write_all_at(&[0; SECTOR], 4 * SECTOR as u64).unwrap();
    let (mut log, left) = bench.open_as(0, false).unwrap();
    assert_eq!(seqs(&left.records), [1, 2, 3]);
    assert!(left.was_cut_off);
    // Nor does what lay behind the hole come back.
    log.wipe().unwrap();
    assert_eq!(push(&mut log, &append(4, 100)), 4);
    drop(log);
    assert_eq!(seqs(&bench.open(3).unwrap().1), [4]);
}

#[test]
fn an_ended_log_leaves_nothing_and_the_next_one_waits_for_it() {
    let bench = Bench::new();
    let (mut log, left) = bench.open_as(0, true).unwrap();
    assert!(!left.was_cut_off);
    push(&mut log, &append(1, 10));
    log.remove().unwrap();
    // Its files have no names any more, but whoever had opened them before would still have to wait.
    let (log, left) = bench.open_as(1, true).unwrap();
    assert!(!left.was_cut_off && left.records.is_empty());
    let blocked = CommitLog::lock(&bench.folder.path().join("x.db")).unwrap_err();
    assert_eq!(blocked.kind(), io::ErrorKind::WouldBlock);
    drop(log);
}

#[tokio::test]
async fn a_file_is_overwritten_while_the_log_goes_on_in_the_other() {
    let bench = Bench::new();
    let (mut log, _) = bench.open(0).unwrap();
    for seq in 1..=20 {
        push(&mut log, &append(seq, 700));
    }
    let holds = |index| {
        std::fs::read(bench.file(index))
            .unwrap()
            .windows(7)
            .any(|text| text == b"billing")
    };
    assert!(holds(0) && holds(1));
    let first = log.at_rest();
    let retired = log.retire(first, 20).unwrap();
    push(&mut log, &append(21, 700));
    retired.wipe().await.unwrap();
    assert!(!holds(first) && holds(1 - first));
    // The other one is needed until the database has it.
    let retired = log.retire(1 - first, 20).unwrap();
    assert_eq!(retired.last_position(), 21);
    push(&mut log, &append(22, 700));
    retired.wipe().await.unwrap();
    assert!(holds(first) && !holds(1 - first));
    for seq in 23..=60 {
        let record = Encoded::new(&append(seq, 700));
        log.make_room(record.len()).await;
        assert_eq!(log.append(record).unwrap(), seq);
    }
    drop(log);
    assert_eq!(bench.open(50).unwrap().1.len(), 10);
}

proptest! {
    /// Whatever a crash leaves of the last write, the records before it are there, and nothing else is.
    #[test]
    fn a_write_that_was_cut_off_is_dropped(
        fillings in proptest::collection::vec(0_usize..3_000, 1..5),
        kept in 0.0_f64..1.0,
    ) {
        let bench = Bench::new();
        let (mut log, _) = bench.open(0).unwrap();
        let mut ends = vec![SECTOR];
        for (seq, filling) in (1..).zip(&fillings) {
            let writes = append(seq, *filling);
            ends.push(ends[ends.len() - 1] + Encoded::new(&writes).len().next_multiple_of(SECTOR));
            push(&mut log, &writes);
        }
        drop(log);
        let (begin, end) = (ends[ends.len() - 2], ends[ends.len() - 1]);
        let body = Encoded::new(&append(1, fillings[fillings.len() - 1])).len();
        // So much of it has reached the disk; the rest is as it was before.
        let cut = begin + ((body as f64) * kept) as usize;
        let file = std::fs::OpenOptions::new().write(true).open(bench.file(0)).unwrap();
        file.write_all_at(&vec![0; end - cut], cut as u64).unwrap();
        let (_, records) = bench.open(0).unwrap();
        prop_assert_eq!(seqs(&records), (1..fillings.len() as u64).collect::<Vec<_>>());
    }

    /// A record that is damaged, but is not the last one, is never passed over.
    #[test]
    fn damage_before_the_end_is_an_error(at in 0_usize..1_800, flip in 1_u8..=255, applied in 0_u64..3) {
        let bench = Bench::new();
        let (mut log, _) = bench.open(0).unwrap();
        for seq in 1..=6 {
            push(&mut log, &append(seq, 100));
        }
        drop(log);
        let mut bytes = std::fs::read(bench.file(0)).unwrap();
        let record = at / 600;
        let at = SECTOR * (1 + record) + at % 600;
        let is_padding = at % SECTOR >= Encoded::new(&append(1, 100)).len();
        bytes[at] ^= flip;
        std::fs::write(bench.file(0), bytes).unwrap();
        match bench.open(applied) {
            Ok((_, records)) => {
                prop_assert!(is_padding || (record as u64) < applied, "damage at {at} was passed over");
                prop_assert_eq!(seqs(&records), (applied + 1..=6).collect::<Vec<_>>());
            }
            Err(LogError::Damaged { .. }) => prop_assert!(!is_padding),
            Err(error) => prop_assert!(false, "{error:?}"),
        }
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        let _ = record::decode(&bytes);
    }
}
