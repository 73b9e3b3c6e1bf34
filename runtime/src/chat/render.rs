//! How things look in a terminal: what matters plainly, the steps dimmed; every colour has a word or a sign beside it.

use std::fmt::Write as _;

use orchestratai_shared::{
    Agent, AgentColor, AgentId, CacheOutcome, CacheStatus, LogData, LogStatus, RetrievalLog, RetrievalStrategy,
};

use super::view::{Show, View};

const RESET: &str = "\x1b[0m";
const DIM: &str = "\x1b[2m";
const BOLD: &str = "\x1b[1m";
const RED: &str = "\x1b[91m";
const YELLOW: &str = "\x1b[93m";

/// Turns what is to be shown into text.
#[derive(Debug, Clone)]
pub(super) struct Renderer {
    colours: bool,
    /// Whether the text so far ends within a line.
    in_line: bool,
}

impl Renderer {
    pub(super) fn new(colours: bool) -> Self {
        Self {
            colours,
            in_line: false,
        }
    }

    /// The text for one thing.
    pub(super) fn render(&mut self, show: &Show, view: &View) -> String {
        let mut out = String::new();
        match show {
            Show::Answer { agent, text, begins } => {
                if *begins {
                    self.end_line(&mut out);
                    if let Some(agent) = agent {
                        let _ = write!(out, "\n{}\n", self.name(agent, view));
                    }
                }
                out += &clean(text);
                self.in_line = !text.ends_with('\n');
            }
            Show::Session { id, is_new, agents } => {
                let kind = if *is_new { "new session" } else { "session" };
                self.line(&mut out, DIM, &format!("{kind} {id}"));
                self.list(&mut out, agents);
            }
            Show::Question(text) => self.line(&mut out, DIM, &format!("› somebody asks: {text}")),
            Show::Step { agent, log } => self.step(&mut out, agent.as_ref(), log, view),
            Show::Handoff { from, to, reason } => {
                let text = format!(
                    "↪ hand-off from {} to {}: {reason}",
                    plain_name(from, view),
                    plain_name(to, view)
                );
                self.line(&mut out, DIM, &text);
            }
            Show::Withdrawn(reason) => {
                self.line(&mut out, YELLOW, &format!("↺ the answer above is withdrawn: {reason}"));
            }
            Show::Citations(citations) => {
                self.end_line(&mut out);
                out.push('\n');
                for citation in citations {
                    self.line(&mut out, "", &format!("[{}] {}", citation.index, citation.source));
                }
            }
            Show::Figures { metrics, confidence } => {
                let mut parts = Vec::new();
                if let Some(confidence) = confidence {
                    parts.push(format!("confidence {:.2}", confidence.get()));
                }
                parts.push(format!("{:.1} ms", metrics.latency));
                parts.push(match metrics.cache_status {
                    CacheStatus::Hit => "cache hit".into(),
                    CacheStatus::Miss => "cache miss".into(),
                    CacheStatus::None => "cache not asked".into(),
                });
                parts.push(format!("{} tokens", metrics.tokens_used));
                parts.push(match metrics.unpriced_tokens {
                    None => format!("${:.4}", metrics.cost),
                    Some(tokens) if tokens == metrics.tokens_used => "price not known".into(),
                    Some(tokens) => format!("${:.4}, and {tokens} tokens whose price is not known", metrics.cost),
                });
                self.line(&mut out, DIM, &parts.join(" · "));
            }
            Show::Failed(failure) => self.line(&mut out, RED, &format!("✗ failed: {}", failure.message)),
            Show::Cancelled(cancelled) => {
                let closed = cancelled
                    .upstream_closed_ms
                    .map(|ms| format!(", upstream closed after {ms} ms"))
                    .unwrap_or_default();
                let text = format!(
                    "■ cancelled: {} bytes of the answer kept{closed}, {} tokens billed",
                    cancelled.kept, cancelled.tokens_billed
                );
                self.line(&mut out, YELLOW, &text);
            }
            Show::Notice(text) => self.line(&mut out, DIM, &format!("· {text}")),
            Show::Problem(text) => self.line(&mut out, RED, &format!("✗ {text}")),
        }
        out
    }

    /// The agents, one to a line.
    pub(super) fn agents(&mut self, agents: &[Agent]) -> String {
        let mut out = String::new();
        self.list(&mut out, agents);
        out
    }

    /// A text of several lines.
    pub(super) fn text(&mut self, text: &str) -> String {
        let mut out = String::new();
        for line in text.lines() {
            self.line(&mut out, "", line);
        }
        out
    }

    fn list(&mut self, out: &mut String, agents: &[Agent]) {
        for agent in agents {
            self.end_line(out);
            let strategy = agent.strategy.map_or("direct", strategy_name);
            let name = self.paint(color(agent.color), &format!("● {}", agent.name));
            let rest = self.paint(DIM, &format!(" · {} · {strategy} · {}", agent.id, agent.model));
            let _ = writeln!(out, "  {name}{rest}");
        }
    }

