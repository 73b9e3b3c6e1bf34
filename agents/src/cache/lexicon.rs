//! Words that count for more, or for less, than their vectors say.

use std::{collections::HashMap, sync::LazyLock};

/// What a word means for the question whether two questions ask the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It turns a meaning around, or says when or which way; different words of one side are the same.
    Side(&'static str),
    /// It is a number in words.
    Number(&'static str),
    /// It asks or is polite, and may differ freely.
    Filler,
}

/// The meaning of a word in lower case; none for a word that means what its vector says.
pub(super) fn meaning(word: &str) -> Option<Meaning> {
    static MEANINGS: LazyLock<HashMap<&'static str, Meaning>> = LazyLock::new(|| {
        let mut meanings: HashMap<&str, Meaning> = FILLERS
            .split_ascii_whitespace()
            .map(|word| (word, Meaning::Filler))
            .collect();
        meanings.extend(NUMBERS.iter().map(|(word, number)| (*word, Meaning::Number(number))));
        for (side, words) in SIDES {
            meanings.extend(words.split(' ').map(|word| (word, Meaning::Side(side))));
        }
        meanings
    });
    MEANINGS.get(word).copied()
}

/// Each side with its words.
const SIDES: &[(&str, &str)] = &[
    (
        "not",
        "not no never without cannot cant dont doesnt didnt isnt arent wont nobody none neither nor",
    ),
    ("on", "on enable enabled enabling activate activated"),
    ("off", "off disable disabled disabling deactivate deactivated"),
    ("create", "add adding create creating new insert make"),
    ("remove", "remove removing removed delete deleting deleted erase drop"),
    ("restore", "undo restore restoring restored recover undelete revert"),
    ("upgrade", "upgrade upgrades upgraded upgrading"),
    ("downgrade", "downgrade downgrades downgraded downgrading"),
    ("more", "increase raise more higher up over above"),
    ("less", "decrease lower reduce less fewer down under below"),
    ("allow", "allow permit allowed permitted may"),
    ("forbid", "forbid block deny forbidden prohibited blocked"),
    ("before", "before"),
    ("after", "after"),
    ("start", "start begin open"),
    ("stop", "stop end cancel close terminate"),
    ("import", "import upload"),
    ("export", "export download"),
    ("send", "send outgoing outbound"),
    ("receive", "receive incoming inbound"),
    ("old", "old previous last"),
    ("monthly", "monthly month months"),
    ("yearly", "yearly annual annually year years"),
    ("daily", "daily day days"),
    ("least", "minimum min least smallest cheapest"),
    ("most", "maximum max most largest biggest"),
    ("with", "with include including included"),
    ("except", "exclude excluding except excluded"),
    ("lock", "lock locked locking"),
    ("unlock", "unlock unlocked unlocking"),
    ("accept", "accept accepts accepted accepting"),
    (
        "reject",
        "reject rejects rejected rejecting refuse refuses refused refusing",
    ),
    ("grant", "grant grants granted granting"),
    ("revoke", "revoke revokes revoked revoking"),
    ("join", "join joins joined joining"),
    ("leave", "leave leaves left leaving"),
    ("buy", "buy buys bought buying"),
    ("sell", "sell sells sold selling"),
    ("encrypt", "encrypt encrypted encrypting"),
    ("decrypt", "decrypt decrypted decrypting"),
    ("earlier", "earlier sooner"),
    ("later", "later"),
    ("internal", "internal internally"),
    ("external", "external externally"),
    ("public", "public publicly"),
    ("private", "private privately"),
    ("source", "source sources"),
    ("destination", "destination destinations"),
    ("all", "all every everybody everyone"),
    ("only", "only single"),
    ("failed", "failed fail fails failing declined"),
    ("past", "was were did had"),
    ("future", "will future"),
];

const FILLERS: &str = "please turn switch tell know want need like get give find show explain help possible way able let us \
    just exactly actually currently hi hello hey thanks thank some any also about im id ive whats hows much many long often \
    go going best question wondering wonder steps step them their they these those then than into out be being should \
    must does per now";

const NUMBERS: &[(&str, &str)] = &[
    ("two", "2"),
    ("three", "3"),
    ("four", "4"),
    ("five", "5"),
    ("six", "6"),
    ("seven", "7"),
    ("eight", "8"),
    ("nine", "9"),
    ("ten", "10"),
    ("eleven", "11"),
    ("twelve", "12"),
    ("twenty", "20"),
    ("thirty", "30"),
    ("hundred", "100"),
    ("thousand", "1000"),
    ("million", "1000000"),
    ("first", "1st"),
    ("second", "2nd"),
    ("third", "3rd"),
    ("twice", "2x"),
    ("half", "0.5"),
];
