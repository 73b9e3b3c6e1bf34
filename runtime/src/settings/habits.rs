//! How sessions are held, and what is too much.

use super::*;

pub(super) fn read_session(r: &mut Reader) -> SessionSettings {
    let policies = [
        ("enqueue", DoubleTexting::Enqueue),
        ("interrupt", DoubleTexting::Interrupt),
        ("reject", DoubleTexting::Reject),
    ];
    SessionSettings {
        double_texting: r.choice("session.double_texting", &policies),
        queue_max: r.integer("session.queue_max", 0..=1_000),
        idle_after: r.duration("session.idle_after", TENTH..=24 * HOUR),
        transcript_messages: r.integer("session.transcript_messages", 0..=1_000),
        turn_max: r.duration("session.turn_max", SECOND..=HOUR),
        person_max: r.duration("session.person_max", SECOND..=30 * 24 * HOUR),
    }
}

pub(super) fn read_limits(r: &mut Reader) -> LimitSettings {
    LimitSettings {
        turns_in_flight: r.integer("limits.turns_in_flight", 1..=1_000_000),
        live_sessions_max: r.integer("limits.live_sessions_max", 16..=10_000_000),
        connections_max: r.integer("limits.connections_max", 1..=1_000_000),
        subscriber_window: r.size("limits.subscriber_window", 4 << 10..=16 << 20),
        slow_client_after: r.duration("limits.slow_client_after", TENTH..=10 * MINUTE),
        heartbeat: r.duration("limits.heartbeat", SECOND..=10 * MINUTE),
        frames_per_second: r.integer("limits.frames_per_second", 1..=1_000_000),
        frames_burst: r.integer("limits.frames_burst", 1..=1_000_000),
        socket_stall_max: r.duration("limits.socket_stall_max", SECOND..=10 * MINUTE),
    }
}

pub(super) fn read_guardrails(r: &mut Reader) -> GuardrailSettings {
    let suspicious = [
        ("leave_out", SuspiciousSources::LeaveOut),
        ("keep", SuspiciousSources::Keep),
    ];
    GuardrailSettings {
        suspicious_sources: r.choice("guardrails.suspicious_sources", &suspicious),
        redact_prompts: r.boolean("guardrails.redact_prompts"),
    }
}

pub(super) fn read_retrieval(r: &mut Reader) -> RetrievalSettings {
    let allowed = "the path of a folder that exists, or empty";
    let transformer = r.value("retrieval.transformer", allowed, |raw| match text(raw)? {
        "" => Some(None),
        folder => Path::new(folder).is_dir().then(|| Some(PathBuf::from(folder))),
    });
    RetrievalSettings {
        cascade: r.boolean("retrieval.cascade"),
        transformer: transformer.flatten(),
        transformer_wait: r.duration("retrieval.transformer_wait", Duration::from_millis(1)..=10 * SECOND),
        transformer_idle: r.duration("retrieval.transformer_idle", SECOND..=24 * HOUR),
    }
}
