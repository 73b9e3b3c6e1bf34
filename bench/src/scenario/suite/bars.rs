//! What is wanted, and how what was measured stands to it.

use super::{Measured, Scale};
use crate::{
    histogram::{Percentiles, median},
    report::{Bar, Row, Table},
    run::{Run, float},
};

const TURNS_PER_SECOND: f64 = 2000.0;
const CPU_MS_PER_REST_TURN: f64 = 0.5;
/// Time to first event, as a multiple of the control's p99, plus [`ALLOWANCE_MS`]. It waits for one commit.
const FIRST_EVENT_FACTOR: f64 = 3.0;
/// The whole turn, likewise. It waits for two.
const WHOLE_TURN_FACTOR: f64 = 6.0;
const ALLOWANCE_MS: f64 = 2.0;
const FIRST_EVENT_PROCESS_MS: f64 = 5.0;
const WHOLE_TURN_PROCESS_MS: f64 = 25.0;
const IDLE_MIB: f64 = 120.0;
const KIB_PER_IDLE_SESSION: f64 = 20.0;
const READY_S: f64 = 1.0;
const STALLED_MIB: f64 = 64.0;
/// So many of the answers must stand on documents, or something else than answers from retrieval was measured.
const FROM_RETRIEVAL_PERCENT: f64 = 90.0;

