//! What one measured load gave.

use std::{collections::BTreeMap, fmt::Write, time::Duration};

use serde::Serialize;

use crate::{
    histogram::Percentiles,
    load::{Load, Pace},
    proc::process::Memory,
    tally::{Tally, Window},
};

/// What was used of the machine in a window.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// By the server; none where it cannot be seen.
    pub(crate) server_cpu: Option<Duration>,
    /// The server's, at the end.
    pub(crate) server_memory: Option<Memory>,
    /// By this process.
    pub(crate) generator_cpu: Duration,
    /// By anybody, all cores together.
    pub(crate) machine_busy: Duration,
    /// What there was, all cores together.
    pub(crate) machine_total: Duration,
}

/// One measured load, as it stands in the JSON output.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Run {
    /// Protocol, pace and sessions, for people.
    pub(crate) scenario: String,
    /// What else sets it apart, such as `durability full, round 2`.
    pub(crate) label: String,
    /// How long was measured.
    pub(crate) window_s: f64,
    /// Turns that ended well in the window.
    pub(crate) turns: u64,
    /// The same for each second.
    pub(crate) turns_per_second: f64,
    /// Turns that did not end well, and connections that were lost, by code.
    pub(crate) errors: BTreeMap<String, u64>,
    /// From the intended time to `message_accepted`; empty for REST, which has no events.
    pub(crate) first_event: Percentiles,
    /// From the intended time to the first `message_delta`.
    pub(crate) first_token: Percentiles,
    /// From the intended time to the end.
    pub(crate) turn: Percentiles,
    /// From the intended time to the sending, which is part of the above.
    pub(crate) send_lag: Percentiles,
    /// CPU of the server for each turn.
    pub(crate) server_cpu_ms_per_turn: Option<f64>,
    /// The server's memory at the end.
    pub(crate) server_memory: Option<Memory>,
    /// CPU of this process for each turn.
    pub(crate) generator_cpu_ms_per_turn: f64,
    /// The share of the machine's CPU that neither the server nor this process used: noise. None where the server's is
    /// not known.
    pub(crate) others_cpu_share: Option<f64>,
    /// Where answers came from; none where none was looked at.
    pub(crate) origins: Option<Origins>,
}

/// Shares of the answers that were looked at, 0..=1; the rest came from neither.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Origins {
    /// From the cache: 0 where the measurement is what it says.
    pub(crate) cache: f64,
    /// From documents: near 1 where the measurement is what it says.
    pub(crate) retrieval: f64,
}

impl Run {
    /// Puts the figures together.
    pub(crate) fn new(protocol: &str, load: &Load, window: Window, tally: &Tally, usage: Usage) -> Self {
        let window_s = window.length().as_secs_f64();
        let turns = tally.ended_in_window;
        let per_turn = |cpu: Duration| cpu.as_secs_f64() * 1000.0 / float(turns.max(1));
        let of_looked_at = |count: u64| float(count) / float(tally.looked_at);
        let origins = (tally.looked_at > 0).then(|| Origins {
            cache: of_looked_at(tally.from_cache),
            retrieval: of_looked_at(tally.from_retrieval),
        });
        let others = usage.server_cpu.map(|server| {
            let others = usage
                .machine_busy
                .saturating_sub(server)
                .saturating_sub(usage.generator_cpu);
            others.as_secs_f64() / usage.machine_total.as_secs_f64().max(0.01)
        });
        let pace = match load.pace {
            Pace::Closed => "closed loop".to_owned(),
            Pace::Open { per_second } => format!("open loop at {per_second}/s"),
        };
        Self {
            scenario: format!("{protocol}, {pace}, {} sessions", load.sessions),
            label: String::new(),
            window_s,
            turns,
            turns_per_second: float(turns) / window_s,
            errors: tally.errors.clone(),
            first_event: tally.first_event.percentiles(),
            first_token: tally.first_token.percentiles(),
            turn: tally.turn.percentiles(),
            send_lag: tally.send_lag.percentiles(),
            server_cpu_ms_per_turn: usage.server_cpu.map(per_turn),
            server_memory: usage.server_memory,
            generator_cpu_ms_per_turn: per_turn(usage.generator_cpu),
            others_cpu_share: others,
            origins,
        }
    }

