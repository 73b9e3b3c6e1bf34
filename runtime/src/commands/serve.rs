//! `orchestratai serve`: wires the parts together, serves, and stops in good order.

use std::{
    env, fs,
    io::{self, Write},
    iter,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread::available_parallelism,
    time::Instant,
};

use orchestratai_actors::{DoubleTexting, Gateway, Parts, Probe, SessionSettings};
use orchestratai_agents::{
    StaticEmbedder,
    definition::Catalog,
    knowledge::{EmbedderStage, Knowledge, SecondStageUse, VectorOrigin, VectorWatch},
    routing::{Adviser, Router},
    strategy::{Means, responders, trial_responder},
    tool_box::ToolBox,
};
use orchestratai_store::{Access, DEFAULT_ORGANIZATION, NodeSettings, Store};
use orchestratai_telemetry::{History, Metrics, SearchStage, SecondStageOutcome, Traces, init_tracing};
use orchestratai_web::{Secret, WebSettings};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::time::MissedTickBehavior;

use crate::{
    arguments::ServeArguments,
    budgets,
    build_info::BUILD,
    console,
    data_dir::DataDir,
    demo,
    documents::StoredDocuments,
    facts,
    failure::{Chain, CommandFailure},
    house::{load_agents, open_knowledge, open_store},
    knowledge_watch::KnowledgeWatch,
    models::LanguageModels,
    settings::{self, Database, Settings, quantity::show_duration},
    shared_cache,
    signals::Signals,
    snapshots::{self, SessionSnapshots},
    tools,
};

/// Connections that may wait to be accepted: what a thousand clients that come at once need.
const BACKLOG: i32 = 1_024;

/// Serves until it is told to stop.
///
/// # Errors
/// Where it cannot start; the reason is for people.
pub(crate) fn run(arguments: &ServeArguments) -> Result<(), CommandFailure> {
    let file = arguments.configuration.config.as_deref();
    let settings = Settings::load(file, env::vars_os(), &arguments.overrides())?;
    let metrics = Metrics::new(&BUILD);
    let traces = (settings.traces.as_ref()).map(|traces| Traces::start(traces, &BUILD, &metrics));
    let traces = traces
        .transpose()
        .map_err(|error| CommandFailure::because("traces cannot be sent", error))?;
    init_tracing(&settings.telemetry, traces.as_ref())
        .map_err(|error| CommandFailure::because("logging cannot start", error))?;
    for notice in &settings.notices {
        tracing::warn!("{notice}");
    }
    let listener = bind(settings.server.address)?; // Before slow work, so that a taken port is told at once.
    actix_rt::System::new().block_on(serve(settings, listener, metrics, traces))
}

/// Takes the port.
fn bind(address: SocketAddr) -> Result<TcpListener, CommandFailure> {
    let bind = || -> io::Result<TcpListener> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        #[cfg(unix)]
        socket.set_reuse_address(true)?; // A restart must not wait for the connections of the one before it.
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok(socket.into())
    };
    bind().map_err(|error| {
        let what = if error.kind() == io::ErrorKind::AddrInUse {
            format!("{address} is taken by another program; choose another port with --port")
        } else {
            format!("cannot listen on {address}")
        };
        CommandFailure::because(what, error)
    })
}

/// Counts what the second stage of search has to do with each search.
fn count_second_stage(metrics: Metrics) -> impl Fn(&SecondStageUse) + Send + Sync {
    move |used| match used {
        SecondStageUse::Absent => {}
        SecondStageUse::NotNeeded => metrics.second_stage(SecondStageOutcome::NotNeeded, None),
        SecondStageUse::Ranked { took } => metrics.second_stage(SecondStageOutcome::Ranked, Some(*took)),
        SecondStageUse::Missed(_) => metrics.second_stage(SecondStageOutcome::Missed, None),
    }
}

/// Counts vectors of chunks that are computed, and those that are read.
fn count_vectors(metrics: Metrics) -> VectorWatch {
    VectorWatch::new(move |stage, origin, vectors| {
        let stage = match stage {
            EmbedderStage::First => SearchStage::First,
            EmbedderStage::Second => SearchStage::Second,
        };
        match origin {
            VectorOrigin::Embedded => metrics.chunks_embedded(stage, vectors),
            VectorOrigin::Read => metrics.chunks_read(stage, vectors),
        }
    })
}

