//! Budgets: requests at once, cut off, refused, without a price, over the end of a window.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{StreamExt, future::join_all, stream};
use orchestratai_agents::{
    budget::{
        Account, Amount, Beyond, Books, Budget, BudgetWatch, Budgeted, BudgetedEmbedding, Ceiling, Charge, Ledger,
        LedgerError, MemoryLedger, Reservation, Reserved, Scope, Standing, Window,
    },
    language::{
        AttemptOutcome, AttemptWatch, BreakerState, ChatEvent, ChatMessage, ChatRequest, ChatStream, EmbeddingModel,
        EmbeddingPurpose, EmbeddingRequest, Embeddings, FailureKind, Guarded, LanguageError, LanguageModel, Price,
        RetryPolicy, Spender, StopReason, TokenUsage, Upstream,
    },
};
use orchestratai_shared::{AgentId, SessionId, Timestamp, TurnId, command::Decision};
use proptest::prelude::*;
use uuid::Uuid;

const PRICE: Price = Price {
    input: 1.0,
    cached_input: 1.0,
    output: 1.0,
};

/// Says the same each time; none: it goes on without a word. Counts who asks.
struct Saying {
    says: Option<Vec<Result<ChatEvent, LanguageError>>>,
    asked: AtomicUsize,
}

impl Saying {
    fn new(says: impl Into<Option<Vec<Result<ChatEvent, LanguageError>>>>) -> Arc<Self> {
        Arc::new(Self {
            says: says.into(),
            asked: AtomicUsize::new(0),
        })
    }

