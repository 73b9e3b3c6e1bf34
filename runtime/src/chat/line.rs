//! What a line of the user means.

use orchestratai_shared::MessageContent;

/// What the user wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    /// Nothing: the line is blank.
    Nothing,
    /// Say something.
    Say { content: MessageContent, fresh: bool },
    /// Begin a new session.
    New,
    /// Stop the running turn.
    Cancel,
    /// See the agents.
    Agents,
    /// See what can be done.
    Help,
    /// Leave.
    Quit,
    /// The line makes no sense, for this reason.
    Unclear(String),
}

/// What can be done, as `/help` shows it.
pub(super) const HELP: &str = "\
/new         begin a new session
/fresh TEXT  ask without the semantic cache
/cancel      stop the running turn (as does Ctrl-C)
/agents      list the agents
/help        this list
/quit        leave (as do Ctrl-D, and Ctrl-C twice)";

impl Wish {
    pub(super) fn parse(line: &str) -> Self {
        let line = line.trim();
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        match (word, rest.trim()) {
            ("", _) => Self::Nothing,
            ("/new", "") => Self::New,
            ("/cancel", "") => Self::Cancel,
            ("/agents", "") => Self::Agents,
            ("/help" | "/?", "") => Self::Help,
            ("/quit" | "/exit", "") => Self::Quit,
            ("/fresh", "") => Self::Unclear("/fresh needs a question behind it".into()),
            ("/fresh", text) => Self::say(text, true),
            (command, _) if is_command(command) => {
                Self::Unclear(format!("there is no {command}; /help lists what there is"))
            }
            _ => Self::say(line, false),
        }
    }

    fn say(text: &str, fresh: bool) -> Self {
        match MessageContent::parse(text) {
            Ok(content) => Self::Say { content, fresh },
            Err(invalid) => Self::Unclear(format!("a message {invalid}")),
        }
    }
}

/// Whether a first word is meant as a command: `/word`, and not a path such as `/etc/hosts`.
fn is_command(word: &str) -> bool {
    word.strip_prefix('/')
        .is_some_and(|name| name.chars().all(|c| c.is_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_message_unless_it_is_a_command() {
        let say = |text: &str, fresh| Wish::Say {
            content: MessageContent::parse(text).unwrap(),
            fresh,
        };
        for (line, wish) in [
            ("", Wish::Nothing),
            ("  \t", Wish::Nothing),
            (" How do refunds work? ", say("How do refunds work?", false)),
            ("/fresh  What is new?", say("What is new?", true)),
            ("/etc/hosts is missing", say("/etc/hosts is missing", false)),
            ("/new", Wish::New),
            ("/cancel", Wish::Cancel),
            ("/agents", Wish::Agents),
            ("/help", Wish::Help),
            ("/quit ", Wish::Quit),
        ] {
            assert_eq!(Wish::parse(line), wish, "{line:?}");
        }
        let too_long = "a".repeat(2_001);
        for line in ["/fresh", "/cancle", "/new now", &too_long] {
            assert!(matches!(Wish::parse(line), Wish::Unclear(_)), "{line:?}");
        }
    }
}
