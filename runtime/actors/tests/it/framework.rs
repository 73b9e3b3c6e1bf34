//! What the actor framework does and does not do. The design stands on these facts: an upgrade that changes one must be
//! noticed here.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use actix::{Actor, ActorContext, Context, Handler, MailboxError, Message, Supervised, Supervisor};

#[derive(Message)]
#[rtype(result = "()")]
enum Do {
    Panic,
    Stop,
    Nothing,
}

struct Worker {
    restarts: Arc<AtomicUsize>,
}

impl Actor for Worker {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(4);
    }
}

impl Supervised for Worker {
    fn restarting(&mut self, _: &mut Self::Context) {
        self.restarts.fetch_add(1, Ordering::SeqCst);
    }
}

impl Handler<Do> for Worker {
    type Result = ();

    fn handle(&mut self, what: Do, ctx: &mut Self::Context) {
        match what {
            Do::Panic => panic!("as it was told"),
            Do::Stop => ctx.stop(),
            Do::Nothing => {}
        }
    }
}

#[actix_rt::test]
async fn a_supervisor_restarts_after_a_stop_and_not_after_a_panic() {
    let restarts = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&restarts);
    let supervised = Supervisor::start(move |_| Worker { restarts: counter });
    supervised.send(Do::Stop).await.unwrap();
    supervised.send(Do::Nothing).await.unwrap();
    assert_eq!(restarts.load(Ordering::SeqCst), 1);

    assert_eq!(supervised.send(Do::Panic).await, Err(MailboxError::Closed));
    assert_eq!(supervised.send(Do::Nothing).await, Err(MailboxError::Closed));
    assert!(!supervised.connected());
    assert_eq!(restarts.load(Ordering::SeqCst), 1);
}

#[actix_rt::test]
async fn a_mailbox_bounds_only_what_is_tried_on_a_kept_handle() {
    let worker = Worker {
        restarts: Arc::default(),
    }
    .start();
    worker.send(Do::Nothing).await.unwrap();
    let kept = worker.clone().recipient::<Do>();
    let taken = (0..100).filter(|_| kept.try_send(Do::Nothing).is_ok()).count();
    assert!(taken < 10, "a kept handle was bounded to {taken}");
    let cloned = (0..100)
        .filter(|_| worker.clone().recipient::<Do>().try_send(Do::Nothing).is_ok())
        .count();
    assert_eq!(cloned, 100, "a handle cloned for each message always finds room");
}
