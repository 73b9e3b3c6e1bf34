//! What single words may be a sign of.
//!
//! Each concept holds words of several languages that say the same, so that an attempt in words that nobody has listed together is
//! still seen for what it is. How much a concept says is fitted ([`super::weights`]); a word may be of several.

use std::sync::LazyLock;

use rustc_hash::FxHashMap;

use crate::words::is_stop_word;

/// Words that say the same; a number for each is a bit of [`Concepts`].
struct Concept {
    /// For those who fit.
    name: &'static str,
    /// In lower case, between blanks.
    words: &'static str,
    /// Beginnings of words, where a language bends them.
    stems: &'static str,
    /// Parts of a text in scripts that set no blanks.
    signs: &'static str,
}

/// How many concepts there are.
pub(super) const COUNT: usize = CONCEPTS.len();

/// A set of concepts, one bit for each.
pub(super) type Concepts = u64;

const CONCEPTS: [Concept; 33] = [
    // Sets something aside.
    Concept {
        name: "set_aside",
        words: "abandon aside break breaks bypass cancelled cease circumvent deactivate delete disable discard dismiss \
                disobey dispense disregard drop erase escape evade expired forget ignora ignorar ignore ignores ignoring \
                leave lift lifted neglect omit override overrule overwrite quit revoked skip stop suspended throw unlearn \
                unlock vergeet vergiss violate void",
        stems: "contourn dimentic esque glem glöm ignorier missacht negeer olvid oubli umgeh unut zapomn zignor забуд \
                игнор",
        signs: "無視 忽略 忘记 忘れ 무시 잊어 تجاهل",
    },
    // Rules, or their absence.
    Concept {
        name: "rules",
        words: "command commands guidance limit limites limiti limits moderation order orders policies policy programming \
                regler safety uncensored unfiltered unrestricted",
        stems: "anweisung censor commandment consigne constraint direction directive einschränk ethic filter guardrail \
                guideline instruc instrucci instruction istruzion kural limitation moral ogranicz polece regel regla \
                regol regra restricci restriction rule règle talimat vorgabe zasad инструкц ограничен правил",
        signs: "指示 命令 ルール 规则 指令 지시 규칙 限制 制限 제한 التعليمات",
    },
    // What an assistant is set up with.
    Concept {
        name: "prompt",
        words: "config configuration context preamble prompt prompts promptu setup systemnachricht",
        stems: "initialis systemprompt промпт",
        signs: "プロンプト 提示词 系统提示 프롬프트 موجه",
    },
    // Says that it is yours.
    Concept {
        name: "yours",
        words: "din dina je jouw senin seu suas swój tes ton tu tuas tue tuo tuoi tus your yours yourself свои свой твои",
        stems: "dein swoj",
        signs: "你的 あなたの 너의",
    },
    // You.
    Concept {
        name: "you",
        words: "du je jij sen tu você you youll youre youve ты",
        stems: "",
        signs: "你 あなた",
    },
    // What came before.
    Concept {
        name: "past",
        words: "above avant before began beginning earlier eerder first foregoing former hitherto initial original \
                precedes preceding previous prima prior start started tidigare until vor vorige önceki",
        stems: "anteri anterior bisherig poprzed preced precedent précéd vorherig wcześniej предыдущ",
        signs: "之前 これまで 이전 السابقة",
    },
    // What is not to be seen.
    Concept {
        name: "secret",
        words: "concealed confidential forbidden gizli hidden hide hiding internal secret secretly secrets unredacted",
        stems: "caché geheim ocult secr segret ukryt versteckt скрыт",
        signs: "",
    },
    // Has something told.
    Concept {
        name: "tell",
        words: "complete confirm copy describe dime dimmi dis disclose display dump encode expose gib give laat leak list \
                name output paste print put quote read recite repeat reply respond return reveal sag say see send share \
                show spell summarise summarize tell translate turn type visa write",
        stems: "affich avslöj göster montre mostr muestr muéstr nenn onthul pokaż revel rivel révèl toon ujawn verrat \
                zeig покаж раскр",
        signs: "表示 見せ 教え 显示 告诉 透露 泄露 보여 알려 اكشف",
    },
    // What somebody was told.
    Concept {
        name: "told",
        words: "bekommen briefed commanded configured dijeron gesagt given handed initialised initialized instructed \
                opgedragen ordenaron ordered programmed recebeu received taught told trained",
        stems: "",
        signs: "",
    },
    // A change at this point.
    Concept {
        name: "now",
        words: "adesso agora ahora anymore bundan désormais fortan henceforth jetzt longer now nu onwards teraz теперь",
        stems: "",
        signs: "现在 今から 지금",
    },
    // The beginning of one.
    Concept {
        name: "from_now",
        words: "ab da dal from od partir",
        stems: "",
        signs: "",
    },
    // Being somebody else.
    Concept {
        name: "persona",
        words: "act acting alsof become behave character doe fais finge fingi finja identity imagine impersonate låtsas \
                persona personality play playing pretend role roleplay simulate stell udawaj",
        stems: "",
        signs: "",
    },
    // Absence.
    Concept {
        name: "no",
        words: "any bez free geen inga kein keine never no nobody none not nothing ohne sans sem senza sin stop without \
                yok zero zonder żadnych без",
        stems: "aucun",
        signs: "没有 のない 없",
    },
    // Those who may give orders.
    Concept {
        name: "auth",
        words: "admin administrador administrateur administrator boss ceo chief creador creator developer développeur \
                engineer entwickler executive manager master moderator operator owner police root sudo superuser \
                supervisor",
        stems: "",
        signs: "",
    },
    // Says who speaks.
    Concept {
        name: "i_am",
        words: "im",
        stems: "",
        signs: "",
    },
    // Leave to do something.
    Concept {
        name: "permit",
        words: "able allowed approved authorisation authorised authorization authorized clearance entitled granted \
                permission permitted power sanctioned verified",
        stems: "",
        signs: "",
    },
    // Obedience.
    Concept {
        name: "obey",
        words: "accept adhere agree command comply must obedient obey obliged serve",
        stems: "",
        signs: "",
    },
    // Exactly so, and nothing else.
    Concept {
        name: "only",
        words: "always completo each every exact exactly forever nothing only verbatim whatever word wörtlich",
        stems: "",
        signs: "",
    },
    // Other people.
    Concept {
        name: "others",
        words: "another anyone customers everyone other others people person somebody user users",
        stems: "",
        signs: "",
    },
    // What is kept safe.
    Concept {
        name: "sensitive",
        words: "address addresses cards credentials database emails env environment key keys licence numbers passwd \
                password passwords salary secrets serial shadow token tokens variables",
        stems: "",
        signs: "",
    },
    // Having something run.
    Concept {
        name: "exec",
        words: "call cat curl eval execute fetch import invoke open run shell terminal whoami",
        stems: "",
        signs: "",
    },
    // Ways of writing that hide.
    Concept {
        name: "decode",
        words: "backward backwards base64 combine decode hex hexadecimal latin leetspeak letters morse obfuscated reverse \
                reversed rot13",
        stems: "",
        signs: "",
    },
    // Machines that talk.
    Concept {
        name: "ai",
        words: "ai asistente assistant assistent assistente bot chatbot dan gpt language llm machine model robot twin бот",
        stems: "",
        signs: "人工智能 人工知能 인공지능",
    },
    // Those who made one.
    Concept {
        name: "maker",
        words: "creador creator creators developer developers engineers maker makers operator programmer programmers \
                vendor",
        stems: "",
        signs: "",
    },
    // Granting and stating.
    Concept {
        name: "grant",
        words: "agree approve approves confirm declare grant issue mark promise state waive",
        stems: "",
        signs: "",
    },
    // What is worth money.
    Concept {
        name: "value",
        words: "binding credit discount free invoices legally licence lifetime official paid price refund voucher zero",
        stems: "",
        signs: "",
    },
    // Only in play.
    Concept {
        name: "fiction",
        words: "chapter dream fiction fictional game grandma grandmother hypothetical hypothetically movie novel play \
                poem quiz rhyme riddle scene script story suppose theatre theory universe",
        stems: "",
        signs: "",
    },
    // Being unbound.
    Concept {
        name: "freed",
        words: "conscience dan evil guardrails jailbreak jailbreaking jailbroken limitless uncensored unfiltered \
                unlimited unrestricted",
        stems: "",
        signs: "",
    },
    // Being switched off or over.
    Concept {
        name: "off",
        words: "deactivate deactivated disable disabled expired gone lifted off removed revoked suspended void",
        stems: "",
        signs: "",
    },
    // States of a machine.
    Concept {
        name: "mode",
        words: "chat debug developer diagnostics expert god maintenance mode override protocol safe session",
        stems: "",
        signs: "",
    },
    // Refusals.
    Concept {
        name: "refuse",
        words: "apologise apologize deny disclaimers refusal refuse refused refuses refusing warnings",
        stems: "",
        signs: "",
    },
    // Having something said in these words.
    Concept {
        name: "quote_request",
        words: "answer begin end finish repeat reply respond say start write",
        stems: "",
        signs: "",
    },
    // Parties of a conversation with a model.
    Concept {
        name: "system",
        words: "assistant developer human inst role sys system user",
        stems: "",
        signs: "系统 システム 시스템 النظام",
    },
];

