//! What the cache gives again, and what it never does.

use std::time::Instant;

use orchestratai_agents::{
    cache::{Admission, CacheKey, CachedAnswer, Landing, Lookup, SemanticCache},
    knowledge::SearchResult,
    model::ModelOutcome,
};
use orchestratai_shared::{AgentId, Confidence};
use proptest::prelude::*;

use crate::world::{demo, embedder};

/// Pairs about a bank, a hospital, an airline and shops: a kind and two questions to a line. Those of the kind `same` have one
/// answer, all others two.
const PAIRS: &str = include_str!("sets/cache_pairs.tsv");

fn key() -> CacheKey {
    CacheKey {
        organization: "default".into(),
        agent: AgentId::parse("billing").unwrap(),
        agent_version: "v1".into(),
        revision: 7,
        model: "embedded-extractive".into(),
    }
}

async fn nothing_found() -> SearchResult {
    demo().await.search("", &[], 1).await.unwrap()
}

fn answer(found: &SearchResult) -> CachedAnswer {
    CachedAnswer {
        pieces: vec!["It is so.".into()],
        outcome: ModelOutcome {
            confidence: Confidence::new(0.9),
            citations: vec![],
            is_for_once: false,
            incomplete: None,
        },
        found: found.clone(),
        read: vec![],
    }
}

/// Looks a question up where only another has been answered.
fn look_up(found: &SearchResult, answered: &str, asked: &str) -> Lookup {
    let cache = SemanticCache::new(embedder());
    cache.store(&key(), answered, answer(found));
    cache.look_up(&key(), asked)
}

#[tokio::test]
async fn of_another_trade_as_well_paraphrases_hit_and_nothing_else_does() {
    let found = nothing_found().await;
    let (mut paraphrases, mut hits, mut others) = (0, 0, 0);
    for line in PAIRS.lines() {
        let [kind, first, second] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("no pair: {line}");
        };
        for (answered, asked) in [(first, second), (second, first)] {
            let lookup = look_up(&found, answered, asked);
            let (is_hit, reason) = (lookup.answer.is_some(), lookup.log.reason.unwrap());
            if kind == "same" {
                paraphrases += 1;
                hits += usize::from(is_hit);
                assert!(!is_hit || lookup.log.similarity.unwrap() >= 0.85, "{line}");
            } else {
                others += 1;
                assert!(!is_hit, "{kind}: {answered} / {asked}");
                assert!(reason.contains(answered) || reason.contains("near enough"), "{reason}");
            }
        }
    }
    assert!(others >= 2 * 200, "{others}");
    // Worded by people who had seen the other wording, so easier than life.
    assert!(hits * 10 >= paraphrases * 7, "{hits} of {paraphrases}");
}

#[tokio::test]
async fn the_log_names_what_decided() {
    let found = nothing_found().await;
    for (answered, asked, decided) in [
        ("How do I block my card?", "how can I block my card", "asks the same"),
        (
            "How do I block my card?",
            "How do I unblock my card?",
            "polarity or direction",
        ),
        (
            "How do I print a boarding pass?",
            "How do I share a boarding pass?",
            "the word “print”",
        ),
        (
            "How do I block my card?",
            "When do I block my card?",
            "what it asks for",
        ),
        (
            "What does the Gold card cost?",
            "What does the Blue card cost?",
            "a name",
        ),
        (
            "What is the fee for 5 cards?",
            "What is the fee for 6 cards?",
            "a number",
        ),
        ("What are the fees?", "What were the fees?", "past or present"),
        (
            "Can a nurse overrule a doctor?",
            "Can a doctor overrule a nurse?",
            "what does what to what",
        ),
        ("Do you owe me money?", "Do I owe you money?", "who does it"),
        ("How do I block my card?", "Is there a swimming pool?", "near enough"),
    ] {
        let log = look_up(&found, answered, asked).log;
        assert!(log.reason.as_ref().unwrap().contains(decided), "{log:?}");
    }
}

#[tokio::test]
async fn a_look_up_hardly_grows_with_the_cache() {
    let found = nothing_found().await;
    let took = |size: usize| {
        let cache = SemanticCache::new(embedder());
        for number in 0..size {
            cache.store(
                &key(),
                &format!("How do I change item {number} of my order?"),
                answer(&found),
            );
        }
        let once = |_| {
            let began = Instant::now();
            assert!(cache.look_up(&key(), "How do I change my order?").answer.is_none());
            began.elapsed()
        };
        (0..50).map(once).min().unwrap()
    };
    let (few, all) = (took(10), took(1_000));
    println!("a look-up among 10 entries takes {few:?}, among 1,000 {all:?}");
    // A hundred times the entries: one dot product for each, but no more words than before.
    assert!(all < few * 60, "{few:?} {all:?}");
}

