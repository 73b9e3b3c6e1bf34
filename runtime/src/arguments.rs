//! The command line: each flag has one definition, for parsing, help and completions.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use orchestratai_shared::{MessageContent, SessionId};

use crate::{build_info, settings::Overrides};

/// Several AI agents in front of people: see, steer and trust what they do.
#[derive(Debug, Parser)]
#[command(
    name = "orchestratai",
    version = build_info::VERSION,
    after_help = "Start with `orchestratai serve` in one terminal and `orchestratai chat` in another.\n\
                  Exit codes: 0 success, 1 failure, 2 wrong use or configuration."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start the server
    Serve(ServeArguments),
    /// Talk with the agents of a running server
    Chat(ChatArguments),
    /// Take documents into the knowledge base, beside a running server or without one
    Ingest(IngestArguments),
    /// Search the knowledge base as the agents would
    Search(SearchArguments),
    /// Look at sessions, beside a running server or without one
    Sessions {
        #[command(subcommand)]
        command: SessionsCommand,
    },
    /// Copy everything durable into a file, beside a running server or without one
    Backup(BackupArguments),
    /// Restore a backup into an empty database, of either engine, or check one
    Restore(RestoreArguments),
    /// Measure routing, retrieval, answers and the cache on labelled cases over the demo knowledge base
    Eval(EvalArguments),
    /// List the agents
    Agents(ConfigurationArguments),
    /// Say what is wrong with the configuration, or what every setting is
    CheckConfig(ConfigurationArguments),
    /// Print the OpenAPI 3.1 document
    Openapi,
    /// Print a completion script
    Completions {
        /// For which shell
        shell: Shell,
    },
    /// Ask a server whether it lives: exit code 0 if so
    #[command(hide = true)]
    Healthcheck {
        /// Where it listens
        #[arg(long, default_value = "http://127.0.0.1:8000")]
        url: String,
    },
}

/// What to do with sessions.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum SessionsCommand {
    /// List the snapshots of sessions, newest first
    List(ListArguments),
    /// Show the snapshot of a session, and whether it agrees with the journal
    Show(SessionArguments),
    /// Write a whole session from the journal: as JSON with messages, retrieval logs and events, or as Markdown to be read
    Export(ExportArguments),
}

/// Which snapshots to list.
#[derive(Debug, Clone, Args)]
pub(crate) struct ListArguments {
    /// How many at most
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) limit: u32,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) configuration: ConfigurationArguments,
}

/// Which session.
#[derive(Debug, Clone, Args)]
pub(crate) struct SessionArguments {
    /// Its id
    #[arg(value_name = "ID")]
    pub(crate) session: SessionId,
    #[command(flatten)]
    pub(crate) configuration: ConfigurationArguments,
}

/// What to export.
#[derive(Debug, Clone, Args)]
pub(crate) struct ExportArguments {
    #[command(flatten)]
    pub(crate) of: SessionArguments,
    /// What to write it as
    #[arg(long, value_enum, default_value_t = ExportAs::Json)]
    pub(crate) format: ExportAs,
    /// Write into this file [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// What a session is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ExportAs {
    /// One JSON object: session, messages, retrieval logs and events
    Json,
    /// What was said, by whom, and from which sources
    Markdown,
}

/// What to back up, and where to.
#[derive(Debug, Clone, Args)]
pub(crate) struct BackupArguments {
    /// A file that is not there yet, or - for standard output
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) configuration: ConfigurationArguments,
}

/// What to restore, and where to.
#[derive(Debug, Clone, Args)]
pub(crate) struct RestoreArguments {
    /// A backup, or - for standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Restore nothing: read it to its end, and say what is in it
    #[arg(long)]
    pub(crate) check: bool,
    #[command(flatten)]
    pub(crate) configuration: ConfigurationArguments,
}

/// Which configuration, and which data.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ConfigurationArguments {
    /// Read settings from this TOML file, over the defaults
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Keep the data in this folder [default: data]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
}

impl ConfigurationArguments {
    /// What they set over the other layers.
    pub(crate) fn overrides(&self) -> Overrides {
        Overrides {
            data_dir: self.data_dir.clone(),
            ..Overrides::default()
        }
    }
}

/// How to serve.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServeArguments {
    #[command(flatten)]
    pub(crate) configuration: ConfigurationArguments,
    /// Listen on this address; beyond loopback only with auth.token [default: 127.0.0.1]
    #[arg(long)]
    pub(crate) host: Option<String>,
    /// Listen on this port; 0 takes a free one [default: 8000]
    #[arg(long)]
    pub(crate) port: Option<String>,
    /// Do not load the demo knowledge base into a new database
    #[arg(long)]
    pub(crate) no_demo: bool,
}

impl ServeArguments {
    /// What they set over the other layers.
    pub(crate) fn overrides(&self) -> Overrides {
        Overrides {
            host: self.host.clone(),
            port: self.port.clone(),
            no_demo: self.no_demo,
            ..self.configuration.overrides()
        }
    }
}