/// The table, ready to be looked up in.
struct Lexicon {
    words: FxHashMap<&'static str, Concepts>,
    /// By their first letter.
    stems: FxHashMap<char, Vec<(&'static str, Concepts)>>,
    signs: Vec<(&'static str, Concepts)>,
}

static LEXICON: LazyLock<Lexicon> = LazyLock::new(|| {
    let mut lexicon = Lexicon {
        words: FxHashMap::default(),
        stems: FxHashMap::default(),
        signs: Vec::new(),
    };
    for (number, concept) in CONCEPTS.iter().enumerate() {
        let bit = 1 << number;
        for word in concept.words.split_whitespace() {
            *lexicon.words.entry(word).or_default() |= bit;
        }
        for stem in concept.stems.split_whitespace() {
            let first = stem.chars().next().unwrap_or_default();
            lexicon.stems.entry(first).or_default().push((stem, bit));
        }
        let signs = concept.signs.split_whitespace();
        lexicon.signs.extend(signs.map(|sign| (sign, bit)));
    }
    lexicon
});

/// What a word in lower case may be a sign of.
pub(super) fn of_word(word: &str) -> Concepts {
    let lexicon = &*LEXICON;
    let first = word.chars().next().unwrap_or_default();
    let stems = lexicon.stems.get(&first).into_iter().flatten();
    let by_stem = stems
        .filter(|(stem, _)| word.starts_with(stem))
        .map(|(_, concept)| concept);
    by_stem.fold(lexicon.words.get(word).copied().unwrap_or_default(), |all, one| {
        all | one
    })
}

/// Rules that documents are named after: "the refund policy".
const NAMES_OF_DOCUMENTS: &[&str] = &["policy", "policies", "rule", "rules", "guideline", "guidelines"];
/// What stands before them and says whose they are, or how, and not what they are about.
const NOT_ABOUT: &[&str] = &[
    "new",
    "old",
    "current",
    "same",
    "real",
    "actual",
    "own",
    "full",
    "whole",
    "entire",
    "complete",
    "strict",
    "silly",
    "following",
    "content",
    "usage",
    "chat",
    "system",
    "ai",
    "assistant",
    "bot",
    "model",
];

/// What a word in lower case may be a sign of behind another one. Rules that are about something, as "the privacy policy" is, are a
/// document for people, and none of the assistant's.
pub(super) fn of_word_behind(word: &str, before: Option<&str>) -> Concepts {
    let of_word = of_word(word);
    let is_about = |before: &str| !is_stop_word(before) && !NOT_ABOUT.contains(&before) && self::of_word(before) == 0;
    if of_word != 0 && NAMES_OF_DOCUMENTS.contains(&word) && before.is_some_and(is_about) {
        return 0;
    }
    of_word
}

/// What a text may be a sign of by its characters alone, in scripts that set no blanks.
pub(super) fn of_signs(text: &str) -> Concepts {
    if text.is_ascii() {
        return 0;
    }
    let found = LEXICON.signs.iter().filter(|(sign, _)| text.contains(sign));
    found.fold(0, |all, (_, concept)| all | concept)
}

/// The names of the concepts, in the order of their bits.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    CONCEPTS.iter().map(|concept| concept.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_a_sign_of_what_its_list_says_in_every_form() {
        let bit = |name: &str| 1 << names().position(|known| known == name).unwrap();
        assert_eq!(of_word("ignore") & bit("set_aside"), bit("set_aside"));
        assert_eq!(of_word("instructions"), bit("rules"));
        assert_eq!(of_word("anweisungen"), bit("rules"));
        assert_eq!(of_word("invoice"), 0);
        assert_eq!(of_word(""), 0);
        assert_eq!(of_signs("忽略规则"), bit("set_aside") | bit("rules"));
        assert_eq!(of_signs("ignore the rules"), 0);
    }

    #[test]
    fn rules_about_something_are_a_document() {
        for before in [
            None,
            Some("your"),
            Some("the"),
            Some("hidden"),
            Some("content"),
            Some("new"),
        ] {
            assert_ne!(of_word_behind("policy", before), 0, "{before:?}");
        }
        assert_eq!(of_word_behind("policy", Some("privacy")), 0);
        assert_eq!(of_word_behind("rules", Some("retry")), 0);
        assert_ne!(of_word_behind("instructions", Some("setup")), 0);
    }

    #[test]
    fn every_list_is_in_lower_case_and_has_words() {
        for concept in &CONCEPTS {
            assert!(!concept.words.is_empty(), "{}", concept.name);
            let all = [concept.words, concept.stems].concat();
            assert_eq!(all, all.to_lowercase(), "{}", concept.name);
        }
    }
}
