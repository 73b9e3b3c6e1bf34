//! What a question asks for.

use std::sync::LazyLock;

use super::measures::{Attribute, asked_by_noun};

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Asks {
    How,
    /// Whether there is a way, which is told by telling it.
    Way,
    /// Whether something may or can be done.
    Can,
    /// Whether there is something, or whether something can be done, by whomever.
    Possible,
    /// Whether something has to be done.
    Must,
    YesNo,
    Amount,
    /// How large, how old, how heavy …
    Measure(Attribute),
    Count,
    Price,
    Duration,
    Frequency,
    Thing,
    /// What follows from something.
    Outcome,
    /// When, be it a day or an hour.
    Time,
    Hour,
    Day,
    Place,
    Person,
    Reason,
    Unsaid,
}

impl Asks {
    /// Whether an answer to one can be an answer to the other.
    pub(super) fn agrees_with(self, other: Self) -> bool {
        self == other
            || matches!(
                (self, other),
                (Self::Way, Self::How | Self::Can)
                    | (Self::How | Self::Can, Self::Way)
                    // "Is shipping possible", "can you ship", "do you ship".
                    | (Self::Possible, Self::Can | Self::YesNo)
                    | (Self::Can | Self::YesNo, Self::Possible)
                    | (Self::Time, Self::Hour | Self::Day)
                    | (Self::Hour | Self::Day, Self::Time)
            )
    }
}

/// What stands in front of a question and asks nothing; alternatives are divided by bars, `?` marks what may be absent.
const POLITE: &[&str] = &[
    "hi|hello|hey|please|thanks|ok|okay|so|well|sorry|also",
    "can|could|would|will you please? tell|show|explain|help to? me|us?",
    "please? tell|show|explain|remind me|us",
    "i|we would? like|want|must to? know",
    "i am|was? wonder|wondering",
    "we are wondering",
    "do|would you know",
    "any idea",
    "good morning|afternoon|evening|day",
];

/// Ways to ask, the more special first. What is matched says nothing else about the question.
const WAYS_TO_ASK: &[(&str, Asks)] = &[
    (
        "what steps|step do|must|should|can|would i|we|one must|need? take? to|for",
        Asks::How,
    ),
    (
        "what could|might|can|may be the? possible|likely? reason|reasons|cause|causes for|that|why|of|behind?",
        Asks::Reason,
    ),
    ("what is|are the? length|duration of", Asks::Duration),
    ("in what|which way|ways", Asks::How),
    (
        "is|are there any|a|an|some? easy|simple|good? way|ways|possibility|option|means|method to|of|for?",
        Asks::Way,
    ),
    ("any|some way|ways|possibility to", Asks::Way),
    (
        "is it possible|allowed|permitted|ok|okay|fine|feasible to|for|that?",
        Asks::Can,
    ),
    ("am|are i|we may", Asks::Can),
    ("do|does|would|will i|we|one must|need", Asks::Must),
    ("am|are i|we must", Asks::Must),
    (
        "is it necessary|required|mandatory|obligatory|compulsory to|that?",
        Asks::Must,
    ),
    ("must|should i|we|one", Asks::Must),
    ("can|could|may|might i|we|one", Asks::Can),
    (
        "what is|are the? possible|best|easiest|correct|right|usual? step|steps|way|ways|procedure|process|method to|for|of",
        Asks::How,
    ),
    (
        "what do|must|should|can|does|would|will i|we|one must? do to|for",
        Asks::How,
    ),
    ("how does|do|would|will this|that|it work", Asks::How),
    (
        "what is|are the? possible|likely|usual? reason|reasons|cause|causes for|that|why|of|behind?",
        Asks::Reason,
    ),
    ("what causes|caused", Asks::Reason),
    ("how come", Asks::Reason),
    ("where can|could|do|would i|we|one get|obtain", Asks::How),
    ("for what|which reason", Asks::Reason),
    ("why", Asks::Reason),
    ("for? how long", Asks::Duration),
    ("how soon|fast|quickly", Asks::Duration),
    ("after|within|in what|which|how time|period", Asks::Duration),
    ("how much time", Asks::Duration),
    ("how often|frequently|regularly", Asks::Frequency),
    ("how many times", Asks::Frequency),
    ("how many", Asks::Count),
    ("what is|are the? number of", Asks::Count),
    ("what|which number of", Asks::Count),
    ("how much is|are|am|do|does|did|will|would|was|were", Asks::Price),
    ("how expensive", Asks::Price),
    (
        "what is|are|was|were|will|would|does|do the? cost|costs|price|prices of|for",
        Asks::Price,
    ),
    ("how much do|will|would|must i|we|one pay for?", Asks::Price),
    ("how much do|will|would you|they charge for?", Asks::Price),
    ("what do|would|will you|they charge for", Asks::Price),
    ("what is|are the fee|fees|charge|charges for", Asks::Price),
    ("how much", Asks::Amount),
    ("how large|big|small", Asks::Measure(Attribute::Size)),
    ("how high|tall", Asks::Measure(Attribute::Height)),
    ("how far", Asks::Measure(Attribute::Distance)),
    ("how old", Asks::Measure(Attribute::Age)),
    ("how heavy", Asks::Measure(Attribute::Weight)),
    ("how wide", Asks::Measure(Attribute::Width)),
    ("how deep", Asks::Measure(Attribute::Depth)),
    ("how do|can|could|should|would|might i|we|one go about", Asks::How),
    ("how to", Asks::How),
    ("how", Asks::How),
    ("at? what|which time", Asks::Hour),
    ("on? what|which date|day", Asks::Day),
    ("when", Asks::Time),
    ("in|at what|which country|city|place|location", Asks::Place),
    ("where", Asks::Place),
    ("who|whom|whose", Asks::Person),
    ("what is|are the? consequence|consequences of|if|when", Asks::Outcome),
    ("what now", Asks::Outcome),
    (
        "what will? happens|happen|happened|comes|occurs next|then?",
        Asks::Outcome,
    ),
    ("what|which kind|kinds|type|types|sort|sorts of", Asks::Thing),
    ("what|which", Asks::Thing),
];

