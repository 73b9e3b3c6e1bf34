//! The server is killed at random moments under load, again and again, and keeps every promise.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use orchestratai_shared::{ClientMessageId, Event, EventBody, LogData, LogStatus, SessionId};
use orchestratai_testing::Postgres;
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    client::{Frame, Socket},
    server::Launch,
};

/// How often it is killed.
const KILLS: usize = 50;
/// Clients that talk with it at once, each in a session of its own.
const CLIENTS: usize = 24;
/// How long a client waits for anything at all.
const PATIENCE: Duration = Duration::from_secs(25);
/// Messages that a client has under way at once: some run, some wait.
const UNDER_WAY: usize = 3;

const QUESTIONS: [&str; 4] = [
    "How do I rotate an API key without downtime?",
    "Can I get a refund of my annual plan?",
    "How long are audit logs kept on the Business plan?",
    "hello there",
];

/// A client as it should be: sends again what was not accepted, and comes back for what it missed.
pub(crate) struct Persistent {
    pub(crate) session_id: SessionId,
    epoch: Option<String>,
    last_seq: u64,
    /// Every durable frame, in the order in which it came.
    seen: Vec<Value>,
    /// What it said, and whether that was accepted.
    pub(crate) said: BTreeMap<ClientMessageId, (String, bool)>,
    /// Whether messages may be refused for a while.
    meets_outages: bool,
}

impl Persistent {
    fn new() -> Self {
        Self {
            session_id: SessionId::new(),
            epoch: None,
            last_seq: 0,
            seen: Vec::new(),
            said: BTreeMap::new(),
            meets_outages: false,
        }
    }

    /// One that comes again where it is refused for a while.
    pub(crate) fn patient() -> Self {
        Self {
            meets_outages: true,
            ..Self::new()
        }
    }

    /// Talks until the connection ends, or until all it said has ended where it is to say nothing new.
    async fn talk(self, address: SocketAddr, says_more: bool) -> Self {
        self.talk_for(Duration::from_secs(3_600), address, says_more).await
    }

    /// The same, for some time at most.
    pub(crate) async fn talk_for(mut self, spell: Duration, address: SocketAddr, says_more: bool) -> Self {
        let until = Instant::now() + spell;
        let epoch = self
            .epoch
            .as_ref()
            .map(|epoch| format!("&epoch={epoch}"))
            .unwrap_or_default();
        let query = format!("?session_id={}&after_seq={}{epoch}", self.session_id, self.last_seq);
        let Ok(mut socket) = Socket::connect(address, &query, None).await else {
            return self;
        };
        let ready = timeout(PATIENCE, socket.next_or_close()).await;
        let ready =
            ready.unwrap_or_else(|_| panic!("{address} does not say that session {} is ready", self.session_id));
        let Ok(ready) = ready else {
            return self;
        };
        if self.meets_outages && ready.kind() == "error" && ready.data()["code"] == "OVERLOADED" {
            return self;
        }
        assert_eq!(ready.kind(), "session_ready", "{}", ready.0);
        assert_eq!(ready.data()["recovered"], true, "{}", ready.0);
        let epoch = ready.data()["epoch"].as_str().expect("there is an epoch").to_owned();
        assert_eq!(
            *self.epoch.get_or_insert_with(|| epoch.clone()),
            epoch,
            "the epoch survives a crash"
        );
        for (id, (content, accepted)) in &self.said {
            if !accepted && !send(&mut socket, *id, content).await {
                return self;
            }
        }
        loop {
            let open = self.said.len() - self.ended();
            if says_more && open < UNDER_WAY {
                let (id, content) = (ClientMessageId::new(), QUESTIONS[self.said.len() % QUESTIONS.len()]);
                self.said.insert(id, (content.to_owned(), false));
                if !send(&mut socket, id, content).await {
                    return self;
                }
                continue;
            }
            if open == 0 || Instant::now() >= until {
                return self;
            }
            let Ok(next) = timeout(PATIENCE, socket.next_or_close()).await else {
                let unaccepted: Vec<_> = self.said.iter().filter(|(_, (_, accepted))| !accepted).collect();
                panic!(
                    "nothing comes any more from {address} of session {} after seq {}: {open} turns are open, not accepted are \
                     {unaccepted:?}",
                    self.session_id, self.last_seq
                );
            };
            let Ok(frame) = next else {
                return self;
            };
            let Some(refused) = self.refused(&frame) else {
                self.take(frame);
                continue;
            };
            tokio::time::sleep(Duration::from_millis(200)).await;
            let content = self.said[&refused].0.clone();
            if !send(&mut socket, refused, &content).await {
                return self;
            }
        }
    }

