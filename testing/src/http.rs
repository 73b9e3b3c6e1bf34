//! Whether a server answers a request: what tells that it is up.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

/// Whether `GET path` on a port of the loopback is answered with 200.
pub(crate) fn answers(port: u16, path: &str) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut connection = TcpStream::connect(("127.0.0.1", port))?;
        connection.set_read_timeout(Some(Duration::from_secs(1)))?;
        let request = format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n");
        connection.write_all(request.as_bytes())?;
        let mut status_line = [0; 12];
        connection.read_exact(&mut status_line)?;
        Ok(status_line.ends_with(b" 200"))
    };
    ask().unwrap_or(false)
}