/// Raises the soft limit of open files to the hard one: a connection holds two, and 1,024 is a common default.
fn raise_open_files() {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(open_files_max) => tracing::debug!(open_files_max, "the limit of open files"),
        Err(error) => tracing::warn!(%error, "the limit of open files cannot be raised"),
    }
}

async fn serve(
    settings: Settings,
    listener: TcpListener,
    metrics: Metrics,
    traces: Option<Traces>,
) -> Result<(), CommandFailure> {
    let began = Instant::now();
    raise_open_files();
    let mut signals = Signals::new().map_err(|error| CommandFailure::because("signals cannot be handled", error))?;
    let address = listener
        .local_addr()
        .map_err(|error| CommandFailure::because("the port cannot be used", error))?;
    let catalog = Arc::new(load_agents(&settings)?);
    let data = DataDir::open(&settings.store.data_dir)?;
    let _lock = data.lock_for_server()?;
    let is_marked = mark_demo(&settings, &data)?;
    let access = match settings.is_node() {
        true => Access::Node(NodeSettings {
            place: data.place()?,
            lease: settings.cluster.lease,
        }),
        false => Access::Journal,
    };
    let store = open_store(&settings, access).await?;
    if is_marked && !store.is_new() {
        unmark_demo(&data)?; // Another server has made the database, and loads the demo where it is wanted.
    }
    let documents = StoredDocuments::new(store.clone());
    let embedder = Arc::new(StaticEmbedder::embedded());
    let books = budgets::shared(&settings, &store, &metrics);
    let mut language_models = LanguageModels::new(&settings.models, &settings.guardrails, &embedder, &books, &metrics)?;
    let counted = count_second_stage(metrics.clone());
    let knowledge = open_knowledge(
        &settings,
        &data,
        &documents,
        &embedder,
        language_models.embedder.clone(),
        |cascade| cascade.observed(counted),
        count_vectors(metrics.clone()),
    )
    .await?;
    let router = Arc::new(Router::new(&catalog, Arc::clone(&embedder)));
    let adviser = language_models.adviser(&settings, &catalog, &books, &metrics)?;
    let mut watch = KnowledgeWatch::new(knowledge.clone(), Arc::clone(&router), store.clone(), metrics.clone());
    let means = Means {
        tools: ToolBox::new(tools::sources(&settings)?),
        cache: shared_cache::open(&settings, &catalog, &embedder, &metrics)?,
        facts: facts::kept(&settings, &store),
        catalog,
        router,
        knowledge: knowledge.clone(),
        models: Arc::new(language_models.models.clone()),
        embedder,
    };

    let snapshots = SessionSnapshots::open(&settings, &store, snapshots::count_connections(metrics.clone()))?;
    let history = Arc::new(History::new(metrics.clone()));
    let sampling = actix_rt::spawn(sample(Arc::clone(&history)));
    let accounting = actix_rt::spawn(budgets::look_after(Arc::clone(&books), store.clone(), metrics.clone()));
    let forgetting = actix_rt::spawn(facts::look_after(store.clone(), metrics.clone()));
    let redis = snapshots.as_ref().and_then(SessionSnapshots::probe);
    let probes = iter::once(watch.probe())
        .chain(redis)
        .chain(language_models.probes())
        .collect();
    let gateway = start_actors(
        &settings,
        &store,
        &means,
        &metrics,
        &history,
        snapshots.as_ref(),
        (adviser, probes),
    );
    let server = orchestratai_web::server(
        gateway.clone(),
        knowledge.clone(),
        books,
        metrics,
        web_settings(&settings, &means.catalog),
        listener,
    )
    .map_err(|error| CommandFailure::because(format!("cannot serve on {address}"), error))?;
    let handle = server.handle();
    let mut serving = actix_rt::spawn(server);
    say(&format!("listening on http://{address}"));

    // From here on clients are answered, and told to wait until the rest is there.
    load_demo(&data, &knowledge).await?;
    let failed = |error| CommandFailure::because("the knowledge base cannot be served", error);
    watch.look().await.map_err(failed)?;
    if settings.redis.is_some() && settings.snapshots.enabled {
        let forgotten = gateway.forget_erased(snapshots::oldest(&settings)).await;
        forgotten.map_err(|refusal| CommandFailure::because("what was erased cannot be looked up", refusal))?;
    }
    gateway.set_ready();
    match gateway.resume_interrupted().await {
        Ok(0) => {}
        Ok(sessions) => tracing::warn!(sessions, "turns that were cut off are taken up again"),
        Err(refusal) => {
            return Err(CommandFailure::because(
                "turns that were cut off cannot be taken up again",
                refusal,
            ));
        }
    }
    let watching = actix_rt::spawn(watch.follow());
    tell(&settings, &data, &store, &means.catalog, &knowledge, began);
    say(&format!(
        "talk in the console at http://{}/, or with `orchestratai chat`; the API describes itself at /api/docs",
        reachable(address)
    ));

    tokio::select! {
        signal = signals.next() => tracing::info!(signal, drain = show_duration(settings.server.drain), "stopping: waiting for running turns"),
        ended = &mut serving => {
            let why = match ended {
                Ok(Ok(())) => "it ended by itself".to_owned(),
                Ok(Err(error)) => error.to_string(),
                Err(error) => error.to_string(),
            };
            return Err(CommandFailure::plain(format!("the server has ended: {why}")));
        }
    }
    let stop = async {
        gateway.drain(settings.server.drain).await;
        handle.stop(true).await;
        watching.abort();
        sampling.abort();
        accounting.abort();
        forgetting.abort();
        if let Err(error) = store.close().await {
            tracing::warn!(error = %Chain(&error), "the database was closed with its log not copied; the next start does it");
        }
        if let Some(traces) = traces {
            // It blocks. What it gives is that it has ended, one way or the other.
            let _ = tokio::task::spawn_blocking(move || traces.stop()).await;
        }
    };
    tokio::select! {
        () = stop => {}
        signal = signals.next() => {
            tracing::warn!(signal, "ending at once; turns under way are taken up again at the next start");
            std::process::exit(1);
        }
    }
    tracing::info!("stopped");
    Ok(())
}

