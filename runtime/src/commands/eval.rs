//! `orchestratai eval`: how good routing, retrieval, answers and the cache are on labelled cases.

use std::{
    ffi::OsString,
    fs,
    io::{self, Write},
    path::Path,
    sync::Arc,
    time::Duration,
};

use orchestratai_agents::{
    StaticEmbedder,
    cache::SemanticCache,
    knowledge::VectorWatch,
    model::FEATURES_TARGET,
    routing::Router,
    strategy::{Means, responders},
};
use orchestratai_evaluation::{
    Evaluation, Part, Question, answers, cache,
    fitting::{injection_samples, samples, samples_of_a_new_house},
    judge::Judge,
    report::{Measured, comparison},
    retrieval::{Ranker, Scope, rank},
    routing::route,
};
use orchestratai_store::Access;
use orchestratai_telemetry::{LogFormat, Metrics, TracingSettings, init_tracing};
use serde::Serialize;

use crate::{
    arguments::{EvalArguments, EvalPart},
    budgets,
    build_info::BUILD,
    data_dir::DataDir,
    demo,
    documents::StoredDocuments,
    failure::CommandFailure,
    house::{load_agents, open_knowledge, open_store},
    models::{LanguageModels, language_model},
    settings::{Overrides, Settings},
};

/// Longer than any question takes.
const TRANSFORMER_WAIT: Duration = Duration::from_secs(60);
/// The messages that the detector of attempts is fitted on, beside the folder of the set: they are about no house.
const INJECTIONS: &str = "../injections/messages.jsonl";
/// Names the folder of the agents in the environment.
const AGENTS_DIR: &str = "ORCHESTRATAI__AGENTS__DIR";

/// Measures on the demo knowledge base, in a folder of its own that is gone afterwards.
///
/// # Errors
/// Where the set or a configuration cannot be read, the knowledge base not made, or the document not written.
pub(crate) fn run(arguments: &EvalArguments) -> Result<(), CommandFailure> {
    let part = match arguments.part {
        EvalPart::Develop => Part::Develop,
        EvalPart::Decide => Part::Decide,
    };
    let shows_cases =
        arguments.misses || arguments.features || arguments.routing_features || arguments.injection_features;
    if shows_cases && part == Part::Decide {
        let words = "cases are shown of the part to develop on alone: who looks at the others tunes to them";
        return Err(CommandFailure::Usage(words.into()));
    }
    if arguments.features {
        let tracing = TracingSettings {
            format: LogFormat::Json,
            filter: format!("{FEATURES_TARGET}=trace"),
        };
        init_tracing(&tracing, None).map_err(|error| CommandFailure::because("logging cannot start", error))?;
    }
    let set = Evaluation::read(&arguments.set).map_err(|error| CommandFailure::Usage(error.to_string()))?;
    let cases = set.part(part);
    let outside = cases.out_of_scope();
    super::block_on(async {
        if arguments.injection_features {
            let configuration = Configuration::read(arguments.config.as_deref())?;
            let means = means(&configuration.settings).await?;
            let file = arguments.set.join(INJECTIONS);
            let samples = injection_samples(&means.router, &means.catalog, &cases, &file);
            return write_lines(&samples.map_err(|error| CommandFailure::Usage(error.to_string()))?);
        }
        if arguments.routing_features {
            let configuration = Configuration::read(arguments.config.as_deref())?;
            let means = means(&configuration.settings).await?;
            let evidence = means.knowledge.evidence();
            let of_a_new_house = samples_of_a_new_house(&means.catalog, &means.embedder, &evidence, &cases);
            let mut all = samples(&means.router, &means.catalog, &cases);
            all.extend(of_a_new_house);
            return write_lines(&all);
        }
        let configuration = Configuration::read(arguments.config.as_deref())?;
        // One judge for both: what two judges say cannot be compared.
        let judge = (arguments.judge.as_deref())
            .map(|name| judge(name, &configuration.settings))
            .transpose()?;
        let measuring = Measuring {
            cases: &cases,
            outside: &outside,
            judge: judge.as_ref(),
            at_once: usize::from(arguments.at_once),
        };
        let measured = measuring.measure(configuration).await?;
        let text = match &arguments.against {
            _ if arguments.misses => measured.misses(),
            None => measured.tables(),
            Some(path) => {
                let other = measuring.measure(Configuration::read(Some(path))?).await?;
                let ours = arguments
                    .config
                    .as_deref()
                    .map_or("default".into(), Path::to_string_lossy);
                comparison(&measured, [&ours, &path.to_string_lossy()], &other)
            }
        };
        match &arguments.write {
            Some(path) => write(&measured, path),
            None => Ok(io::stdout().lock().write_all(text.as_bytes())?),
        }
    })
}

/// Writes one JSON object to a line.
fn write_lines(samples: &[impl Serialize]) -> Result<(), CommandFailure> {
    let mut out = io::stdout().lock();
    for sample in samples {
        serde_json::to_writer(&mut out, sample).map_err(io::Error::from)?;
        writeln!(out)?;
    }
    Ok(())
}

/// Settings with a data folder that lives as long as they do.
struct Configuration {
    settings: Settings,
    _folder: tempfile::TempDir,
}

