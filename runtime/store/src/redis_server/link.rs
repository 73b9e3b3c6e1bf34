//! A connection to one server or to a cluster.

use std::time::Duration;

use futures_util::future::join_all;
use redis::{
    AsyncConnectionConfig, Client, Cmd, RedisError, RedisResult, Value,
    aio::MultiplexedConnection,
    cluster::ClusterClientBuilder,
    cluster_async::ClusterConnection,
    sentinel::{SentinelClient, SentinelServerType},
};

use super::address::{Place, RedisAddress};

/// A connection; clones share it.
#[derive(Clone)]
pub(crate) enum Link {
    /// To one server.
    One(MultiplexedConnection),
    /// To all masters of a cluster.
    Cluster(ClusterConnection),
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::One(_) => "Link::One",
            Self::Cluster(_) => "Link::Cluster",
        })
    }
}

impl Link {
    /// Connects. Where Sentinel is asked, to whom it says is the master now.
    pub(crate) async fn connect(
        address: &RedisAddress,
        within: Duration,
        answer_within: Duration,
    ) -> RedisResult<Self> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(within))
            .set_response_timeout(Some(answer_within));
        match address.place() {
            Place::One(server) => {
                let client = Client::open(server.clone())?;
                let connecting = client.get_multiplexed_async_connection_with_config(&config);
                Ok(Self::One(connecting.await?))
            }
            Place::Sentinel {
                sentinels,
                service,
                node,
            } => {
                let (sentinels, node) = (sentinels.clone(), node.clone());
                let mut client = SentinelClient::build(sentinels, service, Some(node), SentinelServerType::Master)?;
                Ok(Self::One(client.get_async_connection_with_config(&config).await?))
            }
            Place::Cluster(servers) => {
                let client = ClusterClientBuilder::new(servers.clone())
                    .connection_timeout(within)
                    .response_timeout(answer_within)
                    .retries(3)
                    .build()?;
                Ok(Self::Cluster(client.get_async_connection().await?))
            }
        }
    }

    /// Sends commands together, and gives the answer to each. To a cluster each goes by itself, to whom it concerns.
    ///
    /// # Errors
    /// Where the connection is of no use.
    pub(crate) async fn ask(&mut self, commands: Vec<Cmd>) -> RedisResult<Vec<RedisResult<Value>>> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        match self {
            Self::One(connection) => {
                let mut pipe = redis::Pipeline::with_capacity(commands.len());
                for command in commands {
                    pipe.add_command(command);
                }
                pipe.ignore_errors().query_async(connection).await
            }
            Self::Cluster(connection) => {
                let asked = commands.into_iter().map(|command| {
                    let mut connection = connection.clone();
                    async move { command.query_async::<Value>(&mut connection).await }
                });
                let answers = join_all(asked).await;
                // Where not one of them was answered, it is the connection.
                let is_lost = |answer: &RedisResult<Value>| {
                    answer
                        .as_ref()
                        .is_err_and(|error| error.is_io_error() || error.is_timeout())
                };
                if answers.iter().all(is_lost) {
                    return answers
                        .into_iter()
                        .next()
                        .map_or(Ok(Vec::new()), |answer| answer.map(|_| Vec::new()));
                }
                Ok(answers)
            }
        }
    }
}

/// Whether a server that answers so is none to stay with: it is a replica, still loads its data, or lets nobody in.
pub(crate) fn is_of_no_use(error: &RedisError) -> bool {
    matches!(error.code(), Some("READONLY" | "LOADING" | "MASTERDOWN" | "NOAUTH"))
}
