//! The configuration: read in layers, checked as a whole, and then trusted.
//!
//! In reading order:
//! - [`layers`]: the defaults, a file, the environment, the command line;
//! - [`reader`]: typed values, and what is wrong with them;
//! - [`problem`]: how that is told;
//! - [`quantity`]: durations and sizes as people write them;
//! - [`secret`]: what must not be read by accident.

#[cfg(test)]
mod documents;
pub(crate) mod layers;
pub(crate) mod problem;
pub(crate) mod quantity;
mod reader;
mod secret;
#[cfg(test)]
mod tests;

use std::{
    ffi::OsString,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use orchestratai_store::RedisAddress;
use orchestratai_telemetry::{CollectorAddress, CollectorHeaders, LogFormat, TraceSettings, TracingSettings};

pub(crate) use layers::Overrides;
pub(crate) use problem::Problems;
pub(crate) use reader::ReadValue;
pub(crate) use secret::Secret;

use layers::{Layers, Raw};
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

/// Where the database is.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Database {
    /// An SQLite file.
    File(PathBuf),
    /// The address of one in a PostgreSQL server, with the password that may stand in it.
    Server(String),
}

impl Database {
    /// Whether it may be there: a file can be looked for, a server has to be asked.
    pub(crate) fn may_exist(&self) -> bool {
        match self {
            Self::File(path) => path.exists(),
            Self::Server(_) => true,
        }
    }
}

fn is_server(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

const SQLITE: &str = "sqlite:";
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const TENTH: Duration = Duration::from_millis(100);

fn read_server(r: &mut Reader) -> ServerSettings {
    let ip = r.value(
        "server.host",
        "an IP address such as 127.0.0.1, 0.0.0.0 or ::1, or localhost",
        |raw| match text(raw)? {
            "localhost" => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            address => address.parse().ok(),
        },
    );
    let port = r.integer("server.port", 0..=u32::from(u16::MAX));
    ServerSettings {
        address: SocketAddr::new(
            ip.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            u16::try_from(port).expect("the range is that of a u16"),
        ),
        drain: r.duration("server.drain", Duration::ZERO..=HOUR),
        workers: r.integer("server.workers", 0..=1_024),
    }
}

fn read_token(r: &mut Reader) -> Option<Secret> {
    let is_base64url = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
    let token = r.value(
        "auth.token",
        "empty, or 32 to 512 of A-Z, a-z, 0-9, - and _",
        |raw| match text(raw)? {
            "" => Some(None),
            token if (32..=512).contains(&token.len()) && token.bytes().all(is_base64url) => {
                Some(Some(Secret::new(token)))
            }
            _ => None,
        },
    );
    token.flatten()
}

fn read_origins(r: &mut Reader) -> Vec<String> {
    let allowed = "a list of origins such as http://localhost:3000, or [\"*\"]";
    let origins = r.value("cors.origins", allowed, |raw| {
        let origins = list(raw)?;
        (origins == ["*"] || origins.iter().all(|origin| is_origin(origin))).then_some(origins)
    });
    origins.unwrap_or_default()
}

/// A list; from the environment a text of parts between commas.
fn list(raw: &Raw) -> Option<Vec<String>> {
    match raw {
        Raw::List(parts) => Some(parts.clone()),
        Raw::Text(text) => {
            let parts = text.split(',').map(|part| part.trim().to_owned());
            Some(parts.filter(|part| !part.is_empty()).collect())
        }
        Raw::Integer(_) | Raw::Boolean(_) | Raw::Other(_) => None,
    }
}

/// Whether a text is an origin as browsers send it: scheme, host, maybe a port, and nothing after it.
fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    host.is_some_and(|host| {
        !host.is_empty()
            && host
                .bytes()
                .all(|c| c.is_ascii_alphanumeric() || b".-_:[]".contains(&c))
    })
}

fn read_console(r: &mut Reader) -> ConsoleSettings {
    let dir = r.value(
        "console.dir",
        "the path of a folder with an index.html, or empty",
        |raw| match text(raw)? {
            "" => Some(None),
            dir => Path::new(dir)
                .join("index.html")
                .is_file()
                .then(|| Some(PathBuf::from(dir))),
        },
    );
    let grafana_url = r.value(
        "console.grafana_url",
        "empty, or an address such as https://grafana.example or http://localhost:3001",
        |raw| match text(raw)? {
            "" => Some(None),
            url => is_web_address(url).then(|| Some(url.to_owned())),
        },
    );
    let examples = r.value(
        "console.examples",
        "a list of three questions at most, of 1 to 200 characters",
        |raw| {
            let examples = list(raw)?;
            let is_fine = |text: &String| !text.trim().is_empty() && text.chars().count() <= 200;
            (examples.len() <= 3 && examples.iter().all(is_fine)).then_some(examples)
        },
    );
    ConsoleSettings {
        dir: dir.flatten(),
        grafana_url: grafana_url.flatten(),
        examples: examples.unwrap_or_default(),
    }
}