const INDIRECT: &str = "how|where do|can|could|would i|we|one find|see|learn|know|check|tell|look out|up?";

/// What is wished, told before "how do I do that?"
const WISHES: &[&str] = &["i|we would like to", "i|we want|wish|must to?"];
/// A question for the way that names nothing: it asks for the way to what was told.
const HOW_TO_DO_THAT: &str = "how do|can|could|should|would|may|must i|we|one do? that|this|it|so?";

const OPENERS: &str = "can could do does did is are was were may might will would shall has have had am if whether";

/// Verbs of one who serves: "do you take cards" is "can I pay by card".
const SERVES: &str = "take accept offer support provide have";

/// Verbs of what has or needs something.
pub(super) const HOLDS: &str = "have get need require";

/// Finds what is asked for by the words of a question, in lower case. Marks in `said` the words that ask.
///
/// Gives it with the place from which on it is asked: what stands before is told, not asked.
pub(super) fn find(words: &[&str], said: &mut [bool]) -> (Asks, usize) {
    static PATTERNS: LazyLock<Patterns> = LazyLock::new(|| Patterns {
        polite: POLITE.iter().map(|written| Pattern::of(written)).collect(),
        indirect: Pattern::of(INDIRECT),
        wishes: WISHES.iter().map(|written| Pattern::of(written)).collect(),
        how_to_do_that: Pattern::of(HOW_TO_DO_THAT),
        ways_to_ask: WAYS_TO_ASK
            .iter()
            .map(|(written, asks)| (Pattern::of(written), *asks))
            .collect(),
    });
    let patterns = &*PATTERNS;
    let mut start = 0;
    while let Some(length) = patterns
        .polite
        .iter()
        .find_map(|pattern| pattern.matched(&words[start..]))
    {
        said[start..start + length].fill(true);
        start += length;
    }
    // "How do I find out who uses it" asks who uses it.
    if let Some(length) = patterns.indirect.matched(&words[start..])
        && words
            .get(start + length)
            .is_some_and(|word| is_one_of("who what which when where whether", word))
    {
        said[start..start + length].fill(true);
        start += length;
    }
    if let Some((wish, question)) = patterns.wish_and_question(&words[start..]) {
        said[start..start + wish].fill(true);
        said[start + question..].fill(true);
        return (Asks::How, start);
    }
    let first = start + told_first(&words[start..]);
    for at in first..words.len() {
        if let Some((asks, head)) = asked_by_noun(words, at) {
            said[at..at + 2].fill(true);
            said[head] = true;
            return (asks, at);
        }
        for (pattern, asks) in &patterns.ways_to_ask {
            if let Some(length) = pattern.matched(&words[at..]) {
                said[at..at + length].fill(true);
                return (price(*asks, words, said), at);
            }
        }
        // Before any other way to ask: "Can it be done when …" asks for no time.
        if at == first && OPENERS.split(' ').any(|opener| opener == words[at]) {
            said[at] = true;
            return (yes_or_no(words, at, said), at);
        }
    }
    (Asks::Unsaid, start)
}

pub(super) fn is_one_of(list: &str, word: &str) -> bool {
    list.split(' ').any(|known| known == word)
}

/// How many words at the beginning tell a condition: "if I lose my card, what happens?"
fn told_first(words: &[&str]) -> usize {
    const VERBS: &str = "do does did can could will would is are was were should may must have has";
    let is_verb = |at: usize| words.get(at).is_some_and(|word| is_one_of(VERBS, word));
    let is_condition = words
        .first()
        .is_some_and(|first| is_one_of("if when once after before while", first));
    if !is_condition || is_verb(1) {
        return 0;
    }
    // Where the question proper begins: with a question word and a verb, or with a verb and whom it asks.
    let begins = |at: usize| {
        let asks = is_one_of("what how where who why which when", words[at]);
        let happens = words
            .get(at + 1)
            .is_some_and(|word| is_one_of("happens much many long", word));
        let asks_whom = words.get(at + 1).is_some_and(|word| is_one_of("i we you", word));
        (asks && (is_verb(at + 1) || happens)) || (is_verb(at) && asks_whom)
    };
    (2..words.len()).find(|at| begins(*at)).unwrap_or(0)
}

