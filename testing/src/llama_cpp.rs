//! A llama.cpp of a test's own: a real server of the protocols of chat completions and of embeddings, with a model that is made when it
//! starts.

use std::{
    path::Path,
    thread::sleep,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{
    free_port, http,
    process::{PATIENCE, ServerProcess},
};

const SERVE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/llama_cpp/serve.py");
const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/python/bin/python");

/// The transformer that the product brings.
const ENCODER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../agents/assets/minilm-l6-int8");

/// A llama.cpp server on a port of its own.
#[derive(Debug)]
pub struct LlamaCpp {
    /// Before the folder: it ends, then its model goes.
    process: ServerProcess,
    folder: TempDir,
    port: u16,
}

impl LlamaCpp {
    /// The most tokens that a question and its answer may have together.
    pub const CONTEXT_TOKENS: u32 = 32_768;

    /// The most tokens that a text may have of which it makes a vector.
    pub const TEXT_TOKENS: u32 = 512;

    /// Starts one that answers, and waits until it is ready. Its model's weights are drawn by lot: it says nonsense, and does all else as
    /// every other.
    ///
    /// # Panics
    /// Where it does not come up, as without the Python packages that `scripts/bootstrap` installs.
    #[must_use]
    pub fn start() -> Self {
        Self::start_for(&["chat"])
    }

    /// Starts one that makes vectors of texts, and waits until it is ready. Its model is the transformer that the product brings.
    ///
    /// # Panics
    /// As [`Self::start`].
    #[must_use]
    pub fn start_for_embeddings() -> Self {
        Self::start_for(&["embeddings", ENCODER])
    }

    fn start_for(model: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder for llama.cpp");
        let port = free_port();
        let place = folder.path().to_string_lossy();
        let port_text = port.to_string();
        // Without `-B` compiled modules would be left beside the sources.
        let arguments = ["-B", SERVE, &*place, &*port_text];
        let arguments = Vec::from_iter(arguments.iter().chain(model).map(ToString::to_string));
        let log = folder.path().join("log");
        let process = ServerProcess::start(Path::new(PYTHON), &arguments, &log, None, None);
        let server = Self { process, folder, port };
        let give_up_at = Instant::now() + PATIENCE;
        while !http::answers(port, "/health") {
            assert!(
                server.process.is_running() && Instant::now() < give_up_at,
                "llama.cpp does not come up (scripts/bootstrap installs it):\n{}",
                server.log()
            );
            sleep(Duration::from_millis(20));
        }
        server
    }

    /// Its base URL, such as `http://127.0.0.1:8080/v1`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("{}/v1", self.url())
    }

    /// Its address, such as `http://127.0.0.1:8080`: `/slots` there says who is at work.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What it has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}