/// Keeps the past of the metrics, for as long as it is let run.
async fn sample(history: Arc<History>) {
    let mut due = tokio::time::interval(History::EVERY);
    due.set_missed_tick_behavior(MissedTickBehavior::Skip);
    due.tick().await; // The first is due at once, and the history has its beginning.
    loop {
        due.tick().await;
        history.sample();
    }
}

/// Notes that the demo is to be loaded, before the database is made: a crash between the two must not lose it. Whether it was
/// noted now; whether a server has the database already is only known when it was asked.
fn mark_demo(settings: &Settings, data: &DataDir) -> Result<bool, CommandFailure> {
    let may_be_new = match settings.database() {
        Database::File(path) => !path.exists(),
        Database::Server(_) => !data.demo_mark().exists(),
    };
    let marks = settings.knowledge.demo && may_be_new;
    if marks {
        let failed = |error| CommandFailure::because("the data cannot be kept", error);
        fs::write(data.demo_mark(), "").map_err(failed)?;
    }
    Ok(marks)
}

fn unmark_demo(data: &DataDir) -> Result<(), CommandFailure> {
    let mark = data.demo_mark();
    let cannot = |error| CommandFailure::because(format!("{} cannot be removed", mark.display()), error);
    fs::remove_file(&mark).map_err(cannot)
}

async fn load_demo(data: &DataDir, knowledge: &Knowledge) -> Result<(), CommandFailure> {
    if !data.demo_mark().exists() {
        return Ok(());
    }
    let failed = |error| CommandFailure::because("the demo knowledge base cannot be loaded", error);
    let count = demo::load(knowledge.documents()).await.map_err(failed)?;
    tracing::info!(documents = count, "the demo knowledge base is loaded");
    unmark_demo(data)
}

