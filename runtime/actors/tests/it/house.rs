//! The actors with a real store, real routing, and responders of a test's own making.

use std::{collections::VecDeque, fs, path::Path, sync::Arc, time::Duration};

use actix::{Actor, Context, Handler};
use async_trait::async_trait;
use orchestratai_actors::{
    DoubleTexting, Frame, Gateway, Parts, Publish, SessionLink, SessionSettings, Snapshots, Submission, Subscription,
    start,
};
use orchestratai_agents::{
    StaticEmbedder,
    definition::Catalog,
    routing::Router,
    turn::{AgentError, Answer, Responder, Step, Steps, TurnRequest, Usage, UsageMeter},
};
use orchestratai_shared::{
    CacheStatus, ClientMessageId, Confidence, Event, EventBody, MessageContent, SessionId, TurnId, UserMessage,
};
use orchestratai_store::{EmbeddedSnapshots, Store, StoreSettings};
use orchestratai_telemetry::{BuildInfo, History, Metrics};
use tempfile::TempDir;
use tokio::sync::mpsc;

/// A running set of actors over a database in a folder of its own.
pub(crate) struct House {
    pub(crate) gateway: Gateway,
    /// What the actors write to, for whoever wants to look past them.
    pub(crate) store: Store,
    folder: TempDir,
}

/// Settings that make a test quick.
pub(crate) fn settings() -> SessionSettings {
    SessionSettings {
        double_texting: DoubleTexting::Enqueue,
        queue_max: 4,
        idle_after: Duration::from_secs(60),
        transcript_messages: 6,
        turn_max: Duration::from_secs(20),
        person_max: Duration::from_secs(3_600),
        subscriber_window_bytes: 16 * 1024,
        slow_client_after: Duration::from_secs(10),
        heartbeat: Duration::from_secs(20),
        live_sessions_max: 1_000,
        turns_in_flight: 64,
    }
}

/// Each has agents of its own.
const SHARDS: usize = 2;

impl House {
    /// Starts the actors; every agent answers with `responder`.
    pub(crate) async fn start(settings: SessionSettings, responder: Arc<dyn Responder>) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), settings, responder).await
    }

    /// Starts the actors over what a folder holds.
    pub(crate) async fn start_in(folder: TempDir, settings: SessionSettings, responder: Arc<dyn Responder>) -> Self {
        let house = Self::start_unready_in(folder, settings, responder).await;
        house.gateway.set_ready();
        house
    }

    /// Starts the actors with agents of a test's own.
    pub(crate) async fn start_with(catalog: Catalog, responder: Arc<dyn Responder>) -> Self {
        let house = Self::start_as(tempfile::tempdir().unwrap(), settings(), catalog, responder).await;
        house.gateway.set_ready();
        house
    }

    /// Starts the actors over what a folder holds, with snapshots in the database.
    pub(crate) async fn start_with_snapshots(
        folder: TempDir,
        settings: SessionSettings,
        write_after: Option<Duration>,
        responder: Arc<dyn Responder>,
    ) -> Self {
        let keep = |store: &Store| Snapshots {
            keeper: Arc::new(EmbeddedSnapshots::new(store.clone(), Duration::from_secs(3_600))),
            write_after,
        };
        let house = Self::start_keeping(folder, settings, Catalog::embedded(), responder, |store| {
            Some(keep(store))
        });
        let house = house.await;
        house.gateway.set_ready();
        house
    }

    /// The same before all that answers need is there.
    pub(crate) async fn start_unready_in(
        folder: TempDir,
        settings: SessionSettings,
        responder: Arc<dyn Responder>,
    ) -> Self {
        Self::start_as(folder, settings, Catalog::embedded(), responder).await
    }

    async fn start_as(
        folder: TempDir,
        settings: SessionSettings,
        catalog: Catalog,
        responder: Arc<dyn Responder>,
    ) -> Self {
        Self::start_keeping(folder, settings, catalog, responder, |_| None).await
    }

    async fn start_keeping(
        folder: TempDir,
        settings: SessionSettings,
        catalog: Catalog,
        responder: Arc<dyn Responder>,
        snapshots: impl FnOnce(&Store) -> Option<Snapshots>,
    ) -> Self {
        let store = Store::open(&StoreSettings::sqlite(&folder.path().join("test.db")))
            .await
            .unwrap();
        let catalog = Arc::new(catalog);
        let router = Arc::new(Router::new(&catalog, Arc::new(StaticEmbedder::embedded())));
        let responders = catalog
            .agents()
            .iter()
            .map(|agent| (agent.id.clone(), Arc::clone(&responder)))
            .collect();
        let build = BuildInfo {
            version: "test",
            commit: "test",
            rustc: "test",
        };
        let metrics = Metrics::new(&build);
        let gateway = start(Parts {
            store: store.clone(),
            catalog,
            router,
            adviser: None,
            responders,
            trial_responder: Arc::new(move |_| Arc::clone(&responder)),
            history: Arc::new(History::new(metrics.clone())),
            metrics,
            settings,
            shards: SHARDS,
            organization: "default".into(),
            snapshots: snapshots(&store),
            bus: None,
            probes: Vec::new(),
        });
        Self { gateway, store, folder }
    }

    /// Its data as they are now, in a folder of their own: what a start after the end of this process would find.
    pub(crate) fn copy(&self) -> TempDir {
        let copy = tempfile::tempdir().unwrap();
        copy_files(self.folder.path(), copy.path());
        copy
    }

    /// Says something; gives its turn.
    pub(crate) async fn say(&self, session_id: SessionId, content: &str) -> TurnId {
        let accepted = self
            .gateway
            .submit(submission(session_id, ClientMessageId::new(), content))
            .await;
        accepted.expect("it is accepted").turn_id
    }

    /// Waits for a turn's end; gives its events.
    pub(crate) async fn events(&self, turn_id: TurnId) -> Vec<Arc<Event>> {
        self.gateway
            .turn_record(turn_id)
            .await
            .unwrap()
            .expect("there is such a turn")
            .events
            .into_iter()
            .map(|recorded| recorded.event)
            .collect()
    }

    /// Follows a session.
    pub(crate) async fn follow(&self, session_id: SessionId) -> Follower {
        let (sender, receiver) = mpsc::unbounded_channel();
        let subscriber = Listener(sender).start().recipient();
        let subscription = Subscription {
            session_id: Some(session_id),
            after_seq: None,
            epoch: None,
            is_fresh: false,
            subscriber,
            cut: None,
        };
        Follower {
            link: self.gateway.subscribe(subscription).await.unwrap(),
            receiver,
            arrived: VecDeque::new(),
        }
    }
}

