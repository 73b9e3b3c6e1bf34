//! Where things are kept, and where other servers are met.

use super::*;

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

pub(super) fn is_server(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

pub(super) fn read_store(r: &mut Reader) -> StoreSettings {
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

pub(super) fn read_redis(r: &mut Reader) -> Option<RedisAddress> {
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

pub(super) fn read_cluster(r: &mut Reader) -> ClusterSettings {
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

pub(super) fn read_agents_dir(r: &mut Reader) -> Option<PathBuf> {
    let dir = r.value("agents.dir", "empty, or a path", |raw| match text(raw)? {
        "" => Some(None),
        dir => Some(Some(PathBuf::from(dir))),
    });
    dir.flatten()
}
