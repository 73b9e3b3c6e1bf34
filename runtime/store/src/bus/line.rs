//! The connections of the bus: one that sends, and one that waits for what arrives.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use redis::{RedisError, RedisResult, Value, from_redis_value, streams::StreamReadReply};
use tokio::{
    sync::{mpsc, watch},
    time::{sleep, timeout},
};
use uuid::Uuid;

use super::{
    BusEvent, LineState,
    entry::{self, Entry},
    inbox::Inbox,
};
use crate::{NodeId, Nodes, RedisAddress, redis_server::Link};

/// How long connecting may take, and an answer.
const CONNECT_MAX: Duration = Duration::from_secs(2);
const ANSWER_MAX: Duration = Duration::from_secs(1);
/// How long a read waits for something to arrive.
const BLOCK: Duration = Duration::from_millis(500);
/// Time between attempts to connect: doubled each time, up to the second.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));
/// Lines, and bytes of them, that are sent at once.
const LINES_AT_ONCE: usize = 1_024;
const BYTES_AT_ONCE: usize = 1 << 20;

/// A line for a node.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) to: NodeId,
    pub(super) body: String,
}

/// The line to Redis, which is kept up.
pub(super) struct Line<T> {
    address: RedisAddress,
    nodes: watch::Receiver<Nodes>,
    letters: mpsc::Receiver<Letter>,
    says: watch::Sender<LineState>,
    tell: T,
    inbox: Inbox,
}

/// Why a line is given up.
#[derive(Debug, thiserror::Error)]
enum Given {
    #[error("Redis")]
    Redis(#[from] RedisError),
    #[error("it does not answer in time")]
    Late,
    /// This node has become another one.
    #[error("this node is another one now")]
    Reborn,
    /// Nobody needs it any more.
    #[error("the bus is closed")]
    Closed,
}

impl<T: Fn(BusEvent) + Send + Sync + 'static> Line<T> {
    pub(super) fn new(
        address: RedisAddress,
        nodes: watch::Receiver<Nodes>,
        letters: mpsc::Receiver<Letter>,
        says: watch::Sender<LineState>,
        tell: T,
    ) -> Self {
        Self {
            address,
            nodes,
            letters,
            says,
            tell,
            inbox: Inbox::default(),
        }
    }

    /// Connects, again and again, until nobody needs it any more.
    pub(super) async fn keep(mut self) {
        let mut pause = BACKOFF.0;
        let mut inbox_of = None;
        loop {
            let me = self.nodes.borrow_and_update().me;
            if inbox_of.replace(me) != Some(me) {
                // Where others were in the inbox of the node before says nothing of this one.
                self.inbox = Inbox::default();
            }
            let began = Instant::now();
            let given = match self.connect(me).await {
                Ok((send, receive)) => self.use_line(me, send, receive).await,
                Err(given) => given,
            };
            // What waits to be sent belongs to the line that is gone.
            while self.letters.try_recv().is_ok() {}
            if matches!(given, Given::Closed) || self.letters.is_closed() {
                return;
            }
            if matches!(given, Given::Reborn) {
                continue;
            }
            let why: Arc<str> = match &given {
                Given::Redis(error) => error.to_string().into(),
                Given::Late | Given::Reborn | Given::Closed => given.to_string().into(),
            };
            let is_news = self.says.borrow().as_ref().err().is_none_or(|before| *before != why);
            if is_news {
                tracing::warn!(redis = %self.address, error = %why, "the other nodes cannot be reached");
            }
            let _before = self.says.send_replace(Err(why));
            if began.elapsed() > BACKOFF.1 {
                pause = BACKOFF.0;
            }
            sleep(pause).await;
            pause = (pause * 2).min(BACKOFF.1);
        }
    }

    async fn connect(&self, me: NodeId) -> Result<(Link, Link), Given> {
        let connect = |answer_max| Link::connect(&self.address, CONNECT_MAX, answer_max);
        let both = async { tokio::try_join!(connect(ANSWER_MAX), connect(BLOCK + ANSWER_MAX)) };
        let (mut send, receive) = timeout(CONNECT_MAX, both).await.map_err(|_elapsed| Given::Late)??;
        // The inbox that is there has what was sent while this node did not read.
        match only(send.ask(vec![entry::make(me)]).await?) {
            Err(error) if error.code() != Some("BUSYGROUP") => return Err(error.into()),
            Ok(_) | Err(_) => {}
        }
        Ok((send, receive))
    }