/// With whom to talk.
#[derive(Debug, Clone, Args)]
pub(crate) struct ChatArguments {
    /// The server: ws://HOST:PORT or http://HOST:PORT
    #[arg(long, default_value = "ws://127.0.0.1:8000")]
    pub(crate) url: String,
    /// Go on with this session instead of a new one
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<SessionId>,
    /// The server's auth.token
    #[arg(long, env = "ORCHESTRATAI__AUTH__TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
}

/// What to measure.
#[derive(Debug, Clone, Args)]
pub(crate) struct EvalArguments {
    /// The folder of the labelled cases
    #[arg(long, value_name = "DIR", default_value = "evaluation/sets/demo")]
    pub(crate) set: PathBuf,
    /// Which part of them
    #[arg(long, default_value = "develop")]
    pub(crate) part: EvalPart,
    /// List the cases that go wrong instead; of the part to develop on alone
    #[arg(long)]
    pub(crate) misses: bool,
    /// Measure with the settings of this TOML file, over the defaults
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Measure a second time, and show both side by side: with the settings of a TOML file, or with the agents of a folder
    #[arg(long, value_name = "PATH", conflicts_with_all = ["misses", "write"])]
    pub(crate) against: Option<PathBuf>,
    /// Have a language model judge the answers beside what is labelled: one with a section [models.NAME] in the settings
    #[arg(long, value_name = "NAME")]
    pub(crate) judge: Option<String>,
    /// How many questions are put at the same time
    #[arg(long, value_name = "NUMBER", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) at_once: u16,
    /// Log what the extractive model sees of each passage, one JSON object to a line, to fit its weights to; of the part to develop
    /// on alone
    #[arg(long)]
    pub(crate) features: bool,
    /// Write the figures into this file, and plots of them into the folder of its name beside it
    #[arg(long, value_name = "FILE", conflicts_with = "misses")]
    pub(crate) write: Option<PathBuf>,
    /// Write what routing's weights are fitted on instead, as JSON lines; of the part to develop on alone
    #[arg(long, hide = true, conflicts_with = "misses")]
    pub(crate) routing_features: bool,
    /// Write what the detector of attempts to change the assistant's rules is fitted on instead, as JSON lines; of the part to develop
    /// on alone
    #[arg(long, hide = true, conflicts_with = "misses")]
    pub(crate) injection_features: bool,
}

/// A part of a set of labelled cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum EvalPart {
    /// To look at and to tune on
    Develop,
    /// To decide by, and for nothing else
    Decide,
}

/// What to take in.
#[derive(Debug, Clone, Args)]
pub(crate) struct IngestArguments {
    /// A folder of Markdown, text, HTML, PDF and DOCX files
    pub(crate) path: PathBuf,
    /// The collection that they belong to: agents read collections
    #[arg(long, value_name = "NAME")]
    pub(crate) collection: String,
    #[command(flatten)]
    pub(crate) configuration: ConfigurationArguments,
}

/// What to search.
#[derive(Debug, Clone, Args)]
pub(crate) struct SearchArguments {
    /// What to look for
    #[arg(value_parser = |text: &str| MessageContent::parse(text))]
    pub(crate) query: MessageContent,
    /// Only in this collection; may be given several times [default: all]
    #[arg(long, value_name = "NAME")]
    pub(crate) collection: Vec<String>,
    /// Only in documents whose front matter has this; may be given several times: values of one field are alternatives
    #[arg(long = "where", value_name = "FIELD=VALUE", value_parser = field_value)]
    pub(crate) filter: Vec<(String, String)>,
    /// How many chunks at most
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=50))]
    pub(crate) limit: u8,
    #[command(flatten)]
    pub(crate) configuration: ConfigurationArguments,
}

fn field_value(text: &str) -> Result<(String, String), String> {
    let split = text.split_once('=').filter(|(field, _)| !field.is_empty());
    let (field, value) = split.ok_or("must be FIELD=VALUE, such as plan=team")?;
    Ok((field.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_help_of_every_command_is_as_written_here() {
        let mut command = Arguments::command().term_width(100);
        let mut help = command.render_long_help().to_string();
        command.build();
        for sub in command
            .get_subcommands_mut()
            .filter(|sub| !["help"].contains(&sub.get_name()))
        {
            help += &format!("\n=== {}\n{}", sub.get_name().to_owned(), sub.render_help());
            let of = sub.get_name().to_owned();
            for nested in sub.get_subcommands_mut().filter(|nested| nested.get_name() != "help") {
                help += &format!("\n=== {of} {}\n{}", nested.get_name().to_owned(), nested.render_help());
            }
        }
        let help: String = help.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        insta::assert_snapshot!(help);
    }

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_token_from_the_environment_is_not_shown_in_the_help() {
        let mut command = Arguments::command();
        let chat = command.find_subcommand_mut("chat").unwrap();
        assert!(
            chat.render_long_help()
                .to_string()
                .contains("[env: ORCHESTRATAI__AUTH__TOKEN]")
        );
    }
}
