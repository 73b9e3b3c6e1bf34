//! The configuration: read in layers, checked as a whole, and then trusted.
//!
//! In reading order:
//! - [`entrance`], [`habits`], [`places`], [`observation`]: what is read for each section;
//! - [`layers`]: the defaults, a file, the environment, the command line;
//! - [`reader`]: typed values, and what is wrong with them;
//! - [`problem`]: how that is told;
//! - [`quantity`]: durations and sizes as people write them;
//! - [`section`]: a section that people name themselves;
//! - [`memory`]: what is kept of people;
//! - [`models`], [`tools`], [`budgets`]: those of language models, of tools, and of what models may spend;
//! - [`secret`]: what must not be read by accident.

mod budgets;
#[cfg(test)]
mod documents;
mod entrance;
mod habits;
pub(crate) mod layers;
mod memory;
pub(crate) mod models;
mod observation;
mod places;
pub(crate) mod problem;
pub(crate) mod quantity;
mod reader;
mod secret;
mod section;
#[cfg(test)]
mod tests;
pub(crate) mod tools;

use std::{
    ffi::OsString,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use orchestratai_agents::{budget::Budget, facts::FactRules, guardrail::SuspiciousSources};
use orchestratai_store::RedisAddress;
use orchestratai_telemetry::{CollectorAddress, CollectorHeaders, LogFormat, TraceSettings, TracingSettings};

pub(crate) use layers::Overrides;
pub(crate) use models::ModelSettings;
pub(crate) use places::Database;
pub(crate) use problem::Problems;
pub(crate) use reader::ReadValue;
pub(crate) use secret::Secret;
pub(crate) use tools::ToolSettings;

use entrance::{read_console, read_origins, read_server, read_token};
use habits::{read_guardrails, read_limits, read_retrieval, read_session};
use layers::{Layers, Raw};
use observation::{read_telemetry, read_traces};
use places::{is_server, read_agents_dir, read_cluster, read_redis, read_store};
use reader::{Reader, text};

/// The whole configuration. Every value is within its bounds.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) server: ServerSettings,
    pub(crate) auth: AuthSettings,
    pub(crate) cors: CorsSettings,
    pub(crate) console: ConsoleSettings,
    pub(crate) session: SessionSettings,
    pub(crate) limits: LimitSettings,
    pub(crate) actors: ActorSettings,
    pub(crate) store: StoreSettings,
    pub(crate) redis: Option<RedisAddress>,
    pub(crate) cluster: ClusterSettings,
    /// Whether the semantic cache is shared by way of Redis, where there is one.
    pub(crate) shared_cache: bool,
    pub(crate) snapshots: SnapshotSettings,
    pub(crate) knowledge: KnowledgeSettings,
    pub(crate) retrieval: RetrievalSettings,
    pub(crate) agents: AgentSettings,
    pub(crate) models: ModelSettings,
    /// What they may spend, in the order of names.
    pub(crate) budgets: Vec<Budget>,
    pub(crate) tools: ToolSettings,
    pub(crate) guardrails: GuardrailSettings,
    /// What is kept of people; `None`: nothing.
    pub(crate) memory: Option<FactRules>,
    pub(crate) telemetry: TracingSettings,
    /// `None`: no traces are sent.
    pub(crate) traces: Option<TraceSettings>,
    pub(crate) conformance: ConformanceSettings,
    /// Every value as it was read, with its place.
    pub(crate) read: Vec<ReadValue>,
    /// What was set and has no effect, in sentences.
    pub(crate) notices: Vec<String>,
}

/// Where to listen, and how to stop.
#[derive(Debug, Clone)]
pub(crate) struct ServerSettings {
    pub(crate) address: SocketAddr,
    pub(crate) drain: Duration,
    /// 0: one for each core.
    pub(crate) workers: u32,
}

/// Who gets in.
#[derive(Debug, Clone)]
pub(crate) struct AuthSettings {
    pub(crate) token: Option<Secret>,
}

