//! Budgets in the database: requests at once, from several processes, refused, repeated, never settled.

use std::time::Duration;

use futures_util::future::join_all;
use orchestratai_shared::Timestamp;
use orchestratai_store::{SpendingAccount, SpendingCharge, SpendingMost, SpendingReservation, Spent, Store};
use uuid::Uuid;

use crate::home::{Home, on_each_engine};

on_each_engine!(
    a_thousand_requests_at_once_never_come_to_more_than_the_budget,
    a_request_is_charged_to_all_its_accounts_or_to_none,
    what_is_never_settled_stays_charged_and_is_held_until_it_expires,
    accounts_of_windows_that_are_long_over_are_forgotten,
    who_has_least_left_stands_first,
);

const MOST: u64 = 30_000;
const WORST: u64 = 300;
const COST: u64 = 100;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(Timestamp::now().as_millis() + millis)
}

fn amount(tokens: u64) -> Spent {
    Spent {
        tokens,
        usd_nanos: tokens * 150,
    }
}

fn bound(tokens: u64) -> SpendingMost {
    SpendingMost {
        tokens: Some(tokens),
        usd_nanos: Some(tokens * 150),
    }
}

fn charge(budget: &str, most: u64) -> SpendingCharge {
    SpendingCharge {
        account: SpendingAccount {
            budget: budget.into(),
            organization: "default".into(),
            subject: String::new(),
            window_start: Timestamp::from_millis(86_400_000),
        },
        most: bound(most),
        kept_until: None,
    }
}

fn reservation(tokens: u64, charges: Vec<SpendingCharge>) -> SpendingReservation {
    SpendingReservation {
        id: Uuid::now_v7(),
        amount: amount(tokens),
        charges,
        expires_at: at(60_000),
    }
}

async fn charged(store: &Store, budget: &str) -> (u64, u64) {
    let standings = store
        .spending(
            budget,
            Timestamp::from_millis(86_400_000),
            bound(MOST),
            Timestamp::now(),
            10,
        )
        .await
        .unwrap();
    match &standings[..] {
        [] => (0, 0),
        [standing] => {
            assert_eq!(standing.charged.usd_nanos, standing.charged.tokens * 150);
            (standing.charged.tokens, standing.reserved.tokens)
        }
        more => panic!("{more:?}"),
    }
}

/// Reserves and settles; whether it could.
async fn spend(store: &Store) -> bool {
    // In the order of their names, as all do.
    let reservation = reservation(WORST, vec![charge("day", MOST), charge("month", 10 * MOST)]);
    let over = store.reserve_spending(&reservation).await.unwrap();
    assert!(over.is_none_or(|place| place == 0));
    if over.is_none() {
        tokio::task::yield_now().await;
        let charged = store.settle_spending(&reservation, amount(COST)).await.unwrap();
        assert!(charged[0].tokens <= MOST, "{charged:?}");
    }
    over.is_none()
}

async fn at_once(stores: &[Store], requests: usize) {
    let requests = (0..requests).map(|request| {
        let store = stores[request % stores.len()].clone();
        tokio::spawn(async move { spend(&store).await })
    });
    let done: Vec<bool> = join_all(requests).await.into_iter().map(Result::unwrap).collect();
    let answered = done.iter().filter(|done| **done).count() as u64;
    let (sum, held) = charged(&stores[0], "day").await;
    assert_eq!((sum, held), (answered * COST, 0));
    // Who is refused does not come again, so all that is sure is what fits with nothing given back.
    assert!(sum <= MOST && answered >= MOST / WORST, "{sum}");
    assert_eq!(charged(&stores[0], "month").await.0, sum);
}