#[tokio::test]
async fn one_leads_and_the_others_wait_for_it() {
    let found = nothing_found().await;
    let cache = SemanticCache::new(embedder());
    let question = "How do I block my card?";
    let Admission::Lead(leader) = cache.enter(&key(), question) else {
        panic!("nobody else leads");
    };
    let Admission::Wait(first) = cache.enter(&key(), "how do i block my card") else {
        panic!("it is answered already");
    };
    for (key, question) in [
        (
            CacheKey {
                organization: "other".into(),
                ..key()
            },
            question,
        ),
        (
            CacheKey {
                agent: AgentId::parse("policy").unwrap(),
                ..key()
            },
            question,
        ),
        (
            CacheKey {
                agent_version: "v2".into(),
                ..key()
            },
            question,
        ),
        (CacheKey { revision: 8, ..key() }, question),
        (
            CacheKey {
                model: "other".into(),
                ..key()
            },
            question,
        ),
        (key(), "How do I unblock my card?"),
    ] {
        assert!(
            matches!(cache.enter(&key, question), Admission::Lead(_)),
            "{key:?} {question}"
        );
    }
    // The leader fails: the next one who comes leads.
    drop(leader);
    assert_eq!(first.landing().await, Landing::Failed);
    let Admission::Lead(leader) = cache.enter(&key(), question) else {
        panic!("its place is free");
    };
    let waiting: Vec<_> = (0..256)
        .map(|_| match cache.enter(&key(), question) {
            Admission::Wait(waiting) => waiting,
            Admission::Lead(_) | Admission::Landed | Admission::Alone => panic!("another leads"),
        })
        .collect();
    assert!(
        matches!(cache.enter(&key(), question), Admission::Alone),
        "who waits is bounded"
    );
    cache.store(&key(), question, answer(&found));
    leader.land(true);
    for waiting in waiting {
        assert_eq!(waiting.landing().await, Landing::Kept);
    }
    assert!(matches!(cache.enter(&key(), question), Admission::Landed));
}

fn any_key() -> impl Strategy<Value = CacheKey> {
    let name = || "[ab]{0,2}";
    let agent = prop_oneof![Just("billing"), Just("policy")];
    (name(), agent, name(), 0_u64..3, name()).prop_map(|(organization, agent, agent_version, revision, model)| {
        CacheKey {
            organization: organization.into(),
            agent: AgentId::parse(agent).unwrap(),
            agent_version,
            revision,
            model,
        }
    })
}

fn any_question() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        "(how|what|why|can|do|is|not|on|off|to|from|before|with|the|my|all|2|14|EU|US|DPA)",
        "(card|account|refund|transfer|key|plan|fee|data|processing|agreement|block|unblock|pay|move|get|need)",
        ".{0,4}",
    ];
    prop::collection::vec(word, 0..9).prop_map(|words| words.join(" "))
}

#[tokio::test]
async fn a_long_message_is_looked_up_as_quickly_and_found_only_as_it_was() {
    let found = nothing_found().await;
    let long = |word: &str| {
        (0..160)
            .map(|number| format!("{word}{number} card "))
            .collect::<String>()
    };
    let cache = SemanticCache::new(embedder());
    for word in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        cache.store(&key(), &long(word), answer(&found));
    }
    let began = Instant::now();
    let lookup = cache.look_up(&key(), &long("i"));
    assert!(lookup.answer.is_none() && lookup.log.reason.unwrap().contains("too long"));
    // A hundred times what it takes: unbounded, it would be seconds.
    assert!(began.elapsed().as_millis() < 500, "{:?}", began.elapsed());
    assert!(cache.look_up(&key(), &long("c")).answer.is_some());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Under whatever keys answers are kept, each is only given under its own.
    #[test]
    fn nothing_is_ever_found_under_another_key(keys in prop::collection::vec(any_key(), 1..6), asked in any_key()) {
        let found = run(nothing_found());
        let cache = SemanticCache::new(embedder());
        let question = "How do I block my card?";
        for (number, key) in keys.iter().enumerate() {
            let mut kept = answer(&found);
            kept.pieces = vec![number.to_string()];
            cache.store(key, question, kept);
        }
        if let Some(given) = cache.look_up(&asked, question).answer {
            let number: usize = given.pieces.concat().parse().unwrap();
            prop_assert_eq!(&keys[number], &asked);
        }
    }

    /// Any two texts can be compared, either way round with the same result, and a text with words is the same as itself.
    #[test]
    fn questions_are_compared_alike_either_way_round(a in any_question(), b in any_question()) {
        let found = run(nothing_found());
        let there = look_up(&found, &a, &b);
        let back = look_up(&found, &b, &a);
        prop_assert_eq!(there.answer.is_some(), back.answer.is_some(), "{:?} / {:?}", there.log, back.log);
        let card = format!("card {a}");
        prop_assert!(look_up(&found, &card, &card).answer.is_some());
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}
