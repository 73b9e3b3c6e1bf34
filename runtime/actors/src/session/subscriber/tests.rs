use std::sync::atomic::{AtomicBool, Ordering};

use actix::{Actor, AsyncContext, Context, Handler, WrapFuture};
use tokio::sync::{mpsc, oneshot};

use super::*;

/// Takes nothing in before it may.
struct Busy {
    may: Option<oneshot::Receiver<()>>,
    seen: mpsc::UnboundedSender<Publish>,
}

impl Actor for Busy {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if let Some(may) = self.may.take() {
            ctx.wait(async move { drop(may.await) }.into_actor(self));
        }
    }
}

impl Handler<Publish> for Busy {
    type Result = ();

    fn handle(&mut self, publish: Publish, _: &mut Self::Context) {
        let _ = self.seen.send(publish);
    }
}

struct Scissors(AtomicBool);

impl Cut for Scissors {
    fn cut(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn frame() -> Frame {
    Frame {
        seq: None,
        text: "{}".into(),
    }
}

#[actix_rt::test]
async fn what_ends_a_subscription_arrives_also_where_the_mailbox_is_full() {
    let (may, waits) = oneshot::channel();
    let (seen, mut received) = mpsc::unbounded_channel();
    let busy = Busy { may: Some(waits), seen }.start();
    tokio::task::yield_now().await;
    let cut = Arc::new(Scissors(AtomicBool::new(false)));
    let limits = SubscriberLimits {
        window_bytes: usize::MAX / 4,
        slow_after: Duration::from_secs(10),
        heartbeat: Duration::from_secs(20),
    };
    let mut subscriber = Subscriber::new(busy.recipient(), Some(Arc::clone(&cut) as _), limits, 0, None);
    let taken_in = (0..1_000).take_while(|_| subscriber.tell(vec![frame()])).count();
    assert!(taken_in < 1_000, "the mailbox has a bound");

    let now = Instant::now();
    subscriber.give_up(now);
    subscriber.abandon();
    assert!(!subscriber.tell(vec![frame()]), "nothing follows the farewell");
    assert_eq!(subscriber.check(now), Health::Well);
    assert!(!cut.0.load(Ordering::Relaxed), "it has a moment to read it");
    may.send(()).unwrap();
    let mut last = Vec::new();
    for _ in 0..taken_in + 2 {
        last.push(received.recv().await.unwrap());
    }
    let last = last.split_off(taken_in);
    assert!(
        matches!(last[..], [Publish::Close(CloseReason::TooSlow), Publish::Gone]),
        "{last:?}"
    );
    assert_eq!(subscriber.check(now + FAREWELL), Health::Gone);
    assert!(cut.0.load(Ordering::Relaxed));
}
