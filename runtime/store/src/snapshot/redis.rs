//! Snapshots in Redis: one hash for each session.
//!
//! Nothing here waits for Redis. A thread of its own keeps the connection, makes snapshots into what is sent, and connects
//! anew where Redis has gone; what is asked while it is away is answered so at once. One that is there and does not answer is
//! as good as away: the first who has waited in vain says so, and others do not wait until it has answered again.
//!
//! `hash` is what is asked of it; where it is, and connections to it, are of [`redis_server`](crate::redis_server).

mod hash;

use std::{
    io,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use orchestratai_shared::SessionId;
use tokio::{
    sync::{Notify, oneshot, watch},
    time::{Instant, sleep, timeout},
};

use super::{
    Snapshot,
    codec::SnapshotFields,
    rehydrate::Candidate,
    written::{SnapshotError, Written},
};
use crate::{
    background::{Background, BackgroundHandle},
    redis_server::{Link, RedisAddress, is_of_no_use},
};

/// How snapshots are kept in Redis.
#[derive(Debug, Clone)]
pub struct RedisSettings {
    /// Where it is.
    pub address: RedisAddress,
    /// How long a snapshot lives after it was written last.
    pub ttl: Duration,
    /// How long a session that starts waits for its snapshot.
    pub load_timeout: Duration,
}

/// What has happened to the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedisEvent {
    /// It is there, for the first time.
    Connected,
    /// It is there again.
    Reconnected,
    /// It has gone.
    Lost,
}

/// Snapshots in Redis. Clones share the connection.
#[derive(Debug, Clone)]
pub struct RedisSnapshots(Arc<Keeper>);

#[derive(Debug)]
struct Keeper {
    shared: Arc<Shared>,
    thread: BackgroundHandle,
    _background: Background,
}

/// What the thread and those who ask have in common.
#[derive(Debug)]
struct Shared {
    settings: RedisSettings,
    state: watch::Sender<State>,
    /// Somebody has waited in vain, and nobody has had an answer since.
    is_suspect: AtomicBool,
    /// The connection should be looked at now.
    suspicion: Notify,
    /// The connection leads to a server that is of no use, whatever it answers.
    is_condemned: AtomicBool,
}

#[derive(Debug, Clone)]
enum State {
    Up(Link),
    Away(Arc<str>),
}

/// How long connecting may take.
const CONNECT_MAX: Duration = Duration::from_secs(2);
/// How long an answer to a batch or a ping may take.
const ANSWER_MAX: Duration = Duration::from_secs(1);
/// How often the connection is looked at while nobody complains.
const PING_EVERY: Duration = Duration::from_secs(1);
/// Time between attempts to connect: doubled each time, up to the second.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

impl RedisSnapshots {
    /// Begins to connect, and goes on by itself for as long as a clone is kept. `observe` is told what happens to the
    /// connection.
    ///
    /// # Errors
    /// Where the system gives no thread. Redis being away is none.
    pub fn start(settings: RedisSettings, observe: impl Fn(RedisEvent) + Send + Sync + 'static) -> io::Result<Self> {
        let background = Background::start()?;
        let shared = Arc::new(Shared {
            settings,
            state: watch::Sender::new(State::Away("it is being connected to".into())),
            is_suspect: AtomicBool::new(false),
            suspicion: Notify::new(),
            is_condemned: AtomicBool::new(false),
        });
        let thread = background.handle();
        thread.spawn(keep_connected(Arc::downgrade(&shared), observe));
        Ok(Self(Arc::new(Keeper {
            shared,
            thread,
            _background: background,
        })))
    }

    /// Why it cannot be used at present, if so.
    #[must_use]
    pub fn trouble(&self) -> Option<Arc<str>> {
        match &*self.0.shared.state.borrow() {
            State::Away(why) => Some(Arc::clone(why)),
            State::Up(_) if self.0.shared.is_suspect.load(Ordering::Relaxed) => Some("it does not answer".into()),
            State::Up(_) => None,
        }
    }

    /// Waits until it can be used, or gives up after `limit`; whether it can.
    pub async fn is_up_within(&self, limit: Duration) -> bool {
        let mut state = self.0.shared.state.subscribe();
        let up = state.wait_for(|state| matches!(state, State::Up(_)));
        timeout(limit, up).await.is_ok_and(|up| up.is_ok())
    }