    /// The message that this frame refuses for now, where it may.
    fn refused(&self, frame: &Frame) -> Option<ClientMessageId> {
        let is_refusal = self.meets_outages && frame.kind() == "error" && frame.data()["code"] == "OVERLOADED";
        assert!(!is_refusal || frame.data()["retryable"] == true, "{}", frame.0);
        let id = frame.data()["clientMessageId"].as_str().filter(|_| is_refusal)?;
        Some(id.parse().expect("a UUID"))
    }

    fn take(&mut self, frame: Frame) {
        let Some(seq) = frame.seq() else {
            assert_ne!(frame.kind(), "error", "{}", frame.0);
            return;
        };
        if frame.kind() == "message_accepted" {
            let id = frame.data()["clientMessageId"]
                .as_str()
                .expect("it bears the key")
                .parse()
                .expect("a UUID");
            self.said.get_mut(&id).expect("it was said by this client").1 = true;
        }
        if seq <= self.last_seq {
            // The answer to a repeat is the original, to the letter.
            let index = usize::try_from(seq - 1).expect("a short history");
            assert_eq!(self.seen[index], frame.0, "a repeat is answered with something else");
            return;
        }
        assert_eq!(seq, self.last_seq + 1, "a gap in what a client gets");
        self.last_seq = seq;
        self.seen.push(frame.0);
    }

    pub(crate) fn ended(&self) -> usize {
        let terminal = |frame: &&Value| Frame((*frame).clone()).is_terminal();
        self.seen.iter().filter(terminal).count()
    }
}

