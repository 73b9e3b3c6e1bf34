//! Where Redis is, as one URL.

use std::fmt;

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, TlsMode, sentinel::SentinelNodeConnectionInfo};

/// Where Redis is. Shown without what it is entered with.
#[derive(Clone)]
pub struct RedisAddress {
    place: Place,
    shown: String,
    is_encrypted: bool,
}

/// One server, a master that Sentinel names, or a cluster.
#[derive(Clone)]
pub(super) enum Place {
    One(ConnectionInfo),
    Sentinel {
        sentinels: Vec<ConnectionInfo>,
        service: String,
        node: SentinelNodeConnectionInfo,
    },
    Cluster(Vec<ConnectionInfo>),
}

impl RedisAddress {
    /// What an address may be, for people.
    pub const ALLOWED: &str = "redis://[USER:PASSWORD@]HOST[:PORT][/DB], rediss:// for TLS, \
                               redis+sentinel://[USER:PASSWORD@]HOST:PORT,HOST:PORT/SERVICE[/DB] or \
                               redis+cluster://HOST:PORT,HOST:PORT";

    /// Reads a URL: `redis://`, `rediss://` (TLS), `redis+sentinel://HOST:PORT,HOST:PORT/SERVICE[/DB]`,
    /// `redis+cluster://HOST:PORT,HOST:PORT`, the last two with `rediss` too. User and password stand before the first host,
    /// percent-encoded; those of Sentinel itself are the parameters `sentinel_user` and `sentinel_password`. `None` where it
    /// is none of these; why is not said, since a reason might quote a password.
    #[must_use]
    pub fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let (plain, kind) = scheme.split_once('+').unwrap_or((scheme, ""));
        if !matches!(plain, "redis" | "rediss") {
            return None;
        }
        let (rest, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (entry, hosts) = match authority.rsplit_once('@') {
            Some((entry, hosts)) => (format!("{entry}@"), hosts),
            None => (String::new(), authority),
        };
        if hosts.is_empty() || hosts.split(',').any(str::is_empty) {
            return None;
        }
        let is_encrypted = plain == "rediss";
        let place = match kind {
            "" if !hosts.contains(',') => Place::One(info(url)?),
            "sentinel" => sentinel(plain, &entry, hosts, path, parameters)?,
            "cluster" => {
                let servers = hosts.split(',').map(|host| info(&format!("{plain}://{entry}{host}")));
                Place::Cluster(servers.collect::<Option<_>>()?)
            }
            _ => return None,
        };
        let service = if kind == "sentinel" {
            format!("/{path}")
        } else {
            String::new()
        };
        Some(Self {
            place,
            shown: format!("{scheme}://{hosts}{service}"),
            is_encrypted,
        })
    }

    /// Whether it is spoken to by TLS.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.is_encrypted
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }
}

fn sentinel(plain: &str, entry: &str, hosts: &str, path: &str, parameters: &str) -> Option<Place> {
    let (service, db) = path.split_once('/').unwrap_or((path, "0"));
    if service.is_empty() {
        return None;
    }
    let (mut user, mut password) = ("", None);
    for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
        match parameter.split_once('=')? {
            ("sentinel_user", value) => user = value,
            ("sentinel_password", value) => password = Some(value),
            _ => return None,
        }
    }
    let sentinel_entry = password
        .map(|password| format!("{user}:{password}@"))
        .unwrap_or_default();
    let sentinels = hosts.split(',').map(|host| {
        let has_port = host
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let port = if has_port { "" } else { ":26379" };
        info(&format!("{plain}://{sentinel_entry}{host}{port}"))
    });
    let node = info(&format!("{plain}://{entry}localhost/{db}"))?;
    let mut settings = SentinelNodeConnectionInfo::default().set_redis_connection_info(node.redis_settings().clone());
    if plain == "rediss" {
        settings = settings.set_tls_mode(TlsMode::Secure);
    }
    Some(Place::Sentinel {
        sentinels: sentinels.collect::<Option<_>>()?,
        service: service.to_owned(),
        node: settings,
    })
}

fn info(url: &str) -> Option<ConnectionInfo> {
    let info = url.into_connection_info().ok()?;
    matches!(
        info.addr(),
        ConnectionAddr::Tcp(..) | ConnectionAddr::TcpTls { insecure: false, .. }
    )
    .then_some(info)
}

impl fmt::Display for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisAddress({})", self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_shown_without_what_they_are_entered_with() {
        for (url, shown) in [
            ("redis://cache", "redis://cache"),
            ("redis://:hidden@cache:6379/2", "redis://cache:6379"),
            ("rediss://me:hid%40den@cache:6379", "rediss://cache:6379"),
            (
                "redis+sentinel://me:hidden@a:26379,b/mymaster/1?sentinel_password=hidden",
                "redis+sentinel://a:26379,b/mymaster/1",
            ),
            ("rediss+cluster://:hidden@a:1,b:2", "rediss+cluster://a:1,b:2"),
        ] {
            let address = RedisAddress::parse(url).unwrap_or_else(|| panic!("{url}"));
            assert_eq!(address.to_string(), shown);
            assert_eq!(format!("{address:?}"), format!("RedisAddress({shown})"));
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for url in [
            "",
            "cache:6379",
            "http://cache",
            "redis://",
            "redis://a,b",
            "redis+sentinel://a:1",
            "redis+sentinel://a:1/m?timeout=3",
            "redis+cluster://a,,b",
            "redis+other://a",
            "rediss://cache/#insecure",
            "redis://cache:port",
        ] {
            assert!(RedisAddress::parse(url).is_none(), "{url}");
        }
    }
}
