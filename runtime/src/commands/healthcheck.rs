//! `orchestratai healthcheck`: for a container's health check, with nothing but a TCP connection.

use std::{
    io::{Read, Write},
    net::{TcpStream, ToSocketAddrs},
    time::Duration,
};

use crate::failure::CommandFailure;

/// Longer than any answer of a server that lives, shorter than the three seconds that a container gives.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks `GET /api/health/live`.
///
/// # Errors
/// Where the answer is not 200, or there is none.
pub(crate) fn run(url: &str) -> Result<(), CommandFailure> {
    let authority = url
        .strip_prefix("http://")
        .and_then(|rest| rest.split('/').next())
        .filter(|authority| !authority.is_empty() && !authority.contains(['@', '?', '#']))
        .ok_or_else(|| CommandFailure::Usage(format!("--url {url:?} is not http://HOST:PORT")))?;
    let address = if authority.rsplit(']').next().is_some_and(|rest| rest.contains(':')) {
        authority.to_owned()
    } else {
        format!("{authority}:80")
    };
    let failed = |error| CommandFailure::because(format!("{url} does not answer"), error);
    let status = ask(&address, authority).map_err(failed)?;
    if status == "200" {
        Ok(())
    } else {
        Err(CommandFailure::plain(format!("{url} answers with status {status}")))
    }
}

/// The status of the answer.
fn ask(address: &str, host: &str) -> Result<String, std::io::Error> {
    let mut last = std::io::Error::other("the name has no address");
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => return exchange(stream, host),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn exchange(mut stream: TcpStream, host: &str) -> Result<String, std::io::Error> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    // In one piece: a server that answers the first of several would find the others in its way.
    let request = format!("GET /api/health/live HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut head = [0; 12]; // "HTTP/1.1 200"
    stream.read_exact(&mut head)?;
    let status = head
        .strip_prefix(b"HTTP/1.1 ")
        .or_else(|| head.strip_prefix(b"HTTP/1.0 "));
    status.map_or_else(
        || Err(std::io::Error::other("the answer is not HTTP")),
        |status| Ok(String::from_utf8_lossy(status).into_owned()),
    )
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Answers one connection with `answer` and gives what was asked.
    fn check(answer: &'static str) -> (Result<(), CommandFailure>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 512];
            let read = stream.read(&mut asked).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&asked[..read]).into_owned()
        });
        (run(&url), server.join().unwrap())
    }

    #[test]
    fn only_a_200_is_healthy() {
        let (outcome, asked) = check("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        assert!(outcome.is_ok(), "{outcome:?}");
        assert!(
            asked.starts_with("GET /api/health/live HTTP/1.1\r\nHost: 127.0.0.1:"),
            "{asked}"
        );
        assert!(check("HTTP/1.1 503 Service Unavailable\r\n\r\n").0.is_err());
        assert!(check("SSH-2.0-OpenSSH_9.2p1\r\n").0.is_err());
        assert!(check("").0.is_err());
    }

    #[test]
    fn nobody_there_is_a_failure_and_a_wrong_url_wrong_use() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(matches!(
            run(&format!("http://{free}")),
            Err(CommandFailure::Failed { .. })
        ));
        for wrong in ["", "127.0.0.1:8000", "https://x", "http://", "http://a@b"] {
            assert!(matches!(run(wrong), Err(CommandFailure::Usage(_))), "{wrong}");
        }
    }
}