/// The table of everything that was measured.
pub(crate) fn table(measured: &Measured, scale: &Scale) -> Table {
    let mut table = Table::default();
    let at_least = |bar| Some(Bar::AtLeast(bar));
    let at_most = |bar| Some(Bar::AtMost(bar));
    let sessions = scale.sessions;

    let rate = |runs: &[Run]| runs.iter().map(|run| run.turns_per_second).collect();
    let cpu = |runs: &[Run]| runs.iter().filter_map(|run| run.server_cpu_ms_per_turn).collect();
    let name = |protocol: &str| format!("throughput, {protocol}, closed loop over {sessions} sessions");
    table.push(Row::new(
        name("WebSocket"),
        "turns/s",
        at_least(TURNS_PER_SECOND),
        rate(&measured.closed_ws),
    ));
    table.push(Row::new(
        name("REST"),
        "turns/s",
        at_least(TURNS_PER_SECOND),
        rate(&measured.closed_rest),
    ));
    table.push(Row::new(
        "CPU per REST turn",
        "ms",
        at_most(CPU_MS_PER_REST_TURN),
        cpu(&measured.closed_rest),
    ));
    table.push(Row::new("CPU per WebSocket turn", "ms", None, cpu(&measured.closed_ws)));

    let control: Vec<f64> = measured.fsync.iter().map(|found| found.p99_ms).collect();
    let per_second = scale.per_second;
    let multiple = |factor: f64| median(&control).map(|p99| Bar::AtMost(factor * p99 + ALLOWANCE_MS));
    let p99 = |runs: &[Run], of: fn(&Run) -> &Percentiles| runs.iter().map(|run| of(run).p99_ms).collect();
    table.push(Row::new(
        "control: 4 KiB append + fdatasync, p99",
        "ms",
        None,
        control.clone(),
    ));
    let name = |what: &str| format!("{what}, {per_second}/s, p99");
    let (full, process) = (&measured.full, &measured.process);
    table.push(Row::new(
        name("first event"),
        "ms",
        multiple(FIRST_EVENT_FACTOR),
        p99(&full.ws, |run| &run.first_event),
    ));
    table.push(Row::new(
        name("first token"),
        "ms",
        None,
        p99(&full.ws, |run| &run.first_token),
    ));
    table.push(Row::new(
        name("whole turn"),
        "ms",
        multiple(WHOLE_TURN_FACTOR),
        p99(&full.ws, |run| &run.turn),
    ));
    table.push(Row::new(
        name("whole turn over REST"),
        "ms",
        multiple(WHOLE_TURN_FACTOR),
        p99(&full.rest, |run| &run.turn),
    ));
    let name = |what: &str| format!("{what}, durability process, {per_second}/s, p99");
    table.push(Row::new(
        name("first event"),
        "ms",
        at_most(FIRST_EVENT_PROCESS_MS),
        p99(&process.ws, |run| &run.first_event),
    ));
    table.push(Row::new(
        name("whole turn"),
        "ms",
        at_most(WHOLE_TURN_PROCESS_MS),
        p99(&process.ws, |run| &run.turn),
    ));
    table.push(Row::new(
        name("whole turn over REST"),
        "ms",
        at_most(WHOLE_TURN_PROCESS_MS),
        p99(&process.rest, |run| &run.turn),
    ));

    let name = |what: &str| format!("with the second stage of search: {what}, {per_second}/s, p99");
    let second_stage = &measured.cascade_ws;
    table.push(Row::new(
        name("first event"),
        "ms",
        None,
        p99(second_stage, |run| &run.first_event),
    ));
    table.push(Row::new(
        name("whole turn"),
        "ms",
        None,
        p99(second_stage, |run| &run.turn),
    ));
    table.push(Row::new(
        "with the second stage of search: resident after the load",
        "MiB",
        None,
        measured.cascade_mib.clone(),
    ));

    for row in measured
        .backends
        .rows(per_second)
        .into_iter()
        .chain(measured.nodes.rows())
    {
        table.push(row);
    }
    table.push(Row::new(
        "resident when idle, first start",
        "MiB",
        at_most(IDLE_MIB),
        measured.idle_first_mib.clone(),
    ));
    table.push(Row::new(
        "resident when idle, later start",
        "MiB",
        at_most(IDLE_MIB),
        measured.idle_again_mib.clone(),
    ));
    let per_session = measured
        .idle_sessions
        .iter()
        .map(|idle| idle.bytes_per_session() / 1024.0)
        .collect();
    let name = format!("more for each of {} idle sessions", scale.idle_sessions);
    table.push(Row::new(name, "KiB", at_most(KIB_PER_IDLE_SESSION), per_session));
    table.push(Row::new(
        "ready, empty folder",
        "s",
        at_most(READY_S),
        measured.ready_empty_s.clone(),
    ));
    table.push(Row::new(
        "ready, demo knowledge base",
        "s",
        at_most(READY_S),
        measured.ready_existing_s.clone(),
    ));
    table.push(Row::new(
        "ready, after the loads",
        "s",
        at_most(READY_S),
        measured.ready_loaded_s.clone(),
    ));

    if let Some(stalled) = &measured.stalled {
        let name = |what: &str| format!("{} stalled sockets: {what}", stalled.sockets);
        table.push(Row::new(
            name("memory added"),
            "MiB",
            at_most(STALLED_MIB),
            vec![stalled.added_mib()],
        ));
        #[expect(clippy::cast_precision_loss, reason = "a count far below 2^53")]
        let left = stalled.still_connected as f64;
        table.push(Row::new(name("never cut off"), "sockets", at_most(0.0), vec![left]));
        table.push(Row::new(
            name("all gone after"),
            "s",
            None,
            stalled.gone_after_s.into_iter().collect(),
        ));
        table.push(Row::new(
            name("whole turn beside them, p99"),
            "ms",
            None,
            vec![stalled.beside.turn.p99_ms],
        ));
        table.push(Row::new(
            name("whole turn in the control run, p99"),
            "ms",
            None,
            vec![stalled.control.turn.p99_ms],
        ));
    }

    let errors = measured.runs().map(Run::error_count).sum();
    table.push(Row::new(
        "turns that did not end well, all loads",
        "turns",
        at_most(0.0),
        vec![float(errors)],
    ));
    #[expect(clippy::cast_precision_loss, reason = "a count far below 2^53")]
    let lost = measured.idle_sessions.iter().map(|idle| idle.lost).sum::<usize>() as f64;
    table.push(Row::new(
        "idle sessions that the server ended",
        "sessions",
        at_most(0.0),
        vec![lost],
    ));
    let retrieval = measured
        .runs()
        .filter_map(|run| Some(100.0 * run.origins?.retrieval))
        .reduce(f64::min);
    table.push(Row::new(
        "answers from retrieval, the load with the fewest",
        "%",
        at_least(FROM_RETRIEVAL_PERCENT),
        retrieval.into_iter().collect(),
    ));
    let late = measured
        .full
        .ws
        .iter()
        .chain(&measured.full.rest)
        .map(|run| run.send_lag.p99_ms)
        .collect();
    table.push(Row::new(
        format!("noise: sent late, {per_second}/s, p99"),
        "ms",
        None,
        late,
    ));
    let others = measured
        .runs()
        .filter_map(|run| Some(100.0 * run.others_cpu_share?))
        .collect();
    table.push(Row::new("noise: the machine's CPU that others used", "%", None, others));
    table
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use super::*;
    use crate::{
        report::Verdict,
        run::Origins,
        scenario::{backends::Backends, idle::Idle, nodes::Nodes, suite::OpenLoop},
    };

    fn scale() -> Scale {
        Scale {
            rounds: 1,
            sessions: 256,
            threads: 1,
            per_second: 1000,
            warm_up: Duration::ZERO,
            measured: Duration::from_secs(1),
            fsync: Duration::ZERO,
            settle: Duration::ZERO,
            idle_sessions: 1000,
            stalled_sockets: 0,
            wait_gone: Duration::ZERO,
        }
    }

    fn p99(p99_ms: f64) -> Percentiles {
        Percentiles {
            count: 1,
            mean_ms: 0.0,
            p50_ms: 0.0,
            p90_ms: 0.0,
            p95_ms: 0.0,
            p99_ms,
            p999_ms: 0.0,
            max_ms: 0.0,
        }
    }

    fn run(first_event: f64, turn: f64) -> Run {
        Run {
            scenario: String::new(),
            label: String::new(),
            window_s: 1.0,
            turns: 1000,
            turns_per_second: 2100.0,
            errors: BTreeMap::new(),
            first_event: p99(first_event),
            first_token: p99(turn),
            turn: p99(turn),
            send_lag: p99(0.1),
            server_cpu_ms_per_turn: Some(0.4),
            server_memory: None,
            generator_cpu_ms_per_turn: 0.1,
            others_cpu_share: Some(0.0),
            origins: Some(Origins {
                cache: 0.0,
                retrieval: 1.0,
            }),
        }
    }

    fn measured(control: &[f64], first_event: f64, turn: f64) -> Measured {
        let memory = crate::proc::process::memory(std::process::id()).unwrap();
        Measured {
            ready_empty_s: vec![0.9],
            ready_existing_s: vec![0.3],
            ready_loaded_s: vec![0.4],
            idle_first_mib: vec![110.0],
            idle_again_mib: vec![90.0],
            idle_sessions: vec![Idle {
                sessions: 1000,
                before: memory,
                with: memory,
                lost: 0,
            }],
            closed_ws: vec![run(30.0, 90.0)],
            closed_rest: vec![run(30.0, 90.0)],
            fsync: control.iter().map(|ms| p99(*ms)).collect(),
            full: OpenLoop {
                ws: vec![run(first_event, turn)],
                rest: vec![run(0.0, turn)],
            },
            process: OpenLoop {
                ws: vec![run(4.0, 20.0)],
                rest: vec![run(0.0, 20.0)],
            },
            cascade_ws: vec![run(first_event, turn)],
            backends: Backends::default(),
            nodes: Nodes::default(),
            cascade_mib: vec![200.0],
            stalled: None,
        }
    }

    fn row<'a>(table: &'a Table, measure: &str) -> &'a Row {
        table.rows.iter().find(|row| row.measure == measure).unwrap()
    }

    #[test]
    fn the_bars_of_latency_are_multiples_of_the_controls_median_plus_two_milliseconds() {
        let table = table(&measured(&[1.0, 9.0, 2.0], 7.9, 14.1), &scale());
        let first = row(&table, "first event, 1000/s, p99");
        assert_eq!((first.bar, first.verdict), (Some(Bar::AtMost(8.0)), Verdict::Pass));
        let turn = row(&table, "whole turn, 1000/s, p99");
        assert_eq!((turn.bar, turn.verdict), (Some(Bar::AtMost(14.0)), Verdict::Miss));
        assert_eq!(row(&table, "whole turn over REST, 1000/s, p99").verdict, Verdict::Miss);
        assert_eq!(table.missed(), 2);
    }

    #[test]
    fn a_suite_that_reaches_everything_misses_nothing() {
        let table = table(&measured(&[2.0], 8.0, 14.0), &scale());
        assert_eq!(table.missed(), 0, "{table}");
    }

    #[test]
    fn one_turn_that_fails_is_a_miss() {
        let mut measured = measured(&[2.0], 8.0, 14.0);
        measured.process.rest[0].errors.insert("OVERLOADED".to_owned(), 1);
        assert_eq!(table(&measured, &scale()).missed(), 1);
    }

    #[test]
    fn answers_out_of_the_cache_are_not_passed_off_as_retrieval() {
        let mut measured = measured(&[2.0], 8.0, 14.0);
        let loads = [
            &mut measured.closed_ws,
            &mut measured.closed_rest,
            &mut measured.full.ws,
            &mut measured.full.rest,
        ];
        for run in loads.into_iter().flatten() {
            run.origins = Some(Origins {
                cache: 0.5,
                retrieval: 0.5,
            });
        }
        assert_eq!(
            row(
                &table(&measured, &scale()),
                "answers from retrieval, the load with the fewest"
            )
            .verdict,
            Verdict::Miss
        );
    }
}
