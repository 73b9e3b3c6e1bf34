//! A deterministic simulation of sessions, journal, agents, clients and faults, in virtual time.
//!
//! One seed gives one history: a few sessions on one virtual machine, whose sessions get messages, repeats and
//! cancellations, whose agents take steps, and whose machine loses messages, repeats them, crashes and comes back. Every
//! step is checked against the promises. `SIMULATION_SEED=n cargo test -p orchestratai-actors simulation` replays one
//! history and prints it; `SIMULATION_HISTORIES=n` runs another number of them.

mod client;
mod fault;
mod violation;
mod world;

use std::collections::HashSet;

use fault::PlantedFault;
use violation::Violation;
use world::{Coverage, World};

/// Histories that every run of the suite simulates.
const HISTORIES: u64 = 100_000;
/// Histories within which a planted fault must be found.
const HISTORIES_TO_FIND_A_FAULT: u64 = 10_000;

/// What a session gives to its turns by itself, and nobody who looks on sees.
const GIVEN_BY_SESSIONS: [&str; 3] = ["begin", "begin_with_person", "give_up"];

fn histories() -> u64 {
    std::env::var("SIMULATION_HISTORIES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(HISTORIES)
}

#[test]
fn the_promises_hold_in_every_history() {
    if let Some(seed) = std::env::var("SIMULATION_SEED").ok().and_then(|seed| seed.parse().ok()) {
        let mut world = World::new(seed, None).traced();
        world
            .run()
            .unwrap_or_else(|violation| panic!("seed {seed}: {violation:?}"));
        return;
    }
    let (threads, histories) = (2, histories());
    let coverage = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|worker| {
                scope.spawn(move || {
                    let mut coverage = Coverage::default();
                    for seed in (0..histories).filter(|seed| seed % threads == worker) {
                        let mut world = World::new(seed, None);
                        if let Err(violation) = world.run() {
                            panic!("{violation:?}; replay it with SIMULATION_SEED={seed}");
                        }
                        coverage.add(world.coverage());
                    }
                    coverage
                })
            })
            .collect();
        let mut all = Coverage::default();
        for worker in workers {
            all.add(worker.join().expect("a history broke a promise; its seed is above"));
        }
        all
    });
    assert_eq!(coverage.histories, histories);
    assert!(
        coverage.fewest_sessions >= 3 && coverage.fewest_steps >= 30,
        "{coverage:?}"
    );
    assert_eq!(
        coverage.without_fault, 0,
        "every history has a crash, or a lost or repeated message"
    );
    let missing = coverage.missing_pairs();
    assert!(
        missing.is_empty(),
        "pairs of state and input that never occurred: {missing:?}"
    );
    let mut missing = coverage.missing_lived_pairs();
    missing.retain(|(_, input)| !GIVEN_BY_SESSIONS.contains(input));
    assert!(
        missing.is_empty(),
        "pairs of state and input that never occurred to a session's turns: {missing:?}"
    );
    println!(
        "{histories} histories, {} steps, {} crashes",
        coverage.steps, coverage.crashes
    );
}

#[test]
fn each_planted_fault_is_found_and_its_seed_replays() {
    let mut found = HashSet::new();
    for fault in PlantedFault::ALL {
        let hit = (0..HISTORIES_TO_FIND_A_FAULT).find_map(|seed| {
            World::new(seed, Some(fault))
                .run()
                .err()
                .map(|violation| (seed, violation))
        });
        let (seed, violation) = hit.unwrap_or_else(|| panic!("{fault:?} was not found"));
        assert!(
            fault.shows_as(&violation),
            "{fault:?} was found as {violation:?} (seed {seed})"
        );
        let again = World::new(seed, Some(fault))
            .run()
            .expect_err("the same seed gives the same history");
        assert_eq!(violation, again, "{fault:?}, seed {seed}");
        found.insert(fault);
    }
    assert_eq!(found.len(), PlantedFault::ALL.len());
}

#[test]
fn a_history_is_the_same_every_time() {
    for seed in 0..50 {
        let (mut first, mut second) = (World::new(seed, None), World::new(seed, None));
        first.run().expect("the promises hold");
        second.run().expect("the promises hold");
        assert_eq!(first.fingerprint(), second.fingerprint(), "seed {seed}");
    }
}

/// Where the histories break a promise, this is how it is told.
pub(crate) type Checked = Result<(), Violation>;
