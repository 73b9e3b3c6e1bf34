use std::collections::BTreeSet;

use super::{http::Digits, *};
use crate::{MetricKind, ProviderFailure, ProviderOutcome};

/// Lets everything happen once.
fn used() -> Metrics {
    let metrics = Metrics::new(&BuildInfo::default());
    let second = Duration::from_secs(1);
    metrics.ready(true);
    let agent = metrics.agent("billing");
    agent.turn_ended(TurnOutcome::Completed, second);
    agent.cache_asked(true);
    agent.model("some-model").spent(12, 0.25, 4);
    metrics
        .provider("some-model")
        .ended(ProviderOutcome::Failed, Some(ProviderFailure::CutShort), Some(second));
    let budget = metrics.budget("some-budget");
    budget.spent(0.5);
    budget.refused();
    budget.warned();
    drop(metrics.turn_in_flight());
    metrics.turns_resumed(2);
    metrics.first_event(second);
    metrics.first_token(second);
    metrics.admission_refused(RefusalReason::DoubleTexting);
    metrics.event_published("message_delta");
    metrics.retrieved(RetrievalStrategy::Hybrid, second);
    metrics.second_stage(SecondStageOutcome::Ranked, Some(second));
    metrics.second_stage(SecondStageOutcome::Missed, None);
    metrics.chunks_embedded(SearchStage::First, 3);
    metrics.chunks_embedded(SearchStage::Second, 2);
    metrics.chunks_read(SearchStage::Second, 5);
    drop(metrics.connection(Transport::Sse));
    metrics.slow_consumer(SlowConsumerAction::Cut);
    metrics.websocket_closed(1000);
    drop(metrics.session_live());
    drop(metrics.session_with_person());
    metrics.person_took_over();
    metrics.person_waited(PersonWaitOutcome::Replied, second);
    drop(metrics.approval_waits());
    metrics.approval_ended(ApprovalOutcome::Expired, second);
    metrics.tool_called("shop_orders", ToolCallOutcome::Succeeded, Some(second));
    metrics.facts(FactOutcome::Kept, 1);
    metrics.turn_ended_by_person(TurnOutcome::Completed);
    metrics.session_rehydrated();
    metrics.session_passivated();
    drop(metrics.queued(Mailbox::JournalWriter));
    metrics.actor_restarted(ActorKind::Session);
    metrics.journal_committed(second, 17);
    metrics.journal_commit_failed();
    metrics.http_answered("GET", "/api/health", 200);
    metrics.http_ended("GET", "/api/health", second);
    metrics.knowledge_served(3, [("billing", 120)]);
    metrics.cache_entries_shared(CacheShareOutcome::Sent, 2);
    metrics.cache_entry_received(CacheReceiptOutcome::Taken);
    metrics.snapshots_written(SnapshotBackend::Redis, SnapshotWriteOutcome::Written, 3);
    metrics.snapshot_write_took(SnapshotBackend::Redis, second);
    metrics.snapshot_loaded(SnapshotLoadOutcome::Used);
    metrics.snapshots_dirty(2, second);
    metrics.redis_up(true);
    metrics.redis_reconnected();
    metrics.nodes(2, true);
    metrics.node_lease_lost();
    metrics.bus_up(true);
    metrics.bus_sent();
    metrics.bus_received();
    metrics.bus_broken();
    metrics.subscriptions_relayed(1);
    metrics.sessions_taken_over(1);
    metrics.spans_sent(1);
    metrics.spans_dropped(SpanDropReason::Queue, 1);
    metrics.rated(&"billing".parse().unwrap(), Rating::Up);
    metrics
}

#[test]
fn every_described_metric_is_served_with_its_kind_and_help_and_no_other_is() {
    let text = used().render();
    for metric in Metrics::describe() {
        assert!(
            text.contains(&format!("# TYPE {} {}\n", metric.name, metric.kind)),
            "{}",
            metric.name
        );
        assert!(
            text.contains(&format!("# HELP {} {}\n", metric.name, metric.help)),
            "{}",
            metric.name
        );
    }
    let served: BTreeSet<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    let mut described: BTreeSet<_> = Metrics::describe().iter().map(|metric| metric.name).collect();
    if cfg!(target_os = "linux") {
        described.extend(names::PROCESS);
    }
    assert_eq!(served, described);
}

