//! The layers, the checks, and what they say.

use std::{ffi::OsString, fs};

use orchestratai_agents::budget::{Beyond, Scope, Window};
use orchestratai_tools::McpEndpoint;

use super::{tools::ToolSourceSettings, *};

const TOKEN: &str = "a-token_of_43_characters_0123456789abcdefgh";

fn environment(variables: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    variables
        .iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}

fn load(file: Option<&str>, variables: &[(&str, &str)], flags: &Overrides) -> Result<Settings, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("my.toml");
    if let Some(text) = file {
        fs::write(&path, text).unwrap();
    }
    let file = file.map(|_| path.as_path());
    let shown_folder = format!("{}/", folder.path().display());
    Settings::load(file, environment(variables), flags)
        .map_err(|problems| problems.to_string().replace(&shown_folder, ""))
}

/// What is said about a configuration that is not valid.
#[track_caller]
fn refused(file: &str, variables: &[(&str, &str)]) -> String {
    load(Some(file), variables, &Overrides::default()).expect_err("the configuration must be refused")
}

#[test]
fn a_later_layer_wins_over_an_earlier_one() {
    let port = |file: Option<&str>, variables: &[(&str, &str)], flag: Option<&str>| {
        let flags = Overrides {
            port: flag.map(Into::into),
            ..Overrides::default()
        };
        load(file, variables, &flags).unwrap().server.address.port()
    };
    let file = Some("[server]\nport = 8001");
    let variable: &[_] = &[("ORCHESTRATAI__SERVER__PORT", "8002")];
    assert_eq!(port(None, &[], None), 8000);
    assert_eq!(port(file, &[], None), 8001);
    assert_eq!(port(file, variable, None), 8002);
    assert_eq!(port(file, variable, Some("8003")), 8003);
}

