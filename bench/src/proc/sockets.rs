//! Which TCP connections a server still holds.

use std::collections::HashSet;

use super::read;
use crate::error::BenchError;

const ESTABLISHED: &str = "01";

/// How many of the connections between `server_port` and the `client_ports` of this machine the server still has
/// established. A client that does not read cannot see it end; the kernel's table does. O(all sockets of the machine).
///
/// # Errors
/// Where `/proc` cannot be read.
pub(crate) fn established(server_port: u16, client_ports: &HashSet<u16>) -> Result<usize, BenchError> {
    let mut count = count_established(&read("/proc/net/tcp")?, server_port, client_ports);
    // A machine without IPv6 has no such file.
    if let Ok(table) = read("/proc/net/tcp6") {
        count += count_established(&table, server_port, client_ports);
    }
    Ok(count)
}

fn count_established(table: &str, server_port: u16, client_ports: &HashSet<u16>) -> usize {
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut fields = line.split_ascii_whitespace().skip(1);
            let (local, remote, state) = (port(fields.next()?)?, port(fields.next()?)?, fields.next()?);
            (state == ESTABLISHED && local == server_port && client_ports.contains(&remote)).then_some(())
        })
        .count()
}

fn port(address: &str) -> Option<u16> {
    u16::from_str_radix(address.rsplit_once(':')?.1, 16).ok()
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn only_the_server_side_of_our_established_connections_counts() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue\n\
            0: 0100007F:1F40 00000000:0000 0A 00000000:00000000\n\
            1: 0100007F:1F40 0100007F:C001 01 00000000:00000000\n\
            2: 0100007F:C001 0100007F:1F40 01 00000000:00000000\n\
            3: 0100007F:1F40 0100007F:C002 04 00000000:00000000\n\
            4: 0100007F:1F40 0100007F:C003 01 00000000:00000000\n";
        let ours = HashSet::from([0xC001, 0xC002]);
        assert_eq!(count_established(table, 8000, &ours), 1);
    }

    #[test]
    fn a_real_connection_is_seen_until_the_server_ends_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let client = TcpStream::connect(addr).unwrap();
        let (server, _) = listener.accept().unwrap();
        let ours = HashSet::from([client.local_addr().unwrap().port()]);
        assert_eq!(established(addr.port(), &ours).unwrap(), 1);
        drop(server);
        assert_eq!(established(addr.port(), &ours).unwrap(), 0);
    }
}
