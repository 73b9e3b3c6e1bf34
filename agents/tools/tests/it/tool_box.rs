//! Several sources at once, some of which hang.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use orchestratai_agents::{tool::ToolSource, tool_box::ToolBox};
use orchestratai_tools::{McpEndpoint, McpSource, SourceName};
use tokio::{
    net::TcpListener,
    sync::Semaphore,
    time::{Instant, timeout},
};

use crate::world::{PATIENCE, options};

/// A server that takes connections, and answers none before `others` have come to it and to others that share that.
struct Hanging {
    url: String,
    accepted: Arc<AtomicUsize>,
}

impl Hanging {
    async fn start(come: Arc<Semaphore>, others: u32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let accepted = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&accepted);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let come = Arc::clone(&come);
                come.add_permits(1);
                tokio::spawn(async move {
                    let all = come.acquire_many(others).await;
                    drop(socket);
                    drop(all);
                });
            }
        });
        Self { url, accepted }
    }

    fn source(&self, name: &str) -> Arc<dyn ToolSource> {
        let endpoint = McpEndpoint::Http {
            url: self.url.clone(),
            token: None,
        };
        let mut options = options(endpoint);
        options.name = SourceName::new(name).unwrap();
        Arc::new(McpSource::new(options).unwrap())
    }
}

#[tokio::test]
async fn a_source_that_hangs_delays_nobody_whom_it_does_not_concern() {
    let hanging = Hanging::start(Arc::new(Semaphore::new(0)), u32::MAX >> 4).await;
    let tools = ToolBox::new(vec![hanging.source("hung")]);
    let patterns = ["shop_*", "search_knowledge", "hung-not_*"].map(str::to_owned);
    let taken = timeout(PATIENCE / 2, tools.take(&patterns))
        .await
        .expect("it waits for nobody");
    assert!(taken.missing.is_empty(), "{:?}", taken.missing);
    assert_eq!(hanging.accepted.load(Ordering::SeqCst), 0, "it was not even asked");
}

#[tokio::test]
async fn sources_are_asked_side_by_side() {
    let come = Arc::new(Semaphore::new(0));
    // Neither says a word before both were asked.
    let (first, second) = (
        Hanging::start(Arc::clone(&come), 2).await,
        Hanging::start(Arc::clone(&come), 2).await,
    );
    let tools = ToolBox::new(vec![first.source("first"), second.source("second")]);
    let began = Instant::now();
    let taken = tools.take(&["*".to_owned()]).await;
    assert!(
        began.elapsed() < PATIENCE - Duration::from_secs(5),
        "one waited for the other until its time was over"
    );
    let missing: Vec<&str> = taken.missing.iter().map(|(source, _)| source.as_str()).collect();
    assert_eq!(missing, ["first", "second"]);
}