    /// Writes snapshots, in one pipeline. An older one never replaces a newer one. What could be written is, where others
    /// are refused.
    ///
    /// # Errors
    /// [`SnapshotError`] where Redis is away; some of them may have been written then, and writing them again does no harm.
    pub async fn write(&self, snapshots: Vec<Arc<Snapshot>>) -> Result<Written, SnapshotError> {
        let shared = Arc::clone(&self.0.shared);
        self.on_thread(async move {
            let mut link = shared.link()?;
            let mut written = Written::default();
            let mut commands = Vec::with_capacity(snapshots.len());
            for snapshot in &snapshots {
                match SnapshotFields::encode(snapshot) {
                    Ok(fields) => commands.push(hash::write(snapshot, &fields, shared.settings.ttl)),
                    Err(_) => written.too_long += 1,
                }
                // Others of this thread, such as who waits for a snapshot to be loaded, come in between.
                tokio::task::yield_now().await;
            }
            let answers = shared.ask(&mut link, commands).await?;
            let mut refused = None;
            for answer in answers {
                match answer.and_then(|answer| Ok(redis::from_redis_value::<u64>(answer)?)) {
                    Ok(0) => written.stale += 1,
                    Ok(_) => written.written += 1,
                    Err(error) => refused = Some(shared.refused(&error)),
                }
            }
            match refused {
                Some(refused) if written == Written::default() => Err(refused),
                Some(refused) => {
                    tracing::warn!(error = %refused, "some snapshots were not taken");
                    Ok(written)
                }
                None => Ok(written),
            }
        })
        .await
    }

    /// Removes the snapshots of sessions.
    ///
    /// # Errors
    /// [`SnapshotError`] where Redis is away or refuses.
    pub async fn remove(&self, ids: &[SessionId]) -> Result<(), SnapshotError> {
        let shared = Arc::clone(&self.0.shared);
        let commands = ids.iter().map(|id| hash::remove(*id)).collect();
        self.on_thread(async move {
            let mut link = shared.link()?;
            for answer in shared.ask(&mut link, commands).await? {
                answer.map_err(|error| shared.refused(&error))?;
            }
            Ok(())
        })
        .await
    }

    /// The snapshot of a session as it may be given to the store. Answers within the time that is set for it, at once where
    /// Redis is away.
    ///
    /// # Errors
    /// [`SnapshotError`] where Redis is away, does not answer in time, or refuses.
    pub async fn load(&self, id: SessionId) -> Result<Candidate, SnapshotError> {
        let shared = Arc::clone(&self.0.shared);
        if shared.is_suspect.load(Ordering::Relaxed) {
            return Err(SnapshotError::Away("it does not answer".into()));
        }
        shared.link()?;
        let limit = shared.settings.load_timeout;
        let asked = Arc::clone(&shared);
        let loading = self.on_thread(async move {
            let mut link = asked.link()?;
            let mut answers = asked.ask(&mut link, vec![hash::read(id)]).await?;
            let answer = answers.pop().unwrap_or(Ok(redis::Value::Nil));
            let answer = answer.map_err(|error| asked.refused(&error))?;
            Ok(hash::candidate(id, answer))
        });
        match timeout(limit, loading).await {
            Ok(loaded) => loaded,
            Err(_too_late) => {
                shared.is_suspect.store(true, Ordering::Relaxed);
                shared.suspicion.notify_one();
                Err(SnapshotError::Away("it does not answer in time".into()))
            }
        }
    }

    /// The snapshots of the sessions that were active last, newest first, without their states. Looks at every key: for
    /// people, not for the server.
    ///
    /// # Errors
    /// [`SnapshotError`] where Redis is away or refuses, or is a cluster.
    pub async fn list(&self, limit: usize) -> Result<Vec<SnapshotFields>, SnapshotError> {
        let shared = Arc::clone(&self.0.shared);
        self.on_thread(async move {
            let Link::One(mut connection) = shared.link()? else {
                return Err(SnapshotError::Refused("the keys of a cluster cannot be listed".into()));
            };
            let mut found = Vec::new();
            let mut cursor = 0;
            loop {
                let scanned: Result<(u64, Vec<String>), _> = hash::scan(cursor).query_async(&mut connection).await;
                let (next, keys) = scanned.map_err(|error| shared.refused(&error))?;
                let ids: Vec<SessionId> = keys.iter().filter_map(|key| hash::session_of(key)).collect();
                let mut link = Link::One(connection.clone());
                let commands = ids.iter().map(|id| hash::read_without_state(*id)).collect();
                let answers = shared.ask(&mut link, commands).await?;
                for (id, answer) in ids.into_iter().zip(answers) {
                    if let Candidate::Given(fields) = hash::candidate(id, answer.unwrap_or(redis::Value::Nil)) {
                        found.push(*fields);
                    }
                }
                cursor = next;
                if cursor == 0 {
                    break;
                }
            }
            // A key may be met twice.
            found.sort_by_key(|fields: &SnapshotFields| (fields.session.last_activity, fields.session.id));
            found.dedup_by_key(|fields| fields.session.id);
            found.reverse();
            found.truncate(limit);
            Ok(found)
        })
        .await
    }

