//! The sessions of one thread of the generator: tasks on a runtime of one thread, so that they cost little.

use std::{
    cell::RefCell,
    collections::VecDeque,
    rc::Rc,
    sync::mpsc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::{
    runtime,
    sync::{Semaphore, mpsc::UnboundedReceiver, oneshot},
    task::{JoinSet, LocalSet},
    time::sleep,
};
use uuid::Uuid;

use crate::{
    arrival::Arrival,
    clients::{Client, Target, TurnError},
    error::BenchError,
    questions::Questions,
    tally::{Tally, Window},
};

const CONNECT_AT_ONCE: usize = 32;
/// A server that refuses must not be asked again by a loop that does nothing else.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(50);

/// What one thread has to do.
pub(super) struct Share {
    /// The server.
    pub(super) target: Target,
    /// The numbers of its sessions.
    pub(super) numbers: Vec<usize>,
    /// The ids of all sessions, by number; empty for new ones.
    pub(super) ids: Vec<Uuid>,
    /// When turns begin; none in a closed loop.
    pub(super) arrivals: Option<UnboundedReceiver<Arrival>>,
}

/// Connects all sessions, says so, waits for the start, and serves until the window has ended and all turns with it.
pub(super) fn serve<C: Client>(
    share: Share,
    connected: &mpsc::Sender<Result<(), TurnError>>,
    start: oneshot::Receiver<Window>,
) -> Result<Tally, BenchError> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(BenchError::io("start a runtime"))?;
    let local = LocalSet::new();
    local.block_on(&runtime, async move {
        let sessions = match connect_all::<C>(&share).await {
            Ok(sessions) => {
                connected.send(Ok(())).ok();
                sessions
            }
            Err(error) => {
                connected.send(Err(error.clone())).ok();
                return Err(BenchError::Connect(error));
            }
        };
        let window = start.await.map_err(|_| BenchError::Panicked)?;
        let tally = Rc::new(RefCell::new(Tally::new(window)));
        let mut tasks = JoinSet::new();
        let begin = tokio::time::Instant::from_std(window.begin);
        match share.arrivals {
            None => {
                for session in sessions {
                    let tally = Rc::clone(&tally);
                    tasks.spawn_local(async move {
                        tokio::time::sleep_until(begin).await;
                        session.closed_loop(window, &tally).await;
                    });
                }
            }
            Some(arrivals) => {
                let queue = Rc::new(Queue::default());
                tasks.spawn_local(Rc::clone(&queue).fill(arrivals));
                for session in sessions {
                    let (queue, tally) = (Rc::clone(&queue), Rc::clone(&tally));
                    let give_up = window.to + session.target.patience;
                    tasks.spawn_local(async move { session.open_loop(&queue, give_up, &tally).await });
                }
            }
        }
        while let Some(task) = tasks.join_next().await {
            task.map_err(|_| BenchError::Panicked)?;
        }
        Ok(Rc::into_inner(tally)
            .expect("the tasks that shared it have ended")
            .into_inner())
    })
}

async fn connect_all<C: Client>(share: &Share) -> Result<Vec<Session<C>>, TurnError> {
    stream::iter(&share.numbers)
        .map(|number| async {
            let client = C::connect(&share.target, share.ids.get(*number).copied()).await?;
            Ok(Session {
                client,
                target: share.target.clone(),
                questions: Questions::for_session(*number),
            })
        })
        .buffer_unordered(CONNECT_AT_ONCE)
        .try_collect()
        .await
}

/// Arrivals that wait for a session. Sessions are served in the order in which they became free, so all are in use.
struct Queue {
    waiting: RefCell<VecDeque<Arrival>>,
    /// One permit for each that waits; closed when no more will come.
    ready: Semaphore,
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            waiting: RefCell::default(),
            ready: Semaphore::new(0),
        }
    }
}

impl Queue {
    async fn fill(self: Rc<Self>, mut arrivals: UnboundedReceiver<Arrival>) {
        while let Some(arrival) = arrivals.recv().await {
            self.waiting.borrow_mut().push_back(arrival);
            self.ready.add_permits(1);
        }
        self.ready.close();
    }

    /// The next one, or none when all have been taken and no more will come.
    async fn next(&self) -> Option<Arrival> {
        if let Ok(permit) = self.ready.acquire().await {
            permit.forget();
        } // Else it is closed, and what still waits needs no permit.
        self.waiting.borrow_mut().pop_front()
    }
}

struct Session<C> {
    client: C,
    target: Target,
    questions: Questions,
}

impl<C: Client> Session<C> {
    async fn closed_loop(mut self, window: Window, tally: &RefCell<Tally>) {
        while Instant::now() < window.to {
            self.turn(Instant::now(), window.to, tally).await;
        }
    }

    async fn open_loop(mut self, queue: &Queue, give_up: Instant, tally: &RefCell<Tally>) {
        loop {
            let next = queue.next();
            tokio::pin!(next); // Pinned once: a session that is dropped out of the line would go back to its end.
            let arrival = loop {
                tokio::select! {
                    biased;
                    arrival = &mut next => break arrival,
                    error = self.client.lost() => {
                        tally.borrow_mut().not_connected(&error);
                        self.reconnect(give_up, tally).await;
                    }
                }
            };
            match arrival {
                None => return,
                Some(arrival) if Instant::now() >= give_up => tally.borrow_mut().never_sent(arrival.intended),
                Some(arrival) => self.turn(arrival.intended, give_up, tally).await,
            }
        }
    }

    /// One turn; afterwards the connection is good for the next, where one can be had before `give_up`.
    async fn turn(&mut self, intended: Instant, give_up: Instant, tally: &RefCell<Tally>) {
        let sent = Instant::now();
        let outcome = self.client.turn(self.questions.ask()).await;
        tally.borrow_mut().record(intended, sent, outcome.as_ref().copied());
        if let Err(error) = outcome {
            sleep(PAUSE_AFTER_ERROR).await;
            if !error.leaves_connection_usable() {
                self.reconnect(give_up, tally).await;
            }
        }
    }

    /// Connects to a new session: the old one may still be busy with the turn that went wrong.
    async fn reconnect(&mut self, give_up: Instant, tally: &RefCell<Tally>) {
        while Instant::now() < give_up {
            match C::connect(&self.target, None).await {
                Ok(client) => {
                    self.client = client;
                    return;
                }
                Err(error) => tally.borrow_mut().not_connected(&error),
            }
            sleep(PAUSE_AFTER_ERROR).await;
        }
    }
}
