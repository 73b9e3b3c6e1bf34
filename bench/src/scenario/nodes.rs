//! Two nodes beside one, on the same cores with the same PostgreSQL and Redis; and a node whose clients all talk with sessions of
//! the other.

use std::{fs, path::Path, thread};

use serde::Serialize;
use uuid::Uuid;

use super::backends::Servers;
use crate::{
    clients::ws::WsClient,
    error::BenchError,
    load::{Load, drive},
    report::{Bar, Row},
    run::Run,
    server::{Launch, ServerProcess},
};

/// Two nodes are to do as much as one on the same cores: there is nothing to be won here, and little may be lost.
const THROUGHPUT_KEPT: f64 = 1.0;

/// The same load on one node, on two, and through one to the other.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Round {
    /// All clients at the only node.
    pub(crate) alone: Run,
    /// Half of them at each of two nodes.
    pub(crate) shared: [Run; 2],
    /// All of them at the second node, and all of their sessions at the first.
    pub(crate) relayed: Run,
}

impl Round {
    /// What two nodes do in sum, as a part of what one does.
    fn throughput_kept(&self) -> f64 {
        let in_sum: f64 = self.shared.iter().map(|run| run.turns_per_second).sum();
        in_sum / self.alone.turns_per_second
    }

    /// The throughput through another node, as a part of that of one.
    fn throughput_relayed(&self) -> f64 {
        self.relayed.turns_per_second / self.alone.turns_per_second
    }
}

/// Everything that was measured, in the order of rounds.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Nodes(pub(crate) Vec<Round>);

impl Nodes {
    /// All loads.
    pub(crate) fn runs(&self) -> impl Iterator<Item = &Run> {
        self.0
            .iter()
            .flat_map(|round| [&round.alone, &round.shared[0], &round.shared[1], &round.relayed])
    }

    /// Its lines of the table; none where nothing was measured.
    pub(crate) fn rows(&self) -> Vec<Row> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let all = |of: fn(&Round) -> f64| self.0.iter().map(of).collect();
        let kept = Some(Bar::AtLeast(THROUGHPUT_KEPT));
        let relayed = "a node whose sessions are all at another: throughput as a part of that of one";
        vec![
            Row::new(
                "one node: throughput, WebSocket, closed loop",
                "turns/s",
                None,
                all(|round| round.alone.turns_per_second),
            ),
            Row::new(
                "two nodes in sum, as a part of that",
                "×",
                kept,
                all(Round::throughput_kept),
            ),
            Row::new(relayed, "×", None, all(Round::throughput_relayed)),
        ]
    }
}

/// Puts `load`, a closed loop, on one node, then on two, then through one of these to the other, each time on an empty database.
///
/// # Errors
/// What kept it from measuring.
pub(crate) fn measure(
    launch: &Launch,
    servers: &Servers,
    dir: &Path,
    load: &Load,
    round: usize,
    tell: &dyn Fn(&str),
) -> Result<Round, BenchError> {
    let labelled = |run: Run, label: &str| {
        // Most of what others use is the servers' own share here, and the other node's.
        let run = Run {
            others_cpu_share: None,
            ..run.labelled(format!("{label}, round {round}"))
        };
        tell(&run.text());
        run
    };
    let data = |number: usize| dir.join(format!("node-{number}"));
    let start = |launch: &Launch, number: usize| ServerProcess::start(launch, &data(number));
    let end = |nodes: Vec<ServerProcess>| -> Result<(), BenchError> {
        for (number, node) in nodes.into_iter().enumerate() {
            node.stop()?;
            let data = data(number);
            fs::remove_dir_all(&data).map_err(BenchError::io(format!("delete {}", data.display())))?;
        }
        Ok(())
    };

    let database = servers.launch(launch);
    let node = start(&database, 0)?;
    let alone = drive::<WsClient>(&node.target(), load, Some(node.pid()))?;
    end(vec![node])?;
    let alone = labelled(alone, "one node");

    let database = servers.launch(launch);
    let nodes = [start(&database, 0)?, start(&database, 1)?];
    let half = Load {
        sessions: load.sessions.div_ceil(2),
        ..load.clone()
    };
    let [first, second] = thread::scope(|scope| {
        let drives = nodes.each_ref().map(|node| {
            let (target, pid, half) = (node.target(), node.pid(), &half);
            scope.spawn(move || drive::<WsClient>(&target, half, Some(pid)))
        });
        drives.map(|drive| drive.join().unwrap_or(Err(BenchError::Panicked)))
    });
    let shared = [
        labelled(first?, "the first of two nodes"),
        labelled(second?, "the second of two nodes"),
    ];

    // Who has talked with the first node has a session there; then everybody comes to the second.
    let known = Load {
        ids: (0..load.sessions).map(|_| Uuid::now_v7()).collect(),
        ..load.clone()
    };
    drive::<WsClient>(&nodes[0].target(), &known, Some(nodes[0].pid()))?;
    let relayed = drive::<WsClient>(&nodes[1].target(), &known, Some(nodes[1].pid()))?;
    let relayed = labelled(relayed, "through the second node to the first");
    end(nodes.into())?;
    Ok(Round { alone, shared, relayed })
}