fn start_actors(
    settings: &Settings,
    store: &Store,
    means: &Means,
    metrics: &Metrics,
    history: &Arc<History>,
    snapshots: Option<&SessionSnapshots>,
    (adviser, probes): (Option<Arc<Adviser>>, Vec<Probe>),
) -> Gateway {
    orchestratai_actors::start(Parts {
        store: store.clone(),
        catalog: Arc::clone(&means.catalog),
        router: Arc::clone(&means.router),
        adviser,
        responders: responders(means),
        trial_responder: {
            let means = means.clone();
            Arc::new(move |definition| trial_responder(definition, &means))
        },
        metrics: metrics.clone(),
        history: Arc::clone(history),
        settings: session_settings(settings),
        shards: count_or_cores(settings.actors.shards),
        organization: DEFAULT_ORGANIZATION.into(),
        snapshots: snapshots.map(|snapshots| snapshots.for_sessions(settings)),
        bus: settings.redis.clone().filter(|_| settings.is_node()),
        probes,
    })
}

fn session_settings(settings: &Settings) -> SessionSettings {
    let (session, limits) = (&settings.session, &settings.limits);
    SessionSettings {
        double_texting: match session.double_texting {
            settings::DoubleTexting::Enqueue => DoubleTexting::Enqueue,
            settings::DoubleTexting::Interrupt => DoubleTexting::Interrupt,
            settings::DoubleTexting::Reject => DoubleTexting::Reject,
        },
        queue_max: session.queue_max as usize,
        idle_after: session.idle_after,
        transcript_messages: session.transcript_messages as usize,
        turn_max: session.turn_max,
        person_max: session.person_max,
        subscriber_window_bytes: usize::try_from(limits.subscriber_window).unwrap_or(usize::MAX),
        slow_client_after: limits.slow_client_after,
        heartbeat: limits.heartbeat,
        live_sessions_max: limits.live_sessions_max as usize,
        turns_in_flight: limits.turns_in_flight as usize,
    }
}

fn web_settings(settings: &Settings, catalog: &Catalog) -> WebSettings {
    let limits = &settings.limits;
    WebSettings {
        token: settings.auth.token.as_ref().map(|token| Secret::new(token.expose())),
        cors_origins: settings.cors.origins.clone(),
        workers: Some(count_or_cores(settings.server.workers)),
        connections_max: limits.connections_max as usize,
        frames_per_second: limits.frames_per_second,
        frames_burst: limits.frames_burst,
        socket_stall_max: limits.socket_stall_max,
        keeps_facts: settings.memory.is_some(),
        websocket_echo: settings.conformance.websocket_echo,
        tool_result_bytes_max: settings.tools.result_bytes_max,
        console: console::console(settings, catalog),
    }
}

/// A number, where 0 stands for one to each core.
fn count_or_cores(count: u32) -> usize {
    if count == 0 {
        available_parallelism().map_or(1, Into::into)
    } else {
        count as usize
    }
}

/// Says what is used, in the log and to whoever started it.
fn tell(settings: &Settings, data: &DataDir, store: &Store, catalog: &Catalog, knowledge: &Knowledge, began: Instant) {
    let collections = knowledge.collections();
    let chunks: usize = collections.iter().map(|collection| collection.chunks).sum();
    tracing::info!(
        ready_after_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        data = %data.path().display(),
        database = store.location(),
        durability = ?settings.store.durability,
        agents = catalog.agents().len(),
        authentication = settings.auth.token.is_some(),
        traces = settings.traces.as_ref().map(|traces| traces.collector.to_string()),
        version = BUILD.version,
        commit = BUILD.commit,
        "ready"
    );
    say(&format!(
        "ready: {} agents, {} collections with {chunks} chunks, data in {}",
        catalog.agents().len(),
        collections.len(),
        data.path().display(),
    ));
}

/// An address by which this machine reaches a server that listens there: where it listens on all, none of them is one.
fn reachable(address: SocketAddr) -> String {
    match address.ip().is_unspecified() {
        true => format!("localhost:{}", address.port()),
        false => address.to_string(),
    }
}

/// Tells whoever started the server; one who does not listen is none of its business.
fn say(text: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}
