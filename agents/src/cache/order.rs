//! Whether what two questions have in common stands in the same places in both.

use super::{
    asks::Asks,
    question::{Kind, Question, Role},
    roles::{Holder, Passive},
};

/// Whether sides or numbers stand in another order: what is imported after an export is not exported after an import.
pub(super) fn sides_are_moved(a: &Question, b: &Question, pairs: &[(usize, usize)]) -> bool {
    // Those behind a word of direction may change places together with it.
    let is_bound = |at: usize| b.bound.iter().any(|(_, bound)| *bound == Some(at));
    let are_moved = |is_one: fn(&Kind) -> bool| {
        let places: Vec<usize> = pairs
            .iter()
            .filter(|pair| is_one(&a.items[pair.0].kind) && is_one(&b.items[pair.1].kind))
            .map(|pair| pair.1)
            .collect();
        places
            .windows(2)
            .any(|two| two[0] > two[1] && !(is_bound(two[0]) && is_bound(two[1])))
    };
    are_moved(|kind| matches!(kind, Kind::Side(_))) || are_moved(|kind| matches!(kind, Kind::Number(_)))
}

/// Whether the same things stand in other places: what comes from where the other goes to, who becomes what the other was.
pub(super) fn is_turned_round(a: &Question, b: &Question, pairs: &[(usize, usize)]) -> bool {
    let fellow = |x: usize| pairs.iter().find(|pair| pair.0 == x).map(|pair| pair.1);
    let bound = |question: &Question, at: usize| -> Option<&'static str> {
        question
            .bound
            .iter()
            .find(|(_, bound)| *bound == Some(at))
            .map(|(direction, _)| *direction)
    };
    let at_end = |question: &Question| -> Vec<&'static str> {
        question
            .bound
            .iter()
            .filter(|(_, bound)| bound.is_none())
            .map(|(direction, _)| *direction)
            .collect()
    };
    let fellow_in_a = |y: usize| pairs.iter().find(|pair| pair.1 == y).map(|pair| pair.0);
    let is_in_other_voice = match (a.passive, b.passive) {
        (None, Some(passive)) => is_active_of(a, passive, fellow_in_a),
        (Some(passive), None) => is_active_of(b, passive, fellow),
        (None, None) | (Some(_), Some(_)) => false,
    };
    // "Sent by email" names no doer where the other one sends "by email" too.
    let is_means = |passive: Option<Passive>, other: &Question, fellow: &dyn Fn(usize) -> Option<usize>| {
        passive.and_then(|passive| bound(other, fellow(passive.doer)?)) == Some("by")
    };
    let is_means = is_means(a.passive, b, &fellow) || is_means(b.passive, a, &fellow_in_a);
    // Who does it stands before what is done, or behind "by".
    if at_end(a) != at_end(b) || (a.names_doer != b.names_doer && !is_in_other_voice && !is_means) {
        return true;
    }
    // "Does the team have a plan" is not "is there a team plan", nor "is there a team on the plan".
    let is_held_otherwise = |one: Option<Holder>, other: Option<Holder>, fellow: &dyn Fn(usize) -> Option<usize>| {
        let Some(Holder::Subject(holder)) = one else {
            return false;
        };
        fellow(holder).is_some_and(|holder| other.map(Holder::item) != Some(holder))
    };
    if is_held_otherwise(a.holder, b.holder, &fellow) || is_held_otherwise(b.holder, a.holder, &fellow_in_a) {
        return true;
    }
    let is_bound_alike = |pair: &(usize, usize)| bound(a, pair.0).is_some() && bound(a, pair.0) == bound(b, pair.1);
    let is_bound_otherwise = |pair: &(usize, usize)| {
        let (one, other) = (bound(a, pair.0), bound(b, pair.1));
        one.is_some() && other.is_some() && one != other
    };
    if pairs.iter().any(is_bound_otherwise) {
        return true;
    }
    // One thing takes another's place behind the same word: "from the EU", "from the US".
    let takes_place = |x: usize, y: usize| {
        bound(a, x).is_some_and(|direction| {
            bound(b, y) == Some(direction) && matches!(direction, "from" | "to" | "by" | "against")
        }) && fellow(x).is_some_and(|other| other != y)
            && pairs
                .iter()
                .any(|pair| pair.1 == y && pair.0 != x && bound(a, pair.0) != bound(b, y))
            && fellow(x).and_then(|other| bound(b, other)) != bound(a, x)
    };
    if (0..a.items.len()).any(|x| (0..b.items.len()).any(|y| takes_place(x, y))) {
        return true;
    }
    // That the words stand in another order is what the other voice does.
    if is_in_other_voice {
        return false;
    }
    // What stands before another word now belongs to a third: "a Team workspace with a Business seat".
    let before = |question: &Question, at: usize| -> Option<usize> {
        let previous = at.checked_sub(1)?;
        let is_beside = question.items[previous].at + 1 == question.items[at].at
            && !question.tokens[question.items[previous].at].owns;
        is_beside.then_some(previous)
    };
    let is_of_another = |pair: &(usize, usize)| {
        let (Some(x), Some(y)) = (before(a, pair.0), before(b, pair.1)) else {
            return false;
        };
        let goes_elsewhere = |other: &(usize, usize)| {
            before(a, other.0).is_some_and(|owner| fellow(owner) == Some(y)) && before(b, other.1) == fellow(x)
        };
        fellow(x).is_some_and(|other| other != y) && pairs.iter().any(goes_elsewhere)
    };
    if pairs.iter().any(is_of_another) {
        return true;
    }
    // What is done in one is done to in the other: "where is my order", "where do I order".
    let has_other_role = |pair: &(usize, usize)| {
        matches!(
            (a.items[pair.0].role, b.items[pair.1].role),
            (Role::Verb, Role::Noun) | (Role::Noun, Role::Verb)
        )
    };
    // The same is done to something else: "when I delete my data", "when I delete my account".
    let is_done_to_another = |pair: &(usize, usize)| {
        let are_verbs = a.items[pair.0].role == Role::Verb && b.items[pair.1].role == Role::Verb;
        let (next, other) = (pair.0 + 1, pair.1 + 1);
        let has_fellow = |y: usize| pairs.iter().any(|pair| pair.1 == y);
        // "A deleted file", "a file that was deleted".
        let is_described = fellow(next) == Some(other + 1) && fellow(next + 1) == Some(other);
        are_verbs && fellow(next).is_some_and(|y| y != other) && has_fellow(other) && !is_described
    };
    if pairs
        .iter()
        .any(|pair| has_other_role(pair) || is_done_to_another(pair))
    {
        return true;
    }
    // "Who pays the seller", "who does the seller pay".
    let asks_for_other = matches!(
        (a.asks_for_object, b.asks_for_object),
        (Some(true), Some(false)) | (Some(false), Some(true))
    );
    if asks_for_other && matches!(a.asks, Asks::Person | Asks::Thing | Asks::Count) {
        return true;
    }
    let is_name = |question: &Question, at: usize| matches!(question.items[at].kind, Kind::Name | Kind::Number(_));
    for (first, one) in pairs.iter().enumerate() {
        for (second, last) in pairs.iter().enumerate().skip(first + 1) {
            if one.0 == last.0 || one.1 <= last.1 || (is_bound_alike(one) && is_bound_alike(last)) {
                continue;
            }
            // "My card was stolen. How do I block it?", "how do I block a stolen card".
            if a.divides(one.0, last.0) != b.divides(one.1, last.1) {
                continue;
            }
            // The same word stands between them in both: "how many seats can a plan have", "how many plans can a seat have".
            let between = links(b, last.1, one.1);
            let are_divided_alike = links(a, one.0, last.0).iter().any(|link| between.contains(link));
            if are_divided_alike && !is_bound_alike(one) && !is_bound_alike(last) {
                return true;
            }
            // Two names changed places, and what stands between them is more than "of" and the like.
            let are_names = [one, last].iter().all(|pair| is_name(a, pair.0) || is_name(b, pair.1));
            if are_names && (is_divided(a, one.0, last.0) || is_divided(b, last.1, one.1)) {
                return true;
            }
            // All of three are in the opposite order: who removes whom.
            let is_between = |middle: &(usize, usize)| {
                middle.1 < one.1
                    && middle.1 > last.1
                    && ![one, last]
                        .iter()
                        .any(|outer| is_bound_alike(outer) && is_bound_alike(middle))
            };
            if pairs[first + 1..second].iter().any(is_between) {
                return true;
            }
        }
    }
    false
}