    /// Sends and reads, and says why that came to an end.
    async fn use_line(&mut self, me: NodeId, mut send: Link, mut receive: Link) -> Given {
        let _before = self.says.send_replace(Ok(()));
        (self.tell)(BusEvent::Up);
        tracing::info!(redis = %self.address, node.id = %me, "the other nodes can be reached");
        let Self {
            nodes,
            letters,
            inbox,
            says,
            tell,
            ..
        } = self;
        let tell = &*tell;
        let mut acknowledging = send.clone();
        let mut watching = nodes.clone();
        let given = tokio::select! {
            given = send_all(me, letters, &mut send, tell) => given,
            given = receive_all(me, inbox, nodes, &mut receive, &mut acknowledging, tell) => given,
            _ = watching.wait_for(|nodes| nodes.me != me) => Given::Reborn,
        };
        if matches!(given, Given::Closed | Given::Reborn) {
            let _ = timeout(ANSWER_MAX, send.ask(vec![entry::remove(me)])).await;
        }
        // First this: what is sent from here on would be lost without a word.
        let _before = says.send_replace(Err("it is being connected to".into()));
        tell(BusEvent::Away);
        given
    }
}

/// Sends what there is, for as long as that can be done.
async fn send_all(
    me: NodeId,
    letters: &mut mpsc::Receiver<Letter>,
    link: &mut Link,
    tell: &impl Fn(BusEvent),
) -> Given {
    // A channel is of one line and to one node: what the line before may have lost is seen by the new name.
    let mut channels: HashMap<NodeId, (Uuid, u64)> = HashMap::new();
    loop {
        let Some(first) = letters.recv().await else {
            return Given::Closed;
        };
        let mut bytes = first.body.len();
        let mut by_node: Vec<(NodeId, Vec<String>)> = vec![(first.to, vec![first.body])];
        let mut lines = 1;
        while lines < LINES_AT_ONCE
            && bytes < BYTES_AT_ONCE
            && let Ok(letter) = letters.try_recv()
        {
            lines += 1;
            bytes += letter.body.len();
            match by_node.iter_mut().find(|(to, _)| *to == letter.to) {
                Some((_, bodies)) => bodies.push(letter.body),
                None => by_node.push((letter.to, vec![letter.body])),
            }
        }
        let commands = by_node.iter().map(|(to, bodies)| {
            let (channel, place) = channels.entry(*to).or_insert_with(|| (Uuid::new_v4(), 0));
            let entry = Entry {
                from: me,
                channel: *channel,
                first: *place,
                lines: bodies.join("\n").into(),
            };
            *place += bodies.len() as u64;
            entry.append(*to)
        });
        let answers = match timeout(ANSWER_MAX, link.ask(commands.collect())).await {
            Ok(Ok(answers)) => answers,
            Ok(Err(error)) => return error.into(),
            Err(_elapsed) => return Given::Late,
        };
        for ((to, _), answer) in by_node.iter().zip(answers) {
            match answer {
                // It has ended, or Redis was emptied and it has not noticed yet.
                Ok(answer) if entry::is_nowhere(&answer) => tell(BusEvent::Broken(*to)),
                Ok(_) => {}
                Err(error) => return error.into(),
            }
        }
    }
}

/// Reads what arrives, for as long as that can be done.
async fn receive_all(
    me: NodeId,
    inbox: &mut Inbox,
    nodes: &watch::Receiver<Nodes>,
    link: &mut Link,
    acknowledging: &mut Link,
    tell: &impl Fn(BusEvent),
) -> Given {
    // First what was read before and not acknowledged.
    let mut again = true;
    loop {
        let read = link.ask(vec![entry::read(me, BLOCK, again)]);
        let answer = match timeout(BLOCK + ANSWER_MAX, read).await {
            Ok(Ok(answers)) => only(answers),
            Ok(Err(error)) => return error.into(),
            Err(_elapsed) => return Given::Late,
        };
        let entries = match answer.and_then(|answer| Ok(from_redis_value::<StreamReadReply>(answer)?)) {
            Ok(reply) => reply.keys.into_iter().flat_map(|key| key.ids).collect::<Vec<_>>(),
            Err(error) => return error.into(),
        };
        again = again && !entries.is_empty();
        for id in &entries {
            match Entry::read(id) {
                Some(entry) => inbox.take(&entry).into_iter().for_each(tell),
                None => tracing::warn!("an entry of this node's inbox cannot be read"),
            }
        }
        inbox.keep(&nodes.borrow().all);
        let mut commands = vec![entry::keep(me)];
        if !entries.is_empty() {
            let ids: Vec<String> = entries.into_iter().map(|entry| entry.id).collect();
            commands.extend(entry::done(me, &ids));
        }
        match timeout(ANSWER_MAX, acknowledging.ask(commands)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return error.into(),
            Err(_elapsed) => return Given::Late,
        }
    }
}

/// The answer to a single command.
fn only(answers: Vec<RedisResult<Value>>) -> RedisResult<Value> {
    answers.into_iter().next().unwrap_or(Ok(Value::Nil))
}
