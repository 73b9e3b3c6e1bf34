//! The command line.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::load::{Load, Pace};

/// Puts load on an `OrchestratAI` server and measures it.
#[derive(Debug, Parser)]
#[command(name = "orchestratai-bench", version)]
pub(crate) struct Arguments {
    /// What to measure.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Which server, and where results go.
    #[command(flatten)]
    pub(crate) common: Common,
}

/// What holds for every command.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// The server's binary; it is started with its data in a folder of its own, and stopped afterwards
    #[arg(
        long,
        global = true,
        value_name = "PATH",
        default_value = "target/release/orchestratai"
    )]
    pub(crate) server: PathBuf,
    /// Measure a server that runs already, such as http://127.0.0.1:8000
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// The process of that server, for its CPU and memory
    #[arg(long, global = true, value_name = "PID", requires = "url")]
    pub(crate) pid: Option<u32>,
    /// The token of that server, where it wants one
    #[arg(long, global = true, env = "ORCHESTRATAI_BENCH_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// Where data are kept meanwhile; must be on a real disk
    #[arg(long, global = true, value_name = "DIR", default_value = "target/bench")]
    pub(crate) dir: PathBuf,
    /// What a commit waits for
    #[arg(long, global = true, default_value = "full")]
    pub(crate) durability: Durability,
    /// A setting of the server that is started; may be repeated
    #[arg(long = "set", global = true, value_name = "SECTION.KEY=VALUE", value_parser = parse_setting)]
    pub(crate) settings: Vec<(String, String)>,
    /// Write all figures there, too
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// `store.durability`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Durability {
    /// The disk: survives loss of power.
    Full,
    /// The operating system: survives the end of the process.
    Process,
}

impl Durability {
    /// As the setting has it.
    pub(crate) fn setting(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Process => "process",
        }
    }
}

/// What can be measured.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The whole suite, several rounds, and one table of bars and medians
    All(AllArgs),
    /// Turns over WebSocket
    Ws(LoadArgs),
    /// Turns over REST
    Rest(LoadArgs),
    /// Memory, without sessions and for each idle one
    Idle(IdleArgs),
    /// Time from the start of the process until it is ready
    Start(StartArgs),
    /// The control: append 4 KiB and fdatasync, at a steady rate
    Fsync(FsyncArgs),
    /// `PostgreSQL` and Redis beside what is embedded: the same loads by turns, and how much throughput is left
    Backends(BackendsArgs),
    /// Two nodes beside one on the same machine, with `PostgreSQL` and Redis; and one through which all clients reach the other
    Nodes(BackendsArgs),
    /// What the server adds between a provider of language models and a client, with many answers under way
    Providers(ProvidersArgs),
    /// Sockets that never read, and what they cost the server and the others
    Stalled(StalledArgs),
    /// A large knowledge base: ingestion, search and memory
    Knowledge(KnowledgeArgs),
}

/// Open or closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Loop {
    /// Each session asks again when it is answered: finds the throughput
    Closed,
    /// Turns begin at a fixed rate: finds the latency
    Open,
}

/// A load.
#[derive(Debug, Args)]
pub(crate) struct LoadArgs {
    /// How turns follow each other
    pub(crate) pace: Loop,
    /// How much
    #[command(flatten)]
    pub(crate) size: SizeArgs,
}

/// How much of it.
#[derive(Debug, Args)]
pub(crate) struct SizeArgs {
    /// Sessions, each with one turn at a time
    #[arg(long, default_value_t = 256, value_parser = at_least_one)]
    pub(crate) sessions: usize,
    /// Turns a second in the open loop
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rate: u32,
    /// How long to measure
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seconds: u64,
    /// How many seconds the load runs before that
    #[arg(long, default_value_t = 3)]
    pub(crate) warm_up: u64,
    /// Threads of the generator; one is enough for some 10,000 turns a second
    #[arg(long, default_value_t = 1, value_parser = at_least_one)]
    pub(crate) threads: usize,
}

impl SizeArgs {
    /// The load with this pace.
    pub(crate) fn load(&self, pace: Loop) -> Load {
        Load {
            pace: match pace {
                Loop::Closed => Pace::Closed,
                Loop::Open => Pace::Open { per_second: self.rate },
            },
            sessions: self.sessions,
            threads: self.threads,
            warm_up: Duration::from_secs(self.warm_up),
            measured: Duration::from_secs(self.seconds),
            ids: Vec::new(),
        }
    }
}