    fn step(&mut self, out: &mut String, agent: Option<&AgentId>, log: &RetrievalLog, view: &View) {
        let (sign, what) = match &log.data {
            LogData::Routing(routing) => (
                "→ routing",
                format!(
                    "{} · {} · {:.2} · {}",
                    plain_name(&routing.target_agent, view),
                    serde_json::to_value(routing.intent)
                        .ok()
                        .and_then(|intent| intent.as_str().map(|text| text.to_lowercase().replace('_', " ")))
                        .unwrap_or_default(),
                    routing.confidence.get(),
                    routing.reasoning
                ),
            ),
            LogData::Cache(cache) => {
                let outcome = match cache.status {
                    CacheOutcome::Hit => "hit",
                    CacheOutcome::Miss => "miss",
                };
                let reason = cache
                    .reason
                    .as_ref()
                    .map(|reason| format!(" · {reason}"))
                    .unwrap_or_default();
                ("◇ cache", format!("{outcome}{reason}"))
            }
            LogData::VectorSearch(search) => {
                let mut sources: Vec<&str> = Vec::new();
                for chunk in &search.chunks {
                    if !sources.contains(&chunk.source.as_str()) {
                        sources.push(&chunk.source);
                    }
                }
                let more = if sources.len() > 3 {
                    format!(" and {} more", sources.len() - 3)
                } else {
                    String::new()
                };
                sources.truncate(3);
                (
                    "⌕ search",
                    format!(
                        "{} · {} chunks in {:.1} ms · {}{more}",
                        search.collection,
                        search.chunks_retrieved,
                        search.latency,
                        sources.join(", ")
                    ),
                )
            }
            LogData::Documents(read) => {
                let read: Vec<_> = (read.documents.iter())
                    .map(|document| match document.heading_path.last() {
                        Some(heading) => format!("{} › {heading}", document.source),
                        None => document.source.clone(),
                    })
                    .collect();
                (
                    "▤ documents",
                    if read.is_empty() {
                        "nothing near enough".into()
                    } else {
                        read.join(", ")
                    },
                )
            }
        };
        let colour = agent
            .and_then(|agent| view.agent(agent))
            .map_or("", |agent| color(agent.color));
        // Several agents are at work at once: which of them it was is said, and not by a colour alone.
        let what = match &log.agent {
            Some(agent) => format!("{} · {what}", plain_name(agent, view)),
            None => what,
        };
        let (mark, colour) = match log.status {
            LogStatus::Success => ("", colour),
            LogStatus::Warning => ("! warning · ", YELLOW),
            LogStatus::Error => ("✗ error · ", RED),
        };
        self.end_line(out);
        let sign = self.paint(colour, &format!("  {sign:<12}"));
        let what = self.paint(DIM, &format!("{mark}{what}"));
        let _ = writeln!(out, "{sign}{what}");
    }

    fn line(&mut self, out: &mut String, style: &str, text: &str) {
        self.end_line(out);
        let _ = writeln!(out, "{}", self.paint(style, text));
    }

    fn end_line(&mut self, out: &mut String) {
        if std::mem::take(&mut self.in_line) {
            out.push('\n');
        }
    }

    fn name(&self, agent: &AgentId, view: &View) -> String {
        let style = view.agent(agent).map_or(BOLD, |agent| color(agent.color));
        self.paint(style, &format!("● {}", plain_name(agent, view)))
    }

    fn paint(&self, style: &str, text: &str) -> String {
        let text = clean(text);
        if self.colours && !style.is_empty() {
            format!("{style}{text}{RESET}")
        } else {
            text
        }
    }
}

fn plain_name(agent: &AgentId, view: &View) -> String {
    view.agent(agent)
        .map_or_else(|| agent.to_string(), |agent| agent.name.clone())
}

fn color(color: AgentColor) -> &'static str {
    match color {
        AgentColor::Cyan => "\x1b[96m",
        AgentColor::Green => "\x1b[92m",
        AgentColor::Blue => "\x1b[94m",
        AgentColor::Purple => "\x1b[95m",
    }
}

/// A strategy as the wire names it.
pub(crate) fn strategy_name(strategy: RetrievalStrategy) -> &'static str {
    match strategy {
        RetrievalStrategy::PureRag => "Pure RAG",
        RetrievalStrategy::PureCag => "Pure CAG",
        RetrievalStrategy::Hybrid => "Hybrid RAG/CAG",
    }
}

/// Text without control characters but line feed and tab: what comes from documents and other people must not steer the
/// terminal.
fn clean(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_steers_the_terminal() {
        let mut renderer = Renderer::new(true);
        let view = View::default();
        let evil = "a\x1b[2Jb\x07\u{9b}31mc\r\nd\te";
        for show in [
            Show::Answer {
                agent: None,
                text: evil.into(),
                begins: true,
            },
            Show::Question(evil.into()),
            Show::Problem(evil.into()),
            Show::Notice(evil.into()),
        ] {
            let text = renderer.render(&show, &view);
            assert!(text.contains("a[2Jb31mc\nd\te"), "{text:?}");
        }
    }

    #[test]
    fn without_colours_there_is_no_escape_and_the_words_say_all() {
        let mut renderer = Renderer::new(false);
        let text = renderer.render(&Show::Problem("no room".into()), &View::default());
        assert_eq!(text, "✗ no room\n");
    }
}
