//! Words that count for more, or for less, than their vectors say.

use std::sync::LazyLock;

use rustc_hash::FxHashMap;

/// What a word means for the question whether two questions ask the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It turns a meaning around, or says when or which way; different words of one side are the same.
    Side(&'static str),
    /// It is a number in words.
    Number(&'static str),
    /// It says little, but not the same as another of its kind.
    Light(&'static str),
    /// It asks or is polite, and may differ freely.
    Filler,
}

/// The meaning of a word in lower case; none for a word that means what its vector says.
pub(super) fn meaning(word: &str) -> Option<Meaning> {
    static MEANINGS: LazyLock<FxHashMap<&'static str, Meaning>> = LazyLock::new(|| {
        let mut meanings: FxHashMap<&str, Meaning> = FILLERS
            .split_ascii_whitespace()
            .map(|word| (word, Meaning::Filler))
            .collect();
        meanings.extend(NUMBERS.iter().map(|(word, number)| (*word, Meaning::Number(number))));
        for (verb, words) in LIGHT_VERBS {
            meanings.extend(words.split(' ').map(|word| (word, Meaning::Light(verb))));
        }
        for (side, words) in SIDES {
            meanings.extend(words.split(' ').map(|word| (word, Meaning::Side(side))));
        }
        meanings
    });
    MEANINGS.get(word).copied()
}

/// Each side with its words.
const SIDES: &[(&str, &str)] = &[
    ("not", "not no never without nobody none neither nor cannot"),
    ("unless", "unless"),
    ("must", "must"),
    (
        "on",
        "enable enabled enables enabling activate activated activates activating activation",
    ),
    (
        "off",
        "off disable disabled disables disabling deactivate deactivated deactivates deactivating deactivation",
    ),
    ("add", "add adding added adds insert"),
    ("create", "create creating created creates creation"),
    ("new", "new"),
    (
        "remove",
        "remove removing removed removes delete deleting deleted deletes deletion erase erased erasing drop",
    ),
    ("restore", "undo restore restoring restored recover undelete revert"),
    ("upgrade", "upgrade upgrades upgraded upgrading"),
    ("downgrade", "downgrade downgrades downgraded downgrading"),
    ("more", "increase raise more higher over above exceed"),
    ("less", "decrease lower reduce less fewer under below"),
    ("up", "up"),
    ("down", "down"),
    ("allow", "allow allows allowed permit permits permitted"),
    ("forbid", "forbid block deny forbidden prohibited prohibit blocked"),
    ("before", "before"),
    ("after", "after once"),
    ("during", "during"),
    ("until", "until till"),
    ("since", "since"),
    ("next", "next"),
    ("start", "start starts starting started begin begins"),
    ("open", "open opens opening opened"),
    ("stop", "stop stops stopping stopped"),
    ("end", "end ends ending ended"),
    (
        "cancel",
        "cancel cancels cancelled canceled cancelling canceling cancellation terminate terminated termination",
    ),
    ("close", "close closes closing closed closure"),
    ("import", "import imports importing imported upload uploads"),
    ("export", "export exports exporting exported download downloads"),
    ("send", "send sends sending sent outgoing outbound sender"),
    (
        "receive",
        "receive receives receiving received incoming inbound receiver recipient",
    ),
    ("old", "old older previous last former"),
    ("monthly", "monthly month months"),
    ("yearly", "yearly annual annually year years"),
    ("weekly", "weekly week weeks"),
    ("daily", "daily day days"),
    ("hourly", "hourly hour hours"),
    ("least", "minimum min least smallest lowest"),
    ("most", "maximum max most largest biggest highest"),
    ("include", "include including included includes"),
    ("except", "exclude excluding except excluded besides"),
    ("other", "other others another else instead different"),
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
    ("earlier", "early earlier sooner"),
    ("later", "late later"),
    ("internal", "internal internally"),
    ("external", "external externally"),
    ("public", "public publicly"),
    ("private", "private privately"),
    ("source", "source sources"),
    ("destination", "destination destinations"),
    ("all", "all every each everybody everyone whole entire both"),
    ("only", "only single"),
    ("again", "again"),
    ("failed", "failed fail fails failing failure declined"),
];

const FILLERS: &str = "please tell know want like find explain help possible way able let us just \
    exactly actually currently hi hello hey thanks thank some any also about im id ive going question wondering \
    wonder them their they these those then than into onto out through be being does per now turn turned turning work works via \
    kindly really ever one several still multiple someone somebody something anyone anybody anything shall may might";

/// Words that people who ask for help use for one another; each line is a class, and a word may be of several.
pub(super) const FELLOWS: &[&str] = &[
    "change modify edit update alter adjust amend",
    "keep store retain save preserve",
    "buy purchase acquire",
    "choose select pick",
    "fix repair resolve solve",
    "check verify confirm validate",
    "send submit transmit transfer",
    "move transfer migrate relocate",
    "view display see",
    "reach contact",
    "connect link integrate attach",
    "make create generate",
    "book reserve schedule make",
    "register enroll",
    "notify inform alert",
    "handle process",
    "announce publish",
    "planned scheduled upcoming",
    "use consume utilize",
    "request apply ask",
    "mandatory required compulsory obligatory",
    "price cost fee",
    "limit cap ceiling",
    "quota allowance",
    "invoice bill",
    "employee staff worker",
    "company firm",
    "luggage baggage",
    "booking reservation",
    "doctor physician",
    "medicine medication",
    "picture photo image",
    "phone telephone",
    "broken damaged defective faulty",
    "quick fast rapid",
    "big large",
    "problem issue trouble",
    "customer client",
    "outage downtime",
    "lifetime validity",
    "replace swap exchange substitute",
    "together simultaneously concurrently",
    "talk speak",
];

/// What people say in several words, and in one. The first word may stand in any form.
pub(super) const PHRASES: &[(&str, &str)] = &[
    ("need to", "must"),
    ("have to", "must"),
    ("required to", "must"),
    ("allowed to", "may"),
    ("permitted to", "may"),
    ("able to", "may"),
    ("in case of", "if"),
    ("single sign on", "sso"),
    ("get in touch with", "contact"),
    ("get rid of", "remove"),
    ("free of charge", "free"),
    ("at the same time", "together"),
    ("at once", "together"),
    ("two times", "twice"),
    ("sign up", "register"),
    ("set up", "configure"),
    ("log in", "login"),
    ("log into", "login"),
    ("check in", "checkin"),
    ("check out", "checkout"),
    ("sign in", "login"),
    ("sign into", "login"),
    ("log out", "logout"),
    ("sign out", "logout"),
    ("pay back", "repay"),
    ("call off", "cancel"),
    ("put off", "postpone"),
    ("pick up", "collect"),
    ("fill in", "complete"),
    ("fill out", "complete"),
    ("hand in", "submit"),
    ("send back", "return"),
    ("give back", "return"),
    ("shut down", "close"),
    ("opt out", "unsubscribe"),
    ("opt in", "subscribe"),
];

/// Nouns that say of a name what it is: the name says it already.
pub(super) const CLASS_NOUNS: &str = "plan plans tier edition package region country city website site app tool program \
    platform system";

/// Verbs that say little, so that one question may do without: "which papers are there for it" is "which papers do I need
/// for it". But who needs does not get.
const LIGHT_VERBS: &[(&str, &str)] = &[
    ("get", "get gets got getting obtain obtains"),
    ("need", "need needs needed require requires required"),
    ("give", "give gives gave given giving"),
];

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