    /// The same under a label.
    pub(crate) fn labelled(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// How many turns did not end well.
    pub(crate) fn error_count(&self) -> u64 {
        self.errors.values().sum()
    }

    /// Some lines for people.
    pub(crate) fn text(&self) -> String {
        let mut text = self.scenario.clone();
        if !self.label.is_empty() {
            text += &format!(" ({})", self.label);
        }
        // Writing to a string does not fail.
        writeln!(
            text,
            "\n  {:.0} turns/s over {:.1} s",
            self.turns_per_second, self.window_s
        )
        .ok();
        writeln!(text, "  {:<12} {}", "ms", Percentiles::HEADINGS).ok();
        for (name, percentiles) in [
            ("first event", &self.first_event),
            ("first token", &self.first_token),
            ("whole turn", &self.turn),
            ("sent late", &self.send_lag),
        ] {
            if percentiles.count > 0 {
                writeln!(text, "  {name:<12} {}", percentiles.columns()).ok();
            }
        }
        if let (Some(cpu), Some(memory)) = (self.server_cpu_ms_per_turn, self.server_memory) {
            let mib = float(memory.resident_bytes) / 1048576.0;
            writeln!(text, "  server: {cpu:.3} ms CPU per turn, {mib:.1} MiB resident").ok();
        }
        write!(
            text,
            "  generator: {:.3} ms CPU per turn",
            self.generator_cpu_ms_per_turn
        )
        .ok();
        if let Some(others) = self.others_cpu_share {
            write!(text, "; others used {:.0} % of the machine", others * 100.0).ok();
        }
        if let Some(origins) = self.origins {
            let (retrieval, cache) = (origins.retrieval * 100.0, origins.cache * 100.0);
            write!(
                text,
                "\n  answers: {retrieval:.0} % from retrieval, {cache:.0} % from the cache"
            )
            .ok();
        }
        text += "\n  errors: ";
        if self.errors.is_empty() {
            text += "none";
        }
        for (index, (code, count)) in self.errors.iter().enumerate() {
            write!(text, "{}{code} {count}", if index == 0 { "" } else { ", " }).ok();
        }
        text.push('\n');
        text
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts and bytes far below 2^53")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::clients::{Origin, Turn};

    #[test]
    fn figures_are_of_the_window_and_for_each_turn() {
        let from = Instant::now();
        let window = Window {
            begin: from,
            from,
            to: from + Duration::from_secs(2),
        };
        let mut tally = Tally::new(window);
        for index in 0..1000_u64 {
            let sent = from + Duration::from_millis(index);
            let end = sent + Duration::from_millis(4);
            let origin = Some(if index % 4 == 0 {
                Origin::Cache
            } else {
                Origin::Retrieval
            });
            tally.record(
                sent,
                sent,
                Ok(Turn {
                    first_event: None,
                    first_token: None,
                    end,
                    origin,
                }),
            );
        }
        let usage = Usage {
            server_cpu: Some(Duration::from_millis(500)),
            server_memory: None,
            generator_cpu: Duration::from_millis(100),
            machine_busy: Duration::from_millis(1000),
            machine_total: Duration::from_secs(4),
        };
        let load = Load {
            pace: Pace::Open { per_second: 500 },
            sessions: 8,
            threads: 1,
            warm_up: Duration::ZERO,
            measured: Duration::from_secs(2),
            ids: Vec::new(),
        };
        let run = Run::new("rest", &load, window, &tally, usage).labelled("round 1");
        let same = |one: f64, other: f64| (one - other).abs() < 1e-9;
        assert!(same(run.turns_per_second, 500.0));
        assert!(same(run.server_cpu_ms_per_turn.unwrap(), 0.5));
        assert!(same(run.generator_cpu_ms_per_turn, 0.1));
        assert!(same(run.others_cpu_share.unwrap(), 0.1));
        assert_eq!(
            run.origins,
            Some(Origins {
                cache: 0.25,
                retrieval: 0.75
            })
        );
        let text = run.text();
        assert!(
            text.starts_with("rest, open loop at 500/s, 8 sessions (round 1)\n"),
            "{text}"
        );
        assert!(text.contains("errors: none") && !text.contains("first event"), "{text}");
    }
}