async fn a_thousand_requests_at_once_never_come_to_more_than_the_budget(home: Home) {
    let store = home.open().await;
    let began = std::time::Instant::now();
    at_once(std::slice::from_ref(&store), 1_000).await;
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn several_processes_share_one_budget() {
    for home in [Home::postgres(), Home::sqlite()] {
        let (one, other) = (home.open().await, home.open_beside().await);
        at_once(&[one.clone(), other.clone()], 1_000).await;
        other.close().await.unwrap();
        one.close().await.unwrap();
    }
}

async fn a_request_is_charged_to_all_its_accounts_or_to_none(home: Home) {
    let store = home.open().await;
    let both = || vec![charge("large", 10_000), charge("small", 500)];
    assert_eq!(store.reserve_spending(&reservation(400, both())).await.unwrap(), None);
    assert_eq!(
        store.reserve_spending(&reservation(400, both())).await.unwrap(),
        Some(1)
    );
    assert_eq!(charged(&store, "large").await, (400, 400), "the first was undone");
    // One that is more than all of a budget that nobody has used.
    let first = reservation(1_000, vec![charge("new", 999)]);
    assert_eq!(store.reserve_spending(&first).await.unwrap(), Some(0));
    assert_eq!(charged(&store, "new").await, (0, 0));
    // Money bounds as tokens do.
    let mut dear = charge("large", 10_000);
    dear.most.usd_nanos = Some(400 * 150);
    assert_eq!(
        store.reserve_spending(&reservation(1, vec![dear])).await.unwrap(),
        Some(0)
    );
    // What has no bound is counted.
    let mut unbounded = charge("large", 0);
    unbounded.most = SpendingMost::default();
    assert_eq!(
        store
            .reserve_spending(&reservation(20_000, vec![unbounded]))
            .await
            .unwrap(),
        None
    );
    assert_eq!(charged(&store, "large").await.0, 20_400);
    store.close().await.unwrap();
}

async fn what_is_never_settled_stays_charged_and_is_held_until_it_expires(home: Home) {
    let store = home.open().await;
    let dead = SpendingReservation {
        expires_at: at(-7_200_000),
        ..reservation(WORST, vec![charge("day", MOST)])
    };
    let live = reservation(WORST, vec![charge("day", MOST)]);
    for reservation in [&dead, &live] {
        assert_eq!(store.reserve_spending(reservation).await.unwrap(), None);
    }
    store.close().await.unwrap();
    let store = home.open().await;
    assert_eq!(
        charged(&store, "day").await,
        (2 * WORST, WORST),
        "what has expired is not held, and charged"
    );
    store.forget_spending(Timestamp::now()).await.unwrap();
    assert_eq!(charged(&store, "day").await, (2 * WORST, WORST));
    // Settled twice counts once; what was forgotten not at all.
    for _ in 0..2 {
        let after = store.settle_spending(&live, amount(COST)).await.unwrap();
        assert_eq!(after, [amount(WORST + COST)]);
    }
    store.settle_spending(&dead, amount(0)).await.unwrap();
    assert_eq!(charged(&store, "day").await, (WORST + COST, 0));
    // A provider that bills more than it could: it is charged as it is.
    let late = reservation(WORST, vec![charge("day", MOST)]);
    store.reserve_spending(&late).await.unwrap();
    let after = store.settle_spending(&late, amount(MOST)).await.unwrap();
    assert_eq!(after, [amount(WORST + COST + MOST)]);
    store.close().await.unwrap();
}

async fn accounts_of_windows_that_are_long_over_are_forgotten(home: Home) {
    let store = home.open().await;
    for (budget, kept_until) in [("old", Some(at(-1_000))), ("new", Some(at(60_000))), ("endless", None)] {
        let charge = SpendingCharge {
            kept_until,
            ..charge(budget, MOST)
        };
        let reservation = reservation(WORST, vec![charge]);
        store.reserve_spending(&reservation).await.unwrap();
        store.settle_spending(&reservation, amount(COST)).await.unwrap();
    }
    store.forget_spending(Timestamp::now()).await.unwrap();
    let left = [
        charged(&store, "old").await.0,
        charged(&store, "new").await.0,
        charged(&store, "endless").await.0,
    ];
    assert_eq!(left, [0, COST, COST]);
    store.close().await.unwrap();
}

async fn who_has_least_left_stands_first(home: Home) {
    let store = home.open().await;
    // Tokens and billionths of USD: of 1,000 each, a half, a fifth and nine tenths.
    for (subject, tokens, usd_nanos) in [("half", 500, 10), ("fifth", 200, 200), ("most", 1, 900)] {
        let mut charge = charge("both", MOST);
        charge.account.subject = subject.into();
        let reservation = SpendingReservation {
            amount: Spent { tokens, usd_nanos },
            ..reservation(0, vec![charge])
        };
        assert_eq!(store.reserve_spending(&reservation).await.unwrap(), None);
    }
    let of = |tokens, usd_nanos| SpendingMost { tokens, usd_nanos };
    for (most, order) in [
        (of(Some(1_000), Some(1_000)), ["most", "half", "fifth"]),
        (of(Some(1_000), None), ["half", "fifth", "most"]),
        (of(None, Some(1_000)), ["most", "fifth", "half"]),
        (of(None, None), ["half", "fifth", "most"]),
    ] {
        let window = Timestamp::from_millis(86_400_000);
        let standings = store.spending("both", window, most, Timestamp::now(), 3).await.unwrap();
        let found: Vec<&str> = (standings.iter())
            .map(|standing| standing.account.subject.as_str())
            .collect();
        assert_eq!(found, order, "{most:?}");
    }
    store.close().await.unwrap();
}