/// The suite.
#[derive(Debug, Args)]
pub(crate) struct AllArgs {
    /// How much of each load
    #[command(flatten)]
    pub(crate) size: SizeArgs,
    /// How often everything is measured; medians count
    #[arg(long, default_value_t = 3, value_parser = at_least_one)]
    pub(crate) rounds: usize,
    /// Idle sessions
    #[arg(long, default_value_t = 2000, value_parser = at_least_one)]
    pub(crate) idle_sessions: usize,
    /// Stalled sockets; 0 leaves them out
    #[arg(long, default_value_t = 1000)]
    pub(crate) stalled_sockets: usize,
    /// How many seconds to wait until they are cut off
    #[arg(long, default_value_t = 90)]
    pub(crate) wait_gone: u64,
    /// Fail where a bar is missed
    #[arg(long)]
    pub(crate) strict: bool,
}

/// Loads by turns.
#[derive(Debug, Args)]
pub(crate) struct BackendsArgs {
    /// How much of each load
    #[command(flatten)]
    pub(crate) size: SizeArgs,
    /// How often everything is measured; medians count
    #[arg(long, default_value_t = 3, value_parser = at_least_one)]
    pub(crate) rounds: usize,
}

/// Answers of a provider.
#[derive(Debug, Args)]
pub(crate) struct ProvidersArgs {
    /// Answers under way at once
    #[arg(long, default_value_t = 500, value_parser = at_least_one)]
    pub(crate) streams: usize,
    /// How long to measure
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seconds: u64,
    /// How often; medians count
    #[arg(long, default_value_t = 3, value_parser = at_least_one)]
    pub(crate) rounds: usize,
}

/// Idle sessions.
#[derive(Debug, Args)]
pub(crate) struct IdleArgs {
    /// Idle sessions
    #[arg(long, default_value_t = 2000, value_parser = at_least_one)]
    pub(crate) sessions: usize,
    /// How many seconds to leave the server alone before each look
    #[arg(long, default_value_t = 3)]
    pub(crate) settle: u64,
}

/// Starts.
#[derive(Debug, Args)]
pub(crate) struct StartArgs {
    /// How often, on an empty folder and on one that has data
    #[arg(long, default_value_t = 5, value_parser = at_least_one)]
    pub(crate) times: usize,
}

/// The control.
#[derive(Debug, Args)]
pub(crate) struct FsyncArgs {
    /// Appends a second
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rate: u32,
    /// How long
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seconds: u64,
}

/// A large knowledge base.
#[derive(Debug, Args)]
pub(crate) struct KnowledgeArgs {
    /// Chunks to take in
    #[arg(long, default_value_t = 10_000, value_parser = at_least_one)]
    pub(crate) chunks: usize,
    /// Questions to ask, one after the other
    #[arg(long, default_value_t = 1_000, value_parser = at_least_one)]
    pub(crate) questions: usize,
}

/// Stalled sockets.
#[derive(Debug, Args)]
pub(crate) struct StalledArgs {
    /// Sockets that never read
    #[arg(long, default_value_t = 1000, value_parser = at_least_one)]
    pub(crate) sockets: usize,
    /// The open loop beside them, over the sessions that they follow
    #[command(flatten)]
    pub(crate) size: SizeArgs,
    /// How many seconds to wait until they are cut off
    #[arg(long, default_value_t = 90)]
    pub(crate) wait_gone: u64,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be 1 or more".to_owned()),
        Ok(count) => Ok(count),
        Err(_) => Err("must be a whole number".to_owned()),
    }
}

/// `section.key=value` as the environment variable that sets it.
fn parse_setting(text: &str) -> Result<(String, String), String> {
    let wrong = "must be SECTION.KEY=VALUE, such as store.durability=process";
    let (name, value) = text.split_once('=').ok_or(wrong)?;
    let sane = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !name.contains('.') || !name.split('.').all(sane) {
        return Err(wrong.to_owned());
    }
    Ok((
        format!("ORCHESTRATAI__{}", name.replace('.', "__").to_ascii_uppercase()),
        value.to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_setting_becomes_its_environment_variable() {
        let setting = parse_setting("server.drain=5s").unwrap();
        assert_eq!(setting, ("ORCHESTRATAI__SERVER__DRAIN".to_owned(), "5s".to_owned()));
        for wrong in ["drain=5", "server.drain", ".x=1", "a b.c=1"] {
            assert!(parse_setting(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn loads_are_read_with_options_before_and_after() {
        let arguments = Arguments::try_parse_from([
            "bench", "--json", "x.json", "ws", "open", "--rate", "500", "--set", "a.b=c",
        ])
        .unwrap();
        assert_eq!(arguments.common.json.unwrap().to_str(), Some("x.json"));
        let Command::Ws(load) = arguments.command else {
            panic!("not ws")
        };
        assert_eq!(load.size.load(load.pace).pace, Pace::Open { per_second: 500 });
    }

    #[test]
    fn nothing_of_something_is_refused() {
        for wrong in [["ws", "closed", "--sessions", "0"], ["rest", "open", "--rate", "0"]] {
            assert!(Arguments::try_parse_from(["bench"].into_iter().chain(wrong)).is_err());
        }
    }
}