#[test]
fn every_problem_is_told_at_once_with_its_place_its_value_and_what_is_allowed() {
    let file = "# mine\n\
                [server]\nport = 99999\ndrain = \"20\"\n\
                [session]\ndouble_texting = \"queue\"\nidle_aftr = \"5m\"\n\
                [cors]\norigins = [\"http://localhost:3000/\"]\n\
                [limits]\nturns_in_flight = 0\nheartbeat = 20\n\
                [telemetry]\nlog_filter = \"web=loud\"\n";
    let variables = [
        ("ORCHESTRATAI__STORE__DURABILTY", "process"),
        ("ORCHESTRATAI__KNOWLEDGE__DEMO", "perhaps"),
        ("ORCHESTRATAI_AUTH_TOKEN", TOKEN),
    ];
    insta::assert_snapshot!(refused(file, &variables), @r#"
    the configuration has 11 problems:
      my.toml:3: server.port is 99999; allowed is 0 to 65535
      my.toml:4: server.drain is "20"; allowed is a duration, 0ms to 1h
      my.toml:6: session.double_texting is "queue"; allowed is enqueue, interrupt or reject
      my.toml:7: there is no setting session.idle_aftr; the nearest is session.idle_after
      my.toml:9: cors.origins is ["http://localhost:3000/"]; allowed is a list of origins such as http://localhost:3000, or ["*"]
      my.toml:11: limits.turns_in_flight is 0; allowed is 1 to 1000000
      my.toml:12: limits.heartbeat is 20; allowed is a duration, 1s to 10m
      my.toml:14: telemetry.log_filter is "web=loud"; allowed is a filter such as info or warn,orchestratai_web=debug
      ORCHESTRATAI_AUTH_TOKEN: this variable sets nothing; the setting is ORCHESTRATAI__AUTH__TOKEN, with two underscores each
      ORCHESTRATAI__STORE__DURABILTY: there is no setting ORCHESTRATAI__STORE__DURABILTY; the nearest is ORCHESTRATAI__STORE__DURABILITY
      ORCHESTRATAI__KNOWLEDGE__DEMO: knowledge.demo is "perhaps"; allowed is true or false
    "#);
}

#[test]
fn a_file_that_is_no_toml_is_told_with_its_lines() {
    insta::assert_snapshot!(refused("[server]\nport = = 1\n[auth\n", &[]), @r#"
    the configuration has 3 problems:
      my.toml:2: the file is not valid TOML: extra `=`, expected nothing
      my.toml:2: the file is not valid TOML: unexpected key or value, expected newline, `#`
      my.toml:3: the file is not valid TOML: unclosed table, expected `]`
    "#);
    let missing = Settings::load(Some(Path::new("/nowhere/x.toml")), [], &Overrides::default()).unwrap_err();
    insta::assert_snapshot!(missing, @r#"
    the configuration has a problem:
      /nowhere/x.toml:1: the file cannot be read: No such file or directory (os error 2)
    "#);
}

#[test]
fn an_unknown_key_names_the_nearest_even_from_another_section() {
    insta::assert_snapshot!(refused("port = 1\n[serve]\nport = 1\n[auth]\ndurability = \"full\"", &[]), @r#"
    the configuration has 3 problems:
      my.toml:1: there is no setting port; the nearest is server.port
      my.toml:3: there is no setting serve.port; the nearest is server.port
      my.toml:5: there is no setting auth.durability; the nearest is store.durability
    "#);
}

#[test]
fn nobody_gets_in_by_default() {
    let host = |host: &str, token: &str| {
        let flags = Overrides {
            host: Some(host.into()),
            ..Overrides::default()
        };
        load(None, &[("ORCHESTRATAI__AUTH__TOKEN", token)], &flags)
    };
    for loopback in ["127.0.0.1", "127.8.0.1", "::1", "localhost"] {
        assert!(
            host(loopback, "").unwrap().server.address.ip().is_loopback(),
            "{loopback}"
        );
    }
    for beyond in ["0.0.0.0", "::", "192.0.2.7"] {
        let said = host(beyond, "").expect_err(beyond);
        assert!(
            said.contains("auth.token is not set") && said.contains("--host"),
            "{said}"
        );
        assert!(host(beyond, TOKEN).is_ok());
    }
}

#[test]
fn a_token_is_long_and_of_plain_characters() {
    let with = |token: &str| load(None, &[("ORCHESTRATAI__AUTH__TOKEN", token)], &Overrides::default());
    assert_eq!(with(TOKEN).unwrap().auth.token.unwrap().expose(), TOKEN);
    for bad in [
        "short",
        &"a".repeat(31),
        &"a".repeat(513),
        &format!("{TOKEN}="),
        &format!("{TOKEN} "),
    ] {
        let said = with(bad).expect_err(bad);
        assert!(said.contains("auth.token is (secret)") && !said.contains(bad), "{said}");
    }
}

#[test]
fn a_secret_is_never_shown() {
    let url = "sqlite:/srv/secret-place.db";
    let settings = load(
        Some(&format!("[auth]\ntoken = \"{TOKEN}\"")),
        &[("DATABASE_URL", url)],
        &Overrides::default(),
    )
    .unwrap();
    let shown = format!("{settings:?} {:?}", settings.read);
    assert!(!shown.contains(TOKEN));
    let token = settings.read.iter().find(|value| value.key == "auth.token").unwrap();
    assert_eq!(token.shown, "(secret)");
    // Nor where a secret stands in the wrong place.
    for file in [
        format!("token = \"{TOKEN}\""),
        format!("[auth]\ntokn = \"{TOKEN}\""),
        format!("[auth]\ntoken = [\"{TOKEN}\"]"),
        format!("[auth]\ntoken = {TOKEN}"),
        format!("auth = \"{TOKEN}\""),
    ] {
        let said = refused(&file, &[]);
        assert!(!said.contains(TOKEN), "{said}");
    }
}

#[test]
fn the_names_that_people_expect_work_or_say_that_they_do_not() {
    let settings = load(
        None,
        &[
            ("DATABASE_URL", "sqlite:/srv/chat.db"),
            ("CORS_ORIGINS", "https://a.example, https://b.example:8443"),
            ("REDIS_URL", "redis://:hidden@cache:6379"),
            ("ANTHROPIC_API_KEY", "hidden"),
            ("OPENAI_API_KEY", "hidden"),
            ("OLLAMA_HOST", ""),
        ],
        &Overrides::default(),
    )
    .unwrap();
    assert!(settings.database() == Database::File("/srv/chat.db".into()));
    assert_eq!(settings.cors.origins, ["https://a.example", "https://b.example:8443"]);
    assert_eq!(settings.redis.unwrap().to_string(), "redis://cache:6379");
    let unused = |name: &str| settings.notices.iter().any(|notice| notice.starts_with(name));
    assert!(unused("ANTHROPIC_API_KEY is set and not used") && unused("OPENAI_API_KEY is set and not used"));
    assert_eq!(settings.notices.len(), 2, "{:?}", settings.notices);
    assert!(settings.notices.iter().all(|notice| !notice.contains("hidden")));

    let url = "postgres://me:hidden@db/chat";
    let settings = load(None, &[("DATABASE_URL", url)], &Overrides::default()).unwrap();
    assert!(settings.database() == Database::Server(url.to_owned()));
    let other = refused("", &[("DATABASE_URL", "mysql://me:hidden@db/chat")]);
    insta::assert_snapshot!(other, @r#"
    the configuration has a problem:
      DATABASE_URL: store.url is (secret); allowed is empty, sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/DATABASE
    "#);
    let no_redis = refused("", &[("REDIS_URL", "redis://:hidden@cache:port")]);
    assert!(
        no_redis.contains("REDIS_URL: redis.url is (secret); allowed is empty, or redis://"),
        "{no_redis}"
    );
    assert!(!no_redis.contains("hidden"), "{no_redis}");
    let twice = refused(
        "",
        &[
            ("CORS_ORIGINS", "*"),
            ("ORCHESTRATAI__CORS__ORIGINS", "https://a.example"),
        ],
    );
    insta::assert_snapshot!(twice, @r#"
    the configuration has a problem:
      CORS_ORIGINS: cors.origins is set by ORCHESTRATAI__CORS__ORIGINS too; unset one of them
    "#);
}

#[test]
fn traces_are_off_until_a_collector_is_named_by_our_name_or_that_of_opentelemetry() {
    let traces =
        |file: Option<&str>, variables: &[(&str, &str)]| load(file, variables, &Overrides::default()).unwrap().traces;
    assert!(traces(None, &[]).is_none());
    assert!(
        traces(
            None,
            &[("OTEL_SERVICE_NAME", "support"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "")]
        )
        .is_none()
    );
    let ours = traces(
        Some("[telemetry]\ntraces_endpoint = \"http://localhost:4318\"\ntraces_sample_ratio = 0.25"),
        &[],
    )
    .unwrap();
    assert_eq!(ours.collector.to_string(), "http://localhost:4318/");
    assert_eq!((ours.sample_ratio, ours.service_name.as_str()), (0.25, "orchestratai"));
    let theirs = traces(
        None,
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://otlp.example"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=hidden"),
            ("OTEL_SERVICE_NAME", "support"),
            ("ORCHESTRATAI__TELEMETRY__TRACES_SAMPLE_RATIO", "1"),
        ],
    )
    .unwrap();
    assert_eq!(theirs.service_name, "support");
    assert_eq!(theirs.sample_ratio, 1.0);
    let shown = format!("{theirs:?}");
    assert!(shown.contains("api-key") && !shown.contains("hidden"), "{shown}");

    let file = "[telemetry]\ntraces_endpoint = \"http://me:hidden@collector\"\ntraces_headers = \"hidden\"\ntraces_sample_ratio = 1.5";
    insta::assert_snapshot!(refused(file, &[]), @r"
    the configuration has 3 problems:
      my.toml:2: telemetry.traces_endpoint is (secret); allowed is empty, or http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH]
      my.toml:3: telemetry.traces_headers is (secret); allowed is empty, or NAME=VALUE, several joined by commas, values percent-encoded
      my.toml:4: telemetry.traces_sample_ratio is 1.5; allowed is a number, 0 to 1
    ");
}

#[test]
fn variables_of_others_are_left_alone() {
    let others = [
        ("ORCHESTRATAI_PORT", "tcp://10.0.0.1:8000"),
        ("ORCHESTRATAI_SERVICE_HOST", "10.0.0.1"),
        ("ORCHESTRATAI_TOKEN", "for the composition"),
        ("PORT", "1"),
    ];
    assert!(load(None, &others, &Overrides::default()).is_ok());
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_no_text_is_a_problem_and_no_panic() {
    use std::os::unix::ffi::OsStringExt;
    let bytes = OsString::from_vec(vec![0xff, 0xfe]);
    let said = Settings::load(
        None,
        [("ORCHESTRATAI__SERVER__HOST".into(), bytes)],
        &Overrides::default(),
    )
    .unwrap_err();
    assert!(said.to_string().contains("server.host is not UTF-8"), "{said}");
}

/// What a section of a model is read as.
#[track_caller]
fn model(file: &str, variables: &[(&str, &str)]) -> models::NamedModel {
    let settings = load(Some(file), variables, &Overrides::default()).unwrap();
    assert!(!format!("{settings:?}").contains("hidden"), "{settings:?}");
    settings.models.named[0].clone()
}

#[test]
fn a_model_is_a_section_over_what_is_said_for_all() {
    let file = "[models]\nattempts = 2\nidle_timeout = \"9s\"\n[models.fast]\nprovider = \"openai\"\nmodel = \"gpt-4o-mini\"\n\
                idle_timeout = \"3s\"\nfallbacks = [\"local\", \"embedded-extractive\"]\ntemperature = 0.5\n\
                [models.local]\nprovider = \"ollama\"\nmodel = \"llama3.2:3b\"\n";
    let fast = model(file, &[("OPENAI_API_KEY", "hidden")]);
    assert_eq!(
        (fast.name.as_str(), fast.endpoint.model.as_str()),
        ("fast", "gpt-4o-mini")
    );
    assert_eq!(fast.endpoint.base_url, "https://api.openai.com/v1");
    assert!(fast.endpoint.key.is_some());
    assert_eq!((fast.common.retries.attempts, fast.temperature), (2, Some(0.5)));
    assert_eq!(fast.common.timeouts.idle, 3 * SECOND);
    assert_eq!(fast.fallbacks, ["local", "embedded-extractive"]);
}

#[test]
fn a_key_is_shown_to_the_provider_alone_whose_it_is() {
    let own = "[models.own]\nprovider = \"openai\"\nmodel = \"m\"\nbase_url = \"http://127.0.0.1:8080/v1\"\n";
    assert_eq!(model(own, &[("OPENAI_API_KEY", "hidden")]).endpoint.key, None);
    let named = format!("{own}api_key_env = \"MY_KEY\"\n");
    assert!(model(&named, &[("MY_KEY", "hidden")]).endpoint.key.is_some());
    let ollama = "[models.local]\nprovider = \"ollama\"\nmodel = \"m\"\n";
    assert_eq!(model(ollama, &[]).endpoint.base_url, "http://127.0.0.1:11434");
    assert_eq!(
        model(ollama, &[("OLLAMA_HOST", "box:1")]).endpoint.base_url,
        "http://box:1"
    );
    // The environment has sections as well.
    let variables = [
        ("ORCHESTRATAI__MODELS__FAST__PROVIDER", "gemini"),
        ("ORCHESTRATAI__MODELS__FAST__MODEL", "gemini-2.5-flash"),
        ("GEMINI_API_KEY", "hidden"),
    ];
    assert_eq!(
        model("", &variables).endpoint.base_url,
        "https://generativelanguage.googleapis.com"
    );
}

#[test]
fn what_is_wrong_with_a_model_is_told_with_its_place() {
    let file = "[models]\nanswering = \"fats\"\n[models.fast]\nprovider = \"opnai\"\nmodle = \"m\"\nfallbacks = [\"nobody\"]\n\
                [models.keyless]\nprovider = \"anthropic\"\nmodel = \"m\"\nbase_url = \"https://me:hidden@host\"\n\
                [models.Loud]\nprovider = \"ollama\"\nmodel = \"m\"\n\
                [models.other]\nprovider = \"gemini\"\nmodel = \"m\"\nattempts = 0\n";
    let said = refused(file, &[]);
    assert!(!said.contains("hidden"), "{said}");
    for expected in [
        "my.toml:2: models.answering is \"fats\", and there is no section [models.fats]",
        "my.toml:4: models.fast.provider is \"opnai\"; allowed is openai, anthropic, gemini or ollama",
        "my.toml:5: there is no setting models.fast.modle; the nearest is models.fast.model",
        "[models.fast] wants a `model`",
        "models.fast.fallbacks names \"nobody\"",
        "my.toml:10: models.keyless.base_url is (secret)",
        "[models.Loud]: the name of a model is",
        "models.other.attempts is 0; allowed is 1 to 10",
        "[models.other] wants its key in GEMINI_API_KEY, which is not set",
    ] {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
}

#[test]
fn a_model_that_makes_vectors_is_one_that_can() {
    let file = "[models]\nembedding = \"vectors\"\nembedding_wait = \"500ms\"\n\
                [models.vectors]\nprovider = \"ollama\"\nmodel = \"nomic-embed-text\"\ndimensions = 256\n\
                question_prefix = \"search_query: \"\n";
    let settings = load(Some(file), &[], &Overrides::default()).unwrap();
    let models = &settings.models;
    assert_eq!(models.embedding.as_deref(), Some("vectors"));
    assert_eq!(models.embedding_wait, std::time::Duration::from_millis(500));
    let vectors = &models.named[0].vectors;
    assert_eq!(
        (vectors.dimensions, &*vectors.question_prefix, &*vectors.passage_prefix),
        (Some(256), "search_query: ", "")
    );

    let file = "[models]\nembedding = \"talker\"\nembedding_wait = \"1ms\"\n\
                [models.talker]\nprovider = \"anthropic\"\nmodel = \"m\"\nbase_url = \"http://box\"\ndimensions = 0\n";
    let said = refused(file, &[]);
    for expected in [
        "my.toml:2: models.embedding is \"talker\": anthropic has no models that make vectors of texts",
        "my.toml:3: models.embedding_wait is \"1ms\"; allowed is a duration, 10ms to 1m",
        "my.toml:8: models.talker.dimensions is 0; allowed is 1 to 16384",
    ] {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
    let said = refused("[models]\nembedding = \"nobody\"\n", &[]);
    assert!(
        said.contains("models.embedding is \"nobody\", and there is no section"),
        "{said}"
    );
}

#[test]
fn a_tool_source_is_a_section_over_what_is_said_for_all() {
    let file = "[tools]\ntimeout = \"9s\"\n[tools.files]\nkind = \"mcp\"\ncommand = \"files\"\nargs = [\"--root\", \"/srv\"]\n\
                env = [\"FILES_TOKEN\"]\nresult_max = \"2KiB\"\napproval = [\"files_*\"]\napproval_otherwise = \"approved\"\n\
                [tools.tickets]\nkind = \"mcp\"\nurl = \"https://tickets.example/mcp\"\ntoken_env = \"TICKETS\"\ntrust_annotations = true\n";
    let variables = [("FILES_TOKEN", "hidden"), ("TICKETS", "hidden")];
    let settings = load(Some(file), &variables, &Overrides::default()).unwrap();
    assert!(!format!("{settings:?}").contains("hidden"), "{settings:?}");
    let [ToolSourceSettings::Mcp(files), ToolSourceSettings::Mcp(tickets)] = &settings.tools.sources[..] else {
        panic!("{:?}", settings.tools);
    };
    let McpEndpoint::Process {
        command,
        arguments,
        environment,
    } = &files.endpoint
    else {
        panic!("{files:?}");
    };
    assert_eq!((command.as_str(), arguments.len(), environment.len()), ("files", 2, 1));
    assert_eq!((files.limits.call, files.limits.result_bytes_max), (9 * SECOND, 2048));
    assert!(files.approvals.otherwise_approved && files.approvals.tools.len() == 1);
    assert!(!files.trust_annotations && tickets.trust_annotations);
    assert_eq!(tickets.limits.result_bytes_max, 32 * 1024);
    assert!(matches!(&tickets.endpoint, McpEndpoint::Http { token: Some(_), .. }));
}

#[test]
fn what_is_wrong_with_a_tool_source_is_told_with_its_place() {
    let file = "[tools]\ntimout = \"9s\"\n\
                [tools.files]\nkind = \"mcp\"\ncommand = \"files\"\nurl = \"http://host\"\n\
                [tools.none]\nkind = \"mpc\"\n\
                [tools.nothing]\ncommand = \"x\"\n\
                [tools.Loud_one]\nkind = \"mcp\"\n\
                [tools.http]\nkind = \"mcp\"\nurl = \"https://me:hidden@host\"\ntoken_env = \"sk-hidden\"\n\
                [tools.keyless]\nkind = \"mcp\"\nurl = \"https://host\"\ntoken_env = \"UNSET\"\n\
                [tools.mixed]\nkind = \"mcp\"\nurl = \"https://host\"\nbase_url = \"https://host\"\ncomand = \"x\"\n\
                [tools.api]\nkind = \"openapi\"\ndocument = \"/nowhere.json\"\nbase_url = \"https://host\"\noperations = [\"*\"]\n\
                [tools.empty]\nkind = \"openapi\"\nresult_max = \"1B\"\n";
    let said = refused(file, &[]);
    assert!(!said.contains("hidden"), "{said}");
    for expected in [
        "my.toml:2: there is no setting tools.timout; the nearest is tools.timeout",
        "[tools.files] wants either a `command` or a `url`",
        "my.toml:8: tools.none.kind is \"mpc\"; allowed is mcp or openapi",
        "[tools.nothing] wants a `kind`",
        "[tools.Loud_one]: the name of a tool source is",
        "tools.http.url is (secret)",
        "tools.http.token_env is (secret)",
        "[tools.keyless] names the variable UNSET, which is not set",
        "tools.mixed.base_url does not go with the rest of its section",
        "there is no setting tools.mixed.comand; the nearest is tools.mixed.command",
        "[tools.api]: /nowhere.json cannot be read",
        "[tools.empty] wants `document`",
        "[tools.empty] wants `operations`",
        "tools.empty.result_max is \"1B\"",
    ] {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
}

#[test]
fn a_budget_is_a_section_over_what_is_said_for_all() {
    let file = "[budgets]\nat_warning = 0.5\n[budgets.day]\nscope = \"organization\"\nwindow = \"day\"\nusd = 0.29\n\
                [budgets.turn]\nscope = \"turn\"\ntokens = 50000\nbeyond = \"ask\"\nat_warning = 1\napproval_within = \"1h\"\n";
    let variables = [("ORCHESTRATAI__BUDGETS__DAY__TOKENS", "1000000")];
    let budgets = load(Some(file), &variables, &Overrides::default()).unwrap().budgets;
    let expected = [
        Budget {
            name: "day".into(),
            scope: Scope::Organization,
            window: Window::Day,
            tokens: Some(1_000_000),
            usd_nanos: Some(290_000_000),
            at_warning: 0.5,
            beyond: Beyond::Stop,
            approval_within: 10 * MINUTE,
        },
        Budget {
            name: "turn".into(),
            scope: Scope::Turn,
            window: Window::Endless,
            tokens: Some(50_000),
            usd_nanos: None,
            at_warning: 1.0,
            beyond: Beyond::Ask,
            approval_within: HOUR,
        },
    ];
    assert_eq!(budgets, expected);
}

#[test]
fn what_is_wrong_with_a_budget_is_told_with_its_place() {
    let file = "[budgets]\nbeyond = \"halt\"\n\
                [budgets.day]\nscope = \"team\"\nwindow = \"day\"\ntokens = 0\n\
                [budgets.Loud]\nscope = \"turn\"\n\
                [budgets.open]\nscope = \"user\"\ntokens = 5\n\
                [budgets.turn]\nscope = \"turn\"\nwindow = \"hour\"\nusd = -1\n\
                [budgets.nothing]\nscope = \"agent\"\nwindow = \"none\"\nat_warning = 80\ntoken = 5\n";
    let said = refused(file, &[]);
    for expected in [
        "my.toml:2: budgets.beyond is \"halt\"; allowed is stop, warn or ask",
        "my.toml:4: budgets.day.scope is \"team\"; allowed is turn, session, user, agent, organization",
        "my.toml:6: budgets.day.tokens is 0; allowed is a whole number, 1 to",
        "[budgets.Loud]: the name of a budget is",
        "[budgets.open] wants a `window`",
        "[budgets.turn]: each turn has a budget of its own, whose window is none",
        "budgets.turn.usd is -1; allowed is a number, 0.000001 to",
        "[budgets.nothing] wants `tokens` or `usd`, or both",
        "budgets.nothing.at_warning is 80; allowed is a number, 0 to 1",
        "there is no setting budgets.nothing.token; the nearest is budgets.nothing.tokens",
    ] {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
    assert!(!said.contains("[budgets.day] wants"), "{said}");
    assert!(!said.contains("[budgets.turn] wants"), "{said}");
}
