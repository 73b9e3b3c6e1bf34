//! The set over the demo knowledge base holds what it says.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fmt::Debug,
    fs,
    path::{Path, PathBuf},
};

use orchestratai_evaluation::{CacheKind, Evaluation, Part, QuestionKind, SetError, UtteranceKind, fitting::Suspicion};

/// Words in a row that a question may not share with a document.
const BORROWED_WORDS: usize = 5;
/// Words that stand in every sentence; a row of words that has fewer than two others is nobody's.
const COMMON_WORDS: &str = "a an the of to in on for and or is are be do does did can i my we our you your it its this that with \
    how what when where which who why if from at by as not no have has was were will would should there they them than then so \
    up out into about";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn demo() -> Evaluation {
    Evaluation::read(&root().join("evaluation/sets/demo")).unwrap()
}

/// Each document's text, by collection and path.
fn documents() -> BTreeMap<String, String> {
    let mut documents = BTreeMap::new();
    for collection in ["billing", "technical", "policy"] {
        for entry in fs::read_dir(root().join("config/demo").join(collection)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            documents.insert(format!("{collection}/{name}"), fs::read_to_string(path).unwrap());
        }
    }
    documents
}

fn words(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric());
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// The text below a heading, up to the next one.
fn passage<'a>(document: &'a str, heading: &str) -> Option<&'a str> {
    let is_heading = |line: &str| line.starts_with('#') && line.trim_start_matches('#').starts_with(' ');
    let mut at = 0;
    let mut begin = None;
    let mut in_code = false;
    for line in document.split_inclusive('\n') {
        in_code ^= line.starts_with("```");
        if !in_code && is_heading(line) {
            match begin {
                Some(begin) => return Some(&document[begin..at]),
                None if line.trim_start_matches('#').trim() == heading => begin = Some(at),
                None => {}
            }
        }
        at += line.len();
    }
    begin.map(|begin| &document[begin..])
}

#[track_caller]
fn check_counts<K: Debug + Ord + Copy>(cases: &[(Part, K)], least: usize, kinds_least: &[(K, usize)]) {
    assert!(cases.len() >= least, "{} of {least}", cases.len());
    for part in [Part::Develop, Part::Decide] {
        let of_part: Vec<K> = cases.iter().filter(|case| case.0 == part).map(|case| case.1).collect();
        assert!(
            of_part.len() * 5 >= cases.len() * 2,
            "{part:?} has {} of {}",
            of_part.len(),
            cases.len()
        );
        for (kind, least) in kinds_least {
            let count = of_part.iter().filter(|of| *of == kind).count();
            assert!(count >= *least, "{part:?} has {count} {kind:?}");
        }
    }
}

#[track_caller]
fn check_distinct<'a>(cases: impl Iterator<Item = (&'a str, String)>) {
    let (mut ids, mut texts) = (HashSet::new(), HashMap::new());
    for (id, text) in cases {
        assert!(ids.insert(id.to_owned()), "{id} stands there twice");
        if let Some(other) = texts.insert(text.to_lowercase(), id) {
            panic!("{id} is {other}: {text}");
        }
    }
}

#[test]
fn there_are_enough_cases_of_every_kind_in_both_parts_and_none_twice() {
    use {CacheKind as C, QuestionKind as Q, UtteranceKind as U};
    let set = demo();
    let questions: Vec<_> = set.questions.iter().map(|case| (case.part, case.kind)).collect();
    let hard = [
        (Q::Paraphrase, 15),
        (Q::Typo, 6),
        (Q::FollowUp, 6),
        (Q::NearMiss, 10),
        (Q::Unanswerable, 8),
    ];
    check_counts(&questions, 200, &hard);
    check_counts(&questions, 200, &[(Q::Code, 2), (Q::Table, 2), (Q::Multi, 3)]);
    let utterances: Vec<_> = set.utterances.iter().map(|case| (case.part, case.kind)).collect();
    let kinds = [
        U::Typo,
        U::Several,
        U::Greeting,
        U::OutOfScope,
        U::OtherLanguage,
        U::FollowUp,
        U::Injection,
    ];
    check_counts(&utterances, 300, &kinds.map(|kind| (kind, 8)));
    let pairs: Vec<_> = set.pairs.iter().map(|case| (case.part, case.kind)).collect();
    let kinds = [C::Polarity, C::Number, C::Name, C::Tense, C::Direction, C::Scope];
    check_counts(&pairs, 200, &kinds.map(|kind| (kind, 5)));
    check_counts(&pairs, 200, &[(C::Paraphrase, 35)]);
    for pair in &set.pairs {
        assert_eq!(pair.hit, pair.kind == C::Paraphrase, "{}", pair.id);
    }
    check_distinct(
        set.questions
            .iter()
            .map(|case| (case.id.as_str(), format!("{} {:?}", case.question, case.after))),
    );
    check_distinct(
        set.utterances
            .iter()
            .map(|case| (case.id.as_str(), format!("{} {:?}", case.message, case.after))),
    );
    check_distinct(
        set.pairs
            .iter()
            .map(|case| (case.id.as_str(), format!("{} | {}", case.first, case.second))),
    );
    for (after, is_follow_up, id) in (set.questions.iter())
        .map(|case| (&case.after, case.kind == Q::FollowUp, &case.id))
        .chain(
            set.utterances
                .iter()
                .map(|case| (&case.after, case.kind == U::FollowUp, &case.id)),
        )
    {
        assert_eq!(!after.is_empty(), is_follow_up, "{id}");
    }
}

