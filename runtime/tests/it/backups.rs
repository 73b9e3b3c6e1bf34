//! `orchestratai backup` and `orchestratai restore`, with real servers on both engines.

use std::{
    fs::{self, File},
    io::Write,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use orchestratai_shared::{Event, EventBody, SessionId, Timestamp};
use orchestratai_testing::Postgres;
use serde_json::{Value, json};

use crate::{
    client::{Rest, Socket},
    server::{Launch, Server, orchestratai},
};

const PATIENCE: Duration = Duration::from_secs(60);

/// Where a database is: in the data folder, or in a server.
#[derive(Debug, Clone)]
struct Place(Option<String>);

impl Place {
    fn file() -> Self {
        Self(None)
    }

    fn server() -> Self {
        Self(Some(Postgres::shared().database()))
    }

    fn launch(&self) -> Launch {
        match &self.0 {
            Some(url) => Launch::new().variable("DATABASE_URL", url),
            None => Launch::new(),
        }
    }

    fn command(&self, word: &str, file: &Path, data_dir: &Path) -> Command {
        let mut command = orchestratai();
        command.arg(word).arg(file).arg("--data-dir").arg(data_dir);
        if let Some(url) = &self.0 {
            command.env("DATABASE_URL", url);
        }
        command
    }
}

fn check(file: &Path) -> Command {
    let mut command = orchestratai();
    command.arg("restore").arg(file).arg("--check");
    command
}

async fn output(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

async fn succeeded(command: Command) -> String {
    let output = output(command).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(!said.contains("warning"), "{said}");
    String::from_utf8_lossy(&output.stdout).into_owned() + &said
}

async fn failed(command: Command) -> String {
    let output = output(command).await;
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Somebody who talks on until the connection is lost, always with several messages under way.
struct Talker {
    session_id: SessionId,
    /// The last `seq` that came.
    seen: AtomicU64,
}

impl Talker {
    async fn talk(self: Arc<Self>, address: SocketAddr) {
        let query = format!("?session_id={}", self.session_id);
        let mut socket = Socket::connect(address, &query, None).await.unwrap();
        socket.ready().await;
        let question = json!({"content": "Can I get a refund of my annual plan?"});
        for _ in 0..3 {
            socket.say(question["content"].as_str().unwrap()).await;
        }
        while let Ok(frame) = socket.next_or_close().await {
            if let Some(seq) = frame.seq() {
                self.seen.store(seq, Ordering::Relaxed);
            }
            let say = json!({"type": "send_message", "data": {
                "clientMessageId": orchestratai_shared::ClientMessageId::new(), "content": question["content"]}});
            if frame.is_terminal() && !socket.try_send(&say).await {
                break;
            }
        }
    }

    fn seen(&self) -> u64 {
        self.seen.load(Ordering::Relaxed)
    }
}

/// Every event of a session, once all its turns have ended.
async fn ended_events(rest: &Rest, session_id: SessionId) -> Vec<Event> {
    let began = Instant::now();
    loop {
        let events = rest.events(session_id).await;
        let accepted = events.iter().filter(|event| is_acceptance(event)).count();
        let ended = events.iter().filter(|event| event.body.is_terminal()).count();
        if accepted == ended {
            return events;
        }
        assert!(began.elapsed() < PATIENCE, "{ended} of {accepted} turns have ended");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn is_acceptance(event: &Event) -> bool {
    matches!(event.body, EventBody::MessageAccepted(_))
}

async fn sources(rest: &Rest, query: &str) -> Vec<String> {
    let found = rest
        .post("/api/knowledge/search", &json!({"query": query, "limit": 5}))
        .await;
    let chunks = found.body["chunks"].as_array().unwrap().iter();
    chunks
        .map(|chunk| chunk["source"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn what_was_backed_up_under_load_goes_on_in_postgresql() {
    what_was_backed_up_under_load_goes_on(Place::file(), Place::server()).await;
}

#[tokio::test]
async fn what_was_backed_up_under_load_in_postgresql_goes_on_in_a_file() {
    what_was_backed_up_under_load_goes_on(Place::server(), Place::file()).await;
}

async fn what_was_backed_up_under_load_goes_on(from: Place, into: Place) {
    let server = from.launch().start().await;
    let talkers: Vec<Arc<Talker>> = (0..8)
        .map(|_| {
            Arc::new(Talker {
                session_id: SessionId::new(),
                seen: AtomicU64::new(0),
            })
        })
        .collect();
    let talks: Vec<_> = talkers
        .iter()
        .map(|talker| tokio::spawn(Arc::clone(talker).talk(server.address())))
        .collect();
    let began = Instant::now();
    while talkers.iter().any(|talker| talker.seen() < 20) {
        assert!(began.elapsed() < PATIENCE, "nobody talks");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let seen: Vec<u64> = talkers.iter().map(|talker| talker.seen()).collect();
    let elsewhere = tempfile::tempdir().unwrap();
    let file = elsewhere.path().join("backup.zst");
    succeeded(from.command("backup", &file, &server.data_dir())).await;
    let mut socket = server.socket("").await;
    let epoch = socket.ready().await.data()["epoch"].as_str().unwrap().to_owned();
    drop(server.kill());
    for talk in talks {
        talk.await.unwrap();
    }

    let restored_at = Timestamp::now();
    let folder = Arc::new(tempfile::tempdir().unwrap());
    succeeded(into.command("restore", &file, &folder.path().join("data"))).await;
    let server = into.launch().in_folder_of(&folder).start().await;
    let rest = server.rest();
    let mut ended_since = 0;
    for (talker, seen) in talkers.iter().zip(seen) {
        let id = talker.session_id;
        let events = ended_events(&rest, id).await;
        assert!(events.iter().map(|event| event.seq).eq(1..=events.len() as u64));
        assert!(
            events.len() as u64 >= seen,
            "{} of {seen} events are there",
            events.len()
        );
        for accepted in events.iter().filter(|event| is_acceptance(event)) {
            let of_turn = events.iter().filter(|event| event.turn_id == accepted.turn_id);
            assert_eq!(of_turn.filter(|event| event.body.is_terminal()).count(), 1);
        }
        ended_since += events
            .iter()
            .filter(|event| event.body.is_terminal() && event.at > restored_at)
            .count();
        let messages = rest.get(&format!("/api/session/{id}/messages?limit=100")).await;
        let accepted = events.iter().filter(|event| is_acceptance(event)).count();
        assert_eq!(
            messages.body["messages"].as_array().unwrap().len(),
            Ord::min(2 * accepted, 100)
        );
        // Who has seen more than there is now is told so, even where the number would fit.
        let query = format!("?session_id={id}&after_seq=1&epoch={epoch}");
        let ready = server.socket(&query).await.ready().await;
        assert_eq!(ready.data()["recovered"], false, "{}", ready.0);
        assert_ne!(ready.data()["epoch"], epoch.as_str());
    }
    assert!(
        ended_since > 0,
        "no turn was open when the backup was made: it shows nothing"
    );
    let found = sources(&rest, "Can I get a refund of my annual plan?").await;
    assert!(found.contains(&"requesting-a-refund.md".to_owned()), "{found:?}");
}

/// A server that has said and learnt something, stopped, and a backup of it.
async fn stopped_with_backup(place: &Place) -> (Server, PathBuf) {
    let mut server = place.launch().start().await;
    let mut socket = server.socket("").await;
    socket.ready().await;
    socket.turn("hello there").await;
    socket.close().await;
    server.terminate();
    assert!(server.ended().await.success());
    let file = server.folder().path().join("backup.zst");
    succeeded(place.command("backup", &file, &server.data_dir())).await;
    (server, file)
}

#[tokio::test]
async fn a_restore_that_is_killed_leaves_nothing_in_the_way_of_the_next() {
    let (server, file) = stopped_with_backup(&Place::file()).await;
    let backup = fs::read(&file).unwrap();
    for place in [Place::file(), Place::server()] {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let data_dir = folder.path().join("data");
        let mut command = place.command("restore", Path::new("-"), &data_dir);
        let mut restoring = command.stdin(Stdio::piped()).spawn().unwrap();
        let mut input = restoring.stdin.take().unwrap();
        input.write_all(&backup[..backup.len() - 100]).unwrap();
        input.flush().unwrap();
        // It waits for the rest.
        let began = Instant::now();
        let is_under_way = || match &place.0 {
            None => data_dir.join("orchestratai.db-restoring").exists(),
            Some(url) => {
                let database = url.rsplit_once('/').unwrap().1;
                let busy = "SELECT count(*) > 1 FROM pg_stat_activity WHERE datname = current_database()";
                Postgres::shared().sql(database, busy) == "t"
            }
        };
        while !is_under_way() {
            assert!(began.elapsed() < PATIENCE, "it does not begin");
            std::thread::sleep(Duration::from_millis(10));
        }
        std::thread::sleep(Duration::from_millis(300));
        restoring.kill().unwrap();
        restoring.wait().unwrap();
        drop(input);
        assert!(!data_dir.join("orchestratai.db").exists());
        succeeded(place.command("restore", &file, &data_dir)).await;
        let again = place.launch().in_folder_of(&folder).start().await;
        let found = sources(&again.rest(), "Can I get a refund of my annual plan?").await;
        assert!(found.contains(&"requesting-a-refund.md".to_owned()), "{found:?}");
    }
    drop(server);
}

#[tokio::test]
async fn a_backup_is_a_file_of_its_owner_and_replaces_none() {
    let place = Place::file();
    let (server, file) = stopped_with_backup(&place).await;
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let before = fs::read(&file).unwrap();
    let said = failed(place.command("backup", &file, &server.data_dir())).await;
    assert!(said.contains("is there already"), "{said}");
    assert_eq!(fs::read(&file).unwrap(), before);
    let names: Vec<_> = fs::read_dir(server.folder().path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("partial"))
        .collect();
    assert!(names.is_empty(), "{names:?}");

    let said = succeeded(check(&file)).await;
    assert!(
        said.contains("whole: 1 sessions with 2 messages") && said.contains("turns"),
        "{said}"
    );
    // By way of other programs.
    let out = output(place.command("backup", Path::new("-"), &server.data_dir())).await;
    assert!(out.status.success());
    let mut checking = check(Path::new("-"));
    let piped = server.folder().path().join("piped.zst");
    fs::write(&piped, &out.stdout).unwrap();
    checking.stdin(File::open(&piped).unwrap());
    assert!(succeeded(checking).await.contains("whole: 1 sessions"));
    fs::write(&piped, &out.stdout[..out.stdout.len() - 1]).unwrap();
    let said = failed(check(&piped)).await;
    assert!(said.contains("damaged"), "{said}");

    let nothing = tempfile::tempdir().unwrap();
    let said = failed(place.command("backup", &nothing.path().join("new.zst"), nothing.path())).await;
    assert!(said.contains("nothing to back up"), "{said}");
    assert_eq!(fs::read_dir(nothing.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_folder_is_restored_when_its_database_was_moved_away_and_its_index_follows() {
    let place = Place::file();
    let (server, file) = stopped_with_backup(&place).await;
    let folder = server.folder();
    let data_dir = server.data_dir();
    drop(server);
    // What was learnt after the backup is gone with the database, and must be gone from the index too.
    let server = place.launch().in_folder_of(&folder).start().await;
    let said = failed(place.command("restore", &file, &data_dir)).await;
    assert!(said.contains("in use"), "{said}");
    let upload = reqwest::multipart::Form::new().text("collection", "technical").part(
        "file",
        reqwest::multipart::Part::text("# Zeppelins\n\nThe zeppelin mooring opens at nine.").file_name("zeppelin.md"),
    );
    let request = server.rest().request(reqwest::Method::POST, "/api/knowledge/documents");
    let uploaded = server.rest().send(request.multipart(upload)).await;
    assert!(uploaded.status.is_success(), "{}", uploaded.body);
    assert!(
        sources(&server.rest(), "zeppelin mooring")
            .await
            .iter()
            .any(|source| source.contains("zeppelin"))
    );
    drop(server.kill());
    let said = failed(place.command("restore", &file, &data_dir)).await;
    assert!(said.contains("orchestratai.db is there already"), "{said}");
    for ending in ["", "-wal", "-shm", "-log0", "-log1"] {
        let _ = fs::remove_file(data_dir.join(format!("orchestratai.db{ending}")));
    }
    succeeded(place.command("restore", &file, &data_dir)).await;
    let server = place.launch().in_folder_of(&folder).start().await;
    let found = sources(&server.rest(), "zeppelin mooring").await;
    assert!(!found.iter().any(|source| source.contains("zeppelin")), "{found:?}");
    let found = sources(&server.rest(), "Can I get a refund of my annual plan?").await;
    assert!(found.contains(&"requesting-a-refund.md".to_owned()), "{found:?}");
    let health: Value = server.rest().get("/api/health/services").await.body;
    assert!(!health.to_string().contains("down"), "{health}");
}