#[test]
fn a_name_says_its_kind_and_unit() {
    for metric in Metrics::describe() {
        assert_eq!(
            metric.kind == MetricKind::Counter,
            metric.name.ends_with("_total"),
            "{}",
            metric.name
        );
        assert_eq!(
            metric.unit == crate::Unit::Seconds,
            metric.name.ends_with("_seconds"),
            "{}",
            metric.name
        );
        assert!(metric.help.ends_with('.'), "{}", metric.name);
    }
}

#[track_caller]
fn check(text: &str, line: &str) {
    assert!(text.lines().any(|l| l == line), "no line {line:?} in\n{text}");
}

#[test]
fn what_happens_is_counted_where_it_belongs() {
    let metrics = used();
    let text = metrics.render();
    check(
        &text,
        r#"orchestratai_turns_total{agent="billing",outcome="completed"} 1"#,
    );
    check(&text, r#"orchestratai_turns_total{agent="billing",outcome="failed"} 0"#);
    check(
        &text,
        r#"orchestratai_turns_total{agent="person",outcome="completed"} 1"#,
    );
    assert!(!text.contains(r#"turn_duration_seconds_count{agent="person""#));
    check(&text, r#"orchestratai_person_wait_seconds_count{outcome="replied"} 1"#);
    check(&text, "orchestratai_ready 1");
    check(
        &text,
        r#"orchestratai_cache_requests_total{agent="billing",status="hit"} 1"#,
    );
    check(
        &text,
        r#"orchestratai_tokens_total{agent="billing",model="some-model"} 12"#,
    );
    check(
        &text,
        r#"orchestratai_cost_usd_total{agent="billing",model="some-model"} 0.25"#,
    );
    check(&text, r#"orchestratai_events_published_total{type="message_delta"} 1"#);
    check(&text, r#"orchestratai_events_published_total{type="turn_failed"} 0"#);
    check(&text, r#"orchestratai_websocket_closes_total{code="4029"} 0"#);
    check(
        &text,
        r#"orchestratai_admission_refused_total{reason="double_texting"} 1"#,
    );
    check(
        &text,
        r#"orchestratai_retrieval_duration_seconds_count{strategy="hybrid"} 1"#,
    );
    check(&text, r#"orchestratai_second_stage_total{outcome="missed"} 1"#);
    check(&text, "orchestratai_second_stage_duration_seconds_count 1");
    check(&text, r#"orchestratai_journal_commit_batch_events_bucket{le="16"} 0"#);
    check(&text, r#"orchestratai_journal_commit_batch_events_bucket{le="32"} 1"#);
    check(&text, r#"orchestratai_knowledge_chunks{collection="billing"} 120"#);
    check(
        &text,
        r#"orchestratai_http_requests_total{method="GET",route="/api/health",status="200"} 1"#,
    );
}

#[test]
fn a_gauge_goes_back_with_its_owner_even_through_a_panic() {
    let metrics = Metrics::new(&BuildInfo::default());
    let kept = metrics.session_live();
    let lost = metrics.session_live();
    check(&metrics.render(), "orchestratai_sessions_live 2");
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _lost = lost;
        std::panic::resume_unwind(Box::new("on purpose"));
    }));
    assert!(panicked.is_err());
    check(&metrics.render(), "orchestratai_sessions_live 1");
    drop(kept);
    check(&metrics.render(), "orchestratai_sessions_live 0");
}

#[test]
fn what_a_client_chooses_makes_no_new_labels() {
    let metrics = Metrics::new(&BuildInfo::default());
    metrics.http_answered("BREW", "unmatched", 405);
    metrics.websocket_closed(3999);
    metrics.websocket_closed(4008);
    metrics.event_published("made_up");
    let text = metrics.render();
    check(
        &text,
        r#"orchestratai_http_requests_total{method="other",route="unmatched",status="405"} 1"#,
    );
    check(&text, r#"orchestratai_websocket_closes_total{code="other"} 1"#);
    check(&text, r#"orchestratai_websocket_closes_total{code="4008"} 1"#);
    assert!(!text.contains("made_up"));
}

#[test]
fn a_collection_that_is_gone_is_no_longer_served() {
    let metrics = Metrics::new(&BuildInfo::default());
    metrics.knowledge_served(1, [("a", 1), ("b", 2)]);
    metrics.knowledge_served(2, [("b", 3)]);
    let text = metrics.render();
    check(&text, r#"orchestratai_knowledge_chunks{collection="b"} 3"#);
    assert!(!text.contains(r#"collection="a""#));
}

#[test]
fn numbers_become_text_without_allocation() {
    for number in [0, 7, 10, 200, 4008, u16::MAX] {
        assert_eq!(&*Digits::of(number), number.to_string());
    }
}