    /// Lets the thread do something.
    async fn on_thread<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, SnapshotError>> + Send + 'static,
    ) -> Result<T, SnapshotError> {
        let (sender, done) = oneshot::channel();
        self.0.thread.spawn(async move {
            // Whoever asked may wait no more.
            let _ = sender.send(work.await);
        });
        done.await
            .unwrap_or_else(|_ended| Err(SnapshotError::Away("the server is about to stop".into())))
    }
}

impl Shared {
    fn link(&self) -> Result<Link, SnapshotError> {
        match &*self.state.borrow() {
            State::Up(link) => Ok(link.clone()),
            State::Away(why) => Err(SnapshotError::Away(Arc::clone(why))),
        }
    }

    async fn ask(
        &self,
        link: &mut Link,
        commands: Vec<redis::Cmd>,
    ) -> Result<Vec<redis::RedisResult<redis::Value>>, SnapshotError> {
        let answers = timeout(ANSWER_MAX, link.ask(commands)).await;
        let why = match answers {
            Ok(Ok(answers)) => {
                self.is_suspect.store(false, Ordering::Relaxed);
                return Ok(answers);
            }
            Ok(Err(error)) => error.to_string(),
            Err(_too_late) => "it does not answer in time".to_owned(),
        };
        self.is_suspect.store(true, Ordering::Relaxed);
        self.suspicion.notify_one();
        Err(SnapshotError::Away(why.into()))
    }

    /// What Redis has said against one command. A replica, or a server that is still loading its data, is none to stay with.
    fn refused(&self, error: &redis::RedisError) -> SnapshotError {
        if is_of_no_use(error) {
            self.is_condemned.store(true, Ordering::Relaxed);
            self.suspicion.notify_one();
        }
        SnapshotError::Refused(error.to_string().into())
    }
}

/// Connects, again and again, until nobody has anything to do with it any more.
async fn keep_connected(shared: Weak<Shared>, observe: impl Fn(RedisEvent)) {
    let mut was_there = false;
    let mut pause = BACKOFF.0;
    loop {
        let Some(shared) = shared.upgrade() else { return };
        let address = &shared.settings.address;
        let why = match timeout(CONNECT_MAX, Link::connect(address, CONNECT_MAX, ANSWER_MAX)).await {
            Ok(Ok(link)) => {
                shared.is_suspect.store(false, Ordering::Relaxed);
                shared.is_condemned.store(false, Ordering::Relaxed);
                shared.state.send_replace(State::Up(link.clone()));
                tracing::info!(redis = %address, "Redis is there");
                observe(if was_there {
                    RedisEvent::Reconnected
                } else {
                    RedisEvent::Connected
                });
                was_there = true;
                let began = Instant::now();
                let Some(why) = look_after(&shared, link).await else {
                    return;
                };
                observe(RedisEvent::Lost);
                if began.elapsed() > BACKOFF.1 {
                    pause = BACKOFF.0;
                }
                why
            }
            Ok(Err(error)) => error.to_string(),
            Err(_too_late) => "it does not answer".to_owned(),
        };
        let is_news = !matches!(&*shared.state.borrow(), State::Away(before) if **before == *why);
        if is_news {
            tracing::warn!(redis = %address, error = %why, "Redis is away; sessions are started from the journal");
        }
        shared.state.send_replace(State::Away(why.into()));
        drop(shared);
        sleep(pause).await;
        pause = (pause * 2).min(BACKOFF.1);
    }
}

/// Asks for signs of life, and says why where there is none any more; nothing where nobody has anything to do with it.
async fn look_after(shared: &Arc<Shared>, mut link: Link) -> Option<String> {
    loop {
        // The other clones are with those who ask.
        if Arc::strong_count(shared) == 1 {
            return None;
        }
        let _ = timeout(PING_EVERY, shared.suspicion.notified()).await;
        if shared.is_condemned.load(Ordering::Relaxed) {
            return Some("it is no master any more, or does not serve".to_owned());
        }
        match timeout(ANSWER_MAX, link.ask(vec![redis::cmd("PING")])).await {
            Ok(Ok(answers)) => match answers.into_iter().next() {
                Some(Err(error)) => return Some(error.to_string()),
                Some(Ok(_)) | None => shared.is_suspect.store(false, Ordering::Relaxed),
            },
            Ok(Err(error)) => return Some(error.to_string()),
            Err(_too_late) => return Some("it does not answer".to_owned()),
        }
    }
}