fn copy_files(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let (entry, target) = entry.map(|entry| (entry.path(), to.join(entry.file_name()))).unwrap();
        if entry.is_dir() {
            fs::create_dir(&target).unwrap();
            copy_files(&entry, &target);
        } else {
            fs::copy(&entry, &target).unwrap();
        }
    }
}

pub(crate) fn submission(session_id: SessionId, client_message_id: ClientMessageId, content: &str) -> Submission {
    let content = MessageContent::parse(content).unwrap();
    Submission {
        session_id,
        client_message_id,
        said: UserMessage::new(content),
        request_id: "test".into(),
        trace: None,
    }
}

/// Somebody who follows a session.
pub(crate) struct Follower {
    pub(crate) link: SessionLink,
    receiver: mpsc::UnboundedReceiver<Publish>,
    /// What came together with a frame that was waited for.
    arrived: VecDeque<Frame>,
}

impl Follower {
    /// Waits until a frame of this type comes.
    pub(crate) async fn until(&mut self, kind: &str) -> Frame {
        let start = format!("{{\"type\":\"{kind}\"");
        loop {
            while let Some(frame) = self.arrived.pop_front() {
                if frame.text.starts_with(&start) {
                    return frame;
                }
            }
            let publish = tokio::time::timeout(Duration::from_secs(20), self.receiver.recv());
            let publish = publish.await.expect("it comes in time").expect("the session publishes");
            if let Publish::Frames(frames) = publish {
                self.link.credit(frames.iter().map(Frame::bytes).sum());
                self.arrived.extend(frames);
            }
        }
    }
}

struct Listener(mpsc::UnboundedSender<Publish>);

impl Actor for Listener {
    type Context = Context<Self>;
}

impl Handler<Publish> for Listener {
    type Result = ();

    fn handle(&mut self, publish: Publish, _: &mut Self::Context) {
        let _ = self.0.send(publish);
    }
}

/// How long an answer takes that is told to be slow.
pub(crate) const SLOW: Duration = Duration::from_millis(400);

/// Does what the message says: `panic`, `fail`, `wait`, `slowly`; else it answers.
pub(crate) struct Obedient;

#[async_trait]
impl Responder for Obedient {
    async fn answer(&self, request: &TurnRequest, steps: &Steps, meter: &UsageMeter) -> Result<Answer, AgentError> {
        let message = request.message.as_str();
        assert!(!message.contains("panic"), "it was told to panic");
        if message.contains("fail") {
            return Err(AgentError::TimedOut {
                limit: Duration::from_millis(1),
            });
        }
        steps.send(Step::Delta("Well, ".into())).await?;
        if message.contains("slowly") {
            tokio::time::sleep(SLOW).await;
        }
        if message.contains("wait") {
            let _upstream = meter.open_upstream();
            let used = Usage {
                tokens: 12,
                prompt_tokens: 7,
                cost: 0.5,
                unpriced_tokens: 0,
            };
            meter.add(&"a-model".into(), used);
            std::future::pending::<()>().await;
        }
        steps.send(Step::Delta("yes.".into())).await?;
        Ok(Answer {
            confidence: Confidence::new(0.9),
            citations: vec![],
            usage: Usage::default(),
            cache_status: CacheStatus::None,
            incomplete: None,
        })
    }
}

/// The `type` of the last event.
pub(crate) fn end_of(events: &[Arc<Event>]) -> &'static str {
    events.last().map_or("nothing", |event| event.body.kind())
}

/// The text of the answer.
pub(crate) fn answer_of(events: &[Arc<Event>]) -> Option<&str> {
    let EventBody::MessageCompleted(completed) = &events.last()?.body else {
        return None;
    };
    Some(completed.message.content.as_str())
}