    /// An answer that is billed with so many tokens.
    fn billed(input: u64, output: u64) -> Arc<Self> {
        let usage = TokenUsage {
            input,
            cached_input: 0,
            output,
        };
        Self::new(vec![
            Ok(ChatEvent::TextDelta("Yes.".into())),
            Ok(ChatEvent::Usage(usage)),
            Ok(ChatEvent::Stopped(StopReason::Complete)),
        ])
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl LanguageModel for Saying {
    fn chat(&self, _request: Arc<ChatRequest>) -> ChatStream {
        self.asked.fetch_add(1, Ordering::SeqCst);
        match self.says.clone() {
            None => Box::pin(stream::pending()),
            // Not at once, so that requests are under way together.
            Some(says) => Box::pin(stream::iter(says).then(|said| async {
                tokio::task::yield_now().await;
                said
            })),
        }
    }
}

#[derive(Default)]
struct Noted {
    refused: AtomicUsize,
    warned: AtomicUsize,
}

impl BudgetWatch for Noted {
    fn refused(&self, _budget: &Budget) {
        self.refused.fetch_add(1, Ordering::SeqCst);
    }

    fn warned(&self, _budget: &Budget) {
        self.warned.fetch_add(1, Ordering::SeqCst);
    }
}

impl AttemptWatch for Noted {
    fn ended(&self, _outcome: AttemptOutcome, _first_token: Option<Duration>) {}
}

/// Budgets of this process, by a clock that stands until it is set.
struct House {
    noted: Arc<Noted>,
    millis: Arc<AtomicI64>,
    books: Arc<Books>,
}

const NOON: &str = "2026-03-31T12:00:00Z";

impl House {
    fn new(budgets: Vec<Budget>) -> Self {
        let (ledger, noted) = (Arc::<MemoryLedger>::default(), Arc::<Noted>::default());
        let millis = Arc::new(AtomicI64::new(NOON.parse::<Timestamp>().unwrap().as_millis()));
        let clock = Arc::clone(&millis);
        let books = Books::new(budgets, ledger, noted.clone(), Duration::from_secs(60))
            .with_clock(Arc::new(move || Timestamp::from_millis(clock.load(Ordering::SeqCst))));
        Self {
            noted,
            millis,
            books: Arc::new(books),
        }
    }

    fn model(&self, model: &Arc<Saying>, price: Option<Price>) -> Arc<Budgeted> {
        Arc::new(Budgeted::new(model.clone(), Arc::clone(&self.books), price, 1_000))
    }

    /// What is charged to all who have the first budget, in tokens.
    async fn charged(&self) -> u64 {
        let (_, standings) = (self.books.standings(&self.books.budgets()[0], usize::MAX).await).unwrap();
        standings.iter().map(|standing| standing.charged.tokens).sum()
    }

    /// Waits until so much is charged and nothing of it held: who was cut off is settled behind its back.
    async fn comes_to(&self, tokens: u64) {
        let is_held = async || {
            let (_, standings) = (self.books.standings(&self.books.budgets()[0], usize::MAX).await).unwrap();
            standings.iter().any(|standing| standing.reserved != Amount::default())
        };
        let waiting = async {
            while self.charged().await != tokens || is_held().await {
                tokio::task::yield_now().await;
            }
        };
        let came = tokio::time::timeout(Duration::from_secs(5), waiting).await;
        assert!(came.is_ok(), "{} and not {tokens}", self.charged().await);
    }
}

fn tokens(scope: Scope, window: Window, most: u64) -> Budget {
    Budget {
        name: "some".into(),
        scope,
        window,
        tokens: Some(most),
        usd_nanos: None,
        at_warning: 0.8,
        beyond: Beyond::Stop,
        approval_within: Duration::from_secs(60),
    }
}

fn spender() -> Spender {
    Spender {
        organization: "default".into(),
        user: None,
        agent: AgentId::parse("billing").unwrap(),
        session_id: SessionId::new(),
        turn_id: TurnId::new(),
        can_wait: true,
        decided: Vec::new(),
    }
}

/// A request that can cost 100 + the bytes of its message, and 200 for the answer.
fn request(spender: Option<Spender>) -> Arc<ChatRequest> {
    Arc::new(ChatRequest {
        messages: vec![ChatMessage::User("x".repeat(20))],
        max_tokens: Some(200),
        spender,
        ..ChatRequest::default()
    })
}

/// What [`request`] can cost.
const WORST: u64 = 64 + 16 + 20 + 200;

async fn end(model: &dyn LanguageModel, request: Arc<ChatRequest>) -> Result<ChatEvent, LanguageError> {
    model.chat(request).collect::<Vec<_>>().await.pop().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_turns_at_once_never_spend_more() {
    let house = House::new(vec![tokens(Scope::Organization, Window::Day, 50_000)]);
    let saying = Saying::billed(90, 110);
    let model = house.model(&saying, Some(PRICE));
    let turns = (0..1_000).map(|_| {
        let model = Arc::clone(&model);
        tokio::spawn(async move { end(&*model, request(Some(spender()))).await })
    });
    let ends: Vec<_> = join_all(turns).await.into_iter().map(Result::unwrap).collect();
    let answered = ends.iter().filter(|end| end.is_ok()).count();
    let charged = house.charged().await;
    assert_eq!(charged, answered as u64 * 200);
    assert!(charged <= 50_000, "{charged}");
    // Who is refused does not come again, so all that is sure is what fits with nothing given back.
    assert!(answered as u64 >= 50_000 / WORST, "{answered}");
    assert_eq!(saying.asked(), answered, "who was refused was not sent");
    assert_eq!(house.noted.refused.load(Ordering::SeqCst), 1_000 - answered);
}

#[tokio::test]
async fn all_budgets_or_none_and_each_has_its_own() {
    let mut small = tokens(Scope::Turn, Window::Endless, WORST + 100);
    small.name = "turn".into();
    let house = House::new(vec![tokens(Scope::Organization, Window::Month, 1_000_000), small]);
    let saying = Saying::billed(90, 110);
    let model = house.model(&saying, None);
    let one = spender();
    assert!(end(&*model, request(Some(one.clone()))).await.is_ok());
    assert_eq!(house.charged().await, 200);
    let refused = end(&*model, request(Some(one.clone()))).await.unwrap_err();
    let LanguageError::OverBudget { reason, question: None } = &refused else {
        panic!("{refused}");
    };
    assert!(
        reason.contains("\"turn\"") && reason.contains("400 tokens for each turn"),
        "{reason}"
    );
    assert_eq!(house.charged().await, 200, "the other budget is not charged for it");
    let another = Spender {
        turn_id: TurnId::new(),
        ..one
    };
    assert!(end(&*model, request(Some(another))).await.is_ok());
    // Nobody's request is nobody's to pay.
    assert!(end(&*model, request(None)).await.is_ok());
    assert_eq!(house.charged().await, 400);
}

#[tokio::test]
async fn a_turn_is_told_before_its_end_of_a_budget_of_which_little_is_left() {
    let warning = Budget {
        beyond: Beyond::Warn,
        ..tokens(Scope::User, Window::Day, 400)
    };
    let house = House::new(vec![warning]);
    let saying = Saying::billed(90, 110);
    let ada = || Spender {
        user: Some("ada@example.com".into()),
        ..spender()
    };
    let model = Guarded::new(
        house.model(&saying, None),
        Arc::new(Upstream::new(4, Duration::from_secs(1))),
        RetryPolicy {
            attempts: 1,
            wait: Duration::ZERO,
            wait_max: Duration::ZERO,
        },
        house.noted.clone(),
    );
    // Half of it, all of it, more than it, and still more: each turn is told, though the log says each once.
    for (told, warned) in [
        (None, 0),
        (Some(("Budget \"some\" is nearly spent", "100 % are used")), 1),
        (Some(("More is spent than budget \"some\" allows", "150 % are used")), 2),
        (Some(("More is spent than budget \"some\" allows", "200 % are used")), 2),
    ] {
        let events: Vec<_> = model.chat(request(Some(ada()))).map(Result::unwrap).collect().await;
        let notices: Vec<_> = (events.iter())
            .filter_map(|event| match event {
                ChatEvent::Warned(notice) => Some(notice),
                ChatEvent::TextDelta(_) | ChatEvent::ToolCall(_) | ChatEvent::Usage(_) | ChatEvent::Stopped(_) => None,
            })
            .collect();
        assert_eq!(notices.len(), usize::from(told.is_some()), "{events:?}");
        assert_eq!(events.last(), Some(&ChatEvent::Stopped(StopReason::Complete)));
        if let (Some((title, share)), Some(notice)) = (told, notices.first()) {
            assert_eq!(notice.title, title);
            assert!(
                notice.reason.contains(share) && notice.reason.contains("begins anew at 2026-04-01T00:00:00.000Z"),
                "{notice:?}"
            );
            assert!(!format!("{notice:?}").contains("ada"), "{notice:?}");
        }
        assert_eq!(house.noted.warned.load(Ordering::SeqCst), warned);
    }
    // One that failed and may be billed is told of as well, before it says so.
    let broken = Saying::new(vec![Err(LanguageError::CutShort)]);
    let events: Vec<_> = house.model(&broken, None).chat(request(Some(ada()))).collect().await;
    assert!(
        matches!(&events[..], [Ok(ChatEvent::Warned(_)), Err(LanguageError::CutShort)]),
        "{events:?}"
    );
}

#[tokio::test]
async fn what_is_cut_off_is_charged_with_what_it_may_have_cost() {
    let house = House::new(vec![tokens(Scope::Organization, Window::Day, 10_000)]);
    let silent = house.model(&Saying::new(None), None);
    // Never polled: nothing was reserved.
    drop(silent.chat(request(Some(spender()))));
    tokio::task::yield_now().await;
    assert_eq!(house.charged().await, 0);
    // Polled, and left before the provider said a word: it may bill all the same.
    let mut stream = silent.chat(request(Some(spender())));
    let waited = tokio::time::timeout(Duration::from_millis(20), stream.next()).await;
    assert!(waited.is_err());
    assert_eq!(house.charged().await, WORST, "held while it runs");
    drop(stream);
    house.comes_to(WORST).await;

    // Reported at first, and left in the middle of the answer: what was reported of the input, and all of the output.
    let begun = Saying::new(vec![
        Ok(ChatEvent::Usage(TokenUsage {
            input: 30,
            cached_input: 0,
            output: 1,
        })),
        Ok(ChatEvent::TextDelta("Ye".into())),
        Ok(ChatEvent::TextDelta("s".into())),
    ]);
    let mut stream = house.model(&begun, None).chat(request(Some(spender())));
    stream.next().await;
    stream.next().await;
    drop(stream);
    house.comes_to(WORST + 230).await;

    // A refusal costs nothing, an answer that broke off what it could.
    let unreachable = Saying::new(vec![Err(LanguageError::Unreachable { reason: "x".into() })]);
    end(&*house.model(&unreachable, None), request(Some(spender())))
        .await
        .unwrap_err();
    assert_eq!(house.charged().await, WORST + 230);
    let broken = Saying::new(vec![Err(LanguageError::CutShort)]);
    end(&*house.model(&broken, None), request(Some(spender())))
        .await
        .unwrap_err();
    assert_eq!(house.charged().await, WORST + 230 + WORST);
}

#[tokio::test]
async fn a_window_begins_anew_and_a_request_stays_in_its_own() {
    let house = House::new(vec![tokens(Scope::Agent, Window::Day, WORST)]);
    let saying = Saying::billed(90, 110);
    let model = house.model(&saying, None);
    assert!(end(&*model, request(Some(spender()))).await.is_ok());
    let refused = end(&*model, request(Some(spender()))).await.unwrap_err();
    assert!(
        refused.to_string().contains("begins anew at 2026-04-01T00:00:00.000Z"),
        "{refused}"
    );
    // One that began before midnight and ends behind it.
    let late = House::new(vec![tokens(Scope::Agent, Window::Day, WORST)]);
    let model = late.model(&saying, None);
    let mut stream = model.chat(request(Some(spender())));
    stream.next().await.unwrap().unwrap();
    late.millis.fetch_add(12 * 3_600_000, Ordering::SeqCst);
    assert!(
        end(&*model, request(Some(spender()))).await.is_ok(),
        "the new day is another one"
    );
    while stream.next().await.is_some() {}
    assert_eq!(late.charged().await, 200, "only what the new day's own has cost");
}

#[tokio::test]
async fn a_model_without_a_price_is_not_asked_under_a_budget_of_money() {
    let mut money = tokens(Scope::Organization, Window::Month, 0);
    (money.tokens, money.usd_nanos) = (None, Some(1_000_000));
    let house = House::new(vec![money.clone()]);
    let saying = Saying::billed(90, 110);
    let refused = end(&*house.model(&saying, None), request(Some(spender())))
        .await
        .unwrap_err();
    assert!(
        refused.to_string().contains("price of the model's tokens is not known"),
        "{refused}"
    );
    assert_eq!(saying.asked(), 0);
    // One that is free has a price.
    let free = Price {
        input: 0.0,
        cached_input: 0.0,
        output: 0.0,
    };
    assert!(
        end(&*house.model(&saying, Some(free)), request(Some(spender())))
            .await
            .is_ok()
    );
    assert!(
        end(&*house.model(&saying, Some(PRICE)), request(Some(spender())))
            .await
            .is_ok()
    );
    let (_, standings) = house.books.standings(&house.books.budgets()[0], 1).await.unwrap();
    assert_eq!(standings[0].charged.usd_nanos, 200_000);

    money.beyond = Beyond::Warn;
    let lax = House::new(vec![money]);
    for _ in 0..3 {
        assert!(end(&*lax.model(&saying, None), request(Some(spender()))).await.is_ok());
    }
    assert_eq!(lax.noted.warned.load(Ordering::SeqCst), 1, "it is said once");
}

#[tokio::test]
async fn a_budget_warns_once_in_a_window_and_one_that_only_warns_stops_nobody() {
    let mut lax = tokens(Scope::Organization, Window::Hour, 1_000);
    lax.beyond = Beyond::Warn;
    let house = House::new(vec![lax]);
    let model = house.model(&Saying::billed(90, 110), None);
    for (turn, warned) in [(1, 0), (2, 0), (3, 0), (4, 1), (5, 1), (6, 2), (7, 2)] {
        assert!(end(&*model, request(Some(spender()))).await.is_ok());
        assert_eq!(house.noted.warned.load(Ordering::SeqCst), warned, "after turn {turn}");
    }
    house.millis.fetch_add(3_600_000, Ordering::SeqCst);
    for _ in 0..4 {
        assert!(end(&*model, request(Some(spender()))).await.is_ok());
    }
    assert_eq!(house.noted.warned.load(Ordering::SeqCst), 3, "and again in the next");
}

#[tokio::test]
async fn each_attempt_is_charged_and_a_budget_is_no_fault_of_the_provider() {
    let house = House::new(vec![tokens(Scope::Organization, Window::Day, 2 * WORST)]);
    let broken = Saying::new(vec![Err(LanguageError::CutShort)]);
    let upstream = Arc::new(Upstream::new(8, Duration::ZERO));
    let policy = RetryPolicy {
        attempts: 10,
        wait: Duration::from_millis(1),
        wait_max: Duration::from_millis(1),
    };
    let guarded = Guarded::new(
        house.model(&broken, None),
        Arc::clone(&upstream),
        policy,
        house.noted.clone(),
    );
    let error = end(&guarded, request(Some(spender()))).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::OverBudget);
    assert_eq!(broken.asked(), 2, "the third could cost more than is left");
    assert_eq!(house.noted.refused.load(Ordering::SeqCst), 1, "and is not tried again");
    for _ in 0..10 {
        end(&guarded, request(Some(spender()))).await.unwrap_err();
    }
    assert_eq!(upstream.state(), BreakerState::Closed);
}

#[tokio::test]
async fn a_person_may_let_a_turn_go_beyond_a_budget_and_no_other() {
    let mut asks = tokens(Scope::Organization, Window::Day, WORST);
    asks.beyond = Beyond::Ask;
    let house = House::new(vec![asks]);
    let saying = Saying::billed(90, 110);
    let model = house.model(&saying, None);
    let one = spender();
    assert!(end(&*model, request(Some(one.clone()))).await.is_ok());
    let refused = end(&*model, request(Some(one.clone()))).await.unwrap_err();
    let LanguageError::OverBudget {
        question: Some(question),
        ..
    } = &refused
    else {
        panic!("{refused}");
    };
    assert_eq!(
        (question.budget.as_str(), question.tokens, question.usd_nanos),
        ("some", WORST, None)
    );
    assert!(
        question.reason.starts_with("The budget \"some\" of"),
        "{}",
        question.reason
    );
    let decided = |decision| Spender {
        decided: vec![("some".into(), decision)],
        ..one.clone()
    };
    // Where it was decided, or the turn cannot wait, nobody is asked.
    let in_part = Spender {
        can_wait: false,
        ..one.clone()
    };
    for stopped in [decided(Decision::Rejected), in_part] {
        let refused = end(&*model, request(Some(stopped))).await.unwrap_err();
        assert!(
            matches!(refused, LanguageError::OverBudget { question: None, .. }),
            "{refused}"
        );
    }
    assert!(end(&*model, request(Some(decided(Decision::Approved)))).await.is_ok());
    assert_eq!(house.charged().await, 400, "what goes beyond is charged as well");
    assert!(
        end(&*model, request(Some(spender()))).await.is_err(),
        "another turn is asked for anew"
    );
}

/// A ledger that cannot be reached.
struct Away;

#[async_trait]
impl Ledger for Away {
    async fn reserve(&self, _reservation: &Reservation) -> Result<Reserved, LedgerError> {
        Err(LedgerError("away".into()))
    }

    async fn settle(&self, _reservation: &Reservation, _cost: Amount) -> Result<Vec<Amount>, LedgerError> {
        Err(LedgerError("away".into()))
    }

    async fn standings(
        &self,
        _budget: &str,
        _window_start: Timestamp,
        _most: Ceiling,
        _at: Timestamp,
        _limit: usize,
    ) -> Result<Vec<Standing>, LedgerError> {
        Err(LedgerError("away".into()))
    }
}

#[tokio::test]
async fn nobody_is_asked_where_budgets_cannot_be_checked() {
    let budgets = vec![tokens(Scope::Organization, Window::Day, 50_000)];
    let books = Books::new(
        budgets,
        Arc::new(Away),
        Arc::<Noted>::default(),
        Duration::from_secs(60),
    );
    let saying = Saying::billed(90, 110);
    let model = Budgeted::new(saying.clone(), Arc::new(books), None, 1_000);
    let refused = end(&model, request(Some(spender()))).await.unwrap_err();
    assert_eq!(refused.kind(), FailureKind::Unaccounted);
    assert_eq!(saying.asked(), 0);
}

#[derive(Debug, Clone)]
enum Step {
    Reserve { accounts: Vec<usize>, worst: u64 },
    Settle { which: usize, share: f64 },
    SettleAgain { which: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let reserve =
        (prop::collection::btree_set(0_usize..3, 1..=3), 0_u64..400).prop_map(|(accounts, worst)| Step::Reserve {
            accounts: accounts.into_iter().collect(),
            worst,
        });
    let settle = (any::<usize>(), 0.0..=1.0).prop_map(|(which, share)| Step::Settle { which, share });
    let again = any::<usize>().prop_map(|which| Step::SettleAgain { which });
    prop::collection::vec(prop_oneof![4 => reserve, 3 => settle, 1 => again], 1..60)
}

proptest! {
    #[test]
    fn whatever_the_order_an_account_is_what_was_settled_and_what_is_held_and_never_too_much(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            const MOST: [u64; 3] = [500, 800, 1_100];
            let ledger = MemoryLedger::default();
            let (mut open, mut settled, mut expected): (Vec<Reservation>, Vec<Reservation>, [u64; 3]) = Default::default();
            let account = |place: usize| Account {
                budget: format!("b{place}").into(),
                organization: "o".into(),
                subject: "".into(),
                window_start: Timestamp::from_millis(0),
            };
            let amount = |tokens| Amount { tokens, usd_nanos: tokens };
            let place_of = |charge: &Charge| charge.account.budget[1..].parse::<usize>().unwrap();
            for step in steps {
                match step {
                    Step::Reserve { accounts, worst } => {
                        let charges = accounts.iter().map(|place| Charge {
                            account: account(*place),
                            ceiling: Ceiling { tokens: Some(MOST[*place]), usd_nanos: None },
                            kept_until: None,
                        });
                        let reservation = Reservation {
                            id: Uuid::now_v7(),
                            amount: amount(worst),
                            charges: charges.collect(),
                            expires_at: Timestamp::from_millis(1),
                        };
                        let fits = accounts.iter().all(|place| expected[*place] + worst <= MOST[*place]);
                        let reserved = ledger.reserve(&reservation).await.unwrap();
                        assert_eq!(reserved == Reserved::All, fits);
                        if fits {
                            accounts.iter().for_each(|place| expected[*place] += worst);
                            open.push(reservation);
                        }
                    }
                    Step::Settle { which, share } if !open.is_empty() => {
                        let reservation = open.swap_remove(which % open.len());
                        let cost = (reservation.amount.tokens as f64 * share) as u64;
                        let charged = ledger.settle(&reservation, amount(cost)).await.unwrap();
                        for (charge, charged) in reservation.charges.iter().zip(charged) {
                            let place = place_of(charge);
                            expected[place] = expected[place] - reservation.amount.tokens + cost;
                            assert_eq!(charged.tokens, expected[place]);
                        }
                        settled.push(reservation);
                    }
                    Step::SettleAgain { which } if !settled.is_empty() => {
                        let reservation = &settled[which % settled.len()];
                        let charged = ledger.settle(reservation, amount(0)).await.unwrap();
                        for (charge, charged) in reservation.charges.iter().zip(charged) {
                            assert_eq!(charged.tokens, expected[place_of(charge)], "it counts once");
                        }
                    }
                    Step::Settle { .. } | Step::SettleAgain { .. } => {}
                }
                for (place, most) in MOST.iter().enumerate() {
                    assert!(expected[place] <= *most);
                }
            }
        });
    }
}

/// Makes the same vector of every text, or fails; reports so many tokens.
struct Vectors(Result<Option<u64>, LanguageError>);

#[async_trait]
impl EmbeddingModel for Vectors {
    async fn embed(&self, request: &EmbeddingRequest) -> Result<Embeddings, LanguageError> {
        let texts = request.texts.len();
        let usage = self.0.clone()?.map(|input| TokenUsage {
            input,
            ..TokenUsage::default()
        });
        Embeddings::new(vec![vec![1.0]; texts], texts, usage)
    }
}

#[tokio::test]
async fn vectors_of_a_question_are_charged_and_those_of_passages_are_nobodys() {
    const MOST: u64 = 64 + 16 + 20;
    let house = House::new(vec![tokens(Scope::Organization, Window::Day, 3 * MOST)]);
    let embed = async |vectors: Result<Option<u64>, LanguageError>, spender: Option<Spender>| {
        let model = BudgetedEmbedding::new(Arc::new(Vectors(vectors)), Arc::clone(&house.books), None);
        let request = EmbeddingRequest {
            texts: vec!["x".repeat(20)],
            purpose: EmbeddingPurpose::Question,
            within: Duration::from_secs(60),
            spender,
        };
        model.embed(&request).await
    };
    embed(Ok(Some(7)), Some(spender())).await.unwrap();
    house.comes_to(7).await;
    embed(
        Err(LanguageError::RateLimited {
            word: None,
            retry_after: None,
        }),
        Some(spender()),
    )
    .await
    .unwrap_err();
    house.comes_to(7).await;
    // What is not reported may be billed in full.
    embed(Ok(None), Some(spender())).await.unwrap();
    house.comes_to(7 + MOST).await;
    embed(Err(LanguageError::CutShort), Some(spender())).await.unwrap_err();
    house.comes_to(7 + 2 * MOST).await;
    let refused = embed(Ok(Some(7)), Some(spender())).await.unwrap_err();
    assert!(
        matches!(refused, LanguageError::OverBudget { question: None, .. }),
        "{refused}"
    );
    embed(Ok(Some(1_000_000)), None).await.unwrap();
    house.comes_to(7 + 2 * MOST).await;
}