/// Whether a question says in the active voice what another says in the passive: who does it stands before what is done, and what it
/// is done to behind that, or in front of all, where it is asked for. `fellow` gives what of the one stands for which of the other.
fn is_active_of(active: &Question, passive: Passive, fellow: impl Fn(usize) -> Option<usize>) -> bool {
    let (Some(doer), Some(verb)) = (fellow(passive.doer), fellow(passive.verb)) else {
        return false;
    };
    let is_object = |at: usize| at > verb || (at < doer && active.asks_for_object == Some(true));
    doer < verb && (0..passive.verb).filter_map(fellow).all(is_object)
}

/// Whether two items are divided by a word that says how they stand to each other.
fn is_divided(question: &Question, first: usize, last: usize) -> bool {
    const LINKS: &str = "of on for in at the a an my our your is are do does with per";
    let (first, last) = (question.items[first].at, question.items[last].at);
    (first + 1..last).any(|at| {
        let token = &question.tokens[at];
        let is_item = question.items.iter().any(|item| item.at == at && !item.is_implied);
        !is_item && !LINKS.split(' ').any(|link| link == token.lower)
    })
}

/// The words between two items that say how they stand to each other; articles and pronouns do not.
fn links(question: &Question, first: usize, last: usize) -> Vec<&str> {
    const NONE: &str = "a an the my our your i we you me us it this that";
    let (first, last) = (question.items[first].at, question.items[last].at);
    let is_item = |at: usize| question.items.iter().any(|item| item.at == at && !item.is_implied);
    (first + 1..last)
        .filter(|at| !is_item(*at))
        .map(|at| question.tokens[at].lower.as_str())
        .filter(|word| !NONE.split(' ').any(|none| none == *word))
        .collect()
}
