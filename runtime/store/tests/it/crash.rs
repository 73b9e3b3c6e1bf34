//! What was acknowledged survives.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write as _},
    path::Path,
    time::Duration,
};

use orchestratai_shared::SessionId;
use orchestratai_store::{Store, StoreSettings, Write};

use crate::{child, conversation::Conversation, open};

/// Checks that journal and read models of a session tell the same story, and gives its last `seq`.
pub(crate) async fn check_consistent(store: &Store, id: SessionId) -> u64 {
    let record = store
        .rehydrate(id, 100_000)
        .await
        .unwrap()
        .expect("the session is there");
    let page = store
        .events_after(id, 0, usize::MAX, usize::MAX)
        .await
        .unwrap()
        .unwrap();
    assert!(
        page.frames.iter().map(|frame| frame.seq).eq(1..=record.last_seq),
        "seq is unbroken"
    );
    let (mut messages, mut ended) = (0, 0);
    for frame in &page.frames {
        let event = frame.event().unwrap();
        messages += u64::from(matches!(event.body.kind(), "message_accepted" | "message_completed"));
        ended += usize::from(event.body.is_terminal());
    }
    assert_eq!(record.session.message_count, messages);
    assert_eq!(record.transcript.len() as u64, messages);
    assert_eq!(record.keys.iter().filter(|key| key.ended_seq.is_some()).count(), ended);
    assert_eq!(record.open_turns.len(), record.keys.len() - ended);
    record.last_seq
}

#[test]
#[ignore = "the process that another test kills"]
fn writes_until_it_is_killed() {
    let Some(folder) = child::folder() else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        // Flushed, as it is by default; who looks afterwards does not, so that the log is also taken up in the other mode.
        let store = Store::open(&StoreSettings::sqlite(&folder.join("orchestratai.db")))
            .await
            .unwrap();
        let mut talks: Vec<Conversation> = (0..6).map(|_| Conversation::new()).collect();
        store
            .commit(talks.iter().map(Conversation::create).collect())
            .await
            .unwrap();
        for round in 0.. {
            let mut batch: Vec<Write> = Vec::new();
            for (index, talk) in talks.iter_mut().enumerate() {
                // Acceptance and end come in different commits, as they do in life.
                if talk.open.is_empty() {
                    let accepted = talk.accept(&format!("question {round}"));
                    batch.push(talk.append(vec![accepted]));
                } else if round % (index + 1) == 0 {
                    let rest = vec![talk.log("Routed"), talk.complete(&"answer ".repeat(300), 1, 0.0)];
                    batch.push(talk.append(rest));
                }
            }
            store.commit(batch).await.unwrap();
            let line: Vec<String> = talks.iter().map(|talk| format!("{}={}", talk.id, talk.seq)).collect();
            let mut out = std::io::stdout().lock();
            writeln!(out, "ACK {}", line.join(" ")).unwrap();
            out.flush().unwrap();
        }
    });
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9() {
    for round in 0..4_u64 {
        let folder = tempfile::tempdir().unwrap();
        let mut child = child::start("crash::writes_until_it_is_killed", folder.path());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines
            .find(|line| line.as_ref().unwrap().contains("ACK "))
            .unwrap()
            .unwrap();
        std::thread::sleep(Duration::from_millis(40 + 70 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        let last = lines
            .map_while(Result::ok)
            .filter(|line| line.starts_with("ACK ") && line.matches('=').count() == 6)
            .last();
        let acknowledged: HashMap<SessionId, u64> = last
            .unwrap_or(first)
            .split_whitespace()
            .filter_map(|pair| pair.split_once('='))
            .map(|(id, seq)| (id.parse().unwrap(), seq.parse().unwrap_or(0)))
            .collect();
        assert_eq!(acknowledged.len(), 6);
        let store = open(folder.path()).await;
        for (id, seq) in acknowledged {
            let kept = check_consistent(&store, id).await;
            assert!(kept >= seq, "seq {seq} was acknowledged and {kept} was kept");
        }
    }
}

#[tokio::test]
async fn a_copy_of_database_and_logs_opens_as_it_was_at_that_moment() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let mut talk = Conversation::new();
    store.commit(vec![talk.create()]).await.unwrap();
    for n in 0..30 {
        let turn = talk.turn(&format!("question {n}"));
        store.commit(turn.to_vec()).await.unwrap();
        if n % 10 == 9 {
            let copy = tempfile::tempdir().unwrap();
            copy_files(folder.path(), copy.path());
            let restored = open(copy.path()).await;
            assert_eq!(restored.epoch(), store.epoch());
            assert_eq!(check_consistent(&restored, talk.id).await, talk.seq);
        }
        if n == 14 {
            store.checkpoint().await.unwrap();
        }
    }
}

fn copy_files(from: &Path, to: &Path) {
    for name in ["", "-wal", "-log0", "-log1"] {
        let name = format!("orchestratai.db{name}");
        std::fs::copy(from.join(&name), to.join(&name)).unwrap();
    }
}