/// Whose pages may call.
#[derive(Debug, Clone)]
pub(crate) struct CorsSettings {
    pub(crate) origins: Vec<String>,
}

/// The web console.
#[derive(Debug, Clone)]
pub(crate) struct ConsoleSettings {
    /// `None`: the one that is compiled in.
    pub(crate) dir: Option<PathBuf>,
    pub(crate) grafana_url: Option<String>,
    pub(crate) examples: Vec<String>,
}

/// Habits of a session.
#[derive(Debug, Clone)]
pub(crate) struct SessionSettings {
    pub(crate) double_texting: DoubleTexting,
    pub(crate) queue_max: u32,
    pub(crate) idle_after: Duration,
    pub(crate) transcript_messages: u32,
    pub(crate) turn_max: Duration,
    pub(crate) person_max: Duration,
}

/// What happens to a message that arrives while a turn runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DoubleTexting {
    Enqueue,
    Interrupt,
    Reject,
}

/// Bounds of what is kept and taken in.
#[derive(Debug, Clone)]
pub(crate) struct LimitSettings {
    pub(crate) turns_in_flight: u32,
    pub(crate) live_sessions_max: u32,
    pub(crate) connections_max: u32,
    /// In bytes.
    pub(crate) subscriber_window: u64,
    pub(crate) slow_client_after: Duration,
    pub(crate) heartbeat: Duration,
    pub(crate) frames_per_second: u32,
    pub(crate) frames_burst: u32,
    pub(crate) socket_stall_max: Duration,
}

/// How the actors are spread.
#[derive(Debug, Clone)]
pub(crate) struct ActorSettings {
    /// 0: one for each core.
    pub(crate) shards: u32,
}

/// Where the data is kept, and how safe.
#[derive(Debug, Clone)]
pub(crate) struct StoreSettings {
    pub(crate) data_dir: PathBuf,
    /// `sqlite:PATH` or `postgres://…`; `None`: in `data_dir`.
    pub(crate) url: Option<String>,
    pub(crate) durability: Durability,
    pub(crate) readers: u32,
}

/// What an acknowledged commit survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    Full,
    Process,
}

/// How several servers share a database.
#[derive(Debug, Clone)]
pub(crate) struct ClusterSettings {
    /// `None`: where that can be.
    enabled: Option<bool>,
    pub(crate) lease: Duration,
}

/// How snapshots of sessions are kept.
#[derive(Debug, Clone)]
pub(crate) struct SnapshotSettings {
    pub(crate) enabled: bool,
    /// In Redis only.
    pub(crate) write_after: Duration,
    pub(crate) ttl: Duration,
    pub(crate) load_timeout: Duration,
}

/// What the knowledge base begins with.
#[derive(Debug, Clone)]
pub(crate) struct KnowledgeSettings {
    pub(crate) demo: bool,
}

/// How passages are found.
#[derive(Debug, Clone)]
pub(crate) struct RetrievalSettings {
    pub(crate) cascade: bool,
    /// `None`: the one that is compiled in.
    pub(crate) transformer: Option<PathBuf>,
    pub(crate) transformer_wait: Duration,
    pub(crate) transformer_idle: Duration,
}

/// What stands around language models.
#[derive(Debug, Clone)]
pub(crate) struct GuardrailSettings {
    pub(crate) suspicious_sources: SuspiciousSources,
    pub(crate) redact_prompts: bool,
}

/// Where agents are defined.
#[derive(Debug, Clone)]
pub(crate) struct AgentSettings {
    /// `None`: the ones that are compiled in.
    pub(crate) dir: Option<PathBuf>,
}

/// What is there for conformance tests only.
#[derive(Debug, Clone)]
pub(crate) struct ConformanceSettings {
    pub(crate) websocket_echo: bool,
}