async fn send(socket: &mut Socket, id: ClientMessageId, content: &str) -> bool {
    let frame = json!({"type": "send_message", "data": {"clientMessageId": id, "content": content}});
    socket.try_send(&frame).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_ends_exactly_once_through_fifty_kills() {
    through_kills(KILLS, &Launch::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_ends_exactly_once_through_fifteen_kills_with_postgresql() {
    let postgres = Postgres::start();
    through_kills(15, &Launch::new().variable("DATABASE_URL", &postgres.database())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_ends_exactly_once_while_the_database_comes_and_goes() {
    let mut postgres = Postgres::start();
    let server = Launch::new()
        .setting("session.queue_max", "8")
        .variable("DATABASE_URL", &postgres.database())
        .start()
        .await;
    let address = server.address();
    let is_over = Arc::new(AtomicBool::new(false));
    let talks: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let is_over = Arc::clone(&is_over);
            tokio::spawn(async move {
                let mut client = Persistent::patient();
                loop {
                    let says_more = !is_over.load(Ordering::Relaxed);
                    let spell = Duration::from_secs(if says_more { 3 } else { 60 });
                    client = client.talk_for(spell, address, says_more).await;
                    if !says_more && client.said.len() == client.ended() {
                        return client;
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            })
        })
        .collect();
    // Away for a moment, as in a restart; for longer than commits wait; and killed in the middle of them.
    for (is_killed, away_ms) in [(false, 200), (true, 1_500), (false, 17_000), (true, 100)] {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        postgres = tokio::task::spawn_blocking(move || {
            if is_killed {
                postgres.kill();
            } else {
                postgres.stop();
            }
            std::thread::sleep(Duration::from_millis(away_ms));
            postgres.start_again();
            postgres
        })
        .await
        .unwrap();
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    is_over.store(true, Ordering::Relaxed);
    let mut said = 0;
    for talk in talks {
        let client = talk.await.expect("a client found a promise broken");
        check(&client, &server.rest().events(client.session_id).await);
        said += client.said.len();
    }
    eprintln!("{said} messages were said");
    assert!(said >= 8 * CLIENTS, "only {said} messages were said");
}

async fn through_kills(kills: usize, launch: &Launch) {
    // What a seed repeats is the moments of the kills; what was under way in them is the machine's to say.
    let seed = std::env::var("CRASH_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(rand::random);
    eprintln!("the kills come in the moments of CRASH_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let (mut taken_up, mut ended) = (0, 0);
    let mut clients: Vec<Persistent> = (0..CLIENTS).map(|_| Persistent::new()).collect();
    let mut folder = None;
    for kill in 0..=kills {
        let mut launch = launch.clone().setting("session.queue_max", "8");
        if let Some(folder) = &folder {
            launch = launch.in_folder_of(folder);
        }
        let server = launch.start().await;
        let is_last = kill == kills;
        let talks: Vec<_> = clients
            .drain(..)
            .map(|client| tokio::spawn(client.talk(server.address(), !is_last)))
            .collect();
        if is_last {
            for talk in talks {
                clients.push(talk.await.expect("a client found a promise broken"));
            }
            for client in &clients {
                let journal = server.rest().events(client.session_id).await;
                check(client, &journal);
                taken_up += journal.iter().filter(|event| is_taken_up(event)).count();
                ended += journal.iter().filter(|event| event.body.is_terminal()).count();
            }
            break;
        }
        let moment = Duration::from_micros(random.random_range(1_000..250_000));
        tokio::time::sleep(moment).await;
        folder = Some(Arc::clone(&server.kill()));
        for talk in talks {
            clients.push(talk.await.expect("a client found a promise broken"));
        }
    }
    let said: usize = clients.iter().map(|client| client.said.len()).sum();
    eprintln!("{said} messages were said, and {taken_up} times one of {ended} turns was taken up again");
    // A kill in a thousand messages' time is none; and where nothing runs there is nothing to lose.
    assert!(
        said >= 4 * kills,
        "only {said} messages were said: the load was too small to show anything"
    );
    assert!(
        taken_up >= kills / 5,
        "only {taken_up} times a turn was cut: the kills met too little to show anything"
    );
}

/// Whether a turn that had begun was cut off, and is begun anew here.
fn is_taken_up(event: &Event) -> bool {
    matches!(&event.body, EventBody::RetrievalLog(log) if log.status == LogStatus::Warning
        && matches!(&log.data, LogData::Routing(analysis) if analysis.attempt.is_some()))
}

/// The journal holds each accepted message once with one end, numbers without gap, and just what the client has.
pub(crate) fn check(client: &Persistent, journal: &[Event]) {
    let seqs: Vec<u64> = journal.iter().map(|event| event.seq).collect();
    let unbroken: Vec<u64> = (1..=journal.len() as u64).collect();
    assert_eq!(seqs, unbroken);
    let seen: Vec<Value> = journal
        .iter()
        .map(|event| serde_json::to_value(event).expect("JSON"))
        .collect();
    assert_eq!(client.seen, seen, "the client has something else than the journal");
    for (id, (_, accepted)) in &client.said {
        assert!(accepted, "{id} was never accepted");
        let turns: Vec<_> = journal
            .iter()
            .filter(
                |event| matches!(&event.body, EventBody::MessageAccepted(message) if message.client_message_id == *id),
            )
            .map(|event| event.turn_id)
            .collect();
        assert_eq!(turns.len(), 1, "{id} was accepted {} times", turns.len());
        let ends = journal
            .iter()
            .filter(|event| event.turn_id == turns[0] && event.body.is_terminal())
            .count();
        assert_eq!(ends, 1, "{id} ended {ends} times");
    }
}
