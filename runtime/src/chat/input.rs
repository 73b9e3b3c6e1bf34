//! Lines of the user, read in a thread of its own: reading blocks.

use std::{
    io::{self, BufRead},
    path::PathBuf,
    sync::mpsc as blocking,
    thread,
};

use rustyline::{Config, DefaultEditor, ExternalPrinter as _, config::BellStyle, error::ReadlineError};
use tokio::sync::mpsc;

use super::output::Printer;

/// What came of asking for a line.
#[derive(Debug)]
pub(super) enum Line {
    /// This.
    Text(String),
    /// Ctrl-C at the prompt.
    Interrupted,
    /// There is nothing more: Ctrl-D, or the end of the input.
    Ended,
    /// It could not be read.
    Failed(String),
}

/// Reads lines when asked.
pub(super) struct Input {
    asked: blocking::Sender<()>,
    lines: mpsc::Receiver<Line>,
}

impl Input {
    /// From a terminal, with editing and a history; also gives what writes above the prompt.
    ///
    /// # Errors
    /// Where the terminal cannot be used.
    pub(super) fn interactive() -> Result<(Self, Option<Printer>), ReadlineError> {
        let config = Config::builder()
            .max_history_size(1_000)?
            .history_ignore_space(true)
            .auto_add_history(true)
            .bell_style(BellStyle::None)
            .build();
        let mut editor = DefaultEditor::with_config(config)?;
        let history = history_file();
        if let Some(path) = &history {
            // The first time there is none; a history is a convenience, and nothing hangs on it.
            let _ = editor.load_history(path);
        }
        let printer = editor.create_external_printer().ok().map(|mut printer| {
            Box::new(move |text| {
                let _ = printer.print(text); // The terminal is gone; reading from it will tell.
            }) as Printer
        });
        let input = Self::start(move || {
            let line = editor.readline("› ");
            if let Some(path) = &history {
                let _ = editor.append_history(path);
            }
            match line {
                Ok(line) => Line::Text(line),
                Err(ReadlineError::Interrupted) => Line::Interrupted,
                Err(ReadlineError::Eof) => Line::Ended,
                Err(error) => Line::Failed(error.to_string()),
            }
        });
        Ok((input, printer))
    }

    /// From a pipe or a file.
    pub(super) fn scripted() -> Self {
        Self::start(|| match io::stdin().lock().lines().next() {
            Some(Ok(line)) => Line::Text(line),
            Some(Err(error)) => Line::Failed(error.to_string()),
            None => Line::Ended,
        })
    }

    fn start(mut read: impl FnMut() -> Line + Send + 'static) -> Self {
        let (asked, requests) = blocking::channel();
        let (sender, lines) = mpsc::channel(1);
        // It ends with the process: a thread that waits for a terminal cannot be called back.
        thread::spawn(move || {
            while requests.recv().is_ok() {
                if sender.blocking_send(read()).is_err() {
                    return;
                }
            }
        });
        Self { asked, lines }
    }

    /// Asks for the next line; [`next`](Self::next) gives it.
    pub(super) fn ask(&self) {
        let _ = self.asked.send(()); // A thread that is gone shows as the end of the lines.
    }

    /// The line that was asked for. Loses nothing where it is dropped before it is there.
    pub(super) async fn next(&mut self) -> Line {
        self.lines.recv().await.unwrap_or(Line::Ended)
    }
}

/// Where the history is kept: the user's state folder, in the sense of the XDG base directories.
fn history_file() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from);
    let folder = state
        .or_else(|| Some(std::env::home_dir()?.join(".local/state")))?
        .join("orchestratai");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("chat-history"))
}