/// What a question asks for that begins with a verb, at `at`.
fn yes_or_no(words: &[&str], at: usize, said: &mut [bool]) -> Asks {
    if matches!(words[at], "can" | "could" | "may" | "might") {
        return Asks::Can;
    }
    if matches!(words[at], "is" | "are") && words.get(at + 1) == Some(&"there") {
        said[at + 1] = true;
        return Asks::Can;
    }
    let serves = words
        .get(at + 2)
        .is_some_and(|verb| SERVES.split(' ').any(|known| known == *verb));
    if serves && words[at + 1] == "you" && matches!(words[at], "do" | "would" | "will") {
        said[at..at + 3].fill(true);
        return Asks::Can;
    }
    // Not what stands in a clause: "is a file that is allowed there deleted".
    let sentence = words[at + 1..]
        .iter()
        .take_while(|word| !is_one_of("that which who", word));
    let place = |is_wanted: &dyn Fn(usize) -> bool| {
        (at + 1..)
            .zip(sentence.clone())
            .map(|(place, _)| place)
            .find(|place| is_wanted(*place))
    };
    // "Are children allowed to fly?", with what is allowed said in one word, or "is flying allowed?"
    let may = |at: usize| is_one_of("may allowed permitted possible available", words[at]);
    if matches!(words[at], "is" | "are" | "am")
        && let Some(place) = place(&may)
    {
        said[place] = true;
        return match words[place] {
            "possible" | "available" => Asks::Possible,
            _ => Asks::Can,
        };
    }
    let needed = |at: usize| is_one_of("needed required necessary mandatory compulsory obligatory", words[at]);
    if matches!(words[at], "is" | "are")
        && let Some(place) = place(&needed)
    {
        said[place] = true;
        return Asks::Must;
    }
    // "Does the hotel have a pool" is "is there a pool at the hotel". But who asks what you have is not told what I have.
    let holds = |at: usize| {
        is_one_of(HOLDS, words[at])
            && words
                .get(at + 1)
                .is_some_and(|next| is_one_of("a an any the some its more", next))
    };
    if matches!(words[at], "do" | "does")
        && !words.get(at + 1).is_some_and(|subject| is_one_of("i we you", subject))
        && let Some(place) = place(&holds)
    {
        said[place] = true;
        return if is_one_of("need require", words[place]) {
            Asks::Must
        } else {
            Asks::Can
        };
    }
    Asks::YesNo
}

/// "What does it cost" is "how much is it".
fn price(asks: Asks, words: &[&str], said: &mut [bool]) -> Asks {
    let is_price = |word: &str| matches!(word, "cost" | "costs" | "price" | "prices" | "priced");
    let is_of_price = matches!(asks, Asks::Thing | Asks::Amount) && words.iter().any(|word| is_price(word));
    let asks = if is_of_price { Asks::Price } else { asks };
    if asks == Asks::Price {
        for (word, said) in words.iter().zip(said) {
            *said |= is_price(word);
        }
    }
    asks
}

/// All of them, taken apart once.
struct Patterns {
    polite: Vec<Pattern>,
    indirect: Pattern,
    wishes: Vec<Pattern>,
    how_to_do_that: Pattern,
    ways_to_ask: Vec<(Pattern, Asks)>,
}

impl Patterns {
    /// Of "I want to move, how do I do that?": how many words say the wish, and where the question for the way begins.
    fn wish_and_question(&self, words: &[&str]) -> Option<(usize, usize)> {
        let wish = self.wishes.iter().find_map(|pattern| pattern.matched(words))?;
        let is_question = |at: &usize| {
            let question = &words[*at..];
            question == ["how"] || self.how_to_do_that.matched(question) == Some(question.len())
        };
        // Something must be wished.
        Some((wish, (wish + 1..words.len()).find(is_question)?))
    }
}

/// Words in a row, each with its alternatives, and whether it may be absent.
struct Pattern(Vec<(Vec<&'static str>, bool)>);

impl Pattern {
    fn of(written: &'static str) -> Self {
        let parts = written.split(' ').map(|part| {
            let (part, is_optional) = part.strip_suffix('?').map_or((part, false), |part| (part, true));
            (part.split('|').collect(), is_optional)
        });
        Self(parts.collect())
    }

    /// How many words at the beginning it matches; none where it does not match.
    fn matched(&self, words: &[&str]) -> Option<usize> {
        let mut at = 0;
        for (alternatives, is_optional) in &self.0 {
            match words.get(at).is_some_and(|word| alternatives.contains(word)) {
                true => at += 1,
                false if *is_optional => {}
                false => return None,
            }
        }
        (at > 0).then_some(at)
    }
}