#[test]
fn what_answers_stands_in_the_passage_that_is_named() {
    let documents = documents();
    let mut asked = BTreeSet::new();
    for question in demo().questions {
        assert_eq!(
            question.gold.is_empty(),
            question.kind == QuestionKind::Unanswerable,
            "{}",
            question.id
        );
        for gold in question.gold {
            let document = documents.get(&gold.source);
            let document = document.unwrap_or_else(|| panic!("{}: there is no {}", question.id, gold.source));
            let passage = passage(document, &gold.heading);
            let passage =
                passage.unwrap_or_else(|| panic!("{}: no {:?} in {}", question.id, gold.heading, gold.source));
            assert!(!gold.answer.trim().is_empty(), "{}", question.id);
            assert!(
                passage.contains(&gold.answer),
                "{}: {:?} is not in\n{passage}",
                question.id,
                gold.answer
            );
            asked.insert(gold.source);
        }
    }
    // Plain text has no headings to name.
    let never: Vec<_> = documents
        .keys()
        .filter(|source| source.ends_with(".md") && !asked.contains(*source))
        .collect();
    assert!(never.len() <= 3, "never asked for: {never:?}");
}

#[test]
fn no_question_borrows_a_documents_sentence() {
    let common: HashSet<&str> = COMMON_WORDS.split_whitespace().collect();
    let mut rows = HashSet::new();
    for text in documents().values() {
        rows.extend(words(text).windows(BORROWED_WORDS).map(<[String]>::to_vec));
    }
    for question in demo().questions {
        for row in words(&question.question).windows(BORROWED_WORDS) {
            let own = row.iter().filter(|word| !common.contains(word.as_str())).count();
            assert!(own < 2 || !rows.contains(row), "{} borrows {row:?}", question.id);
        }
    }
}

#[test]
fn a_line_that_is_no_case_is_named() {
    let folder = std::env::temp_dir().join(format!("orchestratai-evaluation-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    for file in ["questions.jsonl", "routing.jsonl"] {
        fs::write(folder.join(file), "\n").unwrap();
    }
    let missing = Evaluation::read(&folder).unwrap_err();
    assert!(
        matches!(&missing, SetError::Io { path, .. } if path.ends_with("cache.jsonl")),
        "{missing}"
    );
    fs::write(folder.join("cache.jsonl"), "\n{\"id\": \"c1\", \"hits\": true}\n").unwrap();
    let error = Evaluation::read(&folder).unwrap_err().to_string();
    assert!(error.contains("cache.jsonl:2: unknown field `hits`"), "{error}");
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn what_the_detector_of_attempts_is_fitted_on_is_varied_and_decides_nothing() {
    let path = root().join("evaluation/sets/injections/messages.jsonl");
    let text = fs::read_to_string(path).unwrap();
    let all: Vec<Suspicion> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let families = |attempt: bool| -> BTreeSet<&str> {
        let of_kind = all.iter().filter(|suspicion| suspicion.attempt == attempt);
        of_kind.map(|suspicion| suspicion.family.as_str()).collect()
    };
    assert!(families(true).len() >= 15 && families(false).len() >= 15);
    assert!(all.iter().filter(|suspicion| suspicion.attempt).count() >= 400);
    assert!(all.iter().filter(|suspicion| !suspicion.attempt).count() >= 450);
    let mut seen = HashSet::new();
    let cases = demo().part(Part::Decide);
    for Suspicion { message, .. } in &all {
        assert!(seen.insert(words(message).join(" ") + message), "twice: {message}");
        let is_case = cases
            .utterances
            .iter()
            .any(|case| words(&case.message) == words(message));
        assert!(!is_case || !message.is_ascii(), "a case that decides: {message}");
    }
}
