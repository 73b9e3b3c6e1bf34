//! Another process: this test binary once more, running one ignored test.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

const FOLDER: &str = "STORE_TEST_FOLDER";

/// Starts the ignored test `name` in another process. It finds its folder with [`folder`]; its output can be read.
pub(crate) fn start(name: &str, folder: &Path) -> Child {
    Command::new(std::env::current_exe().expect("this binary has a path"))
        .args([name, "--exact", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("this binary can be started")
}

/// The folder that the parent gave. None where somebody runs all ignored tests.
pub(crate) fn folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}
