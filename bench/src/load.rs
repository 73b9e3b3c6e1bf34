//! Drives many sessions and measures their turns.

mod sessions;

use std::{
    process,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use tokio::sync::{mpsc::unbounded_channel, oneshot};
use uuid::Uuid;

use crate::{
    arrival::{self, Arrival, Schedule},
    clients::{Client, Target, TurnError},
    error::BenchError,
    proc,
    run::{Run, Usage},
    tally::{Tally, Window},
};
use sessions::Share;

/// How turns follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Every session asks again as soon as it is answered: finds the throughput. Its latencies say how the server does when
    /// it is saturated; they are subject to coordinated omission.
    Closed,
    /// Turns begin at a fixed rate, whatever the server does: finds the latency.
    Open {
        /// Turns a second, over all sessions.
        per_second: u32,
    },
}

/// A load.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    /// How turns follow each other.
    pub(crate) pace: Pace,
    /// How many sessions there are, 1 or more.
    pub(crate) sessions: usize,
    /// How many threads of the generator they are spread over, 1 or more.
    pub(crate) threads: usize,
    /// How long it goes on before it is measured.
    pub(crate) warm_up: Duration,
    /// How long it is measured.
    pub(crate) measured: Duration,
    /// The sessions' ids, where others follow them; empty for new sessions.
    pub(crate) ids: Vec<Uuid>,
}

/// Puts `load` on the server and measures it. `pid` is the server's process, where its CPU and memory can be seen.
///
/// # Errors
/// Where sessions cannot be connected, no turn ends well, or figures of `/proc` cannot be read. Single turns that go wrong
/// are counted in the result.
pub(crate) fn drive<C: Client>(target: &Target, load: &Load, pid: Option<u32>) -> Result<Run, BenchError> {
    let threads = load.threads.clamp(1, load.sessions.max(1));
    let (connected_tx, connected) = mpsc::channel::<Result<(), TurnError>>();
    let mut workers = Vec::with_capacity(threads);
    for thread in 0..threads {
        let (start, started) = oneshot::channel::<Window>();
        let (arrivals_tx, arrivals) = unbounded_channel::<Arrival>();
        let share = Share {
            target: target.clone(),
            numbers: (thread..load.sessions).step_by(threads).collect(),
            ids: load.ids.clone(),
            arrivals: match load.pace {
                Pace::Closed => None,
                Pace::Open { .. } => Some(arrivals),
            },
        };
        let connected = connected_tx.clone();
        let thread = thread::Builder::new()
            .name(format!("load-{thread}"))
            .spawn(move || sessions::serve::<C>(share, &connected, started))
            .map_err(BenchError::io("start a thread"))?;
        workers.push((thread, start, arrivals_tx));
    }
    drop(connected_tx);
    for outcome in connected.iter().take(threads) {
        outcome.map_err(BenchError::Connect)?;
    }

    let begin = Instant::now() + Duration::from_millis(20);
    let from = begin + load.warm_up;
    let window = Window {
        begin,
        from,
        to: from + load.measured,
    };
    let mut joins = Vec::with_capacity(threads);
    let mut senders = Vec::with_capacity(threads);
    for (thread, start, arrivals) in workers {
        // A worker that is gone has panicked; its join tells.
        start.send(window).ok();
        joins.push(thread);
        senders.push(arrivals);
    }
    let pacer = match load.pace {
        Pace::Closed => None,
        Pace::Open { per_second } => {
            let schedule = Schedule::new(begin, window.to, per_second);
            let pacer = thread::Builder::new()
                .name("pacer".to_owned())
                .spawn(move || arrival::pace(schedule, &senders))
                .map_err(BenchError::io("start a thread"))?;
            Some(pacer)
        }
    };

    let usage = watch(window, pid)?;
    let mut tally = Tally::new(window);
    for join in joins {
        tally.merge(&join.join().map_err(|_| BenchError::Panicked)??);
    }
    if let Some(pacer) = pacer {
        pacer.join().map_err(|_| BenchError::Panicked)?;
    }
    let run = Run::new(C::PROTOCOL, load, window, &tally, usage);
    if run.turn.count == 0 {
        return Err(BenchError::NoTurns {
            load: run.scenario,
            errors: format!("{:?}", tally.errors),
        });
    }
    Ok(run)
}

