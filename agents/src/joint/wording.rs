//! What a joint answer says in its own words: the line above each part, and what stands where a part has no answer.

use orchestratai_shared::Failure;

/// A line that names a part is cut after so many characters.
const LEAD_CHARACTERS_MAX: usize = 80;
/// Topics that a part without an answer names at most.
const TOPICS_MAX: usize = 2;
/// Stands for what nobody was asked about, since there is too much.
pub(super) const LEFT_OUT: &str =
    "This is more than I can answer at once. Please ask it again in a message of its own.";

/// Stands for what no specialist takes.
pub(super) const NOBODYS: &str = "I left this part out, since none of the specialists is for it. If one is, please ask it again in a message of its own.";

/// The line that names a part: the user's own words for it, on one line, and without marks that a reader of Markdown or of
/// citations would take for something else.
pub(super) fn lead(words: &str) -> String {
    let mut plain = String::with_capacity(words.len());
    for word in words.split_whitespace() {
        if !plain.is_empty() {
            plain.push(' ');
        }
        plain.extend(word.chars().filter(|c| !"*`[]<>\\#".contains(*c) && !c.is_control()));
    }
    let plain = plain.trim().trim_end_matches([',', '.', ';', ':']);
    let mut characters = plain.chars();
    let first = characters.next().into_iter().flat_map(char::to_uppercase);
    let whole: String = first.chain(characters).collect();
    if whole.chars().count() <= LEAD_CHARACTERS_MAX {
        return whole;
    }
    let cut: String = whole.chars().take(LEAD_CHARACTERS_MAX).collect();
    let end = cut.rfind(' ').unwrap_or(cut.len());
    format!("{}…", cut[..end].trim_end_matches([',', '.', ';', ':', ' ']))
}

/// A part under its lead, as it goes on after what was `said`.
pub(super) fn under(said: &str, lead: &str, text: &str) -> String {
    let apart = match said {
        "" => "",
        said if said.ends_with("\n\n") => "",
        said if said.ends_with('\n') => "\n",
        _ => "\n\n",
    };
    if lead.is_empty() {
        format!("{apart}{text}")
    } else {
        format!("{apart}**{lead}**\n\n{text}")
    }
}

/// Stands in the place of a part whose agent failed.
pub(super) fn unanswered(failure: &Failure) -> String {
    // Some failures say so themselves.
    let again = if failure.retryable && !failure.message.contains("again") {
        " Please ask it again in a moment."
    } else {
        ""
    };
    format!("I could not answer this part. {}{again}", failure.message)
}

/// What an agent says that has no answer, made short: its first paragraph, and the first of the topics that it lists.
pub(super) fn shortened(refusal: &str) -> String {
    let first = refusal.trim().split("\n\n").next().unwrap_or_default().trim();
    let topics: Vec<&str> = refusal
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("- "))
        .take(TOPICS_MAX)
        .collect();
    if topics.is_empty() {
        first.to_owned()
    } else {
        format!("{first} The nearest topics there: {}.", topics.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use orchestratai_shared::ErrorCode;

    use super::*;

    #[test]
    fn a_lead_is_the_users_words_on_one_short_line() {
        for (words, expected) in [
            ("my invoice is wrong", "My invoice is wrong"),
            (" the `webhook`\n returns [401]. ", "The webhook returns 401"),
            ("what **is** it?", "What is it?"),
            ("écoute", "Écoute"),
            ("<b> *", "B"),
            ("…", "…"),
            ("* * *", ""),
        ] {
            assert_eq!(lead(words), expected, "{words}");
        }
        let long = lead(&"word, ".repeat(100));
        assert!(
            long.ends_with("word…") && long.chars().count() <= LEAD_CHARACTERS_MAX + 1,
            "{long}"
        );
        assert!(lead(&"é".repeat(500)).chars().count() <= LEAD_CHARACTERS_MAX + 1);
    }

    #[test]
    fn a_refusal_keeps_its_first_words_and_two_topics() {
        let refusal =
            "I did not find an answer.\n\nThe nearest topics there are:\n\n- A › B\n- C\n- D\n\nElse ask a person.";
        assert_eq!(
            shortened(refusal),
            "I did not find an answer. The nearest topics there: A › B; C."
        );
        assert_eq!(shortened("No.\n\nAsk a person."), "No.");
        assert_eq!(shortened(""), "");
    }

    #[test]
    fn only_what_may_succeed_later_is_to_be_asked_again() {
        let late = Failure::new(ErrorCode::Timeout, "The agent took too long.");
        assert_eq!(
            unanswered(&late),
            "I could not answer this part. The agent took too long. Please ask it again in a moment."
        );
        let full = Failure::new(ErrorCode::Overloaded, "It is full. Try again shortly.");
        assert_eq!(
            unanswered(&full),
            "I could not answer this part. It is full. Try again shortly."
        );
        let gone = Failure::new(ErrorCode::NotFound, "It is gone.");
        assert_eq!(unanswered(&gone), "I could not answer this part. It is gone.");
    }
}