impl Configuration {
    /// `path`: a file of settings, a folder of agents, or the defaults.
    fn read(path: Option<&Path>) -> Result<Self, CommandFailure> {
        let folder = tempfile::tempdir().map_err(|error| CommandFailure::because("no folder can be made", error))?;
        let overrides = Overrides {
            data_dir: Some(folder.path().to_owned()),
            ..Overrides::default()
        };
        let agents = path.filter(|path| path.is_dir());
        let file = path.filter(|path| !path.is_dir());
        let environment = std::env::vars_os().chain(agents.map(|dir| (OsString::from(AGENTS_DIR), dir.into())));
        let mut settings = Settings::load(file, environment, &overrides)?;
        // What is measured is what is found, and not how busy the machine is.
        settings.retrieval.transformer_wait = TRANSFORMER_WAIT;
        settings.models.embedding_wait = TRANSFORMER_WAIT;
        Ok(Self {
            settings,
            _folder: folder,
        })
    }
}

/// What turns work with, over the demo.
async fn means(settings: &Settings) -> Result<Means, CommandFailure> {
    let failed = |error| CommandFailure::because("the knowledge base fails", error);
    let data = DataDir::open(&settings.store.data_dir)?;
    let store = open_store(settings, Access::Documents).await?;
    let documents = StoredDocuments::new(store.clone());
    demo::load(&documents).await.map_err(failed)?;
    let embedder = Arc::new(StaticEmbedder::embedded());
    let catalog = Arc::new(load_agents(settings)?);
    let metrics = Metrics::new(&BUILD);
    let books = budgets::of_command(settings, &metrics);
    let models = LanguageModels::new(&settings.models, &settings.guardrails, &embedder, &books, &metrics)?;
    let means = Means {
        tools: orchestratai_agents::tool_box::ToolBox::default(),
        facts: None,
        models: Arc::new(models.models),
        router: Arc::new(Router::new(&catalog, Arc::clone(&embedder))),
        knowledge: open_knowledge(
            settings,
            &data,
            &documents,
            &embedder,
            models.embedder,
            |cascade| cascade,
            VectorWatch::nobody(),
        )
        .await?,
        cache: Arc::new(SemanticCache::new(Arc::clone(&embedder))),
        embedder,
        catalog,
    };
    means.knowledge.deepen().await.map_err(failed)?;
    means.router.learn(&means.knowledge.evidence());
    Ok(means)
}

/// The judge of this name.
fn judge(name: &str, settings: &Settings) -> Result<Judge, CommandFailure> {
    let metrics = Metrics::new(&BUILD);
    let books = budgets::of_command(settings, &metrics);
    let (model, price) = language_model(name, &settings.models, &books, &metrics)?
        .ok_or_else(|| CommandFailure::Usage(format!("--judge {name}: there is no section [models.{name}]")))?;
    Ok(Judge::new(model, price))
}

/// What is measured, and by whom it is judged.
struct Measuring<'a, 'b> {
    cases: &'a Evaluation,
    outside: &'a [Question],
    judge: Option<&'b Judge>,
    at_once: usize,
}

impl<'a> Measuring<'a, '_> {
    async fn measure(&self, configuration: Configuration) -> Result<Measured<'a>, CommandFailure> {
        let failed = |error| CommandFailure::because("the knowledge base fails", error);
        let settings = &configuration.settings;
        let means = means(settings).await?;
        let cases = self.cases;
        let embedder = Arc::clone(&means.embedder);
        let questions = &cases.questions;
        let mut rankings = Vec::new();
        let has_second_stage = settings.retrieval.cascade || settings.models.embedding.is_some();
        let transformer = has_second_stage.then_some(Ranker::Transformer);
        for ranker in [Ranker::Vectors, Ranker::Bm25, Ranker::FirstStage]
            .into_iter()
            .chain(transformer)
            .chain([Ranker::Fused])
        {
            let ranked = rank(&means.knowledge, questions, ranker, Scope::All).await;
            rankings.push((ranker, ranked.map_err(failed)?));
        }
        let responders = responders(&means);
        let unasked = |error| CommandFailure::because("a question cannot be asked", error);
        let mut answered = answers::answer(&means, &responders, questions, self.at_once)
            .await
            .map_err(unasked)?;
        let judging = match self.judge {
            Some(judge) => Some(judge.judge(&mut answered, self.at_once).await),
            None => None,
        };
        Ok(Measured {
            judging,
            part: cases.questions.first().map_or(Part::Develop, |question| question.part),
            rankings,
            own_first_stage: rank(&means.knowledge, questions, Ranker::FirstStage, Scope::Own)
                .await
                .map_err(failed)?,
            own: rank(&means.knowledge, questions, Ranker::Fused, Scope::Own)
                .await
                .map_err(failed)?,
            answered,
            outside: answers::answer(&means, &responders, self.outside, self.at_once)
                .await
                .map_err(unasked)?,
            routed: route(&means.router, &cases.utterances),
            looked_up: cache::look_up(&means.knowledge, &embedder, &cases.pairs)
                .await
                .map_err(failed)?,
        })
    }
}

/// Writes the document, and the plots into the folder of its name beside it.
fn write(measured: &Measured<'_>, path: &Path) -> Result<(), CommandFailure> {
    let failed = |error: io::Error| CommandFailure::because("the document cannot be written", error);
    let folder = path.with_extension("");
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if folder == path {
        return Err(CommandFailure::Usage(
            "--write needs a file with an extension, as in docs/evaluation.md".into(),
        ));
    }
    let plots = measured
        .plots()
        .map_err(|error| CommandFailure::because("the figures cannot be drawn", error))?;
    fs::create_dir_all(&folder).map_err(failed)?;
    for (file, svg) in plots {
        fs::write(folder.join(file), svg).map_err(failed)?;
    }
    fs::write(path, measured.document(&name)).map_err(failed)
}