/// Sleeps through the window, and gives what was used of the machine in it.
fn watch(window: Window, pid: Option<u32>) -> Result<Usage, BenchError> {
    let used = || -> Result<_, BenchError> {
        let server = pid.map(proc::process::cpu).transpose()?;
        Ok((server, proc::process::cpu(process::id())?, proc::machine::cpu_time()?))
    };
    sleep_until(window.from);
    let (server_before, generator_before, machine_before) = used()?;
    sleep_until(window.to);
    let (server_after, generator_after, machine_after) = used()?;
    Ok(Usage {
        server_cpu: server_before
            .zip(server_after)
            .map(|(before, after)| after.saturating_sub(before)),
        server_memory: pid.map(proc::process::memory).transpose()?,
        generator_cpu: generator_after.saturating_sub(generator_before),
        machine_busy: machine_after.busy.saturating_sub(machine_before.busy),
        machine_total: machine_after.total.saturating_sub(machine_before.total),
    })
}

fn sleep_until(instant: Instant) {
    thread::sleep(instant.saturating_duration_since(Instant::now()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clients::{rest::RestClient, ws::WsClient},
        run::Origins,
        standin::{self, Behaviour},
    };

    const RETRIEVAL: Option<Origins> = Some(Origins {
        cache: 0.0,
        retrieval: 1.0,
    });

    fn load(pace: Pace, sessions: usize, measured: Duration) -> Load {
        Load {
            pace,
            sessions,
            threads: 2,
            warm_up: Duration::from_millis(100),
            measured,
            ids: Vec::new(),
        }
    }

    fn second(pace: Pace, sessions: usize) -> Load {
        load(pace, sessions, Duration::from_secs(1))
    }

    fn takes(turn_takes: Duration) -> Behaviour {
        Behaviour {
            turn_takes,
            ..Behaviour::default()
        }
    }

    #[test]
    fn a_closed_loop_over_web_socket_is_as_fast_as_turns_follow_each_other() {
        let target = standin::start(takes(Duration::from_millis(20)));
        let run = drive::<WsClient>(&target, &second(Pace::Closed, 8), Some(process::id())).unwrap();
        // Eight sessions with turns of 20 ms or more: at most 400 a second.
        assert!(
            run.turns_per_second > 40.0 && run.turns_per_second <= 410.0,
            "{}",
            run.text()
        );
        assert!(
            run.turn.p50_ms >= 20.0 && run.first_token.p50_ms >= 20.0,
            "{}",
            run.text()
        );
        assert!(run.first_event.p50_ms < run.first_token.p50_ms, "{}", run.text());
        assert!(run.errors.is_empty() && run.origins == RETRIEVAL, "{}", run.text());
        assert!(run.server_cpu_ms_per_turn.unwrap() > 0.0);
    }

    #[test]
    fn a_closed_loop_over_rest_keeps_its_connections() {
        let target = standin::start(takes(Duration::from_millis(20)));
        let run = drive::<RestClient>(&target, &second(Pace::Closed, 8), None).unwrap();
        assert!(
            run.turns_per_second > 40.0 && run.turns_per_second <= 410.0,
            "{}",
            run.text()
        );
        assert!(run.turn.p50_ms >= 20.0 && run.errors.is_empty(), "{}", run.text());
        assert_eq!((run.first_event.count, run.server_cpu_ms_per_turn), (0, None));
        assert!(run.origins == RETRIEVAL, "{}", run.text());
    }

    #[test]
    fn an_open_loop_sends_what_is_scheduled() {
        let target = standin::start(takes(Duration::from_millis(5)));
        let run = drive::<WsClient>(&target, &second(Pace::Open { per_second: 100 }, 16), None).unwrap();
        assert_eq!((run.turn.count, run.send_lag.count), (100, 100), "{}", run.text());
        assert!(run.errors.is_empty(), "{}", run.text());
    }

    #[test]
    fn a_pause_of_the_server_is_seen_by_every_turn_that_should_have_begun_in_it() {
        // 400 of 1,000 ms, with two sessions: a generator that waits would send two turns into the pause.
        let pause = (Duration::from_millis(500), Duration::from_millis(400));
        let behaviour = Behaviour {
            pause: Some(pause),
            ..takes(Duration::from_millis(1))
        };
        let target = standin::start(behaviour.clone());
        let open = drive::<WsClient>(&target, &second(Pace::Open { per_second: 100 }, 2), None).unwrap();
        assert_eq!(open.turn.count, 100, "{}", open.text());
        assert!(open.turn.p90_ms > 200.0, "{}", open.text());

        let target = standin::start(behaviour);
        let closed = drive::<WsClient>(&target, &second(Pace::Closed, 2), None).unwrap();
        assert!(
            closed.turn.max_ms > 200.0 && closed.turn.p90_ms < 200.0,
            "{}",
            closed.text()
        );
    }

    #[test]
    fn turns_that_go_wrong_are_counted_by_code_and_the_session_goes_on() {
        let target = standin::start(Behaviour {
            overloaded_every: Some(7),
            failed_every: Some(11),
            closed_every: Some((13, 4008)),
            ..takes(Duration::from_millis(1))
        });
        let run = drive::<WsClient>(&target, &second(Pace::Open { per_second: 300 }, 16), None).unwrap();
        let codes: Vec<&str> = run.errors.keys().map(String::as_str).collect();
        assert_eq!(
            codes,
            ["OVERLOADED", "closed 4008", "turn_failed UPSTREAM_ERROR"],
            "{}",
            run.text()
        );
        assert_eq!(run.turn.count + run.error_count(), 300, "{}", run.text());
    }

    #[test]
    fn answers_of_http_that_are_errors_are_counted_by_code_and_a_lost_connection_is_opened_anew() {
        let target = standin::start(Behaviour {
            overloaded_every: Some(7),
            closed_every: Some((13, 0)),
            ..takes(Duration::from_millis(1))
        });
        let run = drive::<RestClient>(&target, &second(Pace::Open { per_second: 300 }, 16), None).unwrap();
        let codes: Vec<&str> = run.errors.keys().map(String::as_str).collect();
        assert_eq!(codes, ["OVERLOADED", "connection lost"], "{}", run.text());
        assert_eq!(run.turn.count + run.error_count(), 300, "{}", run.text());
    }

    #[test]
    fn answers_out_of_the_cache_are_seen() {
        let behaviour = Behaviour {
            from_cache: true,
            ..takes(Duration::from_millis(1))
        };
        let load = second(Pace::Open { per_second: 100 }, 4);
        for run in [
            drive::<WsClient>(&standin::start(behaviour.clone()), &load, None).unwrap(),
            drive::<RestClient>(&standin::start(behaviour), &load, None).unwrap(),
        ] {
            assert!(
                run.origins
                    == Some(Origins {
                        cache: 1.0,
                        retrieval: 0.0
                    }),
                "{}",
                run.text()
            );
        }
    }

    #[test]
    fn a_server_that_does_not_keep_the_contract_is_not_measured() {
        let target = standin::start(Behaviour {
            no_session_ready: true,
            ..Behaviour::default()
        });
        let error = drive::<WsClient>(&target, &second(Pace::Closed, 2), None).unwrap_err();
        assert!(matches!(error, BenchError::Connect(TurnError::Protocol(_))), "{error}");
    }

    #[test]
    fn a_load_without_one_good_turn_is_no_measurement() {
        let target = standin::start(Behaviour {
            overloaded_every: Some(1),
            ..Behaviour::default()
        });
        let message = drive::<WsClient>(&target, &second(Pace::Closed, 2), None)
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("not one turn") && message.contains("OVERLOADED"),
            "{message}"
        );
    }

    #[test]
    fn a_turn_that_never_ends_times_out() {
        let mut target = standin::start(takes(Duration::from_secs(3600)));
        target.patience = Duration::from_millis(300);
        let message = drive::<WsClient>(&target, &second(Pace::Closed, 1), None)
            .unwrap_err()
            .to_string();
        assert!(message.contains("timeout"), "{message}");
    }
}