/// Whether a browser may be led there by a link: no scheme that runs anything, and nothing that is no part of an address.
fn is_web_address(text: &str) -> bool {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    rest.is_some_and(|rest| {
        let is_host = rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[');
        is_host
            && rest
                .bytes()
                .all(|c| c.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&c))
    })
}

fn read_session(r: &mut Reader) -> SessionSettings {
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

fn read_limits(r: &mut Reader) -> LimitSettings {
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

fn read_store(r: &mut Reader) -> StoreSettings {
    let data_dir = r.value("store.data_dir", "a path", |raw| {
        text(raw).filter(|text| !text.is_empty()).map(PathBuf::from)
    });
    // Another database is an error and no notice: whoever names one expects the data there, and would find it lost with
    // this machine.
    let url = r.value(
        "store.url",
        "empty, sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/DATABASE",
        |raw| match text(raw)? {
            "" => Some(None),
            url if is_server(url) => Some(Some(url.to_owned())),
            url => url
                .strip_prefix(SQLITE)
                .filter(|path| !path.is_empty() && *path != ":memory:")
                .map(|_| Some(url.to_owned())),
        },
    );
    StoreSettings {
        data_dir: data_dir.unwrap_or_default(),
        url: url.flatten(),
        durability: r.choice(
            "store.durability",
            &[("full", Durability::Full), ("process", Durability::Process)],
        ),
        readers: r.integer("store.readers", 1..=64),
    }
}

fn read_redis(r: &mut Reader) -> Option<RedisAddress> {
    let url = r.value(
        "redis.url",
        format!("empty, or {}", RedisAddress::ALLOWED),
        |raw| match text(raw)? {
            "" => Some(None),
            url => RedisAddress::parse(url).map(Some),
        },
    );
    url.flatten()
}

fn read_cluster(r: &mut Reader) -> ClusterSettings {
    let enabled = r.value("cluster.enabled", "auto, true or false", |raw| match raw {
        Raw::Boolean(enabled) => Some(Some(*enabled)),
        Raw::Text(text) => match text.as_str() {
            "auto" => Some(None),
            "true" => Some(Some(true)),
            "false" => Some(Some(false)),
            _ => None,
        },
        Raw::Integer(_) | Raw::List(_) | Raw::Other(_) => None,
    });
    ClusterSettings {
        enabled: enabled.flatten(),
        lease: r.duration("cluster.lease", SECOND..=MINUTE),
    }
}

fn read_retrieval(r: &mut Reader) -> RetrievalSettings {
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

fn read_agents_dir(r: &mut Reader) -> Option<PathBuf> {
    let dir = r.value("agents.dir", "empty, or a path", |raw| match text(raw)? {
        "" => Some(None),
        dir => Some(Some(PathBuf::from(dir))),
    });
    dir.flatten()
}

fn read_telemetry(r: &mut Reader) -> TracingSettings {
    let format = r.choice(
        "telemetry.log_format",
        &[("human", LogFormat::Human), ("json", LogFormat::Json)],
    );
    let filter = r.value(
        "telemetry.log_filter",
        "a filter such as info or warn,orchestratai_web=debug",
        |raw| {
            let settings = TracingSettings {
                format,
                filter: text(raw)?.to_owned(),
            };
            settings.check().is_ok().then_some(settings.filter)
        },
    );
    TracingSettings {
        format,
        filter: filter.unwrap_or_default(),
    }
}

fn read_traces(r: &mut Reader) -> Option<TraceSettings> {
    let collector = r.value(
        "telemetry.traces_endpoint",
        format!("empty, or {}", CollectorAddress::ALLOWED),
        |raw| match text(raw)? {
            "" => Some(None),
            address => CollectorAddress::parse(address).map(Some),
        },
    );
    let headers = r.value(
        "telemetry.traces_headers",
        format!("empty, or {}", CollectorHeaders::ALLOWED),
        |raw| CollectorHeaders::parse(text(raw)?),
    );
    let sample_ratio = r.share("telemetry.traces_sample_ratio");
    let timeout = r.duration("telemetry.traces_timeout", TENTH..=MINUTE);
    let queue_max = r.integer("telemetry.traces_queue_max", 1..=1_000_000);
    let service_name = r.value("telemetry.service_name", "a name", |raw| {
        text(raw).filter(|name| !name.is_empty()).map(str::to_owned)
    });
    Some(TraceSettings {
        collector: collector.flatten()?,
        headers: headers.unwrap_or_default(),
        sample_ratio,
        timeout,
        queue_max: queue_max as usize,
        service_name: service_name.unwrap_or_default(),
    })
}
