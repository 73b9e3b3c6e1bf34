//! What the server listens on, and who gets in.

use super::*;

pub(super) fn read_server(r: &mut Reader) -> ServerSettings {
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

pub(super) fn read_token(r: &mut Reader) -> Option<Secret> {
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

pub(super) fn read_origins(r: &mut Reader) -> Vec<String> {
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

pub(super) fn read_console(r: &mut Reader) -> ConsoleSettings {
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