impl Settings {
    /// Reads all layers: the defaults, then `file`, then `environment`, then `flags`.
    ///
    /// # Errors
    /// Every problem there is, not only the first.
    pub(crate) fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        flags: &Overrides,
    ) -> Result<Self, Problems> {
        let mut layers = Layers::defaults();
        if let Some(file) = file {
            layers.add_file(file);
        }
        layers.add_environment(environment);
        layers.add_flags(flags);
        Self::read(Reader::new(layers)).map_err(Problems)
    }

    fn read(mut reader: Reader) -> Result<Self, Vec<problem::Problem>> {
        let r = &mut reader;
        let settings = Self {
            server: read_server(r),
            auth: AuthSettings { token: read_token(r) },
            cors: CorsSettings {
                origins: read_origins(r),
            },
            console: read_console(r),
            session: read_session(r),
            limits: read_limits(r),
            actors: ActorSettings {
                shards: r.integer("actors.shards", 0..=1_024),
            },
            store: read_store(r),
            redis: read_redis(r),
            cluster: read_cluster(r),
            shared_cache: r.boolean("redis.shared_cache"),
            snapshots: SnapshotSettings {
                enabled: r.boolean("snapshots.enabled"),
                write_after: r.duration("snapshots.write_after", TENTH..=HOUR),
                ttl: r.duration("snapshots.ttl", SECOND..=365 * 24 * HOUR),
                load_timeout: r.duration("snapshots.load_timeout", Duration::from_millis(1)..=10 * SECOND),
            },
            knowledge: KnowledgeSettings {
                demo: r.boolean("knowledge.demo"),
            },
            retrieval: read_retrieval(r),
            agents: AgentSettings {
                dir: read_agents_dir(r),
            },
            models: models::read_models(r),
            budgets: budgets::read_budgets(r),
            tools: tools::read_tools(r),
            guardrails: read_guardrails(r),
            memory: memory::read_memory(r),
            telemetry: read_telemetry(r),
            traces: read_traces(r),
            conformance: ConformanceSettings {
                websocket_echo: r.boolean("conformance.websocket_echo"),
            },
            read: Vec::new(),
            notices: Vec::new(),
        };
        if reader.is_sound() {
            settings.check(&mut reader);
        }
        let (read, notices) = reader.finish()?;
        Ok(Self {
            read,
            notices,
            ..settings
        })
    }

    /// What cannot be seen from one value alone.
    fn check(&self, reader: &mut Reader) {
        let address = self.server.address;
        if !address.ip().is_loopback() && self.auth.token.is_none() {
            reader.refuse(
                "server.host",
                format!(
                    "server.host {} can be reached from other machines, and auth.token is not set; set the token \
                     (for example ORCHESTRATAI__AUTH__TOKEN=\"$(openssl rand -hex 32)\"), or listen on 127.0.0.1",
                    address.ip()
                ),
            );
        }
        if self.cluster.enabled == Some(true) && !self.may_be_node() {
            reader.refuse(
                "cluster.enabled",
                "cluster.enabled needs a PostgreSQL database in store.url (DATABASE_URL), which the nodes share, and Redis in \
                 redis.url (REDIS_URL), over which they speak",
            );
        }
        if self.limits.frames_burst < self.limits.frames_per_second {
            reader.refuse(
                "limits.frames_burst",
                "limits.frames_burst is less than limits.frames_per_second: the rate could never be reached",
            );
        }
    }

    /// Whether the server is a node, which shares the database with others.
    pub(crate) fn is_node(&self) -> bool {
        self.cluster.enabled.unwrap_or(true) && self.may_be_node()
    }

    fn may_be_node(&self) -> bool {
        matches!(self.database(), Database::Server(_)) && self.redis.is_some()
    }

    /// The database.
    pub(crate) fn database(&self) -> Database {
        match &self.store.url {
            Some(url) if is_server(url) => Database::Server(url.clone()),
            Some(url) => Database::File(PathBuf::from(url.strip_prefix(SQLITE).unwrap_or(url))),
            None => Database::File(self.store.data_dir.join("orchestratai.db")),
        }
    }
}

const SQLITE: &str = "sqlite:";
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const TENTH: Duration = Duration::from_millis(100);
