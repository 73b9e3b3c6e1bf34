//! A Redis cluster of a test's own.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use crate::{Redis, free_port, process::PATIENCE};

/// The slots that keys are spread over.
const SLOTS: u32 = 16_384;

/// Three masters, each with a third of the slots, and no replicas.
#[derive(Debug)]
pub struct RedisCluster {
    masters: Vec<Redis>,
}

impl RedisCluster {
    /// Starts one and waits until every node says that all slots are served.
    ///
    /// # Panics
    /// Where there is no `redis-server` or `redis-cli`, or it does not come up.
    #[must_use]
    pub fn start() -> Self {
        let masters: Vec<(Redis, u16)> = (0..3)
            .map(|_| {
                // Nodes talk over a port of their own, by default 10,000 above, which may not exist.
                let bus = free_port();
                let arguments = ["--cluster-enabled", "yes", "--cluster-port", &bus.to_string()].map(str::to_owned);
                (Redis::start_with(&arguments), bus)
            })
            .collect();
        let count = u32::try_from(masters.len()).expect("three");
        for (number, (master, _)) in (0..).zip(&masters) {
            let (first, last) = (SLOTS * number / count, SLOTS * (number + 1) / count - 1);
            obey(
                master,
                &["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()],
            );
            for (other, bus) in masters.iter().filter(|(other, _)| other.port() != master.port()) {
                let (port, bus) = (other.port().to_string(), bus.to_string());
                obey(master, &["CLUSTER", "MEET", "127.0.0.1", &port, &bus]);
            }
        }
        let cluster = Self {
            masters: masters.into_iter().map(|(master, _)| master).collect(),
        };
        let give_up_at = Instant::now() + PATIENCE;
        while !cluster.masters.iter().all(is_whole) {
            assert!(Instant::now() < give_up_at, "the cluster does not come up");
            sleep(Duration::from_millis(50));
        }
        cluster
    }

    /// Its address, for `REDIS_URL`.
    #[must_use]
    pub fn url(&self) -> String {
        let hosts: Vec<String> = self
            .masters
            .iter()
            .map(|master| format!("127.0.0.1:{}", master.port()))
            .collect();
        format!("redis+cluster://{}", hosts.join(","))
    }

    /// Its masters.
    #[must_use]
    pub fn masters(&self) -> &[Redis] {
        &self.masters
    }

    /// Moves the slots of all keys of that beginning, with their keys, each to the next master. Gives how many keys that were.
    ///
    /// # Panics
    /// Where a master does not obey.
    #[must_use]
    pub fn move_slots_of(&self, prefix: &str) -> usize {
        let id = |master: &Redis| master.cli(&["CLUSTER", "MYID"]).trim().to_owned();
        // Looked for first: what has moved would be found again.
        let keys_of = |master: &Redis| -> Vec<String> {
            let keys = master.cli(&["KEYS", &format!("{prefix}*")]);
            keys.lines().filter(|key| !key.is_empty()).map(str::to_owned).collect()
        };
        let found: Vec<Vec<String>> = self.masters.iter().map(keys_of).collect();
        for (at, keys) in found.iter().enumerate() {
            let (from, to) = (&self.masters[at], &self.masters[(at + 1) % self.masters.len()]);
            let (from_id, to_id, to_port) = (id(from), id(to), to.port().to_string());
            for key in keys {
                let slot = from.cli(&["CLUSTER", "KEYSLOT", key]).trim().to_owned();
                obey(to, &["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]);
                obey(from, &["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]);
                obey(from, &["MIGRATE", "127.0.0.1", &to_port, key, "0", "5000"]);
                obey(to, &["CLUSTER", "SETSLOT", &slot, "NODE", &to_id]);
                for master in self.masters.iter().filter(|master| master.port() != to.port()) {
                    obey(master, &["CLUSTER", "SETSLOT", &slot, "NODE", &to_id]);
                }
            }
        }
        found.iter().map(Vec::len).sum()
    }
}

fn obey(master: &Redis, words: &[&str]) {
    let answer = master.cli(words);
    assert_eq!(answer.trim(), "OK", "{words:?}");
}

fn is_whole(master: &Redis) -> bool {
    let info = master.cli(&["CLUSTER", "INFO"]);
    info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3") && info.contains("cluster_size:3")
}
